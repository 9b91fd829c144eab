#include <algorithm>

#include "parkeeper/base/json.h"
#include "parkeeper/tasks/limits.h"
#include "parkeeper/tasks/transitions_internal.h"

namespace pk::tasks {

using coordination::kAnyVersion;
using coordination::Transaction;

namespace {

int64_t DelayMs(const SubmitRequest& request, int32_t failures) {
  const int64_t longest = std::max(request.longest_delay.count(), request.first_delay.count());
  int64_t delay = request.first_delay.count();
  for (int32_t i = 1; i < failures && delay < longest; ++i) delay *= 2;
  return std::min(delay, longest);
}

bool IsInStage(TaskState state) {
  return state != TaskState::kDone && state != TaskState::kCancelled;
}

Task Offered(Task task, int64_t due_ms) {
  task.state = TaskState::kOpen;
  ++task.attempt;
  task.due_ms = due_ms;
  return task;
}

}  // namespace

uint64_t RequestHash(const SubmitRequest& request) {
  Task task;
  task.request = request;
  uint64_t hash = 14'695'981'039'346'656'037u;  // FNV-1a
  for (const char c : Encode(task)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211u;
  }
  return hash;
}

Task NewTask(std::string_view queue, const SubmitRequest& request, int32_t shards, int64_t now_ms) {
  Task task;
  task.queue = queue;
  task.request = request;
  task.request_hash = RequestHash(request);
  task.shard = ShardOf(request.id, shards);
  task.due_ms = std::max(now_ms, request.not_before_ms);
  task.body_in_file = request.body.size() > kMaxInlineBytes;
  if (task.body_in_file) task.request.body.clear();
  return task;
}

Task Done(Task task, std::string_view result) {
  task.state = TaskState::kDone;
  task.result_in_file = result.size() > kMaxInlineBytes;
  task.result = task.result_in_file ? "" : result;
  task.error.clear();
  return task;
}

Task Committing(Task task) {
  task.state = TaskState::kCommitting;
  return task;
}

Task Failed(Task task, std::string_view error, Retry retry, int64_t now_ms, double jitter) {
  task.error = ShortError(error);
  ++task.failures;
  if (retry == Retry::kNever || task.failures >= task.request.most_failures) {
    task.state = TaskState::kDead;
    return task;
  }
  const auto delay = static_cast<double>(DelayMs(task.request, task.failures));
  return Offered(std::move(task), now_ms + static_cast<int64_t>(delay * (1 - jitter / 2)));
}

Task Released(Task task) {
  const int64_t due_ms = task.due_ms;
  return Offered(std::move(task), due_ms);
}

Task Cancelled(Task task) {
  task.state = TaskState::kCancelled;
  return task;
}

Task Retried(Task task, int64_t now_ms) {
  task.failures = 0;
  return Offered(std::move(task), now_ms);
}

Transaction Move(const Task& from, int32_t version, const Task& to) {
  Transaction move;
  move.Set(DefPath(to.queue, to.id()), Encode(to), version);
  if (to.state == TaskState::kOpen) move.Create(OfferPath(to), "");
  if (to.state == TaskState::kDead) move.Create(DeadPath(to.queue, to.id()), "");
  if (from.state == TaskState::kDead) move.Remove(DeadPath(to.queue, to.id()), kAnyVersion);
  if (to.request.stage && IsInStage(from.state) && !IsInStage(to.state)) {
    move.Remove(LeftPath(*to.request.stage, to.id()), kAnyVersion);
  }
  return move;
}

Transaction EndClaim(const ClaimedTask& claim, const Task& to) {
  Transaction transaction;
  transaction.Remove(ClaimPath(claim), kAnyVersion);
  transaction.Append(Move(claim.task, claim.version, to));
  return transaction;
}

std::string ShortError(std::string_view error) {
  std::string text = json::ReplaceInvalid(error.substr(0, kMaxErrorBytes));
  // What a cut in the middle of a character made longer.
  if (text.size() > kMaxErrorBytes) {
    text = json::ReplaceInvalid(std::string_view(text).substr(0, kMaxErrorBytes - 3));
  }
  return text;
}

}  // namespace pk::tasks
