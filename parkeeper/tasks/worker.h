#pragma once

// Worker: claims tasks and ends them. One for a process (or a thread of it that likes to be seen by
// itself); its claims are nodes below a guid of its own.
//
// Exactly once. A claim is a node whose name is never used twice. What ends it (completion,
// failure, release, taking back) removes that node and sets the task's node, expecting the version
// that was read after the claim, in one transaction; so one of them happens, once. A worker that is
// late, was taken for dead, or whose task was cancelled meanwhile, is refused. Being late is not
// being dead: a completion that was applied counts, whatever the session did since.
//
// No reply: the same is sent again until it is known. kUnavailable: definitely not done.
// kOutcomeUnknown: the coordinator cannot be reached until the deadline; the same call again finds
// out. A claim that nobody knows of is found again by a later Claim().
//
// A lost session ends no claim by itself. The worker comes back under its guid with a new one, if
// nobody has taken its claims back until then; if so, under a new guid. Call Heartbeat() every few
// seconds, well within the session timeout, from a thread of its own.
//
// Thread-safe.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/coordination/session_source.h"
#include "parkeeper/coordination/transaction.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/tasks/options.h"
#include "parkeeper/tasks/task.h"

namespace pk::tasks {

struct Progress {
  double fraction = 0;    // of the work, 0 to 1
  std::string note = {};  // for people
};

// What a commit round carries out in the transaction that decides the commit: of each list at most
// kMostLinks operations, on nodes that nobody else touches while the task is committing.
struct Links {
  std::vector<coordination::Operation> if_committed;
  std::vector<coordination::Operation> if_rejected;
};
inline constexpr size_t kMostLinks = 4;

// The completion of a task whose effect is a commit that others decide. `transaction` ends the
// claim and moves the task to committing; the caller adds the creation of the commit's queue entry,
// which carries `links`. Refused as Complete() is: its first two operations expect the claim.
//
// The round makes the task done, or offers it again (a dead letter after too many failures).
struct CommittingStep {
  coordination::Transaction transaction;
  Links links;
};
// `result` must fit into the node (kInvalidArgument). `now_ms`: wall time, from which the delay
// until the next attempt counts.
Result<CommittingStep> CommittingTransaction(const ClaimedTask& claim, std::string_view result,
                                             int64_t now_ms);

// What others see of a worker; `labels` without further meaning here, small.
struct WorkerProfile {
  std::string name;
  std::map<std::string, std::string> labels = {};
};

class Worker {
 public:
  // Sessions and storage outlive it.
  Worker(coordination::SessionSource& sessions, storage::Storage& storage, WorkerProfile profile,
         TasksOptions options = {});
  Worker(coordination::SessionSource& sessions, storage::Storage& storage, std::string name,
         TasksOptions options = {})
      : Worker(sessions, storage, WorkerProfile{.name = std::move(name)}, options) {}
  // Claims that it holds stay until they are taken back; see Leave().
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Up to `capacity` tasks that are due, none when there are none or all queues are paused. Claims
  // that an earlier call does not know of come first. Each queue gives its share before any gives
  // more, beginning with a random one; within a queue a random shard is first, and in a shard the
  // order is priority, then time, but for a few places, so that workers do not meet.
  Result<std::vector<ClaimedTask>> Claim(const std::vector<std::string>& queues, size_t capacity);

  // The body of a claimed task, from storage when it is long.
  Result<std::string> LoadBody(const ClaimedTask& claim);

  // Ends the claim as done and carries out `extra`, all or nothing. nullopt: done. Refused: one of
  // the extra operations (counted from 0) did not hold; the claim stands. kConflict: the claim is
  // lost, and the task was not completed by it, nor ever will be. kOutcomeUnknown also when an
  // extra operation is refused after a lost reply: the same again, or the end of the claim in
  // another way, makes it definite.
  Result<std::optional<coordination::Refused>> Complete(
      const ClaimedTask& claim, std::string_view result,
      const coordination::Transaction& extra = {});
  // Ends the claim with an error. kConflict: it was lost before.
  Result<> Fail(const ClaimedTask& claim, std::string_view error, Retry retry);
  // Gives it back, as if it had not been claimed; no failure. kConflict: it was lost before.
  Result<> Release(const ClaimedTask& claim);

  // Remembers for the next heartbeat that the task comes on.
  void Report(const ClaimedTask& claim, Progress progress);
  // Says that the worker is there and how far its tasks are, in one node; and gives those claims
  // that are lost: taken back, or cancelled. Their work can be stopped.
  Result<std::vector<ClaimedTask>> Heartbeat();

  // Forgets a claim that was ended by a CommittingTransaction().
  void Forget(const ClaimedTask& claim);
  // Releases all claims and takes the worker away. It can go on afterwards, as another one.
  Result<> Leave();

  // The guid of its claims; empty before the first call.
  std::string guid() const;

 private:
  class State;
  const std::unique_ptr<State> state_;
};

}  // namespace pk::tasks
