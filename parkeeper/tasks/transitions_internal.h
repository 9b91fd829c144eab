#pragma once

// The steps of a task as values: what it becomes, and the operations that make it so. Pure.
//
// Each step sets the task's node and expects the version that was read; the node is never made
// again, so a step is carried out once at most. What else a state needs goes along:
//
//   open       its offer: a node whose name holds the attempt, and is never used again
//   dead       its node among the dead letters
//   all but done and cancelled: its node in what its stage has left

#include <cstdint>
#include <string>
#include <string_view>

#include "parkeeper/base/ids.h"
#include "parkeeper/coordination/transaction.h"
#include "parkeeper/tasks/nodes_internal.h"
#include "parkeeper/tasks/task.h"

namespace pk::tasks {

// The task of a request, as it lies in a queue with so many shards.
Task NewTask(std::string_view queue, const SubmitRequest& request, int32_t shards, int64_t now_ms);
// Of everything in a request.
uint64_t RequestHash(const SubmitRequest& request);

// What a present task becomes.
Task Done(Task task, std::string_view result);
Task Committing(Task task);
// Open once more, due after the delay of its so many failures; dead when they are too many, or
// when it is not to be tried again. `jitter` is in [0, 1): of the delay up to a half is left out.
Task Failed(Task task, std::string_view error, Retry retry, int64_t now_ms, double jitter);
Task Released(Task task);
Task Cancelled(Task task);
// Of a dead one.
Task Retried(Task task, int64_t now_ms);

// Sets the node of `from`, at this version, to `to`, and what goes along. Operation 0 is the set.
coordination::Transaction Move(const Task& from, int32_t version, const Task& to);

// Ends a claim: removes its node (operation 0), and moves the task (operation 1 is the set).
coordination::Transaction EndClaim(const ClaimedTask& claim, const Task& to);

// A reason as nodes hold it: UTF-8, and not long.
std::string ShortError(std::string_view error);

}  // namespace pk::tasks
