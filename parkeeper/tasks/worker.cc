#include "parkeeper/tasks/worker.h"

#include <fmt/format.h>

#include <utility>

#include "parkeeper/tasks/files_internal.h"
#include "parkeeper/tasks/transitions_internal.h"
#include "parkeeper/tasks/worker_internal.h"

namespace pk::tasks {

using coordination::CommitOutcome;
using coordination::Coordinator;
using coordination::CreateMode;
using coordination::kAnyVersion;
using coordination::Refused;
using coordination::Transaction;

Worker::Worker(coordination::SessionSource& sessions, storage::Storage& storage,
               WorkerProfile profile, TasksOptions options)
    : state_(std::make_unique<State>(Context{sessions, storage, options}, std::move(profile))) {}
Worker::~Worker() = default;

Result<std::vector<ClaimedTask>> Worker::Claim(const std::vector<std::string>& queues,
                                               size_t capacity) {
  return state_->Claim(queues, capacity);
}
Result<std::string> Worker::LoadBody(const ClaimedTask& claim) {
  return tasks::LoadBody(state_->context().storage, claim.task);
}
void Worker::Report(const ClaimedTask& claim, Progress progress) {
  state_->Report(claim, std::move(progress));
}
Result<std::vector<ClaimedTask>> Worker::Heartbeat() { return state_->Heartbeat(); }
void Worker::Forget(const ClaimedTask& claim) { state_->Forget(claim); }
Result<> Worker::Leave() { return state_->Leave(); }
std::string Worker::guid() const { return state_->guid(); }

std::string Worker::State::guid() const {
  std::lock_guard lock(mutex_);
  return guid_;
}

Result<std::string> Worker::State::Enlist(Backoff& backoff) {
  const auto session = context_.sessions.Get();
  std::unique_lock lock(mutex_);
  // Others wait on the clock, not on the mutex: in a simulation what follows gives way.
  while (enlisting_) {
    const std::stop_token done = enlisted_.token();
    lock.unlock();
    coordination::WaitFor(*context_.options.clock, done, SteadyTime::max(), {});
    lock.lock();
  }
  if (session.ok() && !guid_.empty() && (*session)->session().id() == session_) return guid_;
  enlisting_ = true;
  lock.unlock();
  Result<std::string> guid = EnlistAlone(backoff);
  lock.lock();
  enlisting_ = false;
  enlisted_.Raise();
  return guid;
}

Result<std::string> Worker::State::EnlistAlone(Backoff& backoff) {
  std::string guid = this->guid();
  bool is_new = guid.empty();
  if (is_new) {
    PK_TRY(EnsureLayout(context_, backoff));
    guid = context_.options.ids->NewUuid4().ToString();
  }
  for (;;) {
    auto session = context_.sessions.Get();
    Result<bool> there = session.ok() ? Appear(**session, guid, is_new) : session.error();
    if (there.ok() && *there) {
      std::lock_guard lock(mutex_);
      guid_ = guid;
      session_ = (*session)->session().id();
      return guid;
    }
    if (there.ok()) {
      // Its claims were taken back, and its name is used up.
      Disappear(guid);
      guid = context_.options.ids->NewUuid4().ToString();
      is_new = true;
      PK_CHECK(backoff.Wait(), Unavailable("no worker can come: its node is not made"));
      continue;
    }
    const ErrorCode code = there.error().code();
    const bool passes = code == ErrorCode::kUnavailable || code == ErrorCode::kOutcomeUnknown;
    if (!passes) return there.error();
    // Whatever became of it does no harm: nothing is claimed under this name yet, or it was ours
    // before.
    PK_CHECK(backoff.Wait(), Unavailable(there.error().message()));
  }
}

// False: the name is used up.
Result<bool> Worker::State::Appear(Coordinator& session, const std::string& guid, bool is_new) {
  const std::string run = RunPath(guid), alive = AlivePath(guid);
  const std::string value = Encode(Alive());
  if (is_new) {
    const auto join = Transaction().Create(run, "").Create(alive, value, CreateMode::kEphemeral);
    const CommitOutcome outcome = PK_TRY(session.Commit(join));
    if (!std::holds_alternative<Refused>(outcome)) return true;
  }
  const auto replies = PK_TRY(session.Read({{.path = alive}}));
  const auto present = PK_TRY(coordination::NodeOf(replies[0]));
  if (present && present->stat.ephemeral_owner == session.session().id()) return true;
  Transaction move;
  move.Check(run);
  // Of an earlier session, which may end any moment.
  if (present) move.Remove(alive, kAnyVersion);
  move.Create(alive, value, CreateMode::kEphemeral);
  const CommitOutcome outcome = PK_TRY(session.Commit(move));
  const Refused* refused = std::get_if<Refused>(&outcome);
  if (refused == nullptr) return true;
  if (refused->operation == 0) return false;
  return Unavailable(refused->reason.message());
}

void Worker::State::Disappear(const std::string& guid) {
  std::lock_guard lock(mutex_);
  if (guid_ != guid) return;
  guid_.clear();
  for (auto& [path, held] : held_) lost_.push_back(std::move(held.claim));
  held_.clear();
}

void Worker::State::Report(const ClaimedTask& claim, Progress progress) {
  std::lock_guard lock(mutex_);
  const auto held = held_.find(ClaimPath(claim));
  if (held == held_.end()) return;
  held->second.progress.since_ms = context_.WallMs();
  const bool is_part = progress.fraction >= 0 && progress.fraction <= 1;
  held->second.progress.fraction = is_part ? progress.fraction : 0;
  held->second.progress.note = ShortError(progress.note);
}

void Worker::State::Forget(const ClaimedTask& claim) {
  std::lock_guard lock(mutex_);
  held_.erase(ClaimPath(claim));
}

void Worker::State::Clear(const std::vector<std::string>& claim_paths, Backoff& backoff) {
  if (claim_paths.empty()) return;
  Transaction clear;
  for (const std::string& path : claim_paths) clear.Remove(path, kAnyVersion);
  static_cast<void>(SendUntilKnown(context_.sessions, clear, backoff));
}

Result<> Worker::State::Beat(Backoff& backoff) {
  for (;;) {
    const std::string guid = PK_TRY(Enlist(backoff));
    AliveNode node = Alive();
    {
      std::lock_guard lock(mutex_);
      for (const auto& [path, held] : held_) {
        const Task& task = held.claim.task;
        node.claims[ClaimName(task.id(), task.attempt)] = held.progress;
      }
    }
    const auto set = Transaction().Set(AlivePath(guid), Encode(node), kAnyVersion);
    const Sent sent = PK_TRY(SendUntilKnown(context_.sessions, set, backoff));
    if (sent.refused() == nullptr) return {};
    {
      std::lock_guard lock(mutex_);
      session_ = 0;
    }
    PK_CHECK(backoff.Wait(), Unavailable("the worker's node comes and goes"));
  }
}

Result<std::vector<ClaimedTask>> Worker::State::Heartbeat() {
  Backoff backoff = context_.NewBackoff();
  PK_TRY(Beat(backoff));
  std::map<std::string, Held> held;
  std::vector<ClaimedTask> lost;
  {
    std::lock_guard lock(mutex_);
    held = held_;
    std::swap(lost, lost_);
  }
  std::vector<std::string> paths;
  for (const auto& [path, each] : held) {
    paths.push_back(path);
    paths.push_back(DefPath(each.claim.task.queue, each.claim.task.id()));
  }
  if (paths.empty()) return lost;
  auto stats = PK_TRY(StatsUntilKnown(context_.sessions, paths, backoff));
  std::vector<std::string> cancelled;
  size_t i = 0;
  for (const auto& [path, each] : held) {
    const auto& claim = stats[i++];
    const auto& task = stats[i++];
    const bool stands = claim.ok() && task.ok() && task->version <= each.claim.version;
    if (stands) continue;
    std::lock_guard lock(mutex_);
    if (held_.erase(path) == 0) continue;
    lost.push_back(each.claim);
    if (claim.ok()) cancelled.push_back(path);
  }
  Clear(cancelled, backoff);
  return lost;
}

Result<> Worker::State::Leave() {
  Backoff backoff = context_.NewBackoff();
  std::string guid = this->guid();
  if (guid.empty()) return {};
  std::vector<ClaimedTask> claims;
  PK_TRY(Adopt(guid, SIZE_MAX, claims, backoff));  // into held_
  claims.clear();
  {
    std::lock_guard lock(mutex_);
    for (const auto& [path, held] : held_) claims.push_back(held.claim);
    held_.clear();
  }
  for (const ClaimedTask& claim : claims) {
    const Transaction release = EndClaim(claim, Released(claim.task));
    const Sent sent = PK_TRY(SendUntilKnown(context_.sessions, release, backoff));
    const Refused* refused = sent.refused();
    // The task was cancelled.
    if (refused != nullptr && refused->operation == 1) Clear({ClaimPath(claim)}, backoff);
  }
  // Refused: one of them is gone with the session, or taken away by a caretaker.
  PK_TRY(SendUntilKnown(context_.sessions, Transaction().Remove(AlivePath(guid), kAnyVersion),
                        backoff));
  PK_TRY(
      SendUntilKnown(context_.sessions, Transaction().Remove(RunPath(guid), kAnyVersion), backoff));
  Disappear(guid);
  return {};
}

}  // namespace pk::tasks
