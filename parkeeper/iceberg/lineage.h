#pragma once

// The history of a branch: a snapshot, its parent, and so on. Snapshots that expired are gone from
// the metadata, but the children that are left still name them.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/table_metadata.h"

namespace pk::iceberg {

using Snapshots = std::vector<std::shared_ptr<const Snapshot>>;

// What `to` has in its history and `from` has not, oldest first, `to` itself last; nothing when
// they are the same. `from` may have expired when its child has not. kInvalidArgument: `from` is no
// ancestor of `to`; kFailedPrecondition: snapshots expired that lie between, or may; kNotFound:
// there is no snapshot `to`.
Result<Snapshots> SnapshotsAfter(const TableMetadata& metadata, int64_t from, int64_t to);

// `to` and all its ancestors, oldest first. kFailedPrecondition when the oldest of them have
// expired.
Result<Snapshots> SnapshotsUpTo(const TableMetadata& metadata, int64_t to);

// What became of the history of main from one version of a table to a later one.
struct HistoryChange {
  Snapshots added;  // that it has now and had not before, oldest first
  // The current snapshot of before is not in it any more: it was rolled back or replaced.
  bool rewound = false;
  // A snapshot that came in between and has expired already, so that `added` is not all.
  std::optional<int64_t> expired;
};
HistoryChange CompareHistory(const TableMetadata& before, const TableMetadata& after);

}  // namespace pk::iceberg
