#include "parkeeper/catalog/branch_history_internal.h"

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/manifest/partition_filter.h"

namespace pk::catalog {

using iceberg::EntryStatus;
using iceberg::ManifestFile;

namespace {

// A reason is for people: not worth reading a thousand lists for.
constexpr size_t kSnapshotsToAsk = 32;

bool Holds(const std::vector<iceberg::ManifestEntry>& entries, const std::string& location) {
  return std::ranges::any_of(entries, [&](const iceberg::ManifestEntry& entry) {
    return entry.status == EntryStatus::kDeleted && entry.file.location == location;
  });
}

Result<bool> Removed(const iceberg::FileRef& file, const iceberg::Snapshot& snapshot,
                     const BranchView& branch) {
  const iceberg::PartitionSpec* spec = branch.metadata.FindSpec(file.spec_id);
  if (spec == nullptr) return false;
  const iceberg::Schema& schema = branch.metadata.schema();
  const auto filter = manifest::PartitionFilter::OfValues(file.partition, *spec, schema);
  for (const ManifestFile& manifest : PK_TRY(branch.list(snapshot))) {
    if (manifest.added_snapshot_id != snapshot.snapshot_id) continue;
    if (manifest.spec_id != file.spec_id || manifest.deleted_files == 0) continue;
    if (!filter.MightMatch(manifest)) continue;
    const auto bytes = PK_TRY(branch.bytes(manifest.location));
    if (Holds(PK_TRY(manifest::ReadEntries(*bytes, manifest, *spec, schema)), file.location)) {
      return true;
    }
  }
  return false;
}

}  // namespace

Result<SinceBase> SinceBase::Read(const BranchView& branch,
                                  std::optional<int64_t> base_snapshot_id) {
  SinceBase since;
  since.all_new_ = !base_snapshot_id;
  auto snapshot = branch.head;
  // Bounded: what others wrote may name its own child as its parent.
  for (size_t i = 0; snapshot != nullptr && i < branch.metadata.snapshots.size(); ++i) {
    if (snapshot->snapshot_id == base_snapshot_id) {
      since.base_sequence_number_ = snapshot->sequence_number;
      return since;
    }
    since.ids_.insert(snapshot->snapshot_id);
    since.snapshots_.push_back(snapshot);
    snapshot = snapshot->parent_id ? branch.metadata.FindSnapshot(*snapshot->parent_id) : nullptr;
  }
  PK_CHECK(!base_snapshot_id,
           Conflict(fmt::format("snapshot {}, which it was made from, is not in the history of the "
                                "branch, or expired: read the branch again",
                                *base_snapshot_id)));
  return since;
}

bool SinceBase::MayHoldNew(const ManifestFile& manifest) const {
  if (all_new_) return true;
  if (base_sequence_number_ > 0) return manifest.sequence_number > base_sequence_number_;
  return ids_.contains(manifest.added_snapshot_id);
}

bool SinceBase::IsNew(int64_t snapshot_id, int64_t sequence_number) const {
  if (all_new_) return true;
  if (base_sequence_number_ > 0) return sequence_number > base_sequence_number_;
  return ids_.contains(snapshot_id);
}

std::string WhyGone(const iceberg::FileRef& file, const SinceBase& since, const BranchView& branch,
                    const std::string& branch_name) {
  const auto& snapshots = since.snapshots();
  for (size_t i = 0; i < std::min(snapshots.size(), kSnapshotsToAsk); ++i) {
    const Result<bool> removed = Removed(file, *snapshots[i], branch);
    if (!removed.ok() || !*removed) continue;
    return fmt::format("snapshot {} removed {} from branch '{}' meanwhile",
                       snapshots[i]->snapshot_id, file.location, branch_name);
  }
  return fmt::format("branch '{}' does not hold {}{}", branch_name, file.location,
                     since.nothing() ? "" : " any more");
}

}  // namespace pk::catalog
