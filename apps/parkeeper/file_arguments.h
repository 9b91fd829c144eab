#pragma once

// Options that several subcommands take: how files are read, and what a table is made with.

#include <map>
#include <string>
#include <vector>

#include "apps/parkeeper/command.h"
#include "parkeeper/datafile/input.h"

namespace pk::cli {

struct FileArguments {
  std::vector<std::string> files;  // or patterns
  std::string format;
  std::string delimiter = ",";
  bool no_header = false;

  void AddTo(CLI::App& command);
  // kInvalidArgument names the option.
  Result<datafile::InputOptions> Input() const;
};

struct NewTableArguments {
  bool create = false;
  std::string partition_by, sort_by;
  std::vector<std::string> properties;

  void AddTo(CLI::App& command);
};

// Of texts "name=value".
Result<std::map<std::string, std::string>> ParseProperties(const std::vector<std::string>& texts);

}  // namespace pk::cli
