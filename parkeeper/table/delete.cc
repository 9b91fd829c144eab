#include "parkeeper/table/delete.h"

#include <fmt/format.h>

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "parkeeper/base/parallel.h"
#include "parkeeper/iceberg/complement.h"
#include "parkeeper/table/replaced_files_internal.h"
#include "parkeeper/table/scan.h"

namespace pk::table {

using iceberg::RowDelta;

namespace {

constexpr const char* kIsolationProperty = "write.delete.isolation-level";

class Deleting {
 public:
  Deleting(storage::Storage& storage, const iceberg::TableMetadata& metadata, ScanPlan plan,
           const DeleteOptions& options)
      : storage_(storage),
        metadata_(metadata),
        tasks_(std::exchange(plan.tasks, {})),
        deletes_(std::exchange(plan.deletes, {})),
        shape_(std::move(plan)),
        options_(options),
        threads_(options.threads > 0 ? options.threads : AvailableCores()) {
    progress_.files = int64_t(tasks_.size());
  }

  Result<PreparedDelete> Run(Clock& clock, IdSource& ids) {
    std::vector<int64_t> passing(tasks_.size());
    PK_TRY(ParallelFor(tasks_.size(), threads_, [&](size_t i) -> Result<> {
      passing[i] = PK_TRY(CountPassing(tasks_[i]));
      return {};
    }));
    PreparedDelete prepared;
    std::vector<const FileTask*> mixed;
    for (size_t i = 0; i < tasks_.size(); ++i) {
      const FileTask& task = tasks_[i];
      if (passing[i] == 0) continue;
      prepared.rows += passing[i];
      prepared.delta.removed.push_back(RefTo(task.file));
      if (!task.all_rows_pass && passing[i] < task.file.record_count) mixed.push_back(&task);
    }
    prepared.files_rewritten = int64_t(mixed.size());
    prepared.files_removed = int64_t(prepared.delta.removed.size() - mixed.size());
    prepared.oldest_file_ms = clock.WallMs();
    if (mixed.empty()) return prepared;
    AppendedFiles kept = PK_TRY(WriteOthers(mixed, clock, ids));
    prepared.bytes = kept.bytes;
    prepared.delta.added = std::move(kept.files);
    return prepared;
  }

 private:
  // A plan of one file of ours, with the deletes that apply to it.
  ScanPlan PlanOf(const FileTask& task) const {
    ScanPlan plan = shape_;
    plan.tasks = {task};
    for (int32_t& place : plan.tasks[0].deletes) {
      plan.deletes.push_back(deletes_[size_t(place)]);
      place = int32_t(plan.deletes.size()) - 1;
    }
    return plan;
  }

  Result<std::unique_ptr<datafile::BatchSource>> Read(const ScanPlan& plan) const {
    return Scan(storage_, plan, {.threads = 1, .dictionaries = false, .stop = options_.stop});
  }

  Result<int64_t> CountPassing(const FileTask& task) {
    int64_t rows = task.file.record_count;
    if (!task.all_rows_pass || !task.deletes.empty()) {
      rows = 0;
      const auto source = PK_TRY(Read(PlanOf(task)));
      for (;;) {
        const auto batch = PK_TRY(source->Next());
        if (!batch) break;
        rows += batch->num_rows();
      }
    }
    std::lock_guard lock(mutex_);
    progress_.rows += rows;
    // A file with some of both is done when it is written again.
    progress_.files_done += rows == 0 || task.all_rows_pass || rows == task.file.record_count;
    if (options_.progress) options_.progress(progress_);
    return rows;
  }

  // The rows of these files that do not pass.
  Result<AppendedFiles> WriteOthers(const std::vector<const FileTask*>& tasks, Clock& clock,
                                    IdSource& ids) {
    const iceberg::BoundExpression others = iceberg::Complement(shape_.filter);
    size_t at = 0;
    const NextSource next = [&]() -> Result<std::unique_ptr<datafile::BatchSource>> {
      Report(at > 0 ? 1 : 0);
      if (at == tasks.size()) return std::unique_ptr<datafile::BatchSource>();
      ScanPlan plan = PlanOf(*tasks[at++]);
      plan.projection = plan.table_schema;
      plan.tasks[0].residual = others;
      return Read(plan);
    };
    return WriteDataFiles(storage_, metadata_, next,
                          {.writers = threads_,
                           .stop = options_.stop,
                           .progress =
                               [&](const AppendProgress& progress) {
                                 bytes_ = progress.bytes;
                                 Report(0);
                               }},
                          clock, ids);
  }

  void Report(int64_t files_done) {
    std::lock_guard lock(mutex_);
    progress_.files_done += files_done;
    progress_.bytes = bytes_;
    if (options_.progress) options_.progress(progress_);
  }

  storage::Storage& storage_;
  const iceberg::TableMetadata& metadata_;
  const std::vector<FileTask> tasks_;
  const std::vector<DeleteFile> deletes_;
  const ScanPlan shape_;  // the rest of the plan; projects what the filter looks at
  const DeleteOptions& options_;
  const int threads_;
  std::mutex mutex_;
  std::atomic<int64_t> bytes_{0};
  DeleteProgress progress_;
};

// Columns that the filter looks at, so that no others are read.
Result<std::vector<std::string>> ColumnsOf(const iceberg::Expression& filter,
                                           const iceberg::Schema& schema) {
  std::vector<std::string> columns;
  const auto bound = PK_TRY(iceberg::Bind(filter, schema, false));
  for (const int32_t id : iceberg::ReferencedFields(bound)) columns.push_back(schema.FullName(id));
  return columns;
}

}  // namespace

Result<PreparedDelete> PrepareDelete(storage::Storage& storage,
                                     const iceberg::TableMetadata& metadata,
                                     const iceberg::Expression& filter,
                                     const DeleteOptions& options, Clock& clock, IdSource& ids) {
  const std::string isolation = metadata.Property(kIsolationProperty, "serializable");
  PK_CHECK(isolation == "serializable" || isolation == "snapshot",
           InvalidArgument(fmt::format("property {} must be serializable or snapshot, not '{}'",
                                       kIsolationProperty, isolation)));
  ScanRequest request;
  request.filter = filter;
  request.columns = PK_TRY(ColumnsOf(filter, metadata.schema()));
  ScanPlan plan = PK_TRY(PlanScan(storage, metadata, request, {.threads = options.threads}));
  const auto base = plan.snapshot_id;
  Deleting deleting(storage, metadata, std::move(plan), options);
  PreparedDelete prepared = PK_TRY(deleting.Run(clock, ids));
  prepared.delta.base_snapshot_id = base;
  prepared.delta.schema_id = metadata.current_schema_id;
  if (isolation == "serializable") prepared.delta.reads = filter;
  return prepared;
}

iceberg::TableCommit MakeRowDeltaCommit(RowDelta delta, int64_t oldest_file_ms, Clock& clock,
                                        IdSource& ids) {
  return {.id = ids.NewUuid7(clock), .change = std::move(delta), .oldest_file_ms = oldest_file_ms};
}

}  // namespace pk::table
