#pragma once

// Reading a queue and its tasks, and moving one task at the version that was read.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/tasks/context_internal.h"
#include "parkeeper/tasks/nodes_internal.h"

namespace pk::tasks {

struct ReadQueue {
  QueueNode node;
  int32_t version = 0;
};
// kNotFound names the queue.
Result<ReadQueue> LoadQueue(const Context& context, const std::string& queue, Backoff& backoff);

struct ReadTask {
  Task task;
  int32_t version = 0;
};
// kNotFound names the task.
Result<ReadTask> LoadTask(const Context& context, const std::string& queue, const Uuid& id,
                          Backoff& backoff);

// Makes the fixed nodes that everything else lies below, where they are missing.
Result<> EnsureLayout(const Context& context, Backoff& backoff);

// What a task becomes; nullopt: it is so already; an error: it cannot.
using Plan = std::function<Result<std::optional<Task>>(const Task&)>;
// Moves the task as `plan` says of what it is, as often as somebody else is faster. `also` is
// carried out with it if it can be.
Result<> MoveTask(const Context& context, const std::string& queue, const Uuid& id,
                  const Plan& plan,
                  const std::function<coordination::Transaction(const Task&)>& also,
                  Backoff& backoff);

}  // namespace pk::tasks
