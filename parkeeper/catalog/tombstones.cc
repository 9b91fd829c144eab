#include <fmt/format.h>

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
constexpr size_t kNodesPerTransaction = 1'000;

std::vector<std::string> Children(const std::vector<Result<coordination::ReadReply>>& replies) {
  return replies[0].ok() ? replies[0]->children : std::vector<std::string>();
}

// Adds the removal of a node and its children to `transaction`, which is sent as often as it is
// full. Nothing when the node is gone.
Result<> RemoveWithChildren(const CommitContext& context, const std::string& path,
                            Transaction& transaction, Backoff& backoff) {
  auto replies =
      PK_TRY(ReadUntilKnown(context.sessions, {{.path = path, .children = true}}, backoff));
  for (const std::string& child : Children(replies)) {
    transaction.Remove(path + "/" + child, kAnyVersion);
    if (transaction.operations().size() < kNodesPerTransaction) continue;
    PK_TRY(SendUntilKnown(context.sessions, transaction, backoff));
    transaction = {};
  }
  if (replies[0].ok()) transaction.Remove(path, kAnyVersion);
  return {};
}

// Whether something hangs on a commit that is still to be rejected. As with the head, a day is
// longer than any request to make another one lies somewhere.
Result<bool> HasEntriesThatStay(const CommitContext& context, const std::string& key,
                                Backoff& backoff) {
  const std::string queue = QueuePath(key);
  auto listed =
      PK_TRY(ReadUntilKnown(context.sessions, {{.path = queue, .children = true}}, backoff));
  std::vector<coordination::ReadRequest> requests;
  for (const std::string& name : Children(listed)) requests.push_back({.path = queue + "/" + name});
  const auto entries = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
  return std::ranges::any_of(entries, [](const Result<coordination::ReadReply>& entry) {
    return entry.ok() && entry->node.stat.ephemeral_owner == 0;
  });
}

// Removes the head and all below it, in steps; whoever finds records gone and the head dropped
// cannot tell any more what they said, and says so.
Result<> RemoveTombstone(const CommitContext& context, const std::string& key, int32_t version,
                         Backoff& backoff) {
  if (PK_TRY(HasEntriesThatStay(context, key, backoff))) return {};
  Transaction transaction;
  PK_TRY(RemoveWithChildren(context, RecordsPath(key), transaction, backoff));
  PK_TRY(RemoveWithChildren(context, QueuePath(key), transaction, backoff));
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
  const Result<> swept = SweepBucket(context, key, backoff);
  if (swept.ok()) return;
  LogFailure(fmt::format("what is left of dropped tables beside {} stays", key), swept.error());
}

}  // namespace pk::catalog
