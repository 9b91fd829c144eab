#pragma once

// How an attempt whose files are written ends: the one place where rows get into a table.

#include <optional>
#include <string>
#include <vector>

#include "parkeeper/coordination/transaction.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/jobs/jobs.h"
#include "parkeeper/jobs/produce.h"
#include "parkeeper/tasks/worker.h"

namespace pk::jobs {

// What an attempt comes to.
struct Outcome {
  std::optional<iceberg::TableCommit> commit;  // nullopt: there is nothing to commit
  // Carried out with the end of the claim, and undone by `if_rejected` when the commit is.
  coordination::Transaction with;
  std::vector<coordination::Operation> if_rejected;
  std::string result;  // of the task
};

enum class Completion {
  kDone,      // what was to be committed is
  kRejected,  // the commit was: the task is offered again, or dead
  kLost,      // the claim was lost before: nothing was committed
  kRefused,   // `with` does not hold. The claim stands, and until it has ended a late request may
              // hand the commit over after all
};
struct Completed {
  Completion how = Completion::kDone;
  std::string why = {};  // of kRejected
};
// kOutcomeUnknown: the same again with `repeated` finds out; then every error is that. Any other
// error: nothing was done, the claim stands, but as of kRefused. Removes no file.
Result<Completed> Complete(const JobsParts& parts, tasks::Worker& worker,
                           const tasks::ClaimedTask& claim, const std::string& table_key,
                           const Outcome& outcome, bool repeated);

// The result of a done task, for people and programs.
std::string EncodeResult(const Produced& produced);

// Removes files that nobody knows of: those of a commit that definitely never happens.
void RemoveFiles(storage::Storage& storage, const iceberg::TableCommit& commit);

// The files of all these appends in one, or, with `base`, instead of all rows that the table has
// there. A new commit id. Commits of other kinds are none of ours.
Result<iceberg::TableCommit> Merge(const JobsParts& parts,
                                   std::vector<iceberg::TableCommit> commits,
                                   const iceberg::TableMetadata* base);

// Of no files, to carry properties. A new commit id.
iceberg::TableCommit EmptyAppend(const JobsParts& parts, const iceberg::TableMetadata& metadata);

}  // namespace pk::jobs
