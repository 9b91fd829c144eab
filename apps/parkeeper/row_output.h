#pragma once

// What `scan` and `sql` do with rows: write them in the format that was asked for.

#include <string>

#include "apps/parkeeper/command.h"
#include "apps/parkeeper/output.h"
#include "parkeeper/datafile/output.h"

namespace pk::cli {

struct RowOutput {
  std::string format = "table";  // --format
  std::string path;              // --output; empty: standard output
};

// Adds --format and --output.
void AddRowOutput(CLI::App& command, RowOutput& output);

// --json without --format means JSON lines. kInvalidArgument: a terminal is to get bytes.
Result<datafile::OutputFormat> FormatOf(const RowOutput& output, bool json);

// All rows to `to`, which `output` named; then a line tells how many rows are in a file.
Result<> WriteRows(datafile::BatchSource& rows, datafile::OutputFormat format, Output& to,
                   const RowOutput& output, const Global& global);

}  // namespace pk::cli
