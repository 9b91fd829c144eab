#pragma once

// The direct commit of one table (docs/znodes.md, "Commit").

#include <cstdint>
#include <string>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/files_internal.h"
#include "parkeeper/catalog/round_internal.h"

namespace pk::catalog {

// What the operations of a catalog work with.
struct CommitContext {
  coordination::SessionSource& sessions;
  MetadataFiles& files;
  const CatalogOptions& options;

  Backoff NewBackoff() const { return {options.retry, *options.clock, *options.ids}; }
};

// `name` is only for the LoadedTable that is returned.
Result<CommitResult> CommitToTable(const CommitContext& context, const std::string& key,
                                   const iceberg::TableCommit& commit, CommitId id);

// Of everything that decides what the commit does; its id is not part of it.
uint64_t RequestHash(const iceberg::TableCommit& commit);

// Records that the next round may remove, and what the head says after it.
struct Sweep {
  coordination::Transaction removals;
  int64_t floor = 0;
  int64_t swept_to_ms = 0;
};
// At most 64 of the oldest records, each older than the retention by the coordinator's own stamps.
Result<Sweep> PlanSweep(const CommitContext& context, const std::string& key, const ReadHead& head,
                        Backoff& backoff);

}  // namespace pk::catalog
