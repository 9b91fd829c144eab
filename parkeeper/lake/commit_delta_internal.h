#pragma once

#include <cstdint>

#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/lake/lake.h"

namespace pk::lake {

// Commits a delta that was made just now, as CommitFiles (lake.h) does files: what it added is
// removed when it is definitely not committed, with a Rejected as with an error, and stays when
// nobody knows.
Result<catalog::CommitResult> CommitDelta(Lake& lake, const catalog::LoadedTable& table,
                                          iceberg::RowDelta delta, int64_t oldest_file_ms);

}  // namespace pk::lake
