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
  // With `after_snapshot`: rows that were deleted since, too, each row with what became of it.
  bool changes = false;
  // Only rows of these data files, by location, in any order; empty: no rows.
  std::optional<std::vector<std::string>> files = std::nullopt;
};

// Columns of a scan of changes, after those of the table (spec, "Reserved Field IDs"; as in
// Iceberg's changelog views). Names that the table has itself are kInvalidArgument.
inline constexpr const char* kChangeTypeColumn = "_change_type";  // string: "insert" or "delete"
// int: counts the snapshots that changed rows, from 0
inline constexpr const char* kChangeOrdinalColumn = "_change_ordinal";
inline constexpr const char* kCommitSnapshotColumn = "_commit_snapshot_id";  // long

struct RowChange {
  bool is_delete = false;
  int32_t ordinal = 0;
  int64_t snapshot_id = 0;
  bool operator==(const RowChange&) const = default;
};

// A delete file that hides rows of data files to read.
struct DeleteFile {
  // Without metrics; equality ids sorted, and the data file referenced also when only the bounds of
  // the paths tell it.
  iceberg::DataFile file;
  int64_t sequence_number = 0;
};

// One data file to read.
struct FileTask {
  iceberg::DataFile file;             // without metrics
  iceberg::BoundExpression residual;  // what its partition leaves to be tested
  // Partition or metrics say that every row in the file passes the filter.
  bool all_rows_pass = false;
  std::vector<int32_t> deletes = {};  // that apply to it: sorted places in ScanPlan::deletes
  // When there: only rows that these hide are wanted. Places as above.
  std::optional<std::vector<int32_t>> only_hidden_by = std::nullopt;
  std::optional<RowChange> change = std::nullopt;  // in a scan of changes: of all its rows
  int64_t sequence_number = 0;                     // of its rows; 0 in v1
  int64_t file_sequence_number = 0;  // of the commit that added the file; -1: not known
};

// Why files were left out.
struct PlanCounts {
  int64_t manifests = 0;                       // of the snapshot, or of the appends
  int64_t manifests_skipped_by_partition = 0;  // by their partition summaries
  int64_t files = 0;  // in manifests that were read; of files that were named: those
  int64_t files_skipped_by_partition = 0;
  int64_t files_skipped_by_metrics = 0;
  int64_t files_in_skipped_manifests = 0;  // as far as the list says, which v1 need not
  int64_t delete_manifests = 0;            // those below too: of the snapshots
  int64_t delete_manifests_skipped = 0;    // by their partition summaries
  int64_t delete_files = 0;                // in manifests that were read
};

struct ScanPlan {
  std::optional<int64_t> snapshot_id;                   // none: the table has no rows yet
  std::optional<int64_t> after_snapshot_id;             // as asked for
  bool changes = false;                                 // as asked for
  std::optional<int64_t> files_named;                   // how many were asked for by location
  std::shared_ptr<const iceberg::Schema> table_schema;  // of the snapshot
  std::shared_ptr<const iceberg::Schema> projection;
  iceberg::BoundExpression filter;
  std::optional<int64_t> limit;
  std::vector<iceberg::PartitionSpec> specs;  // those that tasks refer to
  std::optional<iceberg::NameMapping> name_mapping;
  std::vector<FileTask> tasks;
  std::vector<DeleteFile> deletes;  // those that apply to some task
  // The columns that equality deletes compare: the table's, and those that it has no more.
  std::shared_ptr<const iceberg::Schema> delete_schema;
  PlanCounts counts;
  int64_t bytes = 0;         // sizes of the data files to read
  int64_t rows_most = 0;     // rows in them, hidden ones too
  int64_t delete_bytes = 0;  // sizes of the delete files to read
  int64_t delete_rows = 0;   // rows in them
};

struct PlanOptions {
  int threads = 0;  // that read manifests; 0: the cores available
};

// Reads the manifest list and the manifests that may match. Memory: one manifest per thread, the
// tasks, and the entries of delete files that may match. kNotFound: no such snapshot, time or ref;
// kInvalidArgument: unknown column, bad filter; kUnsupported names a delete file that cannot be
// applied (a deletion vector, another format than Parquet); kCorrupt names the file.
//
// Delete files apply as the specification says ("Scan Planning"): position deletes to data files of
// their partition that are not newer, and where they name one data file to that only; equality
// deletes to older data files of their partition, or of all when they have none. Those that cannot
// match by their metrics are left out. Planning takes time in proportion to the files and to the
// pairs of a data file and a newer delete file of the same partition or path.
//
// With `after_snapshot`: the files that the snapshots since then appended, each with the rows that
// it had then, in the order of the appends. Snapshots that only put rows into other files (replace)
// are passed over. kUnsupported: one of them deleted or overwrote rows; kInvalidArgument: it is no
// ancestor of the selected snapshot; kFailedPrecondition: snapshots between have expired.
//
// With `changes` as well: what the snapshots did to rows, in their order, and deletes before
// inserts. Rows of data files that a snapshot removed are deletes, as far as its parent showed
// them, and so are rows that its delete files hid; rows of data files that it added are inserts. So
// a row that a file was rewritten for is told twice, though it did not change.
//
// With `files`: kFailedPrecondition names one that the snapshot does not have, or that was not
// appended since `after_snapshot`, whatever the filter says of it. A file that is there twice is
// read twice. All manifests are read to find them. kInvalidArgument together with `changes`.
Result<ScanPlan> PlanScan(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                          const ScanRequest& request, const PlanOptions& options = {});

// For people, as --explain prints it; `files` adds a line per file.
std::string Explain(const ScanPlan& plan, bool files = false);
// For scripts.
std::string ToJson(const ScanPlan& plan);

struct ScanOptions {
  int threads = 0;                            // 0: the cores available
  int64_t memory_bytes = int64_t{512} << 20;  // of batches that wait for the consumer
  // Of delete files. Each is read once, and kept from the first data file that needs it until the
  // last has been read: 8 bytes for each position of a data file that is read, about 60 and the
  // values for each key. kUnsupported when more were needed at a time.
  int64_t delete_bytes = int64_t{1} << 30;
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
