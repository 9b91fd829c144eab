#pragma once

// Source files of imports: Parquet, CSV, JSON lines and Arrow IPC, anywhere on the local disk (not
// in the lake's storage), as batches.
//
// CSV (RFC 4180, UTF-8): an empty cell is null; of string and binary columns only when it is not
// quoted and the column is optional, else it is the empty string. Binary and fixed are hexadecimal,
// nested columns JSON. Columns are found by the names of the first line, exactly or else without
// regard to case; blank lines are passed over. JSON lines: one object per line, members that the
// schema lacks are refused, missing ones are null; numbers are read as written, and all types but
// boolean are also taken from strings ("12.30", "2024-05-01"); maps as output.h writes them.
// Memory: about one batch (at most 32 MB of text) and the longest line; Parquet and Arrow as their
// row groups and batches need.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"

namespace pk::datafile {

enum class InputFormat { kParquet, kCsv, kJsonLines, kArrowIpc };

struct InputOptions {
  std::optional<InputFormat>
      format;  // by the name's ending when not given: .parquet .csv .tsv .jsonl .ndjson .json
               // .arrow .feather .ipc, each also with .gz or .zst for the text formats
  char delimiter = ',';
  bool header = true;  // CSV: the first line names the columns
  int64_t batch_rows = 65'536;
  // Only these row groups [first, last) of a Parquet file, so that several writers share one large
  // file.
  std::optional<std::pair<int, int>> row_groups;
  int64_t rows_before = 0;  // of the file, before `row_groups`; for errors
};

// The columns that the file holds; for text formats inferred from its first megabyte. Ids from 1
// on.
Result<iceberg::Schema> InferSchema(const std::string& path, const InputOptions& options = {});

// The file's rows with the columns of `schema` (matched by name), streamed. CSV and JSON are parsed
// as `schema` wants them, so a table's types decide, not guesses. kInvalidArgument names path, line
// (text formats) or row, column, the bad text and the wanted type: "lines.csv line 70001: column
// 'qty': 'abc' is not an int".
Result<std::unique_ptr<BatchSource>> OpenInput(const std::string& path,
                                               std::shared_ptr<const iceberg::Schema> schema,
                                               const InputOptions& options = {});

// The file in pieces, for OpenInput, that several threads can read; together and in order they are
// the whole file. At most `pieces`, of about as many row groups each, and none of much less than
// `least_bytes` before compression. Files other than Parquet, and those of which `options` name row
// groups already, are one piece. Errors as of InferSchema.
Result<std::vector<InputOptions>> SplitInput(const std::string& path, const InputOptions& options,
                                             int64_t pieces, int64_t least_bytes);

}  // namespace pk::datafile
