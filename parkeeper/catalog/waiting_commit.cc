#include "parkeeper/catalog/waiting_commit_internal.h"

#include <fmt/format.h>

#include <algorithm>

namespace pk::catalog {

namespace {

// A larger commit lies in a file, of which the entry holds the location.
constexpr size_t kMostInlineBytes = 16'000;
// Waiters look once in so long whether somebody works for them; an answer wakes them before.
constexpr Duration kLookAgain = std::chrono::milliseconds(500);
// Who finds no combiner waits up to this long, so that one of many becomes it.
constexpr Duration kBeforeHelping = std::chrono::milliseconds(50);
// A head that stands still for so long with work waiting has no combiner that is worth its lease.
constexpr Duration kStandstill = std::chrono::seconds(2);

}  // namespace

Error QueueIsFull(int32_t entries) {
  return Unavailable(
      fmt::format("the commit queue of the table is full: {} commits wait in it; "
                  "commit again later, or fewer larger commits",
                  entries));
}

Duration StandIn::After(int64_t version, bool lease) {
  const SteadyTime now = table_.context().options.clock->Now();
  if (version != seen_version_) {
    seen_version_ = version;
    moved_at_ = now;
    patience_ = kStandstill;
  }
  if (!lease) {
    if (std::exchange(saw_no_lease_, true)) {
      table_.Help(false);
      saw_no_lease_ = false;
      return Jitter(kLookAgain);
    }
    return Jitter(kBeforeHelping);
  }
  saw_no_lease_ = false;
  if (now - moved_at_ >= patience_) {
    table_.Help(true);
    moved_at_ = table_.context().options.clock->Now();
    patience_ = std::min<Duration>(patience_ * 2, std::chrono::seconds(30)) + Jitter(kStandstill);
  }
  return kLookAgain / 2 + Jitter(kLookAgain);
}

Duration StandIn::Jitter(Duration longest) {
  const uint64_t drawn = table_.context().options.ids->Random64();
  return Duration(1 + int64_t(drawn % uint64_t(longest.count())));
}

WaitingCommit::WaitingCommit(TableCommits& table, OwnCommit& own, Backoff& backoff)
    : table_(table),
      context_(table.context()),
      key_(table.key()),
      clock_(*context_.options.clock),
      own_(own),
      backoff_(backoff),
      entry_path_(EntryPath(key_, own.proposal.id)),
      records_(context_.records.Of(key_)),
      stand_in_(table_) {}

WaitingCommit::MaybeResult WaitingCommit::LookInRecords(ReadHead head, Backoff& backoff) {
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

Result<EntryNode> WaitingCommit::MakeEntry(const ReadHead& head) {
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

void WaitingCommit::DiscardFile() {
  if (!commit_file_.empty()) context_.files.Discard({{commit_file_, ""}});
  commit_file_.clear();
}

Result<WaitingCommit::Look> WaitingCommit::LookAtQueue() {
  auto replies = PK_TRY(ReadUntilKnown(
      context_.sessions,
      {{.path = entry_path_}, {.path = HeadPath(key_)}, {.path = LeasePath(key_)}}, backoff_));
  Look look;
  if (replies[0].ok()) look.entry = std::move(replies[0]->node);
  if (replies[1].ok()) {
    const coordination::Node& head = replies[1]->node;
    look.head = ReadHead{PK_TRY(DecodeHead(head.value).With(HeadPath(key_))), head.stat};
  }
  look.lease = replies[2].ok();
  return look;
}

WaitingCommit::MaybeResult WaitingCommit::Wait(bool stays) {
  for (;;) {
    if (watch_ == nullptr) StartWatch();
    const Look look = PK_TRY(LookAtQueue());
    if (!look.head) return std::optional<CommitResult>();
    const bool dropped = look.head->node.dropped;
    if (!look.entry || (dropped && !stays)) {
      // The entry went in the step that wrote the record naming it, so a head read with it knows.
      // Of a dropped table none that goes with its session is applied any more.
      if (auto known = PK_TRY(LookInRecords(*look.head, backoff_))) return known;
      if (dropped && !stays) return Rejected{"the table was dropped"};
      return std::optional<CommitResult>();
    }
    PK_CHECK(clock_.Now() < backoff_.deadline(),
             Unavailable("gave up waiting in the commit queue"));
    Pause(stand_in_.After(look.head->node.version, look.lease));
  }
}

void WaitingCommit::Pause(Duration duration) {
  const SteadyTime until = std::min(clock_.Now() + duration, backoff_.deadline());
  if (watch_ == nullptr) {
    static_cast<void>(clock_.Wait(until - clock_.Now()));
    return;
  }
  watch_->Wait(until, {});
  const bool lost = session_->session().state() == coordination::SessionState::kLost;
  if (lost) watch_.reset();
}

// Without a watch, out of touch, the waiter looks by itself.
void WaitingCommit::StartWatch() {
  auto present = context_.sessions.Get();
  if (!present.ok()) return;
  watch_.reset();
  session_ = *std::move(present);
  auto started = session_->StartWatch(entry_path_, coordination::WatchScope::kNode);
  if (started.ok()) watch_ = *std::move(started);
}

}  // namespace pk::catalog
