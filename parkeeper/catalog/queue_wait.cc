// A commit in the queue of its table, from its entry to its outcome.

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/catalog/table_commits_internal.h"

namespace pk::catalog {

using coordination::Node;
using coordination::ReadReply;
using coordination::Transaction;

namespace {

// A larger commit lies in a file, of which the entry holds the location.
constexpr size_t kMostInlineBytes = 16'000;
constexpr int32_t kMostQueued = 5'000;
// Waiters look once in so long whether somebody works for them; an answer wakes them before.
constexpr Duration kLookAgain = std::chrono::milliseconds(500);
// Who finds no combiner waits up to this long, so that one of many becomes it.
constexpr Duration kBeforeHelping = std::chrono::milliseconds(50);
// A head that stands still for so long with work waiting has no combiner that is worth its lease.
constexpr Duration kStandstill = std::chrono::seconds(2);
// To find out what became of the entry of who waits no longer.
constexpr std::chrono::milliseconds kToCancel = std::chrono::seconds(5);

class QueuedCommit {
 public:
  QueuedCommit(TableCommits& table, OwnCommit& own, Backoff& backoff)
      : table_(table),
        context_(table.context()),
        key_(table.key()),
        clock_(*context_.options.clock),
        own_(own),
        backoff_(backoff),
        entry_path_(EntryPath(key_, own.proposal.id)),
        records_(context_.records.Of(key_)) {}

  Result<CommitResult> Run() {
    Result<CommitResult> result = Rounds();
    // As long as an entry can be in the queue, or come there, somebody may carry it out.
    if (!result.ok() && may_be_queued_) result = Cancel(std::move(result).error());
    const bool unknown = !result.ok() && result.error().code() == ErrorCode::kOutcomeUnknown;
    if (!commit_file_.empty() && !unknown) context_.files.Discard({{commit_file_, ""}});
    return result;
  }

 private:
  using MaybeResult = Result<std::optional<CommitResult>>;

  Result<CommitResult> Rounds() {
    for (;;) {
      // Once per entry that we make: what others may have done with the id before it.
      const Result<ReadHead> head = LoadHead(context_.sessions, key_, backoff_);
      if (!head.ok() && may_be_queued_) return head.error();
      if (!head.ok()) return ResultsWithoutHead({&own_}, head.error()).front();
      ProposalFor(own_, *head);
      if (auto known = PK_TRY(LookInRecords(*head, backoff_))) return *std::move(known);
      if (head->node.dropped) return Rejected{"the table was dropped"};
      PK_TRY(Enqueue(*head));
      if (auto result = PK_TRY(Wait())) return *std::move(result);
      if (!backoff_.Wait()) return GaveUp();
    }
  }

  static Error GaveUp() { return Unavailable("gave up waiting in the commit queue"); }

  // What the records after own_'s `since` say of the id; nullopt: nothing up to this head, and
  // that is its `since` from now on.
  MaybeResult LookInRecords(ReadHead head, Backoff& backoff) {
    for (;;) {
      Proposal& proposal = own_.proposal;
      const auto known =
          PK_TRY(records_->Learn(context_.sessions, key_, head, proposal.since, backoff));
      const auto cover = known.cover();
      if (const auto outcome = known.Find(proposal.id)) {
        return PK_TRY(ResultOf(context_, key_, *outcome, proposal.request_hash));
      }
      if (cover == KnownRecords::Cover::kAll ||
          (cover == KnownRecords::Cover::kKept && !IsTooOldToJudge(head.node, proposal))) {
        proposal.since = std::max(proposal.since, head.node.version);
        return std::nullopt;
      }
      PK_CHECK(cover == KnownRecords::Cover::kGone,
               OutcomeUnknown("the commit is too old to judge; it will not be applied any more"));
      const int64_t version = head.node.version;
      head = PK_TRY(LoadHead(context_.sessions, key_, backoff));
      PK_CHECK(head.node.version != version,
               OutcomeUnknown("records of the table are gone that may name the commit"));
    }
  }

  Result<EntryNode> MakeEntry(const ReadHead& head) {
    EntryNode entry{.since = own_.proposal.since,
                    .request_hash = own_.proposal.request_hash,
                    .commit = iceberg::ToJson(*own_.proposal.commit),
                    .commit_file = {}};
    if (entry.commit.size() <= kMostInlineBytes) return entry;
    if (commit_file_.empty()) {
      const auto metadata = PK_TRY(context_.files.Load(head.node.metadata_location));
      std::string location =
          fmt::format("{}/metadata/commit-{}-{}.json", metadata->location,
                      own_.proposal.id.ToString(), context_.options.ids->NewUuid4().ToString());
      PK_TRY(context_.files.Write({{location, entry.commit}}, backoff_));
      commit_file_ = std::move(location);
    }
    entry.commit.clear();
    entry.commit_file = commit_file_;
    return entry;
  }

  // The entry is there, ours or that of an earlier call with this id, or was there and is decided.
  Result<> Enqueue(const ReadHead& head) {
    auto replies = PK_TRY(ReadUntilKnown(
        context_.sessions, {{.path = QueuePath(key_)}, {.path = entry_path_}}, backoff_));
    may_be_queued_ |= replies[1].ok();
    if (replies[1].ok()) return {};
    PK_CHECK(!replies[0].ok() || replies[0]->node.stat.children < kMostQueued,
             Unavailable(fmt::format("the commit queue of the table is full: {} commits wait in "
                                     "it; commit again later, or fewer larger commits",
                                     replies[0]->node.stat.children)));
    const EntryNode entry = PK_TRY(MakeEntry(head));
    // It goes with the session: of a writer that died nothing is carried out later, when somebody
    // may have looked, found nothing and done it again.
    Transaction create;
    create.Check(HeadPath(key_))
        .Create(entry_path_, Encode(entry), coordination::CreateMode::kEphemeral);
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

  struct Look {
    std::optional<Node> entry;
    std::optional<ReadHead> head;
    bool lease = false;
  };
  Result<Look> LookAtQueue() {
    auto replies = PK_TRY(ReadUntilKnown(
        context_.sessions,
        {{.path = entry_path_}, {.path = HeadPath(key_)}, {.path = LeasePath(key_)}}, backoff_));
    Look look;
    if (replies[0].ok()) look.entry = std::move(replies[0]->node);
    if (replies[1].ok()) {
      const Node& head = replies[1]->node;
      look.head = ReadHead{PK_TRY(DecodeHead(head.value).With(HeadPath(key_))), head.stat};
    }
    look.lease = replies[2].ok();
    return look;
  }

  // Until the entry is decided; nullopt: it is not in the queue, and no record names it.
  MaybeResult Wait() {
    std::shared_ptr<coordination::Coordinator> session;
    std::unique_ptr<coordination::Watch> watch;  // goes before its session
    for (;;) {
      if (watch == nullptr) PK_TRY(StartWatch(session, watch));
      const Look look = PK_TRY(LookAtQueue());
      if (!look.head) return std::optional<CommitResult>();
      if (!look.entry || look.head->node.dropped) return LookInRecordsOf(*look.head);
      PK_CHECK(clock_.Now() < backoff_.deadline(), GaveUp());
      NoticeProgress(*look.head);
      const Duration pause = HelpIfNeeded(look.lease);
      const SteadyTime until = std::min(clock_.Now() + pause, backoff_.deadline());
      if (watch != nullptr) {
        watch->Wait(until, {});
        const bool lost = session->session().state() == coordination::SessionState::kLost;
        if (lost) watch.reset();
      } else {
        static_cast<void>(clock_.Wait(until - clock_.Now()));
      }
    }
  }

  // The entry went in the step that wrote the record naming it, so a head read with it knows. Of a
  // dropped table no entry is applied any more.
  MaybeResult LookInRecordsOf(const ReadHead& head) {
    if (auto known = PK_TRY(LookInRecords(head, backoff_))) return known;
    if (head.node.dropped) return Rejected{"the table was dropped"};
    return std::optional<CommitResult>();
  }

  // Without a watch, out of touch, the waiter looks by itself.
  Result<> StartWatch(std::shared_ptr<coordination::Coordinator>& session,
                      std::unique_ptr<coordination::Watch>& watch) {
    auto present = context_.sessions.Get();
    if (!present.ok()) return {};
    watch.reset();
    session = *std::move(present);
    auto started = session->StartWatch(entry_path_, coordination::WatchScope::kNode);
    if (started.ok()) watch = *std::move(started);
    return {};
  }

  void NoticeProgress(const ReadHead& head) {
    if (head.node.version == seen_version_) return;
    seen_version_ = head.node.version;
    moved_at_ = clock_.Now();
    patience_ = kStandstill;
  }

  // How long to wait then. Helping is harmless: a round of somebody who is not needed is refused,
  // or as good as any.
  Duration HelpIfNeeded(bool lease) {
    if (!lease) {
      if (std::exchange(saw_no_lease_, true)) {
        table_.Help(false);
        saw_no_lease_ = false;
        return Jitter(kLookAgain);
      }
      return Jitter(kBeforeHelping);
    }
    saw_no_lease_ = false;
    if (clock_.Now() - moved_at_ >= patience_) {
      table_.Help(true);
      moved_at_ = clock_.Now();
      patience_ = std::min<Duration>(patience_ * 2, std::chrono::seconds(30)) + Jitter(kStandstill);
    }
    return kLookAgain / 2 + Jitter(kLookAgain);
  }

  Duration Jitter(Duration longest) {
    return Duration(1 + int64_t(context_.options.ids->Random64() % uint64_t(longest.count())));
  }

  // Whoever stops waiting, for whatever reason, makes a round of his own that changes nothing and
  // records that the commit is rejected. From then on nobody applies the id, whatever copies of its
  // entry are still to come; taking the entry away, or marking it, would not keep them from being
  // taken for new ones.
  Result<CommitResult> Cancel(Error why) {
    RetryPolicy policy = context_.options.retry;
    policy.within = kToCancel;
    Backoff to_cancel(policy, clock_, *context_.options.ids);
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
    if (auto known = PK_TRY(LookInRecords(head, backoff))) return known;
    if (head.node.dropped) return Rejected{"the table was dropped"};
    const auto entry = PK_TRY(ReadUntilKnown(context_.sessions, {{.path = entry_path_}}, backoff));
    Transaction removal;
    if (entry[0].ok()) removal.Remove(entry_path_, entry[0]->node.stat.version);
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

  TableCommits& table_;
  const CommitContext& context_;
  const std::string& key_;
  Clock& clock_;
  OwnCommit& own_;
  Backoff& backoff_;
  const std::string entry_path_;
  bool may_be_queued_ = false;
  std::string commit_file_;
  const std::shared_ptr<KnownRecords> records_;
  int64_t seen_version_ = -1;
  SteadyTime moved_at_{};
  Duration patience_ = kStandstill;
  bool saw_no_lease_ = false;
};

}  // namespace

Result<CommitResult> CommitThroughQueue(TableCommits& table, OwnCommit& own, Backoff& backoff) {
  return QueuedCommit(table, own, backoff).Run();
}

}  // namespace pk::catalog
