#include "parkeeper/base/retry.h"

#include <algorithm>
#include <utility>

namespace pk {
namespace {

// What a policy may say at most: 100 years, so that no sum of times overflows.
constexpr std::chrono::milliseconds kForever = std::chrono::hours(24 * 365 * 100);

}  // namespace

Backoff::Backoff(RetryPolicy policy, Clock& clock, IdSource& ids, std::stop_token stop)
    : policy_(policy),
      clock_(clock),
      ids_(ids),
      stop_(std::move(stop)),
      deadline_(clock.Now() + std::min(policy.within, kForever)),
      upper_(std::min({policy.first, policy.most, kForever})) {}

bool Backoff::Wait() {
  const SteadyTime now = clock_.Now();
  if (now >= deadline_) return false;
  Duration delay(int64_t(ids_.Random64() % uint64_t(std::max<int64_t>(upper_.count(), 1))));
  delay = std::min(delay, deadline_ - now);
  upper_ = std::min<Duration>(upper_ * 2, std::min(policy_.most, kForever));
  if (!clock_.Wait(delay, stop_)) return false;
  ++attempts_;
  return true;
}

}  // namespace pk
