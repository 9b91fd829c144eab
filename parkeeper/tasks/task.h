#pragma once

// What is submitted, and what becomes of it. Values. docs/tasks.md says how they lie in the
// coordinator; limits.h what they are held against.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"

namespace pk::tasks {

struct SubmitRequest {
  // Version 7, made by the caller, who keeps it: submitting it again changes nothing.
  Uuid id;
  std::string kind = {};  // what is to be done, for the worker; UTF-8, short
  std::string body = {};  // UTF-8 without further meaning here
  int32_t priority = 5;   // 0 is first, kMaxPriority last
  // Not claimed before this wall time, by the claiming worker's clock; 0: at once.
  int64_t not_before_ms = 0;
  // So many failures make it a dead letter.
  int32_t most_failures = 5;
  // After the first failure it is offered again this much later, then twice as much, and so on; at
  // most the longest.
  std::chrono::milliseconds first_delay{1'000};
  std::chrono::milliseconds longest_delay{300'000};
  // A claim without progress for so long is taken back.
  std::chrono::milliseconds progress_limit{600'000};
  // The stage that it is a part of, which must not be sealed yet.
  std::optional<Uuid> stage = {};
  // Not claimed before each task of these stages is done or cancelled.
  std::vector<Uuid> after = {};

  bool operator==(const SubmitRequest&) const = default;
};

enum class TaskState {
  kOpen,        // waits for its time, its stages or a worker, or is claimed
  kCommitting,  // its work is done, and a queued commit decides what becomes of it
  kDone,
  kDead,  // failed too often, or for good
  kCancelled,
};
// "open"
std::string_view ToString(TaskState state);
Result<TaskState> ParseTaskState(std::string_view text);

struct Task {
  std::string queue;
  // Its body is empty when it lies in a file.
  SubmitRequest request;
  TaskState state = TaskState::kOpen;
  int32_t shard = 0;
  // The number of the present offer, from 1. Each offer is claimed once at most, and each claim
  // ends once.
  int32_t attempt = 1;
  int32_t failures = 0;  // since it was submitted or retried
  int64_t due_ms = 0;    // wall time from which the present offer may be claimed
  std::string error;     // of the last failure
  std::string result;    // of a done one, empty when it lies in a file
  bool body_in_file = false;
  bool result_in_file = false;
  uint64_t request_hash = 0;

  const Uuid& id() const { return request.id; }
  bool ended() const { return state >= TaskState::kDone; }
  bool operator==(const Task&) const = default;
};

// What follows a failure.
enum class Retry {
  kAgain,  // later, while failures are left
  kNever,  // a dead letter at once
};

// A task that a worker holds, as it was read with this version of its node. Everything that ends
// the claim expects both, the claim and the version, so it happens once and for this claim only.
struct ClaimedTask {
  Task task;
  int32_t version = 0;
  std::string worker;  // guid of the claimant
};

enum class QueueState {
  kRunning,
  kPaused,    // nothing is claimed
  kDraining,  // nothing is submitted
};
std::string_view ToString(QueueState state);
Result<QueueState> ParseQueueState(std::string_view text);

// A queue's name: UTF-8, not empty, without control characters, at most kMaxQueueNameBytes.
Result<> ValidateQueueName(std::string_view name);
// kInvalidArgument says what is wrong.
Result<> Validate(const SubmitRequest& request);

// A page in a fixed order that means nothing. An empty token: the first page; an empty `next`: the
// last one.
struct PageRequest {
  std::string token = {};
  int32_t size = 100;
};
template <class T>
struct Page {
  std::vector<T> items;
  std::string next;
};

}  // namespace pk::tasks
