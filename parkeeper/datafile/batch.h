#pragma once

// Batches of rows in Arrow's memory format, and sources of them. Arrow itself stops in this layer:
// above it a Batch is opaque, and leaves the process through the Arrow C data interface.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/schema.h"

struct ArrowArrayStream;  // Arrow C stream interface, arrow/c/abi.h
namespace arrow {
class RecordBatch;
}

namespace pk::datafile {

// Immutable rows. Its columns are those of an Iceberg schema that the producer states, in order, as
// the Arrow types of arrow_schema_internal.h; strings may be dictionary-encoded or views.
struct Batch {
  std::shared_ptr<arrow::RecordBatch> rows;

  int64_t num_rows() const;
  int64_t bytes() const;  // approximate size of its buffers
  Batch Slice(int64_t offset, int64_t length) const;
};

// A pull stream of batches. Not thread-safe; destroyed early it cancels what runs for it.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // The columns of every batch.
  virtual const iceberg::Schema& schema() const = 0;
  // nullopt at the end. After an error only destruction is useful.
  virtual Result<std::optional<Batch>> Next() = 0;
};

// Hands the source over to `out` (to be released by its consumer), with field ids as
// PARQUET:field_id metadata.
Result<> ExportStream(std::unique_ptr<BatchSource> source, ArrowArrayStream* out);
// Takes over `stream`. Its schema becomes an Iceberg one: ids from field metadata when all have
// one, else from 1 on.
Result<std::unique_ptr<BatchSource>> ImportStream(ArrowArrayStream* stream);

// A source over batches in memory.
std::unique_ptr<BatchSource> SourceOf(iceberg::Schema schema, std::vector<Batch> batches);

// The rows that pass, exactly (SQL semantics, see expression.h). Columns are found by field id in
// `schema`.
Result<Batch> Filter(const Batch& batch, const iceberg::Schema& schema,
                     const iceberg::BoundExpression& filter);

// The rows of one partition each, in the order of first appearance; values as PartitionTypes gives
// them.
struct PartitionRows {
  std::vector<iceberg::Value> partition;
  Batch batch;
};
Result<std::vector<PartitionRows>> SplitByPartition(const Batch& batch,
                                                    const iceberg::Schema& schema,
                                                    const iceberg::PartitionSpec& spec);

// All rows in the order of `order`, stable, in batches of at most `batch_rows`.
Result<std::vector<Batch>> Sort(const std::vector<Batch>& batches, const iceberg::Schema& schema,
                                const iceberg::SortOrder& order, int64_t batch_rows = 65'536);

// `batch`, whose columns are those of `from`, with the columns of `to`, matched by name, exactly or
// else without regard to the case of ASCII letters (structs member by member, order free). Widening
// and exact conversions are made: between integers and decimals of any size as far as the values
// go, to floats from what they hold exactly, dates to timestamps, strings to and from UTF-8 bytes,
// text to uuids, bytes to a fixed of their length. A missing optional column is null.
// kInvalidArgument names the column and the reason: unknown column, missing required column, types
// that do not convert, null in a required column, a value that does not fit (with its row number in
// the batch).
Result<Batch> Conform(const Batch& batch, const iceberg::Schema& from, const iceberg::Schema& to);
// Whether Conform can work for these schemas, before any row is read.
Result<> CheckConforms(const iceberg::Schema& from, const iceberg::Schema& to);
// The rows of `source`, as an SQL query's, with the columns of a table. Errors of CheckConforms at
// once, those of values as their batch comes, with their row from the first batch on.
Result<std::unique_ptr<BatchSource>> ConformTo(std::unique_ptr<BatchSource> source,
                                               std::shared_ptr<const iceberg::Schema> schema);

}  // namespace pk::datafile
