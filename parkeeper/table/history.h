#pragma once

// The history of a table beyond what its metadata still lists: who reads a table from where it was
// left does not lose his place because the table went on for more versions than it keeps snapshots.
//
// A snapshot that a catalog drops from the metadata (as too many, or by an engine's expiry) is
// still listed by earlier metadata files; each metadata names the last of these in its log, and
// they name those before. These files, and what the snapshots consist of, are left to orphan
// removal, so they are there for days, unless the table asks for their removal
// (write.metadata.delete-after-commit.enabled) or an engine's expiry removes files itself.

#include <cstdint>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"

namespace pk::table {

// `metadata` with every snapshot of main's history from `from` on, itself included. Reads one
// earlier metadata file for about as many versions as a log names (100), none when nothing has
// expired. kInvalidArgument: `from` is no ancestor of the current snapshot; kFailedPrecondition:
// the files that would tell are gone, which are named.
Result<iceberg::TableMetadata> WithHistorySince(storage::Storage& storage,
                                                const iceberg::TableMetadata& metadata,
                                                int64_t from);

}  // namespace pk::table
