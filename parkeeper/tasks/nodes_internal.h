#pragma once

// Paths and contents of the nodes of tasks. docs/tasks.md is the specification; this is its code.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/tasks/task.h"

namespace pk::tasks {

inline constexpr int64_t kTasksLayout = 1;
inline constexpr const char* kRootPath = "/tasks";
inline constexpr const char* kQueuesPath = "/tasks/q";
inline constexpr const char* kRunsPath = "/tasks/run";
inline constexpr const char* kAlivesPath = "/tasks/alive";
inline constexpr const char* kStagesPath = "/tasks/stages";
inline constexpr const char* kClockPath = "/tasks/clock";
inline constexpr int kDefBuckets = 256;
inline constexpr int kSmallBuckets = 16;  // of dead letters, of a stage's tasks

std::string QueuePath(std::string_view queue);
std::string DefBucketPath(std::string_view queue, int bucket);
std::string DefPath(std::string_view queue, const Uuid& id);
std::string ShardPath(std::string_view queue, int32_t shard);
std::string DeadBucketPath(std::string_view queue, int bucket);
std::string DeadPath(std::string_view queue, const Uuid& id);
std::string RunPath(std::string_view worker);
std::string AlivePath(std::string_view worker);
std::string StagePath(const Uuid& stage);
std::string LeftBucketPath(const Uuid& stage, int bucket);
std::string LeftPath(const Uuid& stage, const Uuid& task);
std::string NextBucketPath(const Uuid& stage, int bucket);
std::string NextPath(const Uuid& stage, const Uuid& task);

int32_t ShardOf(const Uuid& id, int32_t shards);

// An offer of a task: "<priority>-<due, 13 digits>-<id>-<attempt>". Byte order is the order in
// which they are claimed.
struct Offer {
  int32_t priority = 0;
  int64_t due_ms = 0;
  Uuid id;
  int32_t attempt = 1;
  bool operator==(const Offer&) const = default;
};
std::string ToName(const Offer& offer);
Result<Offer> ParseOffer(std::string_view name);
std::string OfferPath(const Task& task);

// "<id>-<attempt>": this node is the claim.
std::string ClaimName(const Uuid& id, int32_t attempt);
struct ClaimKey {
  Uuid id;
  int32_t attempt = 1;
};
Result<ClaimKey> ParseClaimName(std::string_view name);
std::string ClaimPath(std::string_view worker, const Uuid& id, int32_t attempt);
std::string ClaimPath(const ClaimedTask& claim);

std::string EncodeRoot();
// kFailedPrecondition when a later version made it.
Result<> CheckRoot(std::string_view text);

struct QueueNode {
  std::string guid;  // of the call that created it
  QueueState state = QueueState::kRunning;
  int32_t shards = 1;
  std::chrono::milliseconds retention{};
};
std::string Encode(const QueueNode& node);
Result<QueueNode> DecodeQueue(std::string_view text);

std::string Encode(const Task& task);
Result<Task> DecodeTask(std::string_view queue, const Uuid& id, std::string_view text);

// What a claim says to who has to take it back.
struct ClaimNode {
  std::string queue;
};
std::string Encode(const ClaimNode& node);
Result<ClaimNode> DecodeClaim(std::string_view text);

// What a worker says of itself now and then.
struct AliveNode {
  struct Progress {
    int64_t since_ms = 0;  // of the worker's wall clock, when it last came on
    int64_t limit_ms = 0;  // the task's own
    double fraction = 0;
    std::string note = {};
  };
  std::string name;
  std::map<std::string, std::string> labels = {};
  int64_t at_ms = 0;  // of the same clock, when it said so
  std::map<std::string, Progress> claims = {};
};
std::string Encode(const AliveNode& node);
Result<AliveNode> DecodeAlive(std::string_view text);

enum class StageState { kFilling, kSealed, kOver };
struct StageNode {
  StageState state = StageState::kFilling;
  std::string name;
};
std::string Encode(const StageNode& node);
Result<StageNode> DecodeStage(std::string_view text);

// A task that waits for a stage: where its offer will be, and the stages to wait for after this
// one.
struct NextNode {
  std::string queue;
  int32_t shard = 0;
  Offer offer;
  std::vector<Uuid> after;
};
std::string Encode(const NextNode& node);
Result<NextNode> DecodeNext(std::string_view text);

}  // namespace pk::tasks
