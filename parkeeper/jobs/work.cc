#include "parkeeper/jobs/work.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "parkeeper/base/executor.h"
#include "parkeeper/base/log.h"
#include "parkeeper/coordination/election.h"
#include "parkeeper/jobs/attempt_internal.h"
#include "parkeeper/jobs/nodes_internal.h"
#include "parkeeper/tasks/caretaker.h"
#include "parkeeper/tasks/worker.h"

namespace pk::jobs {

using tasks::ClaimedTask;

namespace {

constexpr std::chrono::milliseconds kBeat{1'000};
constexpr std::chrono::milliseconds kCare{5'000};
constexpr std::chrono::hours kSweep{1};
constexpr std::chrono::milliseconds kFirstIdle{50};
constexpr std::chrono::milliseconds kLongestIdle{1'000};

std::string KeyOf(const ClaimedTask& claim) {
  return fmt::format("{}-{}", claim.task.id().ToString(), claim.task.attempt);
}

// The attempts that run, so that they can be ended from outside.
class Running {
 public:
  std::stop_source Add(const ClaimedTask& claim) {
    std::lock_guard lock(mutex_);
    return running_[KeyOf(claim)];
  }
  void Remove(const ClaimedTask& claim) {
    std::lock_guard lock(mutex_);
    running_.erase(KeyOf(claim));
  }
  void End(const ClaimedTask& claim) {
    std::lock_guard lock(mutex_);
    const auto found = running_.find(KeyOf(claim));
    if (found != running_.end()) found->second.request_stop();
  }
  void EndAll() {
    std::lock_guard lock(mutex_);
    for (auto& [key, source] : running_) source.request_stop();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::stop_source> running_;
};

class Working {
 public:
  Working(const JobsParts& parts, const WorkOptions& options, std::stop_token stop)
      : parts_(parts),
        options_(options),
        stop_(std::move(stop)),
        worker_(parts.sessions, parts.storage, tasks::WorkerProfile{options.name, options.labels},
                parts.options) {}

  Result<WorkReport> Run() {
    PK_TRY(EnsureLayout(parts_));
    for (const std::string& queue : options_.queues) {
      const Result<> made = parts_.queues().CreateQueue(queue);
      PK_CHECK(made.ok() || made.error().code() == ErrorCode::kAlreadyExists, made.error());
    }
    // Seen by others from now on.
    PK_TRY(worker_.Heartbeat());
    {
      const auto beats = Start("beats", [this](const std::stop_token& over) { Beat(over); });
      const auto care = Start("care", [this](const std::stop_token& over) { Care(over); });
      std::vector<std::unique_ptr<Task>> slots;
      for (int i = 0; i < options_.slots; ++i) {
        slots.push_back(Start("slot", [this](std::stop_token) { Serve(); }));
        // The machine gives no thread.
        if (slots.back() == nullptr) ++ended_slots_;
      }
      AwaitSlots();
      slots.clear();
      standing_.clear();
    }
    PK_TRY(worker_.Leave());
    std::lock_guard lock(mutex_);
    return report_;
  }

 private:
  std::unique_ptr<Task> Start(const std::string& name, std::function<void(std::stop_token)> body) {
    return SystemExecutor().Start(name, std::move(body));
  }

  // Until all have ended; those that take longer than the grace are ended.
  void AwaitSlots() {
    Clock& clock = *parts_.options.clock;
    std::optional<SteadyTime> until;
    while (ended_slots_ < options_.slots || running_standing_ > 0) {
      clock.Wait(kFirstIdle);
      if (!until && stop_.stop_requested()) until = clock.Now() + options_.grace;
      if (until && clock.Now() >= *until) {
        running_.EndAll();
        give_up_.request_stop();
      }
    }
  }

  // One slot: claims and carries out, one task after the other.
  void Serve() {
    auto idle = kFirstIdle;
    while (!stop_.stop_requested()) {
      const auto claims = worker_.Claim(options_.queues, 1);
      if (!claims.ok()) Log(LogLevel::kWarning, Error(claims.error()).With("claim").message());
      if (!claims.ok() || claims->empty()) {
        parts_.options.clock->Wait(idle, stop_);
        idle = std::min(2 * idle, kLongestIdle);
        continue;
      }
      idle = kFirstIdle;
      for (const ClaimedTask& claim : *claims) {
        if (!StandApart(claim)) Carry(claim);
      }
    }
    ++ended_slots_;
  }

  // A standing task on a thread of its own, or else none of what it waits for might get a slot.
  bool StandApart(const ClaimedTask& claim) {
    if (!IsStanding(claim.task.request.kind)) return false;
    ++running_standing_;
    auto over = std::make_shared<std::atomic<bool>>(false);
    auto thread = Start("standing", [this, claim, over](std::stop_token) {
      Carry(claim);
      --running_standing_;
      *over = true;
    });
    if (thread == nullptr) {
      --running_standing_;
      return false;
    }
    std::lock_guard lock(mutex_);
    std::erase_if(standing_, [](const Standing& each) { return each.over->load(); });
    standing_.push_back({std::move(over), std::move(thread)});
    return true;
  }

  void Carry(const ClaimedTask& claim) {
    const std::stop_source end = running_.Add(claim);
    const AttemptOptions options{.program = options_.program,
                                 .memory_bytes = options_.memory_bytes / options_.slots,
                                 .permits = &permits_,
                                 .worker = options_.name,
                                 .drain = stop_,
                                 .give_up = give_up_.get_token()};
    const std::stop_token stop = end.get_token();
    const AttemptEnd ended = RunAttempt({parts_, worker_, claim, options, stop});
    running_.Remove(claim);
    std::lock_guard lock(mutex_);
    report_.done += ended == AttemptEnd::kDone;
    report_.skipped += ended == AttemptEnd::kSkipped;
    report_.failed += ended == AttemptEnd::kFailed;
    report_.released += ended == AttemptEnd::kReleased;
  }

  void Beat(const std::stop_token& over) {
    std::shared_ptr<coordination::Coordinator> session;
    std::optional<std::stop_callback<std::function<void()>>> lost;
    do {
      auto present = parts_.sessions.Get();
      if (present.ok() && *present != session) {
        lost.reset();
        session = *present;
        lost.emplace(session->session().lost(), [this] { running_.EndAll(); });
      }
      const auto ended = worker_.Heartbeat();
      if (!ended.ok()) {
        Log(LogLevel::kWarning, Error(ended.error()).With("heartbeat").message());
        continue;
      }
      for (const ClaimedTask& claim : *ended) running_.End(claim);
    } while (parts_.options.clock->Wait(kBeat, over));
  }

  // One worker at a time cares for all, so that many do not ask the coordinator the same. Nothing
  // rests on its being one.
  void Care(const std::stop_token& over) {
    tasks::Caretaker caretaker(parts_.sessions, parts_.storage, parts_.options);
    Jobs jobs(parts_);
    std::set<Uuid> ended;
    SteadyTime next_sweep{};
    while (!over.stop_requested()) {
      const auto session = parts_.sessions.Get();
      if (session.ok()) {
        const auto leads =
            coordination::BecomeLeader({**session, *parts_.options.clock, *parts_.options.ids},
                                       kLeaderPath, options_.name, {.stop = over});
        while (leads.ok() && leads->held() && !over.stop_requested()) {
          const auto cared = caretaker.Care();
          if (!cared.ok()) Log(LogLevel::kWarning, Error(cared.error()).With("care").message());
          const auto finished = jobs.Care(ended);
          if (!finished.ok()) {
            Log(LogLevel::kWarning, Error(finished.error()).With("care").message());
          }
          if (const SteadyTime now = parts_.options.clock->Now(); now >= next_sweep) {
            next_sweep = now + kSweep;
            const auto swept = jobs.ForgetSources();
            if (!swept.ok()) Log(LogLevel::kWarning, Error(swept.error()).With("care").message());
          }
          parts_.options.clock->Wait(kCare, over);
        }
      }
      parts_.options.clock->Wait(kBeat, over);
    }
  }

  const JobsParts parts_;
  const WorkOptions& options_;
  const std::stop_token stop_;
  tasks::Worker worker_;
  Running running_;
  std::stop_source give_up_;
  Permits permits_{options_.slots};
  std::atomic<int> ended_slots_ = 0;
  std::atomic<int> running_standing_ = 0;
  std::mutex mutex_;
  WorkReport report_;
  struct Standing {
    std::shared_ptr<std::atomic<bool>> over;
    std::unique_ptr<Task> thread;
  };
  // Those that have ended too, until the next one comes.
  std::vector<Standing> standing_;
};

}  // namespace

Result<WorkReport> Work(const JobsParts& parts, const WorkOptions& options, std::stop_token stop) {
  PK_CHECK(options.slots >= 1, InvalidArgument("a worker has one slot at least"));
  PK_CHECK(!options.queues.empty(), InvalidArgument("a worker needs a queue"));
  for (const std::string& queue : options.queues) PK_TRY(tasks::ValidateQueueName(queue));
  PK_CHECK(options.memory_bytes / options.slots >= kLeastSlotBytes,
           InvalidArgument(
               fmt::format("a slot needs {} MiB of memory at least: {} MiB for {} slots",
                           kLeastSlotBytes >> 20, options.memory_bytes >> 20, options.slots)));
  return Working(parts, options, std::move(stop)).Run();
}

}  // namespace pk::jobs
