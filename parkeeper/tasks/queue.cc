#include <fmt/format.h>

#include "parkeeper/tasks/queue_internal.h"
#include "parkeeper/tasks/transitions_internal.h"

namespace pk::tasks {

using coordination::Node;
using coordination::Refused;
using coordination::Transaction;

namespace {

Result<Node> Named(Result<Node> node, const std::string& what) {
  if (node.ok() || node.error().code() != ErrorCode::kNotFound) return node;
  return NotFound(what + " does not exist");
}

}  // namespace

Result<ReadQueue> LoadQueue(const Context& context, const std::string& queue, Backoff& backoff) {
  PK_TRY(ValidateQueueName(queue));
  const std::string path = QueuePath(queue);
  const Node node =
      PK_TRY(Named(LoadNode(context.sessions, path, backoff), fmt::format("queue {}", queue)));
  return ReadQueue{PK_TRY(DecodeQueue(node.value).With(path)), node.stat.version};
}

Result<ReadTask> LoadTask(const Context& context, const std::string& queue, const Uuid& id,
                          Backoff& backoff) {
  PK_TRY(ValidateQueueName(queue));
  const std::string path = DefPath(queue, id);
  const Node node = PK_TRY(Named(LoadNode(context.sessions, path, backoff),
                                 fmt::format("task {} of queue {}", id.ToString(), queue)));
  return ReadTask{PK_TRY(DecodeTask(queue, id, node.value).With(path)), node.stat.version};
}

Result<> EnsureLayout(const Context& context, Backoff& backoff) {
  const auto root = PK_TRY(FindNode(context.sessions, kRootPath, backoff));
  if (root) return CheckRoot(root->value);
  Transaction layout;
  layout.Create(kRootPath, EncodeRoot());
  for (const char* path : {kQueuesPath, kRunsPath, kAlivesPath, kStagesPath, kClockPath}) {
    layout.Create(path, "");
  }
  // Refused: somebody else made them meanwhile, all at once.
  PK_TRY(SendUntilKnown(context.sessions, layout, backoff));
  return CheckRoot(PK_TRY(LoadNode(context.sessions, kRootPath, backoff)).value);
}

Result<> MoveTask(const Context& context, const std::string& queue, const Uuid& id,
                  const Plan& plan, const std::function<Transaction(const Task&)>& also,
                  Backoff& backoff) {
  bool with_also = bool(also);
  for (;;) {
    const ReadTask from = PK_TRY(LoadTask(context, queue, id, backoff));
    const auto to = PK_TRY(plan(from.task));
    if (!to) return {};
    Transaction transaction = Move(from.task, from.version, *to);
    const size_t own = transaction.operations().size();
    if (with_also) transaction.Append(also(from.task));
    const Sent sent = PK_TRY(SendUntilKnown(context.sessions, transaction, backoff));
    const Refused* refused = sent.refused();
    if (refused == nullptr) return {};
    if (refused->operation >= own) {
      with_also = false;
      continue;
    }
    PK_CHECK(refused->operation == 0,
             Corrupt(fmt::format("task {} of queue {} lacks what its state needs: {}",
                                 id.ToString(), queue, refused->reason.message())));
    PK_CHECK(backoff.Wait(),
             Unavailable(fmt::format("task {} changes again and again", id.ToString())));
  }
}

}  // namespace pk::tasks
