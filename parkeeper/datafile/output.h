#pragma once

// Batches for people and other programs: aligned text, CSV, JSON lines, Arrow IPC stream, Parquet.
//
// CSV: a null is an empty cell and an empty string is "", as input.h reads them; nested cells are
// JSON. JSON: decimals are strings, so that no reader rounds them, and so are NaN and the
// infinities; binary, fixed: hexadecimal; a map with string keys is an object, another one an array
// of [key, value]. A table for people cuts cells beyond 80 characters.

#include <functional>
#include <memory>
#include <string_view>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"

namespace pk::datafile {

enum class OutputFormat { kTable, kCsv, kJsonLines, kArrowIpc, kParquet };

// Where the bytes go; returns an error to stop.
using ByteSink = std::function<Result<>(std::string_view)>;

// Drains `source` into `sink`; returns the number of rows. kTable buffers up to `table_rows` rows
// to align them and says how many more there are; the others stream.
Result<int64_t> WriteOutput(BatchSource& source, OutputFormat format, const ByteSink& sink,
                            int64_t table_rows = 1'000);

}  // namespace pk::datafile
