#include <algorithm>
#include <cassert>

#include "parkeeper/coordination/simulated_servers_internal.h"

namespace pk::coordination {

SimulatedServers::SimulatedServers(Scheduler& scheduler, int followers, Duration longest_lag)
    : scheduler_(scheduler), longest_lag_(longest_lag), leader_(scheduler.clock()) {
  for (int i = 0; i < followers; ++i) {
    followers_.push_back(std::make_unique<Follower>(scheduler.clock()));
  }
}

uint64_t SimulatedServers::Open(std::chrono::milliseconds timeout) {
  const uint64_t id = leader_.Open(timeout)->id();
  Append(OpenEntry{timeout});
  return id;
}

void SimulatedServers::End(uint64_t session) {
  if (!leader_.IsAlive(session)) return;
  leader_.End(session);
  Append(EndEntry{session});
}

Result<CommitOutcome> SimulatedServers::Commit(const Transaction& transaction, uint64_t session) {
  const int64_t wall_ms = scheduler_.clock().WallMs();
  CommitOutcome outcome = PK_TRY(leader_.CommitAt(transaction, session, wall_ms));
  if (std::holds_alternative<Applied>(outcome)) Append(CommitEntry{transaction, session, wall_ms});
  return outcome;
}

MemoryTree& SimulatedServers::at(int server) {
  return followers_.empty() ? leader_ : followers_[static_cast<size_t>(server)]->tree;
}

size_t SimulatedServers::position(int server) const {
  return followers_.empty() ? log_.size() : followers_[static_cast<size_t>(server)]->position;
}

void SimulatedServers::CatchUp(int server, size_t position) {
  if (followers_.empty()) return;
  Follower& follower = *followers_[static_cast<size_t>(server)];
  while (follower.position < position) std::visit(follower, log_[follower.position++]);
}

void SimulatedServers::Append(LogEntry entry) {
  if (followers_.empty()) return;
  log_.push_back(std::move(entry));
  for (int i = 0; i < count(); ++i) {
    scheduler_.At(scheduler_.now() + scheduler_.RandomDuration(longest_lag_),
                  [this, i, position = log_.size()] { CatchUp(i, position); });
  }
}

void SimulatedServers::Follower::operator()(const CommitEntry& entry) {
  const auto outcome = tree.CommitAt(entry.transaction, entry.session, entry.wall_ms);
  assert(outcome.ok() && std::holds_alternative<Applied>(*outcome));
  static_cast<void>(outcome);  // the leader has given it to the caller
}

}  // namespace pk::coordination
