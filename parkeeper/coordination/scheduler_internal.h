#pragma once

// Scheduler: the virtual time of a Simulation. Events in order of their time; an actor that waits
// is an event that resumes its fiber.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"
#include "parkeeper/coordination/fiber_internal.h"

namespace pk::coordination {

// Not thread-safe.
class Scheduler {
 public:
  // `on_horizon` runs when the horizon has passed, before the actors run out.
  Scheduler(uint64_t seed, Duration horizon, std::function<void()> on_horizon);

  void Spawn(std::string name, std::function<void()> body);
  void At(SteadyTime time, std::function<void()> event);
  // Runs all events; see Simulation::Run().
  Result<> Run();

  Clock& clock() { return clock_; }
  SteadyTime now() const { return now_; }
  // Gives way for a random time up to `longest`, of which nobody takes none.
  void Travel(Duration longest);
  uint64_t Random(uint64_t bound) { return random_() % bound; }
  // Uniform in [1 ns, longest].
  Duration RandomDuration(Duration longest);
  double RandomUnit() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

  // The horizon has passed: nothing waits any more, all clients are dead.
  bool over() const { return over_; }

  // Of the running actor; without one: nothing, false.
  void MarkCrashed();
  bool crashed() const { return running_ != nullptr && running_->crashed; }

  const std::string& trace() const { return trace_; }
  void Trace(std::string_view line);

 private:
  using EventKey = std::pair<SteadyTime, uint64_t>;  // the second part orders equal times

  struct Actor {
    std::string name;
    std::unique_ptr<Fiber> fiber;
    bool crashed = false;
  };

  class VirtualClock final : public Clock {
   public:
    explicit VirtualClock(Scheduler& scheduler) : scheduler_(scheduler) {}
    int64_t WallMs() const override;
    SteadyTime Now() const override { return scheduler_.now_; }
    bool Wait(Duration duration, std::stop_token stop) override;

   private:
    Scheduler& scheduler_;
  };

  EventKey Schedule(SteadyTime time, std::function<void()> event);
  void RunNext();
  void Resume(Actor& actor);
  void WaitAsActor(SteadyTime until, const std::stop_token& stop);
  void WaitOutside(SteadyTime until, const std::stop_token& stop);
  Result<> GiveUp();

  const uint64_t seed_;
  const Duration horizon_;
  const std::function<void()> on_horizon_;
  std::mt19937_64 random_;
  VirtualClock clock_{*this};
  SteadyTime now_{};
  uint64_t next_order_ = 0;
  std::map<EventKey, std::function<void()>> events_;
  std::vector<std::unique_ptr<Actor>> actors_;  // those that have not ended
  Actor* running_ = nullptr;
  bool in_event_ = false;
  bool over_ = false;
  uint64_t waits_when_over_ = 0;
  std::string trace_;
};

}  // namespace pk::coordination
