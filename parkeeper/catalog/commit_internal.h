#pragma once

// One round of a table (docs/znodes.md, "Commit"): decides a group of commits in turn and, in one
// transaction, moves the head, writes every outcome into the record of the new version and takes
// the decided entries out of the queue. A direct commit is a round without entries.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/files_internal.h"
#include "parkeeper/catalog/group_internal.h"
#include "parkeeper/catalog/known_records_internal.h"
#include "parkeeper/catalog/round_internal.h"

namespace pk::catalog {

// What the operations of a catalog work with.
struct CommitContext {
  coordination::SessionSource& sessions;
  MetadataFiles& files;
  RecordsByTable& records;
  const CatalogOptions& options;

  Backoff NewBackoff(std::stop_token stop = {}) const {
    return {options.retry, *options.clock, *options.ids, std::move(stop)};
  }
};

// What a process remembers of a table from round to round. Used by one round at a time.
struct TableMemory {
  // No record is over-aged before the head has this stamp.
  int64_t next_sweep_ms = 0;
  SteadyTime last_round{};
};

// A commit that a round is to decide.
struct Proposal {
  Uuid id;
  uint64_t request_hash = 0;
  // Records up to this version do not name the id.
  int64_t since = 0;
  // Null: it cannot be carried out, for this reason.
  std::shared_ptr<const iceberg::TableCommit> commit = {};
  std::string refusal = {};
  size_t bytes = 0;  // of the commit as JSON
  // Its entry in the queue, at the version read; none: of the caller's own.
  std::string entry_path = {};
  int32_t entry_version = 0;
  // The entry goes with no session: somebody counts on its outcome without waiting for it.
  bool stays = false;
  std::shared_ptr<const CommitLinks> links = {};  // null: none

  // Set when the round was refused because a link does not hold, which says which one. Without its
  // links the commit can be decided.
  std::string broken_link = {};

  // Set by the round when it decided. Of one that no record names, for the table was dropped or the
  // id is too old to judge, the version is 0.
  std::optional<Outcome> outcome = {};
};

enum class RoundEnd {
  // Every proposal has its outcome; on a dropped table, unless an entry is there that stays, only
  // those without entry.
  kDecided,
  kLookAgain,  // the head, an entry or a link is not as it was read; nothing was changed
};
// kOutcomeUnknown: it may be decided or not, and nobody may take the proposals for either. Any
// other error: definitely nothing was changed.
Result<RoundEnd> RunRound(const CommitContext& context, const std::string& key, TableMemory& memory,
                          const ReadHead& head, std::vector<Proposal>& proposals, Backoff& backoff);

// Records that were swept before anybody looked may have named the id: it is as old as they are.
bool IsTooOldToJudge(const HeadNode& head, const Proposal& proposal);

// A reason as records hold it: UTF-8, and not long as JSON, for every waiter reads it, and the
// record of a full round has to fit into one request.
std::string ShortReason(std::string_view reason);

// Why time alone forbids a commit.
std::optional<std::string> Untimely(const CommitContext& context, const Proposal& proposal);

// Lets the head name what was built, which is not nothing.
void PointTo(const Group::Built& built, HeadNode& head);

// What `outcome` says to whoever asked for a commit with this hash. kOutcomeUnknown when it was too
// old to judge.
Result<CommitResult> ResultOf(const CommitContext& context, const std::string& key,
                              const Outcome& outcome, uint64_t request_hash);

// Of everything that decides what the commit does; its id is not part of it.
uint64_t RequestHash(const iceberg::TableCommit& commit);
// A hash that says the same of `text` too.
uint64_t MixHash(uint64_t hash, std::string_view text);

// Records that the next round may remove, and what the head says after it.
struct Sweep {
  coordination::Transaction removals;
  int64_t floor = 0;
  int64_t swept_to_ms = 0;
};
// At most 64 of the oldest records, each older than the retention by the coordinator's own stamps.
Result<Sweep> PlanSweep(const CommitContext& context, const std::string& key, const ReadHead& head,
                        int64_t& next_sweep_ms, Backoff& backoff);

}  // namespace pk::catalog
