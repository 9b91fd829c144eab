#include "parkeeper/base/retry.h"

#include <algorithm>

namespace pk {

Backoff::Backoff(RetryPolicy policy, Clock& clock, IdSource& ids)
    : policy_(policy),
      clock_(clock),
      ids_(ids),
      deadline_(clock.Now() + policy.within),
      upper_(policy.first) {}

bool Backoff::Wait(std::stop_token stop) {
  const SteadyTime now = clock_.Now();
  if (now >= deadline_) return false;
  Duration delay(int64_t(ids_.Random64() % uint64_t(std::max<int64_t>(upper_.count(), 1))));
  delay = std::min(delay, deadline_ - now);
  upper_ = std::min<Duration>(upper_ * 2, policy_.most);
  if (!clock_.Wait(delay, stop)) return false;
  ++attempts_;
  return true;
}

}  // namespace pk
