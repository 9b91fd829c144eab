#pragma once

// MemoryTree: a Tree with a mutex around it, sessions and watches. The in-memory back end is a thin
// Coordinator over it; the servers of the simulated one are MemoryTrees that repeat one log.

#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "parkeeper/coordination/changed_paths.h"
#include "parkeeper/coordination/local_session.h"
#include "parkeeper/coordination/memory.h"
#include "parkeeper/coordination/signal.h"
#include "parkeeper/coordination/tree.h"

namespace pk::coordination {

// A watch as the tree knows it. The tree's mutex guards what changes.
struct Watcher {
  std::string path;
  WatchScope scope;
  uint64_t session;
  bool pending = false;
  ChangedPaths changed = {};
  Signal signal;
  std::shared_ptr<LocalSession> owner = {};  // set by Start()
};

// Thread-safe. Requests must be valid. Every call for a session that has ended is kUnavailable.
class MemoryTree {
 public:
  explicit MemoryTree(Clock& clock) : clock_(clock) {}

  // Ids count from 1.
  std::shared_ptr<LocalSession> Open(std::chrono::milliseconds timeout);
  // Callbacks of the session's owner run in here, outside of the mutex.
  void End(uint64_t session_id);
  bool IsAlive(uint64_t session_id) const;

  Result<CommitOutcome> Commit(const Transaction& transaction, uint64_t session) {
    return CommitAt(transaction, session, clock_.WallMs());
  }
  Result<CommitOutcome> CommitAt(const Transaction& transaction, uint64_t session, int64_t wall_ms);

  // Calls `read`, a function of const Tree& to a Result, while nothing changes.
  template <class Read>
  auto Look(uint64_t session, const Read& read) const
      -> decltype(read(std::declval<const Tree&>())) {
    std::lock_guard lock(mutex_);
    PK_TRY(Alive(session));
    return read(tree_);
  }

  Result<> Start(const std::shared_ptr<Watcher>& watcher);
  void Stop(const std::shared_ptr<Watcher>& watcher);
  // As Watch::Wait.
  bool Wait(Watcher& watcher, SteadyTime deadline, const std::stop_token& stop);
  // As Watch::TakeChanged.
  std::optional<std::vector<std::string>> TakeChanged(Watcher& watcher);

 private:
  Result<> Alive(uint64_t session) const;
  void Wake(const std::vector<Change>& changes);
  void WakeAt(std::string_view path, const Change& change, bool subtrees_only);

  Clock& clock_;
  mutable std::mutex mutex_;
  Tree tree_;
  uint64_t next_session_ = 1;
  std::map<uint64_t, std::shared_ptr<LocalSession>> sessions_;  // those alive
  std::unordered_multimap<std::string, std::shared_ptr<Watcher>> watchers_;
};

}  // namespace pk::coordination
