#pragma once

// Commits to several tables (docs/znodes.md, "Several tables"): one transaction that moves every
// head, fenced by the head of the first table, whose record tells what became of it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/commit_internal.h"

namespace pk::catalog {

// A commit to several tables that somebody is about to carry out, its writer or who is held up.
struct MultiProposal {
  struct Part {
    std::string key;
    int64_t since = 0;                                   // as of a Proposal
    std::shared_ptr<const iceberg::TableCommit> commit;  // null: `refusal` says why
  };
  Uuid id;
  uint64_t request_hash = 0;
  std::vector<Part> parts;  // by key
  std::string refusal = {};
  bool repeated = false;  // the id can have been sent before, or waits in the queues
  bool queued = false;    // there are entries, which go with the decision
};

// What records say of it: committed with an outcome for each part, or rejected.
using MultiOutcome = std::variant<std::vector<Outcome>, RecordedCommit>;

// One attempt. nullopt: not as it was read, look again; nothing was changed. Errors as of RunRound.
// Of a queued one whose entries are gone it only looks into the records.
Result<std::optional<MultiOutcome>> TryMulti(const CommitContext& context, MultiProposal& proposal,
                                             Backoff& backoff);

// The proposal that waits at the entry `path`; nullopt: it is gone.
Result<std::optional<MultiProposal>> ReadMultiEntry(const CommitContext& context, const Uuid& id,
                                                    const std::string& path, Backoff& backoff);

// As Catalog::CommitAll().
Result<MultiCommitResult> CommitToAll(const CommitContext& context, const MultiTableCommit& commit,
                                      CommitId id);

}  // namespace pk::catalog
