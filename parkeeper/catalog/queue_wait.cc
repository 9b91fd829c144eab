// A commit in the queue of its table, from its entry to its outcome.

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/catalog/waiting_commit_internal.h"

namespace pk::catalog {

using coordination::Transaction;

namespace {

// To find out what became of the entry of who waits no longer.
constexpr std::chrono::milliseconds kToCancel = std::chrono::seconds(5);

class QueuedCommit {
 public:
  QueuedCommit(TableCommits& table, OwnCommit& own, Backoff& backoff)
      : context_(table.context()),
        key_(table.key()),
        own_(own),
        backoff_(backoff),
        waiting_(table, own, backoff) {}

  Result<CommitResult> Run() {
    Result<CommitResult> result = Rounds();
    // As long as an entry can be in the queue, or come there, somebody may carry it out.
    if (!result.ok() && may_be_queued_) result = Cancel(std::move(result).error());
    const bool unknown = !result.ok() && result.error().code() == ErrorCode::kOutcomeUnknown;
    if (!unknown) waiting_.DiscardFile();
    return result;
  }

 private:
  using MaybeResult = WaitingCommit::MaybeResult;

  Result<CommitResult> Rounds() {
    for (;;) {
      // Once per entry that we make: what others may have done with the id before it.
      const Result<ReadHead> head = LoadHead(context_.sessions, key_, backoff_);
      if (!head.ok() && may_be_queued_) return head.error();
      if (!head.ok()) return ResultsWithoutHead({&own_}, head.error()).front();
      ProposalFor(own_, *head);
      if (auto known = PK_TRY(waiting_.LookInRecords(*head, backoff_))) return *std::move(known);
      if (head->node.dropped) return Rejected{"the table was dropped"};
      PK_TRY(Enqueue(*head));
      if (auto result = PK_TRY(waiting_.Wait(false))) return *std::move(result);
      if (!backoff_.Wait()) return Unavailable("gave up waiting in the commit queue");
    }
  }

  // The entry is there, ours or that of an earlier call with this id, or was there and is decided.
  Result<> Enqueue(const ReadHead& head) {
    auto replies = PK_TRY(ReadUntilKnown(
        context_.sessions, {{.path = QueuePath(key_)}, {.path = waiting_.entry_path()}}, backoff_));
    may_be_queued_ |= replies[1].ok();
    if (replies[1].ok()) return {};
    PK_CHECK(!replies[0].ok() || replies[0]->node.stat.children < kMostQueued,
             QueueIsFull(replies[0]->node.stat.children));
    const EntryNode entry = PK_TRY(waiting_.MakeEntry(head));
    // It goes with the session: of a writer that died nothing is carried out later, when somebody
    // may have looked, found nothing and done it again.
    Transaction create;
    create.Check(HeadPath(key_))
        .Create(waiting_.entry_path(), Encode(entry), coordination::CreateMode::kEphemeral);
    const Result<Sent> sent = SendUntilKnown(context_.sessions, create, backoff_);
    may_be_queued_ |= sent.ok() || sent.error().code() == ErrorCode::kOutcomeUnknown;
    if (!sent.ok()) return sent.error();
    const coordination::Refused* refused = sent->refused();
    if (refused == nullptr || refused->reason.code() == ErrorCode::kAlreadyExists ||
        refused->reason.code() == ErrorCode::kNotFound) {
      return {};  // without a head: Rounds() says so
    }
    return refused->reason;
  }

  // Whoever stops waiting, for whatever reason, makes a round of his own that changes nothing and
  // records that the commit is rejected. From then on nobody applies the id, whatever copies of its
  // entry are still to come; taking the entry away, or marking it, would not keep them from being
  // taken for new ones.
  Result<CommitResult> Cancel(Error why) {
    RetryPolicy policy = context_.options.retry;
    policy.within = kToCancel;
    Backoff to_cancel(policy, *context_.options.clock, *context_.options.ids);
    do {
      const auto outcome = CancelAt(to_cancel);
      if (!outcome.ok()) return OutcomeUnknown(outcome.error().message());
      if (*outcome) return **outcome;
      if (may_be_queued_) continue;  // the head moved: others are at work, and may have decided it
      const bool unknown = why.code() == ErrorCode::kOutcomeUnknown;
      return Error(unknown ? ErrorCode::kUnavailable : why.code(),
                   why.message() + "; the commit is cancelled");
    } while (to_cancel.Wait());
    return OutcomeUnknown(why.message() + ", and did not come to cancel the commit");
  }

  // The outcome, if it has one already. Else it is cancelled, unless it may still be queued.
  MaybeResult CancelAt(Backoff& backoff) {
    const ReadHead head = PK_TRY(LoadHead(context_.sessions, key_, backoff));
    if (auto known = PK_TRY(waiting_.LookInRecords(head, backoff))) return known;
    if (head.node.dropped) return Rejected{"the table was dropped"};
    const std::string& path = waiting_.entry_path();
    const auto entry = PK_TRY(ReadUntilKnown(context_.sessions, {{.path = path}}, backoff));
    Transaction removal;
    if (entry[0].ok()) {
      // Only a round brings about what hangs on it.
      PK_CHECK(entry[0]->node.stat.ephemeral_owner != 0,
               Unavailable("the commit was queued to stay, and will be decided"));
      removal.Remove(path, entry[0]->node.stat.version);
    }
    RecordedCommit rejected{.id = own_.proposal.id, .request_hash = own_.proposal.request_hash};
    rejected.reason = "cancelled by its writer, who did not wait any longer";
    const RecordNode record{.round = context_.options.ids->NewUuid4().ToString(),
                            .dropped = false,
                            .metadata_location = head.node.metadata_location,
                            .commits = {std::move(rejected)}};
    const auto moved = PK_TRY(MoveHead(context_.sessions, key_, head, head.node, record, removal,
                                       *context_.options.ids, backoff));
    may_be_queued_ = !std::holds_alternative<Moved>(moved);
    return std::optional<CommitResult>();
  }

  const CommitContext& context_;
  const std::string& key_;
  OwnCommit& own_;
  Backoff& backoff_;
  WaitingCommit waiting_;
  bool may_be_queued_ = false;
};

}  // namespace

Result<CommitResult> CommitThroughQueue(TableCommits& table, OwnCommit& own, Backoff& backoff) {
  return QueuedCommit(table, own, backoff).Run();
}

}  // namespace pk::catalog
