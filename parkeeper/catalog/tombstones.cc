#include <algorithm>

#include "parkeeper/catalog/coordinated_catalog_internal.h"
#include "parkeeper/coordination/path.h"

namespace pk::catalog {
namespace {

using coordination::kAnyVersion;
using coordination::Transaction;

// By then whoever could still send or settle a request to the table has given up, and the
// coordinator has ended the sessions of those who did not.
constexpr int64_t kTombstoneMs = int64_t{24} * 3'600'000;
constexpr size_t kHeadsLookedAt = 500;
constexpr size_t kTombstonesSwept = 8;
constexpr size_t kRecordsPerTransaction = 1'000;

std::vector<std::string> Children(const std::vector<Result<coordination::ReadReply>>& replies) {
  return replies[0].ok() ? replies[0]->children : std::vector<std::string>();
}

// Removes the head and all below it, in steps; whoever finds records gone and the head dropped
// cannot tell any more what they said, and says so.
Result<> RemoveTombstone(const CommitContext& context, const std::string& key, int32_t version,
                         Backoff& backoff) {
  const std::string records = RecordsPath(key);
  auto replies =
      PK_TRY(ReadUntilKnown(context.sessions, {{.path = records, .children = true}}, backoff));
  Transaction transaction;
  for (const std::string& record : Children(replies)) {
    transaction.Remove(records + "/" + record, kAnyVersion);
    if (transaction.operations().size() < kRecordsPerTransaction) continue;
    PK_TRY(SendUntilKnown(context.sessions, transaction, backoff));
    transaction = {};
  }
  if (replies[0].ok()) transaction.Remove(records, kAnyVersion).Remove(QueuePath(key), kAnyVersion);
  transaction.Remove(HeadPath(key), version);
  PK_TRY(SendUntilKnown(context.sessions, transaction, backoff));
  return {};
}

Result<> SweepBucket(const CommitContext& context, const std::string& key, Backoff& backoff) {
  // The coordinator's own time: its stamp on the drop.
  const ReadHead dropped = PK_TRY(LoadHead(context.sessions, key, backoff));
  const std::string bucket(coordination::Parent(HeadPath(key)));
  auto listed =
      PK_TRY(ReadUntilKnown(context.sessions, {{.path = bucket, .children = true}}, backoff));
  std::vector<std::string> keys = Children(listed);
  // In a bucket of many others, those that come after this one.
  std::rotate(keys.begin(), std::upper_bound(keys.begin(), keys.end(), key), keys.end());
  keys.resize(std::min(keys.size(), kHeadsLookedAt));
  std::vector<coordination::ReadRequest> requests;
  for (const std::string& other : keys) requests.push_back({.path = HeadPath(other)});
  const auto heads = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
  size_t swept = 0;
  for (size_t i = 0; i < heads.size() && swept < kTombstonesSwept; ++i) {
    if (!heads[i].ok()) continue;
    const coordination::Node& node = heads[i]->node;
    if (dropped.stat.mtime_ms - node.stat.mtime_ms <= kTombstoneMs) continue;
    if (!PK_TRY(DecodeHead(node.value)).dropped) continue;
    PK_TRY(RemoveTombstone(context, keys[i], node.stat.version, backoff));
    ++swept;
  }
  return {};
}

}  // namespace

void SweepTombstones(const CommitContext& context, const std::string& key) {
  // The drop is done, and must not wait for this.
  RetryPolicy once = context.options.retry;
  once.within = std::chrono::milliseconds(0);
  Backoff backoff(once, *context.options.clock, *context.options.ids);
  static_cast<void>(SweepBucket(context, key, backoff));
}

}  // namespace pk::catalog
