#pragma once

// What a source of batches holds, as JSON lines: easy to write down and to compare.

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "parkeeper/datafile/output.h"

namespace pk::testing {

inline Result<std::vector<std::string>> ReadLines(
    Result<std::unique_ptr<datafile::BatchSource>> source,
    datafile::OutputFormat format = datafile::OutputFormat::kJsonLines) {
  if (!source.ok()) return std::move(source).error();
  std::string text;
  PK_TRY(datafile::WriteOutput(**source, format, [&](std::string_view bytes) -> Result<> {
    text += bytes;
    return {};
  }));
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace pk::testing
