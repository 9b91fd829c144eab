#pragma once

// A commit as external engines make it through a REST catalog: they write manifest, manifest list
// and snapshot themselves, on top of the snapshot that they read, and require that it is still the
// branch's. Rejected, they build the list anew on what the branch has become.

#include <cstdint>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"
#include "parkeeper/lake/lake.h"
#include "parkeeper/table/append.h"

namespace pk::bench {

struct ExternalCommits {
  int64_t attempts = 0;
  int64_t conflicts = 0;  // attempts that were rejected, as REST's 409
};

// Commits the files, redoing it after rejections until `end`. Adds to `counts`. False: `end` came
// first, and nothing was committed.
Result<bool> CommitAsExternal(lake::Lake& lake, const catalog::TableName& name,
                              const table::AppendedFiles& files, SteadyTime end,
                              ExternalCommits& counts);

}  // namespace pk::bench
