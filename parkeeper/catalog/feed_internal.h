#pragma once

// Where a feed stands, and how its start is found.

#include <memory>
#include <optional>
#include <string>

#include "parkeeper/catalog/commit_internal.h"
#include "parkeeper/catalog/feed.h"

namespace pk::catalog {

struct FeedPosition {
  int64_t version = 0;
  std::string metadata_location;  // of this version
  // Null: purged, so that only the drop is still to come, or came with this version.
  std::shared_ptr<const iceberg::TableMetadata> metadata;
  bool dropped = false;  // with this version
  // What is to be told before all that comes after this version.
  std::optional<FeedChange> first;
};

// Each of these tries once; kUnavailable: try again. `backoff` says how long a coordinator is
// waited for that is not reached.
Result<FeedPosition> FindStart(const CommitContext& context, const std::string& key,
                               const FeedStart& start, Backoff& backoff);

// Null when the table was dropped since, and its files are gone.
Result<std::shared_ptr<const iceberg::TableMetadata>> LoadUnlessPurged(const CommitContext& context,
                                                                       const std::string& key,
                                                                       const std::string& location,
                                                                       Backoff& backoff);

// The end of what a feed says that cannot go on without a gap.
std::string BeginAgain(const iceberg::TableMetadata& metadata);

std::optional<int64_t> CurrentSnapshotId(const iceberg::TableMetadata& metadata);

}  // namespace pk::catalog
