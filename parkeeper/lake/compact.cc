#include "parkeeper/lake/compact.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "parkeeper/lake/commit_delta_internal.h"

namespace pk::lake {

using table::CompactionFile;
using table::CompactionGroup;

namespace {

Error Stopped() { return Cancelled("the compaction was stopped"); }

class Compacting {
 public:
  Compacting(Lake& lake, const catalog::TableName& name, const CompactOptions& options)
      : lake_(lake), name_(name), options_(options) {}

  Result<> Run() {
    std::vector<CompactionGroup> groups = PK_TRY(Plan());
    for (int tries = 1; !groups.empty(); ++tries) {
      const std::vector<CompactionGroup> left = PK_TRY(RewriteAll(groups));
      if (left.empty() || tries == options_.tries) return {};
      groups = PK_TRY(PlanAgain(left));
      result_.rejected.clear();
    }
    return {};
  }

  CompactResult TakeResult() { return std::move(result_); }
  const CompactResult& result() const { return result_; }

 private:
  Result<std::vector<CompactionGroup>> Plan() {
    const catalog::LoadedTable table = PK_TRY(lake_.catalog().LoadTable(name_));
    table::CompactionPlan plan =
        PK_TRY(table::PlanCompaction(lake_.storage(), *table.metadata, options_.plan));
    if (!planned_) {
      result_.files_before = plan.files;
      result_.bytes_before = plan.bytes;
    }
    planned_ = true;
    return std::move(plan.groups);
  }

  // What is worth it of the files of these groups; what came meanwhile can wait.
  Result<std::vector<CompactionGroup>> PlanAgain(const std::vector<CompactionGroup>& left) {
    std::unordered_set<std::string_view> files;
    for (const CompactionGroup& group : left) {
      for (const CompactionFile& file : group.files) files.insert(file.location);
    }
    std::vector<CompactionGroup> groups = PK_TRY(Plan());
    std::erase_if(groups, [&](const CompactionGroup& group) {
      return std::ranges::none_of(
          group.files, [&](const CompactionFile& file) { return files.contains(file.location); });
    });
    return groups;
  }

  // Gives the groups that others were in the way of.
  Result<std::vector<CompactionGroup>> RewriteAll(const std::vector<CompactionGroup>& groups) {
    progress_.groups = int64_t(groups.size());
    progress_.groups_done = progress_.bytes = progress_.bytes_done = 0;
    for (const CompactionGroup& group : groups) progress_.bytes += group.bytes();
    std::vector<CompactionGroup> left;
    for (const CompactionGroup& group : groups) {
      PK_CHECK(!options_.stop.stop_requested(), Stopped());
      std::optional<std::string> rejected = PK_TRY(RewriteOne(group));
      if (rejected) {
        left.push_back(group);
        result_.rejected.push_back(*std::move(rejected));
      }
      ++progress_.groups_done;
      progress_.bytes_done += group.bytes();
      if (options_.progress) options_.progress(progress_);
    }
    return left;
  }

  // Why it is left, if it is.
  Result<std::optional<std::string>> RewriteOne(const CompactionGroup& group) {
    const catalog::LoadedTable table = PK_TRY(lake_.catalog().LoadTable(name_));
    Result<table::PreparedRewrite> made = Write(table, group);
    if (!made.ok() && made.error().code() == ErrorCode::kCancelled) return Stopped();
    if (!made.ok() && made.error().code() == ErrorCode::kFailedPrecondition) {
      return std::optional(made.error().message());
    }
    table::PreparedRewrite prepared = PK_TRY(std::move(made));
    if (prepared.delta.removed.empty()) return std::optional<std::string>();
    if (options_.stop.stop_requested()) {
      table::RemoveFiles(lake_.storage(), prepared.delta.added);
      return Stopped();
    }
    const catalog::CommitResult outcome =
        PK_TRY(CommitDelta(lake_, table, std::move(prepared.delta), prepared.oldest_file_ms));
    if (const auto* rejected = std::get_if<catalog::Rejected>(&outcome)) {
      return std::optional(rejected->reason);
    }
    Count(prepared, std::get<catalog::Committed>(outcome));
    return std::optional<std::string>();
  }

  Result<table::PreparedRewrite> Write(const catalog::LoadedTable& table,
                                       const CompactionGroup& group) {
    const CompactProgress before = progress_;
    const double bytes_per_row = double(group.bytes()) / double(std::max<int64_t>(group.rows(), 1));
    return table::RewriteFiles(lake_.storage(), *table.metadata, group,
                               {.target_file_bytes = options_.plan.target_file_bytes,
                                .memory_bytes = options_.memory_bytes,
                                .threads = options_.threads,
                                .stop = options_.stop,
                                .progress = [&, before](const table::AppendProgress& of_group) {
                                  progress_.rows = before.rows + of_group.rows;
                                  CompactProgress now = progress_;
                                  now.bytes_done += int64_t(bytes_per_row * double(of_group.rows));
                                  if (options_.progress) options_.progress(now);
                                }});
  }

  void Count(const table::PreparedRewrite& made, const catalog::Committed& committed) {
    ++result_.groups;
    result_.rows += made.rows;
    result_.files_removed += made.files_removed;
    result_.bytes_removed += made.bytes_removed;
    result_.files_written += made.files_written;
    result_.bytes_written += made.bytes;
    result_.delete_files_removed += made.delete_files_removed;
    result_.snapshot_id = committed.snapshot_id;
  }

  Lake& lake_;
  const catalog::TableName& name_;
  const CompactOptions& options_;
  bool planned_ = false;
  CompactProgress progress_;
  CompactResult result_;
};

}  // namespace

Result<CompactResult> Compact(Lake& lake, const catalog::TableName& name,
                              const CompactOptions& options) {
  PK_CHECK(options.tries > 0, InvalidArgument("a compaction needs at least one try"));
  Compacting compacting(lake, name, options);
  const std::string place = catalog::ToString(name);
  Result<> done = compacting.Run();
  if (!done.ok() && compacting.result().groups > 0) {
    return std::move(done).error().With(fmt::format(
        "{}, of which {} groups are compacted and stay so", place, compacting.result().groups));
  }
  PK_TRY(std::move(done).With(place));
  return compacting.TakeResult();
}

}  // namespace pk::lake
