#include <algorithm>

#include "parkeeper/catalog/snapshot_internal.h"
#include "parkeeper/catalog/summary_internal.h"

namespace pk::catalog {

using Summary = std::map<std::string, std::string>;

namespace {

int64_t NumberIn(const Summary& summary, const char* name, int64_t fallback) {
  const auto found = summary.find(name);
  return found == summary.end() ? fallback : NumberOr(found->second, fallback);
}

}  // namespace

void ChangeCounts::Count(const iceberg::DataFile& file, Tally& tally) {
  tally.bytes += file.file_size;
  partitions_[file.spec_id].insert(file.partition);
  switch (file.content) {
    case iceberg::FileContent::kData:
      ++tally.data_files;
      tally.rows += file.record_count;
      break;
    case iceberg::FileContent::kPositionDeletes:
      ++tally.position_delete_files;
      tally.position_deletes += file.record_count;
      break;
    case iceberg::FileContent::kEqualityDeletes:
      ++tally.equality_delete_files;
      tally.equality_deletes += file.record_count;
      break;
  }
}

Summary ChangeCounts::ToSummary(Summary own, std::string_view operation) const {
  int64_t partitions = 0;
  for (const auto& [spec_id, of_spec] : partitions_) partitions += int64_t(of_spec.size());
  const auto delete_files = [](const Tally& tally) {
    return tally.position_delete_files + tally.equality_delete_files;
  };
  const std::pair<const char*, int64_t> counts[] = {
      {"added-data-files", added_.data_files},
      {"added-records", added_.rows},
      {"added-files-size", added_.bytes},
      {"added-delete-files", delete_files(added_)},
      {"added-position-delete-files", added_.position_delete_files},
      {"added-position-deletes", added_.position_deletes},
      {"added-equality-delete-files", added_.equality_delete_files},
      {"added-equality-deletes", added_.equality_deletes},
      {"deleted-data-files", removed_.data_files},
      {"deleted-records", removed_.rows},
      {"removed-files-size", removed_.bytes},
      {"removed-delete-files", delete_files(removed_)},
      {"removed-position-delete-files", removed_.position_delete_files},
      {"removed-position-deletes", removed_.position_deletes},
      {"removed-equality-delete-files", removed_.equality_delete_files},
      {"removed-equality-deletes", removed_.equality_deletes},
      {"changed-partition-count", partitions},
  };
  Summary summary = std::move(own);
  for (const auto& [name, count] : counts) {
    summary.erase(name);
    if (count > 0) summary[name] = std::to_string(count);
  }
  summary["operation"] = operation;
  return summary;
}

void AddTotals(const iceberg::Snapshot* parent, Summary& summary) {
  static constexpr const char* kTotals[][3] = {
      {"total-data-files", "added-data-files", "deleted-data-files"},
      {"total-records", "added-records", "deleted-records"},
      {"total-files-size", "added-files-size", "removed-files-size"},
      {"total-delete-files", "added-delete-files", "removed-delete-files"},
      {"total-position-deletes", "added-position-deletes", "removed-position-deletes"},
      {"total-equality-deletes", "added-equality-deletes", "removed-equality-deletes"},
  };
  for (const auto& [total, added, removed] : kTotals) {
    const int64_t before = parent == nullptr ? 0 : NumberIn(parent->summary, total, -1);
    summary.erase(total);
    if (before < 0) continue;
    const int64_t change = NumberIn(summary, added, 0) - NumberIn(summary, removed, 0);
    summary[total] = std::to_string(std::max<int64_t>(before + change, 0));
  }
}

}  // namespace pk::catalog
