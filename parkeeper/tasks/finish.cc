// How claims end.

#include <fmt/format.h>

#include "parkeeper/base/json.h"
#include "parkeeper/tasks/files_internal.h"
#include "parkeeper/tasks/limits.h"
#include "parkeeper/tasks/stages_internal.h"
#include "parkeeper/tasks/transitions_internal.h"
#include "parkeeper/tasks/worker_internal.h"

namespace pk::tasks {

using coordination::kAnyVersion;
using coordination::ReadRequest;
using coordination::Refused;
using coordination::Transaction;

namespace {

// Of EndClaim(): the claim and the task's node, which others may have been at. All later ones hold
// whenever these do.
constexpr size_t kClaimOperations = 2;

double Jitter(const Context& context) {
  return static_cast<double>(context.options.ids->Random64() % 1'000) / 1'000;
}

Error Lost(const ClaimedTask& claim) {
  return Conflict(fmt::format("the claim on attempt {} of task {} of queue {} is lost",
                              claim.task.attempt, claim.task.id().ToString(), claim.task.queue));
}

Error Broken(const ClaimedTask& claim, const Refused& refused) {
  return Corrupt(fmt::format("task {} of queue {} lacks what its state needs: {}",
                             claim.task.id().ToString(), claim.task.queue,
                             refused.reason.message()));
}

Result<> CheckResult(const ClaimedTask& claim, std::string_view result, size_t most) {
  PK_CHECK(json::IsUtf8(result) && result.size() <= most,
           InvalidArgument(fmt::format("the result of task {} must be UTF-8, at most {} bytes",
                                       claim.task.id().ToString(), most)));
  return {};
}

// The task as it is once the claim, which is over, has ended in whatever way.
Result<Task> TaskAfter(const Context& context, const ClaimedTask& claim, Backoff& backoff) {
  for (;;) {
    auto now = LoadTask(context, claim.task.queue, claim.task.id(), backoff);
    if (!now.ok()) return OutcomeUnknown(now.error().message());
    if (now->version > claim.version) return std::move(now->task);
    // Either the server that was asked is behind, or somebody removed the claim by hand.
    const auto check =
        Transaction().Check(DefPath(claim.task.queue, claim.task.id()), now->version);
    const Result<Sent> stands = SendUntilKnown(context.sessions, check, backoff);
    if (!stands.ok()) return OutcomeUnknown(stands.error().message());
    if (stands->refused() == nullptr) return std::move(now->task);
    PK_CHECK(backoff.Wait(), OutcomeUnknown("the task cannot be read"));
  }
}

// Whether this claim was what completed the task; it is over, so the answer is final.
Result<bool> CompletedBy(const Context& context, const ClaimedTask& claim, Backoff& backoff) {
  const Task now = PK_TRY(TaskAfter(context, claim, backoff));
  // Nobody else can have completed this attempt.
  return now.state == TaskState::kDone && now.attempt == claim.task.attempt;
}

// Opens the stage that the task was a part of, if that was its last one. A caretaker does it when
// this fails.
void EndOfStage(const Context& context, const Task& task, Backoff& backoff) {
  if (!task.request.stage) return;
  const Uuid& stage = *task.request.stage;
  const std::string left = LeftPath(stage, task.id());
  const std::string bucket = left.substr(0, left.rfind('/'));
  auto replies = ReadUntilKnown(context.sessions, {{bucket}}, backoff);
  if (!replies.ok() || !(*replies)[0].ok() || (*replies)[0]->node.stat.children > 0) return;
  static_cast<void>(OpenIfOver(context, stage, backoff));
}

}  // namespace

Result<CommittingStep> CommittingTransaction(const ClaimedTask& claim, std::string_view result,
                                             int64_t now_ms) {
  PK_TRY(CheckResult(claim, result, kMaxInlineBytes));
  const Task committing = Committing(claim.task);
  CommittingStep step{.transaction = EndClaim(claim, committing), .links = {}};
  // As this very transaction leaves the task.
  const int32_t version = claim.version + 1;
  step.links.if_committed = Move(committing, version, Done(committing, result)).operations();
  step.links.if_rejected =
      Move(committing, version,
           Failed(committing, "its commit was rejected", Retry::kAgain, now_ms, 0))
          .operations();
  return step;
}

Result<std::optional<Refused>> Worker::Complete(const ClaimedTask& claim, std::string_view result,
                                                const Transaction& extra) {
  PK_TRY(CheckResult(claim, result, kMaxBodyBytes));
  const Context& context = state_->context();
  Backoff backoff = context.NewBackoff();
  const Task done = Done(claim.task, result);
  if (done.result_in_file) {
    PK_TRY(WriteText(context, ResultLocation(context.storage, done), result, backoff));
  }
  Transaction transaction = EndClaim(claim, done);
  const size_t own = transaction.operations().size();
  transaction.Append(extra);
  const Sent sent = PK_TRY(SendUntilKnown(context.sessions, transaction, backoff));
  const Refused* refused = sent.refused();
  if (refused != nullptr && refused->operation >= own) {
    // The claim stands, so an earlier copy may still come.
    PK_CHECK(!sent.repeated, OutcomeUnknown(refused->reason.message()));
    return std::optional(Refused{refused->operation - own, refused->reason});
  }
  if (refused != nullptr) {
    PK_CHECK(refused->operation < kClaimOperations, Broken(claim, *refused));
    const bool ours = PK_TRY(CompletedBy(context, claim, backoff));
    if (!ours) {
      state_->Forget(claim);
      // Nobody will ever name the file.
      if (done.result_in_file) {
        static_cast<void>(context.storage.Remove(ResultLocation(context.storage, done)));
      }
      if (refused->operation == 1) state_->Clear({ClaimPath(claim)}, backoff);
      return Lost(claim);
    }
  }
  state_->Forget(claim);
  EndOfStage(context, done, backoff);
  return std::optional<Refused>();
}

// What Fail() and Release() say is the same whoever ended the claim; but that it was ended so must
// be true, for files are removed then that a commit of this attempt would name.
Result<> Worker::State::EndOtherwise(const ClaimedTask& claim, const Task& to) {
  Backoff backoff = context_.NewBackoff();
  const Sent sent = PK_TRY(SendUntilKnown(context_.sessions, EndClaim(claim, to), backoff));
  const Refused* refused = sent.refused();
  PK_CHECK(refused == nullptr || refused->operation < kClaimOperations, Broken(claim, *refused));
  Forget(claim);
  if (refused == nullptr) return {};
  if (refused->operation == 1) {
    Clear({ClaimPath(claim)}, backoff);  // cancelled
  } else if (sent.repeated) {
    const Task now = PK_TRY(TaskAfter(context_, claim, backoff));
    const bool handed_over = now.state == TaskState::kCommitting || now.state == TaskState::kDone;
    if (!handed_over || now.attempt != claim.task.attempt) return {};
  }
  return Lost(claim);
}

Result<> Worker::Fail(const ClaimedTask& claim, std::string_view error, Retry retry) {
  const Context& context = state_->context();
  return state_->EndOtherwise(claim,
                              Failed(claim.task, error, retry, context.WallMs(), Jitter(context)));
}

Result<> Worker::Release(const ClaimedTask& claim) {
  return state_->EndOtherwise(claim, Released(claim.task));
}

}  // namespace pk::tasks
