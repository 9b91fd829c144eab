#pragma once

// Writing Parquet data files with their metrics.

#include <cstdint>
#include <map>
#include <memory>
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

struct WriterOptions {
  Compression compression = Compression::kZstd;
  std::optional<int32_t> level;                  // the codec's default when not given
  int64_t row_group_bytes = int64_t{128} << 20;  // in memory, about
  int64_t row_group_rows = 1'048'576;
  int64_t page_bytes = 1 << 20;
  int64_t dictionary_bytes = 1 << 20;  // of a column's dictionary; 0: no dictionaries
  bool page_index = true;
  std::map<int32_t, double> bloom_filters;  // field id to false-positive rate
  ColumnMetrics metrics;                    // of columns not named in `column_metrics`
  std::map<int32_t, ColumnMetrics> column_metrics;
  int32_t max_metrics_columns = 100;  // of inferred default metrics, as Iceberg counts them
};

// From table properties as Iceberg names them (write.parquet.compression-codec, -level,
// row-group-size-bytes, page-size-bytes, dict-size-bytes, bloom-filter-enabled.column.X,
// write.metadata.metrics.default, ...). kInvalidArgument names the property.
Result<WriterOptions> WriterOptionsFrom(const std::map<std::string, std::string>& properties,
                                        const iceberg::Schema& schema);

// One Parquet file on its way; memory: about one row group. Not thread-safe. Destroyed before
// Finish, the file never was.
class ParquetWriter {
 public:
  // Columns of every batch must be those of `schema`, in order; field ids go into the file.
  static Result<std::unique_ptr<ParquetWriter>> Open(storage::Storage& storage,
                                                     std::string location,
                                                     std::shared_ptr<const iceberg::Schema> schema,
                                                     WriterOptions options);
  virtual ~ParquetWriter() = default;

  // kInvalidArgument: a null in a required column.
  virtual Result<> Write(const Batch& batch) = 0;
  // Bytes of the file so far: what is written plus an estimate of what is buffered.
  virtual int64_t size() const = 0;
  // Makes the file durable and visible. The returned file has all metrics; partition, spec and sort
  // order are the caller's to fill in.
  virtual Result<iceberg::DataFile> Finish() = 0;
};

}  // namespace pk::datafile
