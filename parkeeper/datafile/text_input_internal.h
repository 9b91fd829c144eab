#pragma once

// CSV and JSON lines as batches, and what their columns seem to be.

#include <memory>
#include <string>

#include "parkeeper/datafile/input.h"

namespace pk::datafile {

Result<std::unique_ptr<BatchSource>> OpenCsv(const std::string& path,
                                             std::shared_ptr<const iceberg::Schema> schema,
                                             const InputOptions& options);
Result<std::unique_ptr<BatchSource>> OpenJsonLines(const std::string& path,
                                                   std::shared_ptr<const iceberg::Schema> schema,
                                                   const InputOptions& options);

// All columns optional, ids from 1 on.
Result<iceberg::Schema> InferCsv(const std::string& path, const InputOptions& options);
Result<iceberg::Schema> InferJsonLines(const std::string& path);

}  // namespace pk::datafile
