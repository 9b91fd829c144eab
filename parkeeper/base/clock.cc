#include "parkeeper/base/clock.h"

#include <algorithm>

namespace pk {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

class RealClock final : public Clock {
 public:
  int64_t WallMs() const override {
    return duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  SteadyTime Now() const override { return std::chrono::steady_clock::now(); }
  bool Wait(Duration duration, std::stop_token stop) override {
    // The end of a longer wait would not fit into a time point.
    duration = std::min<Duration>(duration, std::chrono::hours(24 * 365));
    duration = std::max(duration, Duration::zero());
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    changed.wait_for(lock, stop, duration, [] { return false; });
    return !stop.stop_requested();
  }
};

}  // namespace

Clock& SystemClock() {
  static auto* clock = new RealClock;
  return *clock;
}

int64_t ManualClock::WallMs() const {
  std::lock_guard lock(mutex_);
  return wall_ms_ + duration_cast<milliseconds>(steady_).count();
}

SteadyTime ManualClock::Now() const {
  std::lock_guard lock(mutex_);
  return SteadyTime(steady_);
}

bool ManualClock::Wait(Duration duration, std::stop_token stop) {
  if (stop.stop_requested()) return false;
  Advance(duration);
  return true;
}

void ManualClock::Advance(Duration duration) {
  std::lock_guard lock(mutex_);
  steady_ += std::max(duration, Duration::zero());
}

void ManualClock::JumpWall(std::chrono::milliseconds by) {
  std::lock_guard lock(mutex_);
  wall_ms_ += by.count();
}

}  // namespace pk
