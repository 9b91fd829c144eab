#include "parkeeper/iceberg/lineage.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>

namespace pk::iceberg {
namespace {

struct Walk {
  Snapshots snapshots;  // newest first
  // Where it ended: a snapshot that was looked for, or that is not there; none: at the first.
  std::optional<int64_t> end;
};

// From the snapshot `to` to older ones, until the next is the one looked for or is not there.
Walk WalkBack(const TableMetadata& metadata, std::optional<int64_t> to,
              const std::function<bool(int64_t)>& looked_for) {
  std::unordered_map<int64_t, const std::shared_ptr<const Snapshot>*> by_id;
  for (const auto& snapshot : metadata.snapshots) by_id[snapshot->snapshot_id] = &snapshot;
  Walk walk{.snapshots = {}, .end = to};
  // Damaged metadata may name parents in a circle.
  while (walk.end && !looked_for(*walk.end) && walk.snapshots.size() < by_id.size()) {
    const auto found = by_id.find(*walk.end);
    if (found == by_id.end()) break;
    walk.snapshots.push_back(*found->second);
    walk.end = (*found->second)->parent_id;
  }
  return walk;
}

Snapshots OldestFirst(Snapshots snapshots) {
  std::ranges::reverse(snapshots);
  return snapshots;
}

Error NoSnapshot(int64_t id) { return NotFound(fmt::format("the table has no snapshot {}", id)); }

std::optional<int64_t> CurrentId(const TableMetadata& metadata) {
  const auto current = metadata.current_snapshot();
  return current == nullptr ? std::nullopt : std::optional<int64_t>(current->snapshot_id);
}

}  // namespace

Result<Snapshots> SnapshotsAfter(const TableMetadata& metadata, int64_t from, int64_t to) {
  PK_CHECK(metadata.FindSnapshot(to) != nullptr, NoSnapshot(to));
  Walk walk = WalkBack(metadata, to, [&](int64_t id) { return id == from; });
  if (walk.end == from) return OldestFirst(std::move(walk.snapshots));
  PK_CHECK(walk.end,
           InvalidArgument(fmt::format("snapshot {} is no ancestor of snapshot {}", from, to)));
  return FailedPrecondition(
      fmt::format("snapshot {} has expired, so nobody can say what came between {} and {}",
                  *walk.end, from, to));
}

Result<Snapshots> SnapshotsUpTo(const TableMetadata& metadata, int64_t to) {
  PK_CHECK(metadata.FindSnapshot(to) != nullptr, NoSnapshot(to));
  Walk walk = WalkBack(metadata, to, [](int64_t) { return false; });
  PK_CHECK(!walk.end,
           FailedPrecondition(fmt::format("snapshot {} and those before it have expired; the "
                                          "oldest of the history that is left is {}",
                                          *walk.end, walk.snapshots.back()->snapshot_id)));
  return OldestFirst(std::move(walk.snapshots));
}

HistoryChange CompareHistory(const TableMetadata& before, const TableMetadata& after) {
  const std::optional<int64_t> old = CurrentId(before);
  Walk walk = WalkBack(after, CurrentId(after), [&](int64_t id) { return id == old; });
  if (walk.end == old) {
    return {.added = OldestFirst(std::move(walk.snapshots)), .rewound = false, .expired = {}};
  }
  std::unordered_set<int64_t> known;
  Walk ancestors = WalkBack(before, old, [](int64_t) { return false; });
  for (const auto& snapshot : ancestors.snapshots) known.insert(snapshot->snapshot_id);
  if (ancestors.end) known.insert(*ancestors.end);
  walk = WalkBack(after, CurrentId(after), [&](int64_t id) { return known.contains(id); });
  HistoryChange change;
  // An expired snapshot between the two may be a child of the old one, or of another.
  if (walk.end && !known.contains(*walk.end)) change.expired = walk.end;
  change.rewound = old.has_value() && !change.expired;
  change.added = OldestFirst(std::move(walk.snapshots));
  return change;
}

}  // namespace pk::iceberg
