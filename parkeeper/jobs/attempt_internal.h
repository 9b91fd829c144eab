#pragma once

// One attempt at one task, from its claim to the end of that.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "parkeeper/jobs/jobs.h"
#include "parkeeper/jobs/produce.h"
#include "parkeeper/tasks/worker.h"

namespace pk::jobs {

// How many processes run at a time. Thread-safe.
class Permits {
 public:
  explicit Permits(int count) : free_(count) {}
  // Waits for one, calling `waiting` now and then; false: stopped.
  bool Take(const std::stop_token& stop, const std::function<void()>& waiting) {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, stop, kTell, [&] { return free_ > 0; })) {
      if (stop.stop_requested()) return false;
      waiting();
    }
    --free_;
    return true;
  }
  void Give() {
    std::lock_guard lock(mutex_);
    ++free_;
    changed_.notify_one();
  }

 private:
  static constexpr std::chrono::seconds kTell{10};
  std::mutex mutex_;
  std::condition_variable_any changed_;
  int free_;
};

struct AttemptOptions {
  std::vector<std::string> program;
  int64_t memory_bytes = 0;
  Permits* permits = nullptr;
  std::string worker;  // for the log
  // The worker claims nothing more: what stands by itself is given back, what runs is finished.
  std::stop_token drain = {};
  // Ends the tries to tell the coordinator what became of the claim: somebody takes it back then.
  std::stop_token give_up = {};
};

enum class AttemptEnd {
  kDone,
  kSkipped,   // there was nothing to do
  kFailed,    // so was the attempt, or its commit was rejected
  kReleased,  // it was stopped and given back
  kLost,      // its claim was over before
};

// Why an attempt failed, and whether another one can help.
struct Failure {
  std::string reason;
  tasks::Retry retry = tasks::Retry::kAgain;
};
Failure FailureOf(const Error& error);
// The coordinator, or storage, is out of reach.
bool IsPassing(ErrorCode code);
// What it says of a commit is not enough to remove its files: something is broken.
bool IsInDoubt(ErrorCode code);

// A claim, and what an attempt at it works with; all outlive it.
struct Claimed {
  const JobsParts& parts;
  tasks::Worker& worker;
  const tasks::ClaimedTask& claim;
  const AttemptOptions& options;
  const std::stop_token& stop;
};

// Returns when the claim is over. Ends the process of the attempt at `stop`, and gives the claim
// back.
AttemptEnd RunAttempt(const Claimed& claimed);

// The attempt, and the ways to end it. Each returns when it is known what became of the claim.
class Attempt : public Claimed {
 public:
  explicit Attempt(const Claimed& claimed)
      : Claimed(claimed), started_ms_(claimed.parts.options.clock->WallMs()) {}

  // Of the task, as its body says, and of its job.
  Result<> Read();
  // The job was, before it was read.
  bool cancelled() const {
    return job.state == JobState::kCancelling || job.state == JobState::kCancelled;
  }
  // The job as it is now, before something is done that the claim does not guard.
  Result<bool> IsWanted() const;
  // The table that is written to.
  Result<catalog::LoadedTable> FindTable() const;

  // Runs the request in a process of its own. nullopt: it was stopped.
  std::optional<Result<Produced>> RunInProcess(const ProduceRequest& request);

  // Keeps a log of what came of the attempt.
  void Keep(std::string_view outcome) const;
  AttemptEnd Fail(const Failure& failure) const;
  AttemptEnd FailWithLog(const Failure& failure) const;
  AttemptEnd Release() const;
  AttemptEnd Cancel() const;
  // `step` until it is known.
  AttemptEnd End(AttemptEnd as, const std::function<Result<>()>& step) const;
  // Waits a little before a step is repeated; false: the attempt is stopped.
  bool Wait() const;

  Job job;
  std::string part;

 private:
  const int64_t started_ms_;
  std::string said_;  // by the process, for the log
};

// Of a standing task: until it is stopped, or fails for good.
AttemptEnd RunStanding(Attempt& attempt);

}  // namespace pk::jobs
