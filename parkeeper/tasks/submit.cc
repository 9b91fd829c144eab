#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "parkeeper/tasks/files_internal.h"
#include "parkeeper/tasks/limits.h"
#include "parkeeper/tasks/queue_internal.h"
#include "parkeeper/tasks/queues.h"
#include "parkeeper/tasks/transitions_internal.h"

namespace pk::tasks {

using coordination::ReadRequest;
using coordination::Transaction;

namespace {

// Tasks of one transaction, on their way into a queue.
class Chunk {
 public:
  Chunk(const Context& context, const std::string& queue) : context_(context), queue_(queue) {}

  void Add(const SubmitRequest& request) { requests_.push_back(&request); }
  size_t size() const { return requests_.size(); }

  Result<> Submit(SubmitReport& report) {
    Backoff backoff = context_.NewBackoff();
    while (!requests_.empty()) {
      const Result<Transaction> transaction = Plan(backoff);
      if (!transaction.ok()) {
        // What forbids to submit does not concern what was submitted before.
        if (PK_TRY(DropPresent(report, backoff))) continue;
        return transaction.error();
      }
      const Sent sent = PK_TRY(SendUntilKnown(context_.sessions, *transaction, backoff));
      if (sent.refused() == nullptr) {
        report.submitted += int64_t(requests_.size());
        requests_.clear();
      } else if (!PK_TRY(DropPresent(report, backoff))) {
        // The queue or a stage is not as it was seen.
        PK_CHECK(backoff.Wait(), Unavailable(sent.refused()->reason.message()));
      }
    }
    return {};
  }

 private:
  struct SeenStage {
    StageNode node;
    int32_t version = 0;
  };

  Result<Transaction> Plan(Backoff& backoff) {
    PK_TRY(Look(backoff));
    return Operations();
  }

  Result<> Look(Backoff& backoff) {
    seen_ = PK_TRY(LoadQueue(context_, queue_, backoff));
    PK_CHECK(seen_.node.state != QueueState::kDraining,
             FailedPrecondition(fmt::format("queue {} drains: nothing is submitted", queue_)));
    std::vector<ReadRequest> requests;
    for (int32_t i = 0; i < seen_.node.shards; ++i) requests.push_back({ShardPath(queue_, i)});
    std::set<Uuid> stages;
    for (const SubmitRequest* request : requests_) {
      stages.insert(request->after.begin(), request->after.end());
      if (request->stage) stages.insert(*request->stage);
    }
    auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff));
    int64_t offered = 0;
    for (auto& reply : replies) offered += PK_TRY(std::move(reply)).node.stat.children;
    PK_CHECK(offered + int64_t(size()) <= int64_t{seen_.node.shards} * kMostReadyInShard,
             Unavailable(fmt::format("queue {} is full: {} tasks are offered", queue_, offered)));
    for (const Uuid& stage : stages) PK_TRY(LookAt(stage, backoff));
    return {};
  }

  Result<> LookAt(const Uuid& stage, Backoff& backoff) {
    const auto node = PK_TRY(FindNode(context_.sessions, StagePath(stage), backoff));
    PK_CHECK(node, NotFound(fmt::format("stage {} does not exist", stage.ToString())));
    stages_[stage] = {PK_TRY(DecodeStage(node->value)), node->stat.version};
    return {};
  }

  Result<Transaction> Operations() {
    Transaction transaction;
    // Whoever pauses or drains the queue spends the version.
    transaction.Check(QueuePath(queue_), seen_.version);
    std::set<Uuid> filled;
    const int64_t now_ms = context_.WallMs();
    const int64_t oldest_ms = now_ms - (seen_.node.retention - kIdMargin).count();
    for (const SubmitRequest* request : requests_) {
      PK_CHECK(request->id.UnixMs() >= oldest_ms,
               InvalidArgument(fmt::format("task {}: its id is older than ids are remembered",
                                           request->id.ToString())));
      if (!request->stage || !filled.insert(*request->stage).second) continue;
      const SeenStage& stage = stages_[*request->stage];
      PK_CHECK(stage.node.state == StageState::kFilling,
               FailedPrecondition(fmt::format("stage {} is sealed: nothing is added to it",
                                              request->stage->ToString())));
      transaction.Check(StagePath(*request->stage), stage.version);
    }
    for (const SubmitRequest* request : requests_) {
      Append(NewTask(queue_, *request, seen_.node.shards, now_ms), transaction);
    }
    return transaction;
  }

  void Append(const Task& task, Transaction& transaction) {
    transaction.Create(DefPath(queue_, task.id()), Encode(task));
    const SubmitRequest& request = task.request;
    if (request.stage) transaction.Create(LeftPath(*request.stage, task.id()), "");
    const auto waits = std::find_if(
        request.after.begin(), request.after.end(),
        [&](const Uuid& stage) { return stages_[stage].node.state != StageState::kOver; });
    if (waits == request.after.end()) {
      transaction.Create(OfferPath(task), "");
      return;
    }
    const NextNode next{.queue = queue_,
                        .shard = task.shard,
                        .offer = {.priority = request.priority,
                                  .due_ms = task.due_ms,
                                  .id = task.id(),
                                  .attempt = task.attempt},
                        .after = {waits + 1, request.after.end()}};
    transaction.Create(NextPath(*waits, task.id()), Encode(next));
  }

  // Leaves out what is in the queue already; true: something was.
  Result<bool> DropPresent(SubmitReport& report, Backoff& backoff) {
    std::vector<ReadRequest> requests;
    for (const SubmitRequest* request : requests_) {
      requests.push_back({DefPath(queue_, request->id)});
    }
    auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff));
    std::vector<const SubmitRequest*> missing;
    for (size_t i = 0; i < replies.size(); ++i) {
      const auto node = PK_TRY(coordination::NodeOf(std::move(replies[i])));
      if (!node) {
        missing.push_back(requests_[i]);
        continue;
      }
      const Task task = PK_TRY(DecodeTask(queue_, requests_[i]->id, node->value));
      PK_CHECK(task.request_hash == RequestHash(*requests_[i]),
               AlreadyExists(fmt::format("task {} of queue {} is there with another request",
                                         task.id().ToString(), queue_)));
      ++report.present;
    }
    std::swap(requests_, missing);
    return requests_.size() < missing.size();
  }

  const Context& context_;
  const std::string& queue_;
  std::vector<const SubmitRequest*> requests_;
  ReadQueue seen_;
  std::map<Uuid, SeenStage> stages_;
};

// What it counts in a transaction, at least.
size_t InlineBytes(const SubmitRequest& request) {
  const size_t body = request.body.size() > kMaxInlineBytes ? 0 : request.body.size();
  // A character may become six in JSON.
  const auto longer = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  return 1'500 + request.kind.size() + 2 * body +
         4 * size_t(std::count_if(request.body.begin(), request.body.end(), longer)) +
         120 * request.after.size();
}

}  // namespace

Result<SubmitReport> Queues::Submit(const std::string& queue, const SubmitRequest& request) {
  return SubmitBatch(queue, {request});
}

Result<SubmitReport> Queues::SubmitBatch(const std::string& queue,
                                         const std::vector<SubmitRequest>& requests) {
  PK_TRY(ValidateQueueName(queue));
  std::set<Uuid> ids;
  for (const SubmitRequest& request : requests) {
    PK_TRY(Validate(request));
    PK_CHECK(ids.insert(request.id).second,
             InvalidArgument(fmt::format("task {} is in it twice", request.id.ToString())));
  }
  const Context context{sessions_, storage_, options_};
  SubmitReport report;
  for (size_t i = 0; i < requests.size();) {
    Chunk chunk(context, queue);
    for (size_t bytes = 0; i < requests.size() && chunk.size() < kTasksOfSubmit; ++i) {
      bytes += InlineBytes(requests[i]);
      if (bytes > kBytesOfSubmit && chunk.size() > 0) break;
      if (requests[i].body.size() > kMaxInlineBytes) {
        Backoff backoff = context.NewBackoff();
        PK_TRY(WriteText(context, BodyLocation(storage_, queue, requests[i].id), requests[i].body,
                         backoff));
      }
      chunk.Add(requests[i]);
    }
    PK_TRY(chunk.Submit(report));
  }
  return report;
}

}  // namespace pk::tasks
