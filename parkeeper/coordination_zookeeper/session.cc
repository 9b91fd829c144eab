#include "parkeeper/coordination_zookeeper/session_internal.h"

namespace pk::coordination::zookeeper {

SessionState ZooKeeperSession::state() const {
  // On the caller's thread: callbacks of lost() are the user's.
  if (HasPassed(clock_.Now())) state_.Become(SessionState::kLost);
  return state_.state();
}

SessionState ZooKeeperSession::WaitForChange(SessionState known, SteadyTime deadline,
                                             std::stop_token stop) {
  const SessionState now = state();
  if (now != known) return now;
  return state_.WaitForChange(known, deadline, stop);
}

}  // namespace pk::coordination::zookeeper
