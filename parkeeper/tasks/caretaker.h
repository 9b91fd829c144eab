#pragma once

// What somebody has to do for tasks now and then. Any process may, any number at once: they only
// cost each other some refused requests. One leader that does it every half a minute is enough.
//
// Safety rests on none of it. Time is the coordinator's: claims are held against the stamps of
// their workers' nodes, so no clock of a caretaker matters.
//
// kUnavailable, kOutcomeUnknown: some of it was done; the next time does the rest.

#include <cstdint>
#include <set>
#include <string>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/coordination/session_source.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/tasks/options.h"

namespace pk::tasks {

struct CareReport {
  int64_t taken_back = 0;       // claims of workers that are gone, or stand still
  int64_t workers_removed = 0;  // that are gone and have no claims any more
  int64_t stages_over = 0;      // seen to be over
  int64_t tasks_forgotten = 0;  // ended longer ago than their queue remembers
  int64_t stages_forgotten = 0;
};

// Not thread-safe.
class Caretaker {
 public:
  // Both outlive it.
  Caretaker(coordination::SessionSource& sessions, storage::Storage& storage,
            TasksOptions options = {})
      : sessions_(sessions), storage_(storage), options_(options) {}

  // All of what follows.
  Result<CareReport> Care();

  // Takes back the claims of workers whose session is over, and those without progress for longer
  // than their task allows. It counts as a failure of the task.
  Result<> TakeBack(CareReport& report);
  // Offers what waits for stages that are over; forgets stages that are over for a week. Of one
  // that it has seen to be over it reads nothing more until that may be so.
  Result<> CareForStages(CareReport& report);
  // Looks at the tasks in one of 256 parts of each queue, the next one with each call, and forgets
  // those that have ended longer ago than the queue's retention, with their files.
  Result<> Forget(CareReport& report);

 private:
  coordination::SessionSource& sessions_;
  storage::Storage& storage_;
  const TasksOptions options_;
  int next_part_ = -1;   // of Forget(); begins anywhere
  std::set<Uuid> over_;  // stages
};

}  // namespace pk::tasks
