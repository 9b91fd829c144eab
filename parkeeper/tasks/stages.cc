#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "parkeeper/tasks/limits.h"
#include "parkeeper/tasks/queue_internal.h"
#include "parkeeper/tasks/queues.h"
#include "parkeeper/tasks/stages_internal.h"

namespace pk::tasks {

using coordination::kAnyVersion;
using coordination::ReadRequest;
using coordination::Transaction;

namespace {

struct SeenStage {
  StageNode node;
  coordination::NodeStat stat;
  int64_t left = 0;
  std::vector<int64_t> next;  // by bucket; all 0 once it is over

  int64_t waiting() const {
    int64_t sum = 0;
    for (const int64_t count : next) sum += count;
    return sum;
  }
};

// At one point of the order; nullopt: there is no such stage.
Result<std::optional<SeenStage>> Look(const Context& context, const Uuid& stage, Backoff& backoff) {
  std::vector<ReadRequest> requests = {{StagePath(stage)}};
  for (int i = 0; i < kSmallBuckets; ++i) requests.push_back({LeftBucketPath(stage, i)});
  for (int i = 0; i < kSmallBuckets; ++i) requests.push_back({NextBucketPath(stage, i)});
  auto replies = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
  SeenStage seen;
  const auto node = PK_TRY(coordination::NodeOf(std::move(replies[0])));
  if (!node) return std::optional<SeenStage>();
  seen.node = PK_TRY(DecodeStage(node->value).With(requests[0].path));
  seen.stat = node->stat;
  for (size_t i = 1; i < replies.size(); ++i) {
    const auto bucket = PK_TRY(coordination::NodeOf(std::move(replies[i])));
    const int64_t children = bucket ? bucket->stat.children : 0;
    if (i <= kSmallBuckets) {
      seen.left += children;
    } else {
      seen.next.push_back(children);
    }
  }
  return std::optional(std::move(seen));
}

// Which of the stages that these wait for afterwards are over, or forgotten.
Result<std::map<Uuid, bool>> AreOver(const Context& context, const std::vector<NextNode>& nodes,
                                     Backoff& backoff) {
  std::map<Uuid, bool> over;
  for (const NextNode& node : nodes) {
    for (const Uuid& stage : node.after) over[stage] = true;
  }
  if (over.empty()) return over;
  std::vector<ReadRequest> requests;
  for (const auto& [stage, is] : over) requests.push_back({StagePath(stage)});
  auto replies = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
  size_t i = 0;
  for (auto& [stage, is] : over) {
    const auto node = PK_TRY(coordination::NodeOf(std::move(replies[i++])));
    is = !node || PK_TRY(DecodeStage(node->value)).state == StageState::kOver;
  }
  return over;
}

// Offers these tasks, or lets them wait for their next stage. Refused when somebody else is at it:
// then all is looked at again.
Result<> Advance(const Context& context, const Uuid& stage, const std::vector<std::string>& names,
                 Backoff& backoff) {
  std::vector<ReadRequest> requests;
  for (const std::string& name : names) {
    requests.push_back({NextPath(stage, PK_TRY(Uuid::Parse(name)))});
  }
  auto replies = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
  std::vector<NextNode> nodes;
  for (size_t i = 0; i < replies.size(); ++i) {
    const auto node = PK_TRY(coordination::NodeOf(std::move(replies[i])));
    if (node) nodes.push_back(PK_TRY(DecodeNext(node->value).With(requests[i].path)));
  }
  auto over = PK_TRY(AreOver(context, nodes, backoff));
  Transaction transaction;
  for (NextNode& node : nodes) {
    const Uuid& id = node.offer.id;
    transaction.Remove(NextPath(stage, id), kAnyVersion);
    const auto waits = std::find_if(node.after.begin(), node.after.end(),
                                    [&](const Uuid& each) { return !over[each]; });
    if (waits == node.after.end()) {
      const std::string shard = ShardPath(node.queue, node.shard);
      transaction.Create(fmt::format("{}/{}", shard, ToName(node.offer)), "");
      continue;
    }
    const Uuid then = *waits;
    node.after.erase(node.after.begin(), waits + 1);
    transaction.Create(NextPath(then, id), Encode(node));
  }
  if (!nodes.empty()) PK_TRY(SendUntilKnown(context.sessions, transaction, backoff));
  return {};
}

Result<> AdvanceBucket(const Context& context, const Uuid& stage, int bucket, Backoff& backoff) {
  Result<std::vector<std::string>> names =
      ListUntilKnown(context.sessions, NextBucketPath(stage, bucket), backoff);
  if (!names.ok() && names.error().code() == ErrorCode::kNotFound) return {};  // over meanwhile
  const auto all = PK_TRY(std::move(names));
  for (size_t i = 0; i < all.size(); i += kTasksOfSubmit) {
    const size_t end = std::min(all.size(), i + kTasksOfSubmit);
    PK_TRY(
        Advance(context, stage, {all.begin() + int64_t(i), all.begin() + int64_t(end)}, backoff));
  }
  return {};
}

Transaction NewStage(const Uuid& stage, const std::string& name) {
  Transaction transaction;
  transaction.Create(StagePath(stage), Encode(StageNode{.name = name}));
  for (int i = 0; i < kSmallBuckets; ++i) transaction.Create(LeftBucketPath(stage, i), "");
  for (int i = 0; i < kSmallBuckets; ++i) transaction.Create(NextBucketPath(stage, i), "");
  return transaction;
}

Error NoStage(const Uuid& stage) {
  return NotFound(fmt::format("stage {} does not exist", stage.ToString()));
}

}  // namespace

Result<bool> OpenIfOver(const Context& context, const Uuid& stage, Backoff& backoff) {
  for (;;) {
    auto seen = PK_TRY(Look(context, stage, backoff));
    PK_CHECK(seen, NoStage(stage));
    if (seen->node.state == StageState::kOver) return true;
    if (seen->node.state != StageState::kSealed || seen->left > 0) return false;
    for (int i = 0; i < kSmallBuckets; ++i) {
      if (seen->next[size_t(i)] > 0) PK_TRY(AdvanceBucket(context, stage, i, backoff));
    }
    // Whoever lines up from now on finds no bucket, so nobody is left waiting.
    Transaction over;
    for (int i = 0; i < kSmallBuckets; ++i) over.Remove(NextBucketPath(stage, i), kAnyVersion);
    seen->node.state = StageState::kOver;
    over.Set(StagePath(stage), Encode(seen->node), seen->stat.version);
    const Sent sent = PK_TRY(SendUntilKnown(context.sessions, over, backoff));
    if (sent.refused() == nullptr) return true;
    PK_CHECK(backoff.Wait(), Unavailable(sent.refused()->reason.message()));
  }
}

Result<bool> ForgetStage(const Context& context, const Uuid& stage, int64_t before_ms,
                         Backoff& backoff) {
  const auto seen = PK_TRY(Look(context, stage, backoff));
  if (!seen) return true;
  if (seen->node.state != StageState::kOver || seen->stat.mtime_ms >= before_ms) return false;
  Transaction forget;
  for (int i = 0; i < kSmallBuckets; ++i) forget.Remove(LeftBucketPath(stage, i), kAnyVersion);
  forget.Remove(StagePath(stage), seen->stat.version);
  PK_TRY(SendUntilKnown(context.sessions, forget, backoff));
  return true;
}

Result<> Queues::CreateStage(const Uuid& id, const std::string& name) {
  PK_TRY(ValidateQueueName(name).With("stage"));
  const Context context{sessions_, storage_, options_};
  PK_CHECK((id.bytes[6] >> 4) == 7 &&
               id.UnixMs() >= context.WallMs() - (kStageRetention - kIdMargin).count(),
           InvalidArgument("a stage's id is a new UUID of version 7"));
  Backoff backoff = context.NewBackoff();
  PK_TRY(EnsureLayout(context, backoff));
  const Sent sent = PK_TRY(SendUntilKnown(context.sessions, NewStage(id, name), backoff));
  const auto* refused = sent.refused();
  PK_CHECK(refused == nullptr || refused->reason.code() == ErrorCode::kAlreadyExists,
           refused->reason);
  return {};
}

Result<> Queues::SealStage(const Uuid& id) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  for (;;) {
    auto seen = PK_TRY(Look(context, id, backoff));
    if (!seen) {
      PK_TRY(LoadNode(context.sessions, StagePath(id), backoff).With("stage"));
      continue;
    }
    if (seen->node.state != StageState::kFilling) break;
    seen->node.state = StageState::kSealed;
    const auto seal = Transaction().Set(StagePath(id), Encode(seen->node), seen->stat.version);
    if (PK_TRY(SendUntilKnown(context.sessions, seal, backoff)).refused() == nullptr) break;
    PK_CHECK(backoff.Wait(), Unavailable("the stage changes all the time"));
  }
  // All of its tasks may have ended while it was filled.
  PK_TRY(OpenIfOver(context, id, backoff));
  return {};
}

Result<StageStatus> Queues::DescribeStage(const Uuid& id) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  const auto seen = PK_TRY(Look(context, id, backoff));
  PK_CHECK(seen, NoStage(id));
  return StageStatus{.name = seen->node.name,
                     .sealed = seen->node.state != StageState::kFilling,
                     .over = seen->node.state == StageState::kOver,
                     .left = seen->left,
                     .waiting = seen->waiting()};
}

Result<bool> Queues::OpenStage(const Uuid& id) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  return OpenIfOver(context, id, backoff);
}

}  // namespace pk::tasks
