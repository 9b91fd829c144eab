#pragma once

// The Session of a ZooKeeperCoordinator: what the I/O thread says, and the clock. Whoever looks
// after the session's time has passed sees it Lost, even if the I/O thread has not run since.
//
// Thread-safe.

#include <atomic>

#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/local_session.h"

namespace pk::coordination::zookeeper {

class ZooKeeperSession final : public Session {
 public:
  ZooKeeperSession(uint64_t id, std::chrono::milliseconds timeout, Clock& clock)
      : clock_(clock), state_(id, timeout, clock) {}

  // Lost at this time, unless said otherwise before.
  void LostAt(SteadyTime at) { lost_at_.store(at.time_since_epoch().count()); }
  // Lost from now on, for whoever looks. Become(kLost) must follow, to wake who waits.
  void Expire() { LostAt(SteadyTime::min()); }
  bool HasPassed(SteadyTime now) const { return now.time_since_epoch().count() >= lost_at_.load(); }
  void Become(SessionState state) { state_.Become(state); }

  uint64_t id() const override { return state_.id(); }
  SessionState state() const override;
  std::chrono::milliseconds timeout() const override { return state_.timeout(); }
  std::stop_token lost() const override { return state_.lost(); }
  SessionState WaitForChange(SessionState known, SteadyTime deadline,
                             std::stop_token stop) override;

 private:
  Clock& clock_;
  std::atomic<Duration::rep> lost_at_ = SteadyTime::max().time_since_epoch().count();
  mutable LocalSession state_;
};

}  // namespace pk::coordination::zookeeper
