#pragma once

// Queues: makes queues, submits tasks to them, and looks after what becomes of these. What workers
// do is worker.h, what somebody has to do now and then is caretaker.h. docs/tasks.md says what lies
// in the coordinator, and why each task's completion happens once.
//
// Each call may be repeated: ids are made by the caller, and an id that is there already is left as
// it is. Unknown outcomes are settled inside, by asking again. kUnavailable: definitely not done.
// kOutcomeUnknown leaves only when the coordinator cannot be reached until the deadline; the same
// call again finds out.
//
// Names and requests are checked first: kInvalidArgument. kNotFound and kAlreadyExists name what.
// What is read is as fresh as any read of the coordinator. Thread-safe.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/coordination/session_source.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/tasks/options.h"
#include "parkeeper/tasks/task.h"

namespace pk::tasks {

struct QueueOptions {
  // Lists among which offers are spread, so that workers do not meet; each holds
  // kMostReadyInShard. Fixed for ever.
  int32_t shards = 32;
  // How long a task is remembered after it has ended.
  std::chrono::milliseconds retention = std::chrono::hours(24 * 7);
};

struct QueueStatus {
  QueueState state = QueueState::kRunning;
  int32_t shards = 0;
  std::chrono::milliseconds retention{};
  int64_t offered = 0;  // open and not claimed, due or not; without those that wait for a stage
  int64_t dead = 0;
};

struct SubmitReport {
  int64_t submitted = 0;
  int64_t present = 0;  // were there already, from an earlier call
};

struct StageStatus {
  std::string name;
  bool sealed = false;
  bool over = false;    // sealed, and all of its tasks are done or cancelled
  int64_t left = 0;     // tasks of it that are neither
  int64_t waiting = 0;  // tasks that wait for it
};

// A worker as it said of itself, by its own clock.
struct WorkerStatus {
  struct Claim {
    Uuid task;
    int32_t attempt = 1;
    int64_t since_ms = 0;  // when it last came on
    double fraction = 0;
    std::string note;
  };
  std::string guid;
  std::string name;
  std::map<std::string, std::string> labels;
  int64_t at_ms = 0;  // when it said so
  std::vector<Claim> claims;
};

class Queues {
 public:
  // Both outlive it. Nothing is made before CreateQueue().
  Queues(coordination::SessionSource& sessions, storage::Storage& storage,
         TasksOptions options = {})
      : sessions_(sessions), storage_(storage), options_(options) {}

  Result<> CreateQueue(const std::string& queue, const QueueOptions& options = {});
  Result<std::vector<std::string>> ListQueues();
  Result<QueueStatus> DescribeQueue(const std::string& queue);
  // Pauses, drains, resumes. Once it has returned no claim (submission) is carried out that was
  // sent before, however late it arrives.
  Result<> SetQueueState(const std::string& queue, QueueState state);

  // kUnavailable when the queue is full, kFailedPrecondition when it drains or the stage is sealed.
  // kAlreadyExists: the id is there with another request. Bodies that are too long for a node are
  // in storage before it is there.
  Result<SubmitReport> Submit(const std::string& queue, const SubmitRequest& request);
  // Any number, in transactions of kTasksOfSubmit. After an error some are submitted and others
  // are not; the same call again submits the rest.
  Result<SubmitReport> SubmitBatch(const std::string& queue,
                                   const std::vector<SubmitRequest>& requests);

  // A stage is a set of tasks, of any queues, that others wait for. While it is filled it is never
  // over. Both may be repeated; `id` is version 7.
  Result<> CreateStage(const Uuid& id, const std::string& name);
  Result<> SealStage(const Uuid& id);
  Result<StageStatus> DescribeStage(const Uuid& id);
  // Offers what waits for the stage if it is over; true: it is. Workers do that when they complete
  // the last task of a stage, a Caretaker does it for those that died right then.
  Result<bool> OpenStage(const Uuid& id);

  // kNotFound: never submitted, or forgotten.
  Result<Task> Find(const std::string& queue, const Uuid& id);
  // One for each id; nullopt as kNotFound.
  Result<std::vector<std::optional<Task>>> FindAll(const std::string& queue,
                                                   const std::vector<Uuid>& ids);
  Result<std::string> LoadBody(const Task& task);
  Result<std::string> LoadResult(const Task& task);
  Result<Page<Task>> List(const std::string& queue, const PageRequest& page);
  Result<Page<Task>> ListDead(const std::string& queue, const PageRequest& page);

  // Workers whose session lives, of all queues.
  Result<std::vector<WorkerStatus>> ListWorkers();

  // The task never completes once this has returned; a worker that holds it hears of it at its next
  // heartbeat. Cancelled already: ok. kFailedPrecondition: it is done, or committing (cancel its
  // commit).
  Result<> Cancel(const std::string& queue, const Uuid& id);
  // Offers a dead task again, with no failures. kFailedPrecondition: it is not dead.
  Result<> RetryDead(const std::string& queue, const Uuid& id);

 private:
  coordination::SessionSource& sessions_;
  storage::Storage& storage_;
  const TasksOptions options_;
};

}  // namespace pk::tasks
