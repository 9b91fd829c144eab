#pragma once

// Clock: time as a parameter, so that simulations and tests decide what time it is and never sleep.
//
// Wall time is for people and for file formats (a snapshot's timestamp); it may jump. Steady time
// is for deadlines, back-off and session expiry; it never goes back. Thread-safe, all
// implementations.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace pk {

using Duration = std::chrono::nanoseconds;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;

  // Milliseconds since 1970-01-01T00:00:00Z.
  virtual int64_t WallMs() const = 0;
  virtual SteadyTime Now() const = 0;

  // Returns after `duration` (at once when it is negative; at most a year), or as soon as `stop` is
  // requested; false in the latter case.
  virtual bool Wait(Duration duration, std::stop_token stop = {}) = 0;
};

// The machine's clocks. Never destroyed.
Clock& SystemClock();

// A clock that stands still until told to move. Wait() moves it by the duration at once, so code
// that backs off runs at full speed under it.
class ManualClock : public Clock {
 public:
  explicit ManualClock(int64_t wall_ms = 1'700'000'000'000) : wall_ms_(wall_ms) {}

  int64_t WallMs() const override;
  SteadyTime Now() const override;
  bool Wait(Duration duration, std::stop_token stop = {}) override;

  // A negative duration moves nothing.
  void Advance(Duration duration);
  // Moves the wall clock alone, as an administrator would: steady time does not change.
  void JumpWall(std::chrono::milliseconds by);

 private:
  mutable std::mutex mutex_;
  int64_t wall_ms_;
  Duration steady_{};
};

}  // namespace pk
