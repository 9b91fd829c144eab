#pragma once

// Waiting for a change on a Clock that is a parameter: a waiter wakes by the signal, by its own
// stop token or by the clock's deadline, and a simulated clock sees each wait. Back ends build
// Watch::Wait and Session::WaitForChange on it.

#include <stop_token>

#include "parkeeper/base/clock.h"

namespace pk::coordination {

// Wakes everybody who waits on a token taken before. Not thread-safe: the owner's mutex guards it,
// and a waiter takes its token under that mutex, where it also looks whether there is anything to
// wait for; so nothing is missed.
class Signal {
 public:
  std::stop_token token() {
    waited_for_ = true;
    return source_.get_token();
  }
  void Raise() {
    if (!waited_for_) return;
    waited_for_ = false;
    source_.request_stop();
    source_ = std::stop_source();
  }

 private:
  std::stop_source source_;
  bool waited_for_ = false;
};

// Returns when `signal` or `stop` is requested, at `deadline`, or (rarely) for no reason: callers
// look again in a loop. Hold no mutex.
void WaitFor(Clock& clock, std::stop_token signal, SteadyTime deadline, std::stop_token stop);

}  // namespace pk::coordination
