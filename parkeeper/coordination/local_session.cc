#include "parkeeper/coordination/local_session.h"

namespace pk::coordination {

void LocalSession::Become(SessionState state) {
  // First, so that whoever sees kLost finds lost() requested.
  if (state == SessionState::kLost) lost_.request_stop();
  std::lock_guard lock(mutex_);
  if (state_ == SessionState::kLost || state_ == state) return;
  state_ = state;
  changed_.Raise();
}

SessionState LocalSession::state() const {
  std::lock_guard lock(mutex_);
  return Present();
}

SessionState LocalSession::Present() const {
  return lost_.stop_requested() ? SessionState::kLost : state_;
}

SessionState LocalSession::WaitForChange(SessionState known, SteadyTime deadline,
                                         std::stop_token stop) {
  while (true) {
    std::stop_token changed;
    {
      std::lock_guard lock(mutex_);
      if (Present() != known || stop.stop_requested() || clock_.Now() >= deadline) return Present();
      changed = changed_.token();
    }
    WaitFor(clock_, changed, deadline, stop);
  }
}

}  // namespace pk::coordination
