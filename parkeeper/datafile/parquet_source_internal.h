#pragma once

// Parquet files by their bytes, wherever these come from.

#include <arrow/io/interfaces.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "parkeeper/datafile/parquet_reader.h"
#include "parkeeper/storage/storage.h"

namespace pk::datafile {

struct ParquetInput {
  std::unique_ptr<storage::RandomAccessFile> stored;  // what `bytes` reads, if anything
  std::shared_ptr<arrow::io::RandomAccessFile> bytes;
  std::string name;      // for errors
  bool by_name = false;  // match columns by name even though the file has field ids
  bool exact = false;    // refuse what the wanted type would round
  std::optional<std::pair<int, int>> row_groups;  // [first, last)
};

Result<std::unique_ptr<BatchSource>> OpenParquetSource(ParquetInput input,
                                                       const iceberg::DataFile& file,
                                                       const ReaderOptions& options);

Result<ParquetSummary> DescribeParquetBytes(std::shared_ptr<arrow::io::RandomAccessFile> bytes,
                                            const std::string& name);

}  // namespace pk::datafile
