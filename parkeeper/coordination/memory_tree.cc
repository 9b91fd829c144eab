#include <algorithm>
#include <utility>

#include "parkeeper/coordination/memory_tree_internal.h"
#include "parkeeper/coordination/path.h"

namespace pk::coordination {
namespace {

bool Concerns(const Watcher& watcher, const Change& change) {
  switch (watcher.scope) {
    case WatchScope::kNode:
      return watcher.path == change.path;
    case WatchScope::kChildren:
      if (change.kind == Change::Kind::kSet) return false;
      return watcher.path == Parent(change.path) || watcher.path == change.path;
    case WatchScope::kSubtree:
      return true;  // asked for the path and everything above it only
  }
  return false;
}

}  // namespace

std::shared_ptr<LocalSession> MemoryTree::Open(std::chrono::milliseconds timeout) {
  std::lock_guard lock(mutex_);
  const uint64_t id = next_session_++;
  auto session = std::make_shared<LocalSession>(id, timeout, clock_);
  sessions_.emplace(id, session);
  return session;
}

void MemoryTree::End(uint64_t session_id) {
  std::shared_ptr<LocalSession> session;
  {
    std::lock_guard lock(mutex_);
    const auto found = sessions_.find(session_id);
    if (found == sessions_.end()) return;
    session = std::move(found->second);
    sessions_.erase(found);
    std::vector<Change> changes;
    tree_.EndSession(session_id, changes);
    Wake(changes);
  }
  session->Become(SessionState::kLost);
  std::lock_guard lock(mutex_);
  for (auto& [path, watcher] : watchers_) {
    if (watcher->session == session_id) watcher->signal.Raise();
  }
}

bool MemoryTree::IsAlive(uint64_t session_id) const {
  std::lock_guard lock(mutex_);
  return sessions_.contains(session_id);
}

Result<CommitOutcome> MemoryTree::CommitAt(const Transaction& transaction, uint64_t session,
                                           int64_t wall_ms) {
  std::lock_guard lock(mutex_);
  PK_TRY(Alive(session));
  std::vector<Change> changes;
  CommitOutcome outcome = tree_.Apply(transaction, session, wall_ms, changes);
  Wake(changes);
  return outcome;
}

Result<> MemoryTree::Start(const std::shared_ptr<Watcher>& watcher) {
  std::lock_guard lock(mutex_);
  PK_TRY(Alive(watcher->session));
  if (watcher->scope == WatchScope::kChildren && !tree_.Has(watcher->path)) {
    return tree_.Get(watcher->path).error();
  }
  watcher->owner = sessions_.at(watcher->session);
  watchers_.emplace(watcher->path, watcher);
  return {};
}

void MemoryTree::Stop(const std::shared_ptr<Watcher>& watcher) {
  std::lock_guard lock(mutex_);
  const auto [begin, end] = watchers_.equal_range(watcher->path);
  const auto found =
      std::find_if(begin, end, [&](const auto& entry) { return entry.second == watcher; });
  if (found != end) watchers_.erase(found);
}

bool MemoryTree::Wait(Watcher& watcher, SteadyTime deadline, const std::stop_token& stop) {
  while (true) {
    std::stop_token signal;
    {
      std::lock_guard lock(mutex_);
      if (watcher.owner->state() == SessionState::kLost) return false;
      if (std::exchange(watcher.pending, false)) return true;
      if (stop.stop_requested() || clock_.Now() >= deadline) return false;
      signal = watcher.signal.token();
    }
    WaitFor(clock_, signal, deadline, stop);
  }
}

std::optional<std::vector<std::string>> MemoryTree::TakeChanged(Watcher& watcher) {
  std::lock_guard lock(mutex_);
  return watcher.changed.Take();
}

Result<> MemoryTree::Alive(uint64_t session) const {
  PK_CHECK(sessions_.contains(session), Unavailable("the session is lost, open a new one"));
  return {};
}

void MemoryTree::Wake(const std::vector<Change>& changes) {
  if (watchers_.empty()) return;
  for (const Change& change : changes) {
    const std::string_view parent = Parent(change.path);
    WakeAt(change.path, change, false);
    for (std::string_view above = change.path; above != "/";) {
      above = Parent(above);
      WakeAt(above, change, above != parent);
    }
  }
}

void MemoryTree::WakeAt(std::string_view path, const Change& change, bool subtrees_only) {
  const auto [begin, end] = watchers_.equal_range(std::string(path));
  for (auto at = begin; at != end; ++at) {
    Watcher& watcher = *at->second;
    if (subtrees_only && watcher.scope != WatchScope::kSubtree) continue;
    if (!Concerns(watcher, change)) continue;
    watcher.pending = true;
    watcher.changed.Add(change.path);
    watcher.signal.Raise();
  }
}

}  // namespace pk::coordination
