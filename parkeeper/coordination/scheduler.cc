#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>

#include "parkeeper/coordination/scheduler_internal.h"

namespace pk::coordination {
namespace {

using std::chrono::duration_cast;

constexpr int64_t kEpochMs = 1'700'000'000'000;
// A woken actor goes on within this time, so that the seed decides who of several is first.
constexpr Duration kWakeWithin = std::chrono::microseconds(100);
constexpr Duration kBeginWithin = std::chrono::milliseconds(1);
constexpr Duration kLongestWait = std::chrono::hours(24 * 365);
// Code that still waits so often after the horizon ignores its deadlines and would never end.
constexpr uint64_t kMostWaitsWhenOver = 1'000'000;

}  // namespace

Scheduler::Scheduler(uint64_t seed, Duration horizon, std::function<void()> on_horizon)
    : seed_(seed), horizon_(horizon), on_horizon_(std::move(on_horizon)), random_(seed) {}

void Scheduler::Spawn(std::string name, std::function<void()> body) {
  auto actor = std::make_unique<Actor>();
  actor->name = std::move(name);
  actor->fiber = std::make_unique<Fiber>(std::move(body));
  Schedule(now_ + RandomDuration(kBeginWithin), [this, a = actor.get()] { Resume(*a); });
  actors_.push_back(std::move(actor));
}

void Scheduler::At(SteadyTime time, std::function<void()> event) {
  Schedule(time, [this, event = std::move(event)] {
    in_event_ = true;
    event();
    in_event_ = false;
  });
}

Result<> Scheduler::Run() {
  assert(running_ == nullptr && !in_event_);
  while (!events_.empty()) {
    if (!actors_.empty() && events_.begin()->first.first > SteadyTime(horizon_)) return GiveUp();
    RunNext();
  }
  return {};
}

Result<> Scheduler::GiveUp() {
  std::string names;
  for (const auto& actor : actors_) names += (names.empty() ? "" : ", ") + actor->name;
  Trace("over: the horizon has passed");
  over_ = true;
  // Every deadline that means a time has passed now; and there is room to compute later ones.
  now_ = SteadyTime::max() - kLongestWait;
  on_horizon_();
  while (!actors_.empty()) Resume(*actors_.front());
  events_.clear();
  return Unavailable(
      fmt::format("simulation of seed {} reached its horizon of {} h of virtual time; still "
                  "running: {}",
                  seed_, duration_cast<std::chrono::hours>(horizon_).count(), names));
}

void Scheduler::Travel(Duration longest) { clock_.Wait(RandomDuration(longest), {}); }

Duration Scheduler::RandomDuration(Duration longest) {
  return Duration(1 + static_cast<int64_t>(
                          Random(static_cast<uint64_t>(std::max<int64_t>(longest.count(), 1)))));
}

void Scheduler::MarkCrashed() {
  if (running_ != nullptr) running_->crashed = true;
}

void Scheduler::Trace(std::string_view line) {
  const auto micros = duration_cast<std::chrono::microseconds>(now_.time_since_epoch()).count();
  fmt::format_to(std::back_inserter(trace_), "{}.{:06} {} {}\n", micros / 1'000'000,
                 micros % 1'000'000, running_ != nullptr ? running_->name : "-", line);
}

int64_t Scheduler::VirtualClock::WallMs() const {
  return kEpochMs +
         duration_cast<std::chrono::milliseconds>(scheduler_.now_.time_since_epoch()).count();
}

bool Scheduler::VirtualClock::Wait(Duration duration, std::stop_token stop) {
  Scheduler& s = scheduler_;
  assert(!s.in_event_ && "an event of a simulation must not wait");
  if (s.over_ && ++s.waits_when_over_ > kMostWaitsWhenOver) {
    std::fprintf(stderr, "simulation of seed %llu: an actor never ends\n%s",
                 static_cast<unsigned long long>(s.seed_), s.trace_.c_str());
    std::abort();
  }
  if (s.over_ || stop.stop_requested()) return !stop.stop_requested();
  const SteadyTime until = s.now_ + std::clamp(duration, Duration(1), kLongestWait);
  if (s.running_ != nullptr) {
    s.WaitAsActor(until, stop);
  } else {
    s.WaitOutside(until, stop);
  }
  return !stop.stop_requested();
}

void Scheduler::WaitAsActor(SteadyTime until, const std::stop_token& stop) {
  Actor& self = *running_;
  const auto resume = [this, &self] { Resume(self); };
  EventKey key = Schedule(until, resume);
  const auto wake = [&] {
    // Nothing to do when it wakes at this very moment anyway.
    if (!over_ && events_.erase(key) > 0)
      key = Schedule(now_ + RandomDuration(kWakeWithin), resume);
  };
  const std::stop_callback<decltype(wake)> on_stop(stop, wake);
  running_ = nullptr;
  self.fiber->Suspend();
  running_ = &self;
}

void Scheduler::WaitOutside(SteadyTime until, const std::stop_token& stop) {
  while (!events_.empty() && events_.begin()->first.first <= until && !stop.stop_requested()) {
    RunNext();
  }
  if (!stop.stop_requested()) now_ = until;
}

Scheduler::EventKey Scheduler::Schedule(SteadyTime time, std::function<void()> event) {
  const EventKey key{std::max(time, now_), next_order_++};
  events_.emplace(key, std::move(event));
  return key;
}

void Scheduler::RunNext() {
  auto first = events_.extract(events_.begin());
  now_ = first.key().first;
  first.mapped()();
}

void Scheduler::Resume(Actor& actor) {
  running_ = &actor;
  actor.fiber->Resume();
  running_ = nullptr;
  if (!actor.fiber->ended()) return;
  std::erase_if(actors_, [&](const auto& each) { return each.get() == &actor; });
}

}  // namespace pk::coordination
