#pragma once

// Jobs: submits jobs, tells of them, cancels and retries. What their tasks do is the workers' part
// (work.h); docs/jobs.md says what lies in the coordinator.
//
// Each call may be repeated. A submitter that died in the middle of it leaves a job that is being
// planned: Care(), by anybody, finishes it; so it does with a cancellation. kUnavailable: not done,
// or not all of it; kOutcomeUnknown: the coordinator cannot be reached until the deadline, and the
// same call again finds out. Thread-safe.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/catalog.h"
#include "parkeeper/coordination/session_source.h"
#include "parkeeper/jobs/job.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/tasks/queues.h"

namespace pk::jobs {

// What the parts of this layer work with; all outlive them.
struct JobsParts {
  coordination::SessionSource& sessions;
  storage::Storage& storage;
  catalog::Catalog& catalog;
  tasks::TasksOptions options = {};

  tasks::Queues queues() const { return {sessions, storage, options}; }
};

struct JobStatus {
  Job job;
  bool over = false;  // planned, and every task is done or cancelled
  int64_t left = 0;   // tasks that are neither
};

// A part, or the last task of a job, and what becomes of it.
struct JobTask {
  std::string part;  // for people: the file, or what it is
  // nullopt: not submitted yet; or ended so long ago that it is forgotten.
  std::optional<tasks::Task> task;
};

// How many of a job's tasks are in which state. Waiting: neither of the others.
struct JobCounts {
  int64_t done = 0;
  int64_t dead = 0;
  int64_t cancelled = 0;
  int64_t waiting = 0;
  int64_t failures = 0;  // of all that are not done
};
JobCounts Count(const std::vector<JobTask>& tasks);

struct JobLog {
  Uuid task;
  int32_t attempt = 1;
  std::string location;
};

class Jobs {
 public:
  explicit Jobs(const JobsParts& parts) : parts_(parts) {}

  // A new job: `job` without state; the table's key is looked up when it says none. Its queue is
  // made when missing. Plans and parts of other kinds than ingest are those of planning.h. An id,
  // when it has none, is made. Who chooses it may submit the same job again, after an error: it is
  // there once. kUnavailable also when its queue is full: not all of it is there yet.
  Result<Job> Submit(Job job);
  // In the order of their submission, at most the last `most`; each costs two reads.
  Result<std::vector<JobStatus>> List(size_t most = SIZE_MAX);
  // kNotFound.
  Result<JobStatus> Describe(const Uuid& id);
  Result<std::vector<JobTask>> Tasks(const Job& job);
  // kFailedPrecondition: it is over. None of its tasks completes after it has returned, but those
  // that were done, or on their way into the table, already. How many were cancelled.
  Result<int64_t> Cancel(const Uuid& id);
  // Offers its dead tasks again, with no failures. How many there were.
  Result<int64_t> Retry(const Uuid& id);

  // Logs of the attempts of its tasks, in the order of tasks and attempts.
  Result<std::vector<JobLog>> ListLogs(const Job& job);
  Result<std::string> ReadLog(const JobLog& log);

  // Forgets which files are in tables that are gone, a day or more after their drop. How many.
  Result<int64_t> ForgetSources();

  // Finishes what others left in the middle, commits in the queues of tables included; forgets jobs
  // whose tasks are forgotten. How many jobs it did something for. One job that fails hinders no
  // other; the first error is returned. `over` remembers, for the next call, the jobs that are
  // over: nothing is read of them until they are old enough to be forgotten.
  Result<int64_t> Care(std::set<Uuid>& over);
  Result<int64_t> Care();

 private:
  Result<Job> Load(const Uuid& id);
  // Of all but `except` the last `most`.
  Result<std::vector<Job>> LoadAll(const std::set<Uuid>& except, size_t most);
  Result<std::vector<std::string>> LoadParts(const Job& job);
  Result<> SubmitTasks(const Job& job);
  Result<JobStatus> StatusOf(Job job);
  Result<> Plan(const Job& job);
  Result<int64_t> FinishCancelling(const Job& job);
  Result<bool> CareFor(const Job& job);
  bool MayBeForgotten(const Uuid& id) const;
  Result<> Forget(const Job& job);

  const JobsParts parts_;
};

// Keeps the log of an attempt, best effort: what is there already stays.
void WriteLog(storage::Storage& storage, const Uuid& job, const tasks::Task& task,
              std::string_view text);

}  // namespace pk::jobs
