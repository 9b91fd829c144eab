#pragma once

// The coordinator of a Simulation: a leader that carries out every modification, and followers that
// repeat its log a little later, where clients read and watch. As in ZooKeeper, a client sees what
// its follower has, and a reply to a modification arrives when the follower has it too.

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "parkeeper/coordination/memory_tree_internal.h"
#include "parkeeper/coordination/scheduler_internal.h"

namespace pk::coordination {

// Not thread-safe.
class SimulatedServers {
 public:
  // Each follower gets an entry of the log within `longest_lag`. Without followers the leader
  // answers reads.
  SimulatedServers(Scheduler& scheduler, int followers, Duration longest_lag);

  uint64_t Open(std::chrono::milliseconds timeout);
  void End(uint64_t session);
  Result<CommitOutcome> Commit(const Transaction& transaction, uint64_t session);
  bool IsAlive(uint64_t session) const { return leader_.IsAlive(session); }

  // Servers that clients connect to are numbered from 0.
  int count() const { return static_cast<int>(std::max<size_t>(followers_.size(), 1)); }
  MemoryTree& at(int server);
  // How much of the log there is, and how much `server` has.
  size_t position() const { return log_.size(); }
  size_t position(int server) const;
  // Lets `server` have at least the first `position` entries now.
  void CatchUp(int server, size_t position);

 private:
  struct OpenEntry {
    std::chrono::milliseconds timeout;
  };
  struct CommitEntry {
    Transaction transaction;
    uint64_t session;
    int64_t wall_ms;
  };
  struct EndEntry {
    uint64_t session;
  };
  using LogEntry = std::variant<OpenEntry, CommitEntry, EndEntry>;
  struct Follower {
    explicit Follower(Clock& clock) : tree(clock) {}
    MemoryTree tree;
    size_t position = 0;

    void operator()(const OpenEntry& entry) { tree.Open(entry.timeout); }
    void operator()(const CommitEntry& entry);
    void operator()(const EndEntry& entry) { tree.End(entry.session); }
  };

  void Append(LogEntry entry);

  Scheduler& scheduler_;
  const Duration longest_lag_;
  MemoryTree leader_;
  std::vector<std::unique_ptr<Follower>> followers_;
  std::vector<LogEntry> log_;
};

}  // namespace pk::coordination
