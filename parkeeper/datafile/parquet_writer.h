#pragma once

// Writing Parquet data files with their metrics.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/storage/storage.h"

namespace pk::datafile {

enum class Compression { kUncompressed, kSnappy, kGzip, kBrotli, kLz4, kZstd };

// How much is known of a column in manifests (table property write.metadata.metrics.*).
enum class MetricsMode { kNone, kCounts, kTruncate, kFull };
struct ColumnMetrics {
  MetricsMode mode = MetricsMode::kTruncate;
  int32_t length = 16;  // of truncated bounds, in characters or bytes
};

// Which encodings the writer may choose from, column by column, by a look at the first rows.
// Dictionary and plain are known to every reader of Iceberg tables. Delta encoding of integers,
// dates and times is known to Arrow, DuckDB, Spark and, since 2025, to Iceberg's own vectorised
// reader in Spark (older ones refuse the column unless vectorised reading is off). Byte stream
// split of floats, delta lengths of strings and version 2 data pages are known to newer readers
// only.
enum class Encodings {
  kCompatible,  // dictionary and plain
  kDefault,     // and delta
  kAll,         // and the others
};

struct WriterOptions {
  Compression compression = Compression::kZstd;
  std::optional<int32_t> level = {};             // the codec's default when not given
  int64_t row_group_bytes = int64_t{128} << 20;  // in memory as Arrow, about
  int64_t row_group_rows = 1'048'576;
  int64_t page_bytes = 1 << 20;
  int64_t page_rows = 20'000;
  int64_t dictionary_bytes = 1 << 20;  // of a column's dictionary; 0: no dictionaries
  Encodings encodings = Encodings::kDefault;
  bool page_index = true;
  std::map<int32_t, double> bloom_filters = {};  // field id to false-positive rate, in (0, 1)
  int64_t bloom_filter_max_bytes = 1 << 20;      // of one column in one row group
  ColumnMetrics metrics = {};                    // of columns not named in `column_metrics`
  std::map<int32_t, ColumnMetrics> column_metrics = {};
  int32_t max_metrics_columns = 100;  // of inferred default metrics, as Iceberg counts them
};

// From table properties as Iceberg names them, in write.parquet.: compression-codec,
// compression-level, row-group-size-bytes, row-group-limit (rows), page-size-bytes,
// page-row-limit, dict-size-bytes, page-version (v1: Encodings::kCompatible, v2: kAll),
// bloom-filter-enabled.column.X, bloom-filter-fpp.column.X, bloom-filter-max-bytes; and in
// write.metadata.metrics.: default, column.X, max-inferred-column-defaults. Others, and those
// of columns that the schema does not have, are passed over. kInvalidArgument names the property
// and what is wrong with its value; booleans have no bloom filters.
Result<WriterOptions> WriterOptionsFrom(const std::map<std::string, std::string>& properties,
                                        const iceberg::Schema& schema);

// One Parquet file on its way. Memory: one row group as Arrow (WriterOptions::row_group_bytes) and
// one of its columns encoded. Not thread-safe. Destroyed before Finish, the file never was; after
// an error only destruction is useful.
class ParquetWriter {
 public:
  // Columns of every batch must be those of `schema`, in order; field ids go into the file.
  static Result<std::unique_ptr<ParquetWriter>> Open(storage::Storage& storage,
                                                     std::string location,
                                                     std::shared_ptr<const iceberg::Schema> schema,
                                                     WriterOptions options);
  virtual ~ParquetWriter() = default;

  // kInvalidArgument names row and column of a null in a required column; then nothing of the batch
  // was taken.
  virtual Result<> Write(const Batch& batch) = 0;
  // Ends the row group on its way, so that nothing waits in memory. Small row groups read slowly:
  // only for a caller that is short of memory.
  virtual Result<> Flush() = 0;
  // Bytes of the file so far: what is written plus an estimate of what is buffered.
  virtual int64_t size() const = 0;
  // Makes the file durable and visible. The returned file has all metrics; partition, spec and sort
  // order are the caller's to fill in. Bounds are missing where a column holds strings or binaries
  // beyond 4096 bytes, as in the file itself.
  virtual Result<iceberg::DataFile> Finish() = 0;
};

}  // namespace pk::datafile
