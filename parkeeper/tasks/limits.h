#pragma once

// What tasks are held against, and why. All refusals name the limit.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pk::tasks {

// Longer bodies and results lie in a file: each step of a task writes its node again.
inline constexpr size_t kMaxInlineBytes = 16'000;
inline constexpr size_t kMaxBodyBytes = size_t{64} << 20;
// Beyond it a shard's list of children gets too long to be read often; soft by the number of
// submitters at work.
inline constexpr int32_t kMostReadyInShard = 5'000;
inline constexpr int32_t kMaxShards = 256;
// One transaction of a submission.
inline constexpr size_t kTasksOfSubmit = 100;
inline constexpr size_t kBytesOfSubmit = 500'000;
// One transaction of a claim. All of it is refused when somebody was faster at one of them.
inline constexpr size_t kClaimsAtOnce = 16;
inline constexpr size_t kMaxQueueNameBytes = 100;
inline constexpr size_t kMaxKindBytes = 200;
inline constexpr size_t kMaxErrorBytes = 1'000;
inline constexpr size_t kMaxStagesAfter = 16;
inline constexpr int32_t kMaxPriority = 9;
// Ids are refused when they are older than the retention but this: a repeated submission never
// meets a history that is swept already.
inline constexpr std::chrono::milliseconds kIdMargin = std::chrono::minutes(30);
inline constexpr std::chrono::milliseconds kShortestRetention = std::chrono::hours(1);

}  // namespace pk::tasks
