#include "parkeeper/coordination/memory.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "parkeeper/coordination/local_session.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/signal.h"
#include "parkeeper/coordination/tree.h"
#include "parkeeper/coordination/validate.h"

namespace pk::coordination {
namespace {

Error SessionIsLost() { return Unavailable("the session is lost, open a new one"); }

// A watch as the tree knows it.
struct Watcher {
  std::string path;
  WatchScope scope;
  uint64_t session;
  bool pending = false;
  Signal signal;
};

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

// Guards a Tree by one mutex, and wakes watches. Sessions are told to be lost outside of the mutex,
// because callbacks of their owners run then.
class MemoryTree {
 public:
  explicit MemoryTree(Clock& clock) : clock_(clock) {}

  std::shared_ptr<LocalSession> Open(std::chrono::milliseconds timeout) {
    std::lock_guard lock(mutex_);
    const uint64_t id = next_session_++;
    auto session = std::make_shared<LocalSession>(id, timeout, clock_);
    sessions_.emplace(id, session);
    return session;
  }

  void End(uint64_t session_id) {
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

  Result<CommitOutcome> Commit(const Transaction& transaction, uint64_t session) {
    std::lock_guard lock(mutex_);
    PK_TRY(Alive(session));
    std::vector<Change> changes;
    CommitOutcome outcome = tree_.Apply(transaction, session, clock_.WallMs(), changes);
    Wake(changes);
    return outcome;
  }

  // Calls `read` with the tree while nothing changes.
  template <class Read>
  auto Look(uint64_t session, const Read& read) -> decltype(read(std::declval<const Tree&>())) {
    std::lock_guard lock(mutex_);
    PK_TRY(Alive(session));
    return read(tree_);
  }

  Result<> Start(const std::shared_ptr<Watcher>& watcher) {
    std::lock_guard lock(mutex_);
    PK_TRY(Alive(watcher->session));
    if (watcher->scope == WatchScope::kChildren) PK_TRY(tree_.Get(watcher->path));
    watchers_.emplace(watcher->path, watcher);
    return {};
  }

  void Stop(const std::shared_ptr<Watcher>& watcher) {
    std::lock_guard lock(mutex_);
    const auto [begin, end] = watchers_.equal_range(watcher->path);
    for (auto at = begin; at != end; ++at) {
      if (at->second == watcher) {
        watchers_.erase(at);
        return;
      }
    }
  }

  bool Wait(Watcher& watcher, SteadyTime deadline, const std::stop_token& stop) {
    while (true) {
      std::stop_token signal;
      {
        std::lock_guard lock(mutex_);
        if (!sessions_.contains(watcher.session)) return false;
        if (std::exchange(watcher.pending, false)) return true;
        if (stop.stop_requested() || clock_.Now() >= deadline) return false;
        signal = watcher.signal.token();
      }
      WaitFor(clock_, signal, deadline, stop);
    }
  }

 private:
  Result<> Alive(uint64_t session) const {
    PK_CHECK(sessions_.contains(session), SessionIsLost());
    return {};
  }

  void Wake(const std::vector<Change>& changes) {
    if (watchers_.empty()) return;
    for (const Change& change : changes) {
      WakeAt(change.path, change, false);
      for (std::string_view above = change.path; above != "/";) {
        above = Parent(above);
        WakeAt(above, change, above != Parent(change.path));
      }
    }
  }

  void WakeAt(std::string_view path, const Change& change, bool subtrees_only) {
    const auto [begin, end] = watchers_.equal_range(std::string(path));
    for (auto at = begin; at != end; ++at) {
      Watcher& watcher = *at->second;
      if (subtrees_only && watcher.scope != WatchScope::kSubtree) continue;
      if (!Concerns(watcher, change)) continue;
      watcher.pending = true;
      watcher.signal.Raise();
    }
  }

  Clock& clock_;
  std::mutex mutex_;
  Tree tree_;
  uint64_t next_session_ = 1;
  std::map<uint64_t, std::shared_ptr<LocalSession>> sessions_;  // those alive
  std::unordered_multimap<std::string, std::shared_ptr<Watcher>> watchers_;
};

namespace {

class MemoryWatch final : public Watch {
 public:
  MemoryWatch(std::shared_ptr<MemoryTree> tree, std::shared_ptr<Watcher> watcher)
      : tree_(std::move(tree)), watcher_(std::move(watcher)) {}
  ~MemoryWatch() override { tree_->Stop(watcher_); }

  bool Wait(SteadyTime deadline, std::stop_token stop) override {
    return tree_->Wait(*watcher_, deadline, stop);
  }

 private:
  std::shared_ptr<MemoryTree> tree_;
  std::shared_ptr<Watcher> watcher_;
};

class MemoryCoordinator final : public Coordinator {
 public:
  MemoryCoordinator(std::shared_ptr<MemoryTree> tree, std::chrono::milliseconds timeout)
      : tree_(std::move(tree)), session_(tree_->Open(timeout)) {}
  ~MemoryCoordinator() override { tree_->End(session_->id()); }

  Result<Node> Get(std::string_view path) override {
    PK_TRY(ValidatePath(path));
    return tree_->Look(session_->id(), [&](const Tree& tree) { return tree.Get(path); });
  }

  Result<std::vector<std::string>> List(std::string_view path) override {
    PK_TRY(ValidatePath(path));
    return tree_->Look(session_->id(), [&](const Tree& tree) { return tree.List(path); });
  }

  Result<std::vector<Result<ReadReply>>> Read(const std::vector<ReadRequest>& requests) override {
    using Replies = std::vector<Result<ReadReply>>;
    PK_TRY(ValidateReads(requests));
    return tree_->Look(session_->id(), [&](const Tree& tree) -> Result<Replies> {
      Replies replies;
      replies.reserve(requests.size());
      for (const ReadRequest& request : requests) replies.push_back(tree.Read(request));
      return replies;
    });
  }

  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    PK_TRY(ValidateTransaction(transaction));
    return tree_->Commit(transaction, session_->id());
  }

  Result<std::unique_ptr<Watch>> StartWatch(std::string_view path, WatchScope scope) override {
    PK_TRY(ValidatePath(path));
    auto watcher = std::make_shared<Watcher>(Watcher{
        .path = std::string(path), .scope = scope, .session = session_->id(), .signal = {}});
    PK_TRY(tree_->Start(watcher));
    return std::make_unique<MemoryWatch>(tree_, std::move(watcher));
  }

  Result<> Sync() override {
    return tree_->Look(session_->id(), [](const Tree&) { return Result<>(); });
  }

  Session& session() override { return *session_; }

 private:
  std::shared_ptr<MemoryTree> tree_;
  std::shared_ptr<LocalSession> session_;
};

}  // namespace

std::shared_ptr<MemoryTree> MakeMemoryTree(Clock& clock) {
  return std::make_shared<MemoryTree>(clock);
}

std::unique_ptr<Coordinator> OpenMemory(std::shared_ptr<MemoryTree> tree,
                                        std::chrono::milliseconds session_timeout) {
  return std::make_unique<MemoryCoordinator>(std::move(tree), session_timeout);
}

void ExpireSession(MemoryTree& tree, uint64_t session_id) { tree.End(session_id); }

}  // namespace pk::coordination
