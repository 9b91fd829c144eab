#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/coordination_sqlite/beating_session_internal.h"

namespace pk::coordination::sqlite {
namespace {

constexpr Duration kShortestInterval = std::chrono::milliseconds(10);
constexpr Duration kLongestInterval = std::chrono::milliseconds(500);

}  // namespace

BeatingSession::BeatingSession(Liveness& liveness, const SessionRow& row, SteadyTime beaten)
    : liveness_(liveness), row_(row), beaten_(beaten) {}

SessionState BeatingSession::state() const {
  SessionState state;
  {
    std::lock_guard guard(mutex_);
    state = LookLocked();
  }
  if (state == SessionState::kLost) lost_.request_stop();
  return state;
}

SessionState BeatingSession::WaitForChange(SessionState known, SteadyTime deadline,
                                           std::stop_token stop) {
  std::unique_lock guard(mutex_);
  changed_.wait_until(guard, stop, deadline, [&] { return LookLocked() != known; });
  const SessionState state = LookLocked();
  guard.unlock();
  if (state == SessionState::kLost) lost_.request_stop();
  return state;
}

Result<> BeatingSession::CheckAlive() const {
  PK_CHECK(state() != SessionState::kLost,
           Unavailable(fmt::format("session {} is lost: open the coordinator again", row_.id)));
  return {};
}

void BeatingSession::Beat() {
  {
    std::lock_guard guard(mutex_);
    // Read before the record is written: others count from then at the earliest.
    const SteadyTime now = SystemClock().Now();
    const bool alive = LookLocked() != SessionState::kLost;
    if (alive && liveness_.Beat(row_.slot, row_.id, now).ok()) {
      beaten_ = now;
    } else if (alive && state_ == SessionState::kConnected) {
      state_ = SessionState::kSuspended;
      changed_.notify_all();
    }
  }
  (void)state();  // fires the token of a loss
}

void BeatingSession::SetConnected(bool connected) {
  {
    std::lock_guard guard(mutex_);
    const SessionState wanted = connected ? SessionState::kConnected : SessionState::kSuspended;
    if (LookLocked() != SessionState::kLost && state_ != wanted) {
      state_ = wanted;
      changed_.notify_all();
    }
  }
  (void)state();  // fires the token of a loss
}

void BeatingSession::Lose() const {
  {
    std::lock_guard guard(mutex_);
    LoseLocked();
  }
  // Outside of the lock: this runs what others have hung on the token.
  lost_.request_stop();
}

Duration BeatingSession::interval() const {
  return std::clamp<Duration>(row_.timeout / 6, kShortestInterval, kLongestInterval);
}

SessionState BeatingSession::LookLocked() const {
  if (SystemClock().Now() - beaten_ > row_.timeout * 2 / 3) LoseLocked();
  return state_;
}

void BeatingSession::LoseLocked() const {
  if (state_ == SessionState::kLost) return;
  state_ = SessionState::kLost;
  liveness_.Release(row_.slot);
  changed_.notify_all();
}

}  // namespace pk::coordination::sqlite
