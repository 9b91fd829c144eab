#include "parkeeper/coordination/signal.h"

#include <algorithm>

namespace pk::coordination {

void WaitFor(Clock& clock, std::stop_token signal, SteadyTime deadline, std::stop_token stop) {
  // A clock adds the duration to its own now; a cap keeps a deadline of max() from overflowing.
  constexpr Duration kLongest = std::chrono::hours(1);
  const SteadyTime now = clock.Now();
  if (deadline <= now) return;
  const Duration duration = deadline > now + kLongest ? kLongest : deadline - now;
  std::stop_source either;
  const std::stop_callback on_signal(signal, [&] { either.request_stop(); });
  const std::stop_callback on_stop(stop, [&] { either.request_stop(); });
  clock.Wait(duration, either.get_token());
}

}  // namespace pk::coordination
