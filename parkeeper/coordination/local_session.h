#pragma once

// LocalSession: the Session of a back end, as a state that the back end sets and others wait on.
// Thread-safe.

#include <mutex>

#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/signal.h"

namespace pk::coordination {

class LocalSession final : public Session {
 public:
  LocalSession(uint64_t id, std::chrono::milliseconds timeout, Clock& clock)
      : id_(id), timeout_(timeout), clock_(clock) {}

  // Wakes who waits. kLost is final: later calls change nothing. Callbacks registered on lost() run
  // in here, so hold no mutex.
  void Become(SessionState state);

  uint64_t id() const override { return id_; }
  SessionState state() const override;
  std::chrono::milliseconds timeout() const override { return timeout_; }
  std::stop_token lost() const override { return lost_.get_token(); }
  SessionState WaitForChange(SessionState known, SteadyTime deadline,
                             std::stop_token stop) override;

 private:
  SessionState Present() const;

  const uint64_t id_;
  const std::chrono::milliseconds timeout_;
  Clock& clock_;
  std::stop_source lost_;
  mutable std::mutex mutex_;
  SessionState state_ = SessionState::kConnected;
  Signal changed_;
};

}  // namespace pk::coordination
