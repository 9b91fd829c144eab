#include "parkeeper/catalog/table_commits_internal.h"

#include <fmt/format.h>

#include <algorithm>

namespace pk::catalog {

using coordination::ReadRequest;
using State = OwnCommit::State;

namespace {

// Bounded by the record, which names each (docs/znodes.md, "Limits").
constexpr size_t kMostInDirectRound = 300;
// Who failed to combine lets others try.
constexpr Duration kHelpAgain = std::chrono::seconds(1);

// The head, and whether somebody is in the queue or at work on it.
struct Look {
  ReadHead head;
  bool quiet = false;
};
Result<Look> LookAt(const CommitContext& context, const std::string& key, Backoff& backoff) {
  auto replies = PK_TRY(ReadUntilKnown(
      context.sessions,
      {{.path = HeadPath(key)}, {.path = QueuePath(key)}, {.path = LeasePath(key)}}, backoff));
  if (!replies[0].ok() || !replies[1].ok()) {
    // Gone, or the server that was asked is behind.
    return Look{PK_TRY(LoadHead(context.sessions, key, backoff)), false};
  }
  const coordination::Node& head = replies[0]->node;
  return Look{{PK_TRY(DecodeHead(head.value).With(HeadPath(key))), head.stat},
              replies[1]->node.stat.children == 0 && !replies[2].ok()};
}

}  // namespace

OwnCommit MakeOwn(const iceberg::TableCommit& commit, CommitId id) {
  OwnCommit own;
  own.kind = id;
  own.proposal.id = commit.id;
  own.proposal.request_hash = RequestHash(commit);
  own.proposal.bytes = iceberg::ToJson(commit).size();
  // Nobody looks at it when it is gone.
  own.proposal.commit =
      std::shared_ptr<const iceberg::TableCommit>(std::shared_ptr<void>(), &commit);
  return own;
}

TableCommits::~TableCommits() { combiner_.reset(); }

Proposal& ProposalFor(OwnCommit& own, const ReadHead& head) {
  // Nobody else knows a new id before its first try, which is this one.
  if (own.kind == CommitId::kNew && !own.since_is_known) own.proposal.since = head.node.version;
  own.since_is_known = true;
  return own.proposal;
}

std::vector<Result<CommitResult>> ResultsOf(const CommitContext& context, const std::string& key,
                                            const std::vector<OwnCommit*>& own,
                                            const Proposal* proposals) {
  std::vector<Result<CommitResult>> results;
  results.reserve(own.size());
  for (size_t i = 0; i < own.size(); ++i) {
    results.push_back(ResultOf(context, key, *proposals[i].outcome, own[i]->proposal.request_hash));
  }
  return results;
}

std::vector<Result<CommitResult>> ResultsWithoutHead(const std::vector<OwnCommit*>& own,
                                                     const Error& error) {
  std::vector<Result<CommitResult>> results;
  for (const OwnCommit* each : own) {
    if (each->kind == CommitId::kNew && error.code() == ErrorCode::kNotFound) {
      results.emplace_back(Rejected{error.message() + ": it was dropped"});
    } else {
      results.emplace_back(error);
    }
  }
  return results;
}

std::vector<OwnCommit*> TableCommits::TakeOwn(size_t most, size_t bytes) {
  std::lock_guard lock(mutex_);
  std::vector<OwnCommit*> taken;
  while (taken.size() < most && !waiting_.empty()) {
    OwnCommit* own = waiting_.front();
    if (own->proposal.bytes > bytes && !taken.empty()) break;
    bytes -= std::min(bytes, own->proposal.bytes);
    own->state = State::kInRound;
    taken.push_back(own);
    waiting_.pop_front();
  }
  return taken;
}

void TableCommits::GiveBack(const std::vector<OwnCommit*>& own) {
  std::lock_guard lock(mutex_);
  for (OwnCommit* each : own) each->state = State::kWaiting;
  waiting_.insert(waiting_.begin(), own.begin(), own.end());
  changed_.Raise();
}

void TableCommits::Finish(const std::vector<OwnCommit*>& own,
                          const std::vector<Result<CommitResult>>& results) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < own.size(); ++i) {
    own[i]->result = results[i];
    own[i]->state = State::kDone;
  }
  changed_.Raise();
}

void TableCommits::SendToQueue(const std::vector<OwnCommit*>& batch) {
  std::lock_guard lock(mutex_);
  for (OwnCommit* own : batch) own->state = State::kToQueue;
  changed_.Raise();
}

std::stop_token TableCommits::work() {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return work_.token();
  std::stop_source now;
  now.request_stop();
  return now.get_token();
}

void TableCommits::DriveDirectly(const std::vector<OwnCommit*>& batch) {
  Backoff backoff = context_.NewBackoff();
  const Result<Look> look = LookAt(context_, key_, backoff);
  if (!look.ok()) return Finish(batch, ResultsWithoutHead(batch, look.error()));
  // A dropped table has its answer in its records.
  if (!look->quiet && !look->head.node.dropped) return SendToQueue(batch);
  std::vector<Proposal> proposals;
  for (OwnCommit* own : batch) proposals.push_back(ProposalFor(*own, look->head));
  const Result<RoundEnd> end = RunRound(context_, key_, memory_, look->head, proposals, backoff);
  if (!end.ok()) return Finish(batch, {batch.size(), end.error()});
  // Somebody else is at it too: one direct try is enough, so that direct writers starve nobody.
  if (*end == RoundEnd::kLookAgain) return SendToQueue(batch);
  Finish(batch, ResultsOf(context_, key_, batch, proposals.data()));
}

void TableCommits::Drive(std::unique_lock<std::mutex>& lock) {
  driving_ = true;
  lock.unlock();
  DriveDirectly(TakeOwn(kMostInDirectRound, context_.options.round_bytes));
  lock.lock();
  driving_ = false;
  changed_.Raise();
}

Result<CommitResult> TableCommits::Await(OwnCommit& own, Backoff& backoff) {
  std::unique_lock lock(mutex_);
  waiting_.push_back(&own);
  work_.Raise();
  while (own.state == State::kWaiting || own.state == State::kInRound) {
    if (own.state == State::kWaiting && !driving_) {
      Drive(lock);
      continue;
    }
    // In a round it is told what became of it, however long that takes.
    const bool waits = own.state == State::kWaiting;
    if (waits && context_.options.clock->Now() >= backoff.deadline()) {
      std::erase(waiting_, &own);
      return Unavailable("gave up waiting for the commits before it");
    }
    const std::stop_token changed = changed_.token();
    lock.unlock();
    coordination::WaitFor(*context_.options.clock, changed,
                          waits ? backoff.deadline() : SteadyTime::max(), {});
    lock.lock();
  }
  if (own.state == State::kDone) return *std::move(own.result);
  lock.unlock();
  return CommitThroughQueue(*this, own, backoff);
}

Result<CommitResult> TableCommits::Commit(const iceberg::TableCommit& commit, CommitId id) {
  PK_TRY(iceberg::Validate(commit.properties));
  OwnCommit own = MakeOwn(commit, id);
  Backoff backoff = context_.NewBackoff();
  Result<CommitResult> result = Await(own, backoff);
  // Of this call nothing can be applied any more, but of an earlier one with this id it may have
  // been, or still be.
  if (id == CommitId::kMaybeRepeated && !result.ok()) {
    result = OutcomeUnknown(result.error().message());
  }
  return std::move(result).With(fmt::format("commit {}", commit.id.ToString()));
}

void TableCommits::Help(bool replace) {
  std::unique_ptr<Task> ended;  // outside of the mutex, which its last step takes
  std::lock_guard lock(mutex_);
  if (driving_ || context_.options.clock->Now() < help_not_before_) return;
  driving_ = true;
  ended = std::exchange(combiner_, nullptr);
  combiner_ = context_.options.executor->Start("combiner", [this, replace](std::stop_token stop) {
    const CombineEnd end = Combine(*this, replace, std::move(stop));
    std::lock_guard guard(mutex_);
    if (end == CombineEnd::kFailed) help_not_before_ = context_.options.clock->Now() + kHelpAgain;
    driving_ = false;
    changed_.Raise();
  });
  driving_ = combiner_ != nullptr;
}

}  // namespace pk::catalog
