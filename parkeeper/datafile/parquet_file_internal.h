#pragma once

// An opened Parquet file: its footer, its columns as a tree with Iceberg field ids.

#include <arrow/io/interfaces.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/name_mapping.h"
#include "parkeeper/storage/storage.h"

namespace pk::datafile {

// `file`, which must live longer, as Arrow reads it. The last 64 kB are fetched once, with the
// first read that touches them. `bytes_read`, when not null, grows by what was fetched.
std::shared_ptr<arrow::io::RandomAccessFile> AsArrowFile(storage::RandomAccessFile& file,
                                                         std::atomic<int64_t>* bytes_read);

// A column or a nested part of one, with its field id; 0 when it has none.
struct FileField {
  int32_t id = 0;
  const parquet::arrow::SchemaField* field = nullptr;
  std::vector<FileField> children;  // of the same order as field->children

  bool is_leaf() const { return field->is_leaf(); }
  const std::string& name() const { return field->field->name(); }
};

struct ParquetFile {
  std::shared_ptr<arrow::io::RandomAccessFile> input;
  std::unique_ptr<parquet::ParquetFileReader> reader;
  std::shared_ptr<parquet::FileMetaData> metadata;
  // The tree; `fields` points into it. On the heap, so that a ParquetFile can be moved.
  std::unique_ptr<parquet::arrow::SchemaManifest> manifest;
  std::vector<FileField> fields;
  bool has_field_ids = false;
};

// Reads the footer. Field ids are the file's own; when it has none at all, or `by_name`, those that
// `mapping` gives. kCorrupt when the bytes are no Parquet file.
Result<ParquetFile> OpenParquetFile(std::shared_ptr<arrow::io::RandomAccessFile> input,
                                    const iceberg::NameMapping& mapping, bool by_name);

// First byte of a row group, which decides to which split it belongs.
int64_t FirstByte(const parquet::RowGroupMetaData& group);

// Settings shared by all our readers: INT96 as microseconds, no threads.
parquet::ArrowReaderProperties ReadingProperties();
// Pages that do not have the checksum stored with them are errors.
parquet::ReaderProperties CheckingProperties();

}  // namespace pk::datafile
