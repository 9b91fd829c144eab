#pragma once

// The commits of one process to one table, and its part in the queue that all processes share
// (docs/znodes.md, "Commit"). At any time one of its threads drives the table:
//
// - A caller, when nobody else is at it: the commits that have come meanwhile are one round, and
//   the first try of each is direct. Refused, or with others in the queue, each caller lines up
//   there with an entry of its own and waits for its outcome in a record.
// - The combiner, a task that runs while this process holds the table's lease: round after round it
//   decides what is in the queue and what callers of this process bring, who need no entry.
//
// The lease is advice. What makes a round right is the head's version, so a combiner that lost its
// lease, or never had it, does no harm.
//
// Code below holds no mutex while it talks to the coordinator or waits.

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "parkeeper/base/executor.h"
#include "parkeeper/base/result.h"
#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/commit_internal.h"
#include "parkeeper/coordination/signal.h"

namespace pk::catalog {

// A commit that a caller of this process waits for.
struct OwnCommit {
  enum class State { kWaiting, kInRound, kToQueue, kDone };

  Proposal proposal;
  CommitId kind = CommitId::kNew;
  bool since_is_known = false;  // of a new id: the version of the head when it was first looked at
  State state = State::kWaiting;
  std::optional<Result<CommitResult>> result;
};

// Lives as long as `commit` is there.
OwnCommit MakeOwn(const iceberg::TableCommit& commit, CommitId id);

// Thread-safe.
class TableCommits {
 public:
  TableCommits(const CommitContext& context, std::string key)
      : context_(context), key_(std::move(key)) {}
  // No Commit() is running. Ends the combiner.
  ~TableCommits();
  TableCommits(const TableCommits&) = delete;
  TableCommits& operator=(const TableCommits&) = delete;

  // As Catalog::Commit().
  Result<CommitResult> Commit(const iceberg::TableCommit& commit, CommitId id);

  // As those of Catalog.
  Result<LinkedResult> CommitLinked(const iceberg::TableCommit& commit, CommitId id,
                                    const coordination::Transaction& with,
                                    const CommitLinks& links);
  Result<int64_t> DriveQueue();

  // For whoever waits in the queue and sees nobody at work there: starts a combiner, unless this
  // process drives the table already. `replace`: instead of a holder of the lease who stands still.
  void Help(bool replace);

  // For the combiner.
  // At most `most` commits that wait, taken into a round: those of `bytes` together, but at least
  // one.
  std::vector<OwnCommit*> TakeOwn(size_t most, size_t bytes);
  // They go on waiting, before all others.
  void GiveBack(const std::vector<OwnCommit*>& own);
  void Finish(const std::vector<OwnCommit*>& own, const std::vector<Result<CommitResult>>& results);
  // Requested as soon as own commits wait.
  std::stop_token work();
  TableMemory& memory() { return memory_; }
  const CommitContext& context() const { return context_; }
  const std::string& key() const { return key_; }

 private:
  Result<CommitResult> Await(OwnCommit& own, Backoff& backoff);
  void Drive(std::unique_lock<std::mutex>& lock);
  void DriveDirectly(const std::vector<OwnCommit*>& batch);
  void SendToQueue(const std::vector<OwnCommit*>& batch);

  const CommitContext& context_;
  const std::string key_;
  std::mutex mutex_;
  std::deque<OwnCommit*> waiting_;
  bool driving_ = false;
  coordination::Signal changed_;  // an own commit has a new state, or nobody drives
  coordination::Signal work_;     // an own commit waits
  SteadyTime help_not_before_{};
  TableMemory memory_;  // of who drives
  std::unique_ptr<Task> combiner_;
};

// The proposal of an own commit in a round on `head`.
Proposal& ProposalFor(OwnCommit& own, const ReadHead& head);

// What a round said to own commits: to each the outcome of the proposal of the same place, which
// all have one, or the same error.
std::vector<Result<CommitResult>> ResultsOf(const CommitContext& context, const std::string& key,
                                            const std::vector<OwnCommit*>& own,
                                            const Proposal* proposals);

// The same when the head could not be read. A table whose head is gone was dropped long ago.
std::vector<Result<CommitResult>> ResultsWithoutHead(const std::vector<OwnCommit*>& own,
                                                     const Error& error);

// Runs rounds as long as there is somebody to work for, or until `stop`; see table_commits.
enum class CombineEnd { kNothingToDo, kFailed };
CombineEnd Combine(TableCommits& table, bool replace, std::stop_token stop);

// An entry in the queue for `own`, until its outcome is known.
Result<CommitResult> CommitThroughQueue(TableCommits& table, OwnCommit& own, Backoff& backoff);

}  // namespace pk::catalog
