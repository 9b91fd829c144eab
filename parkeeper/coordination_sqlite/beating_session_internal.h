#pragma once

// The session of one SqliteCoordinator: its state, its heartbeat and its local expiry clock.

#include <condition_variable>
#include <mutex>

#include "parkeeper/base/clock.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination_sqlite/liveness_internal.h"

namespace pk::coordination::sqlite {

// Lost when two thirds of the timeout have passed since the last heartbeat, whoever notices first:
// every look at the state looks at the clock, so that a process that was stopped learns it before
// its background thread has run. Whoever sees it Lost may be sure that it beats no more.
//
// Thread-safe.
class BeatingSession final : public Session {
 public:
  // `slot` is claimed in `liveness`, which lives longer.
  BeatingSession(Liveness& liveness, const SessionRow& row, SteadyTime beaten);

  uint64_t id() const override { return row_.id; }
  SessionState state() const override;
  std::chrono::milliseconds timeout() const override { return row_.timeout; }
  std::stop_token lost() const override { return lost_.get_token(); }
  SessionState WaitForChange(SessionState known, SteadyTime deadline,
                             std::stop_token stop) override;

  // kUnavailable once the session is lost.
  Result<> CheckAlive() const;
  // A failed heartbeat suspends.
  void Beat();
  void SetConnected(bool connected);
  // Gives the slot up, so that others see at once that the session is over.
  void Lose() const;

  // The time between two heartbeats.
  Duration interval() const;

 private:
  SessionState LookLocked() const;
  void LoseLocked() const;

  Liveness& liveness_;
  const SessionRow row_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  mutable SessionState state_ = SessionState::kConnected;
  SteadyTime beaten_;
  mutable std::stop_source lost_;
};

}  // namespace pk::coordination::sqlite
