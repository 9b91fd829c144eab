#include "parkeeper/table/compact.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "parkeeper/iceberg/tuple.h"
#include "parkeeper/table/planning_internal.h"
#include "parkeeper/table/replaced_files_internal.h"
#include "parkeeper/table/scan.h"

namespace pk::table {

using iceberg::FileContent;
using iceberg::FileRef;

namespace {

constexpr int64_t kSmallPercent = 75;

// A data file to be rewritten, of the plan that it points into.
struct Candidate {
  const FileTask* task = nullptr;
  bool heavy = false;  // worth it alone
};

bool SamePlace(const iceberg::DataFile& left, const iceberg::DataFile& right) {
  const iceberg::TupleLess less;
  return left.spec_id == right.spec_id && !less(left.partition, right.partition) &&
         !less(right.partition, left.partition);
}

// By place, then in the order in which rows came: neighbours are alike in columns such as time, and
// metrics of the files made of them go on telling them apart.
bool Before(const Candidate& a, const Candidate& b) {
  const iceberg::DataFile &left = a.task->file, &right = b.task->file;
  if (left.spec_id != right.spec_id) return left.spec_id < right.spec_id;
  const iceberg::TupleLess less;
  if (less(left.partition, right.partition)) return true;
  if (less(right.partition, left.partition)) return false;
  if (a.task->sequence_number != b.task->sequence_number) {
    return a.task->sequence_number < b.task->sequence_number;
  }
  return left.location < right.location;
}

std::vector<const DeleteFile*> HidingDeletes(const FileTask& task, const ScanPlan& plan) {
  std::vector<const DeleteFile*> found;
  for (const int32_t place : task.deletes) {
    const DeleteFile& deletes = plan.deletes[size_t(place)];
    if (MayHide(deletes, task)) found.push_back(&deletes);
  }
  return found;
}

bool IsHeavy(const FileTask& task, const ScanPlan& plan, const CompactionOptions& options) {
  const auto found = HidingDeletes(task, plan);
  int64_t hidden = 0;
  for (const DeleteFile* deletes : found) {
    if (deletes->file.referenced_data_file) hidden += deletes->file.record_count;
  }
  const double share = double(hidden) * 100 / double(std::max<int64_t>(task.file.record_count, 1));
  return int(found.size()) >= options.max_delete_files || share > options.max_hidden_percent;
}

Result<> Check(const CompactionOptions& options) {
  PK_CHECK(options.target_file_bytes >= 0 && options.max_group_bytes >= 0,
           InvalidArgument("the size of files and groups must not be negative"));
  PK_CHECK(
      options.min_input_files >= 2,
      InvalidArgument(fmt::format("at least 2 files make one, not {}", options.min_input_files)));
  PK_CHECK(options.max_group_files >= options.min_input_files,
           InvalidArgument(fmt::format("a group of at most {} files can never have {}",
                                       options.max_group_files, options.min_input_files)));
  PK_CHECK(options.max_delete_files >= 1 && options.max_hidden_percent >= 0,
           InvalidArgument("files without deletes would be rewritten for their deletes"));
  return {};
}

// Packs candidates, which are sorted, into groups as they come.
class Packing {
 public:
  Packing(const CompactionOptions& options, int64_t max_bytes)
      : options_(options), max_bytes_(max_bytes) {}

  void Add(const Candidate& candidate) {
    const iceberg::DataFile& file = candidate.task->file;
    const bool fits = !group_.empty() && SamePlace(group_.front()->file, file) &&
                      bytes_ + file.file_size <= max_bytes_ &&
                      group_.size() < size_t(options_.max_group_files);
    if (!fits) Close();
    group_.push_back(candidate.task);
    bytes_ += file.file_size;
    heavy_ = heavy_ || candidate.heavy;
  }

  std::vector<CompactionGroup> Finish() {
    Close();
    return std::move(groups_);
  }

 private:
  void Close() {
    if (heavy_ || group_.size() >= size_t(options_.min_input_files)) {
      CompactionGroup& made = groups_.emplace_back();
      made.spec_id = group_.front()->file.spec_id;
      made.partition = group_.front()->file.partition;
      for (const FileTask* task : group_) {
        made.files.push_back({.location = task->file.location,
                              .bytes = task->file.file_size,
                              .rows = task->file.record_count});
      }
    }
    group_.clear();
    bytes_ = 0;
    heavy_ = false;
  }

  const CompactionOptions& options_;
  const int64_t max_bytes_;
  std::vector<const FileTask*> group_;
  int64_t bytes_ = 0;
  bool heavy_ = false;
  std::vector<CompactionGroup> groups_;
};

// Which tasks of the plan are those of the group.
Result<std::vector<bool>> Choose(const ScanPlan& plan, const CompactionGroup& group) {
  std::unordered_map<std::string_view, bool> found;
  for (const CompactionFile& file : group.files) found.emplace(file.location, false);
  std::vector<bool> chosen(plan.tasks.size());
  for (size_t i = 0; i < plan.tasks.size(); ++i) {
    const auto place = found.find(plan.tasks[i].file.location);
    if (place == found.end()) continue;
    place->second = true;
    chosen[i] = true;
  }
  for (const CompactionFile& file : group.files) {
    PK_CHECK(found.at(file.location),
             FailedPrecondition(fmt::format("main does not hold {} any more: somebody rewrote or "
                                            "removed it, plan the compaction again",
                                            file.location)));
  }
  return chosen;
}

// The chosen tasks alone. Deletes stay in their places.
ScanPlan PlanOf(ScanPlan plan, const std::vector<bool>& chosen) {
  std::vector<FileTask> tasks;
  for (size_t i = 0; i < plan.tasks.size(); ++i) {
    if (chosen[i]) tasks.push_back(std::move(plan.tasks[i]));
  }
  plan.tasks = std::move(tasks);
  return plan;
}

// Several threads read, one writes: more of them would give a partition a file each.
Result<AppendedFiles> WriteAgain(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                                 const ScanPlan& plan, const RewriteOptions& options, Clock& clock,
                                 IdSource& ids) {
  bool given = false;
  const NextSource next = [&]() -> Result<std::unique_ptr<datafile::BatchSource>> {
    if (std::exchange(given, true)) return std::unique_ptr<datafile::BatchSource>();
    return Scan(storage, plan,
                {.threads = options.threads,
                 .memory_bytes = options.memory_bytes / 4,
                 .dictionaries = false,
                 .stop = options.stop});
  };
  return WriteDataFiles(storage, metadata, next,
                        {.writers = 1,
                         .target_file_bytes = options.target_file_bytes,
                         .memory_bytes = options.memory_bytes / 4 * 3,
                         .stop = options.stop,
                         .progress = options.progress},
                        clock, ids);
}

}  // namespace

int64_t CompactionGroup::bytes() const {
  int64_t sum = 0;
  for (const CompactionFile& file : files) sum += file.bytes;
  return sum;
}

int64_t CompactionGroup::rows() const {
  int64_t sum = 0;
  for (const CompactionFile& file : files) sum += file.rows;
  return sum;
}

Result<CompactionPlan> PlanCompaction(storage::Storage& storage,
                                      const iceberg::TableMetadata& metadata,
                                      const CompactionOptions& options) {
  PK_TRY(Check(options));
  CompactionPlan made;
  made.target_file_bytes = PK_TRY(TargetFileBytes(metadata, options.target_file_bytes));
  const ScanPlan plan = PK_TRY(PlanScan(
      storage, metadata, {.filter = options.filter, .columns = {}, .snapshot = {}, .limit = {}},
      {.threads = options.threads}));
  made.snapshot_id = plan.snapshot_id;
  made.files = int64_t(plan.tasks.size());
  made.bytes = plan.bytes;
  const int64_t small = made.target_file_bytes / 100 * kSmallPercent;
  std::vector<Candidate> candidates;
  for (const FileTask& task : plan.tasks) {
    const bool heavy = IsHeavy(task, plan, options);
    if (heavy || task.file.file_size < small) candidates.push_back({&task, heavy});
  }
  std::ranges::sort(candidates, Before);
  Packing packing(options,
                  options.max_group_bytes > 0 ? options.max_group_bytes : made.target_file_bytes);
  for (const Candidate& candidate : candidates) packing.Add(candidate);
  made.groups = packing.Finish();
  return made;
}

Result<PreparedRewrite> RewriteFiles(storage::Storage& storage,
                                     const iceberg::TableMetadata& metadata,
                                     const CompactionGroup& group, const RewriteOptions& options,
                                     Clock& clock, IdSource& ids) {
  PK_CHECK(!group.files.empty(), InvalidArgument("a group without files"));
  PK_CHECK(metadata.FindSpec(group.spec_id) != nullptr,
           InvalidArgument(fmt::format("the table has no partition spec {}", group.spec_id)));
  const PartitionPlace place{.spec_id = group.spec_id, .partition = group.partition};
  WholePlan whole = PK_TRY(PlanWhole(storage, metadata, &place, options.threads));
  const std::vector<bool> chosen = PK_TRY(Choose(whole.scan, group));
  PreparedRewrite prepared;
  prepared.delta.base_snapshot_id = whole.scan.snapshot_id;
  prepared.delta.rewrite = true;
  prepared.delta.schema_id = metadata.current_schema_id;
  prepared.delta.removed = ReplacedFiles(whole, chosen, metadata);
  prepared.files_removed =
      std::ranges::count(prepared.delta.removed, FileContent::kData, &FileRef::content);
  prepared.delete_files_removed = int64_t(prepared.delta.removed.size()) - prepared.files_removed;
  const ScanPlan plan = PlanOf(std::move(whole.scan), chosen);
  const bool cleaned = std::ranges::any_of(
      plan.tasks, [&](const FileTask& task) { return !HidingDeletes(task, plan).empty(); });
  for (const FileTask& task : plan.tasks) prepared.bytes_removed += task.file.file_size;

  AppendedFiles written = PK_TRY(WriteAgain(storage, metadata, plan, options, clock, ids));
  prepared.rows = written.rows;
  prepared.files_written = int64_t(written.files.size());
  prepared.bytes = written.bytes;
  prepared.oldest_file_ms = written.oldest_file_ms;
  if (!cleaned && group.spec_id == metadata.default_spec_id &&
      prepared.files_written >= prepared.files_removed) {
    RemoveFiles(storage, written.files);
    return PreparedRewrite{.delta = {}};
  }
  prepared.delta.added = std::move(written.files);
  return prepared;
}

}  // namespace pk::table
