#pragma once

// Scan: a plan, which is a value and can be printed, and its execution as a stream of batches.

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/parquet_reader.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"

namespace pk::table {

struct AsOfTime {
  int64_t timestamp_ms = 0;
};
// The current snapshot of main, or one by id, by time (on main), or by the name of a branch or tag.
// A branch is read with the table's present schema, as main is; the others with their snapshot's.
using SnapshotSelector = std::variant<std::monostate, int64_t, AsOfTime, std::string>;

struct ScanRequest {
  iceberg::Expression filter;        // True: all rows
  std::vector<std::string> columns;  // full names, in any case, in this order; empty: all
  SnapshotSelector snapshot;
  std::optional<int64_t> limit;  // rows, at least 0
  // Only rows appended after this snapshot, up to and including the selected one.
  std::optional<int64_t> after_snapshot = std::nullopt;
};

// One data file to read.
struct FileTask {
  iceberg::DataFile file;             // without metrics
  iceberg::BoundExpression residual;  // what its partition leaves to be tested
  // Partition or metrics say that every row in the file passes the filter.
  bool all_rows_pass = false;
};

// Why files were left out.
struct PlanCounts {
  int64_t manifests = 0;                       // of the snapshot, or of the appends
  int64_t manifests_skipped_by_partition = 0;  // by their partition summaries
  int64_t files = 0;                           // in manifests that were read
  int64_t files_skipped_by_partition = 0;
  int64_t files_skipped_by_metrics = 0;
  int64_t files_in_skipped_manifests = 0;  // as far as the list says, which v1 need not
};

struct ScanPlan {
  std::optional<int64_t> snapshot_id;                   // none: the table has no rows yet
  std::optional<int64_t> after_snapshot_id;             // as asked for
  std::shared_ptr<const iceberg::Schema> table_schema;  // of the snapshot
  std::shared_ptr<const iceberg::Schema> projection;
  iceberg::BoundExpression filter;
  std::optional<int64_t> limit;
  std::vector<iceberg::PartitionSpec> specs;  // those that tasks refer to
  std::optional<iceberg::NameMapping> name_mapping;
  std::vector<FileTask> tasks;
  PlanCounts counts;
  int64_t bytes = 0;      // sizes of the files to read
  int64_t rows_most = 0;  // rows in them
};

struct PlanOptions {
  int threads = 0;  // that read manifests; 0: the cores available
};

// Reads the manifest list and the manifests that may match. Memory: one manifest per thread, and
// the tasks. kNotFound: no such snapshot, time or ref; kInvalidArgument: unknown column, bad
// filter; kUnsupported: the snapshot has delete files (they come with row deletes); kCorrupt names
// the file.
//
// With `after_snapshot`: the files that the snapshots since then appended, each with the rows that
// it had then, in the order of the appends. Snapshots that only put rows into other files (replace)
// are passed over. kUnsupported: one of them deleted or overwrote rows; kInvalidArgument: it is no
// ancestor of the selected snapshot; kFailedPrecondition: snapshots between have expired.
Result<ScanPlan> PlanScan(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                          const ScanRequest& request, const PlanOptions& options = {});

// For people, as --explain prints it; `files` adds a line per file.
std::string Explain(const ScanPlan& plan, bool files = false);
// For scripts.
std::string ToJson(const ScanPlan& plan);

struct ScanOptions {
  int threads = 0;                            // 0: the cores available
  int64_t memory_bytes = int64_t{512} << 20;  // of batches that wait for the consumer
  bool keep_order = false;  // rows in the order of tasks, then of their place in the file
  bool dictionaries = true;
  std::stop_token stop = {};
  datafile::ReadCounters* counters = nullptr;
};

// Rows of the plan: read by several threads at once, ahead of the consumer as far as memory allows.
// The storage must outlive it. kUnavailable: the system gives no thread.
Result<std::unique_ptr<datafile::BatchSource>> Scan(storage::Storage& storage, const ScanPlan& plan,
                                                    const ScanOptions& options = {});

}  // namespace pk::table
