#include "parkeeper/tasks/queues.h"

#include <fmt/format.h>

#include "parkeeper/coordination/path.h"
#include "parkeeper/tasks/files_internal.h"
#include "parkeeper/tasks/limits.h"
#include "parkeeper/tasks/queue_internal.h"
#include "parkeeper/tasks/transitions_internal.h"

namespace pk::tasks {

using coordination::kAnyVersion;
using coordination::ReadRequest;
using coordination::Refused;
using coordination::Transaction;

namespace {

Transaction NewQueue(const std::string& queue, const QueueNode& node) {
  const std::string path = QueuePath(queue);
  Transaction transaction;
  transaction.Create(path, Encode(node));
  transaction.Create(path + "/def", "").Create(path + "/ready", "").Create(path + "/dead", "");
  for (int i = 0; i < kDefBuckets; ++i) transaction.Create(DefBucketPath(queue, i), "");
  for (int32_t i = 0; i < node.shards; ++i) transaction.Create(ShardPath(queue, i), "");
  for (int i = 0; i < kSmallBuckets; ++i) transaction.Create(DeadBucketPath(queue, i), "");
  return transaction;
}

Result<> Validate(const QueueOptions& options) {
  PK_CHECK(options.shards >= 1 && options.shards <= kMaxShards,
           InvalidArgument(fmt::format("a queue has 1 to {} shards", kMaxShards)));
  PK_CHECK(options.retention >= kShortestRetention,
           InvalidArgument(fmt::format("tasks are remembered for {} min at least",
                                       kShortestRetention / std::chrono::minutes(1))));
  return {};
}

Error CannotBe(const Task& task, std::string_view wish) {
  return FailedPrecondition(fmt::format("task {} of queue {} cannot be {}: it is {}",
                                        task.id().ToString(), task.queue, wish,
                                        ToString(task.state)));
}

}  // namespace

Result<> Queues::CreateQueue(const std::string& queue, const QueueOptions& options) {
  PK_TRY(ValidateQueueName(queue));
  PK_TRY(Validate(options));
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  PK_TRY(EnsureLayout(context, backoff));
  const QueueNode node{.guid = options_.ids->NewUuid4().ToString(),
                       .state = QueueState::kRunning,
                       .shards = options.shards,
                       .retention = options.retention};
  const Sent sent = PK_TRY(SendUntilKnown(context.sessions, NewQueue(queue, node), backoff));
  const Refused* refused = sent.refused();
  if (refused == nullptr) return {};
  PK_CHECK(refused->operation == 0, refused->reason);
  const ReadQueue present = PK_TRY(LoadQueue(context, queue, backoff));
  PK_CHECK(present.node.guid == node.guid,
           AlreadyExists(fmt::format("queue {} exists already", queue)));
  return {};
}

Result<std::vector<std::string>> Queues::ListQueues() {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  Result<std::vector<std::string>> names = ListUntilKnown(context.sessions, kQueuesPath, backoff);
  if (!names.ok() && names.error().code() == ErrorCode::kNotFound) {
    return std::vector<std::string>();
  }
  PK_TRY(Result(names));
  for (std::string& name : *names) name = PK_TRY(coordination::UnescapeSegment(name));
  return names;
}

Result<QueueStatus> Queues::DescribeQueue(const std::string& queue) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  const ReadQueue read = PK_TRY(LoadQueue(context, queue, backoff));
  std::vector<ReadRequest> requests;
  for (int32_t i = 0; i < read.node.shards; ++i) requests.push_back({ShardPath(queue, i)});
  for (int i = 0; i < kSmallBuckets; ++i) requests.push_back({DeadBucketPath(queue, i)});
  const auto replies = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
  QueueStatus status{
      .state = read.node.state, .shards = read.node.shards, .retention = read.node.retention};
  for (size_t i = 0; i < replies.size(); ++i) {
    const auto reply = PK_TRY(Result(replies[i]));
    (i < size_t(read.node.shards) ? status.offered : status.dead) += reply.node.stat.children;
  }
  return status;
}

Result<> Queues::SetQueueState(const std::string& queue, QueueState state) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  for (;;) {
    ReadQueue read = PK_TRY(LoadQueue(context, queue, backoff));
    read.node.state = state;
    // Also when it is so already: it spends the version that claims and submissions expect.
    const auto set = Transaction().Set(QueuePath(queue), Encode(read.node), read.version);
    const Sent sent = PK_TRY(SendUntilKnown(context.sessions, set, backoff));
    if (sent.refused() == nullptr) return {};
    PK_CHECK(backoff.Wait(), Unavailable(fmt::format("queue {} changes all the time", queue)));
  }
}

Result<Task> Queues::Find(const std::string& queue, const Uuid& id) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  return PK_TRY(LoadTask(context, queue, id, backoff)).task;
}

Result<std::string> Queues::LoadBody(const Task& task) { return tasks::LoadBody(storage_, task); }
Result<std::string> Queues::LoadResult(const Task& task) {
  return tasks::LoadResult(storage_, task);
}

Result<> Queues::Cancel(const std::string& queue, const Uuid& id) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  const Plan plan = [](const Task& task) -> Result<std::optional<Task>> {
    if (task.state == TaskState::kCancelled) return std::optional<Task>();
    PK_CHECK(task.state == TaskState::kOpen || task.state == TaskState::kDead,
             CannotBe(task, "cancelled"));
    return std::optional(Cancelled(task));
  };
  // Not there when it is claimed or waits for a stage; then whoever meets the rest of it clears it
  // away.
  const auto offer = [](const Task& task) {
    Transaction remove;
    if (task.state == TaskState::kOpen) remove.Remove(OfferPath(task), kAnyVersion);
    return remove;
  };
  return MoveTask(context, queue, id, plan, offer, backoff);
}

Result<> Queues::RetryDead(const std::string& queue, const Uuid& id) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  std::optional<int32_t> offered;
  const Plan plan = [&](const Task& task) -> Result<std::optional<Task>> {
    // By an earlier copy, or somebody else who wanted the same.
    if (offered && task.attempt >= *offered) return std::optional<Task>();
    PK_CHECK(task.state == TaskState::kDead, CannotBe(task, "retried"));
    Task open = Retried(task, context.WallMs());
    offered = open.attempt;
    return std::optional(std::move(open));
  };
  return MoveTask(context, queue, id, plan, {}, backoff);
}

}  // namespace pk::tasks
