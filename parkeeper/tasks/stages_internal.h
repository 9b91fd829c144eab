#pragma once

// Stages: sets of tasks that other tasks wait for.

#include "parkeeper/tasks/context_internal.h"

namespace pk::tasks {

// How long a stage is remembered after it is over.
inline constexpr std::chrono::milliseconds kStageRetention = std::chrono::hours(24 * 7);

// Offers what waits for the stage if it is sealed and nothing of it is left, and says whether it
// is over.
//
// Nobody misses the end: of two who end the last two tasks of a stage, the later one in the order
// reads a state that has both ends.
Result<bool> OpenIfOver(const Context& context, const Uuid& stage, Backoff& backoff);

// Removes a stage that is over and has not been touched since `before_ms` of the coordinator's
// time; true: it is gone.
Result<bool> ForgetStage(const Context& context, const Uuid& stage, int64_t before_ms,
                         Backoff& backoff);

}  // namespace pk::tasks
