#pragma once

// What a row delta rests on (iceberg::RowDelta), each rule for itself. All give kConflict with the
// snapshot and the file that they met.

#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/branch_history_internal.h"
#include "parkeeper/catalog/live_files_internal.h"
#include "parkeeper/catalog/row_delta_internal.h"
#include "parkeeper/iceberg/table_commit.h"

namespace pk::catalog {

// The data files that must be there for the added position deletes.
std::vector<iceberg::FileRef> ReferencedFiles(const iceberg::RowDelta& delta);

// It adds rows that were read from files which it removes or deletes from.
bool CarriesRows(const iceberg::RowDelta& delta);

Result<> CheckLive(const std::vector<iceberg::FileRef>& files, const LiveFiles& live,
                   const SinceBase& since, const BranchView& branch,
                   const std::string& branch_name);

// No new file may hold a row that passes `reads`.
Result<> CheckReads(const iceberg::RowDelta& delta, const SinceBase& since,
                    const BranchView& branch);

// No new delete may be of a row that the delta adds again. `live`: the files that it removes and
// refers to. Equality deletes may, of rewritten rows, which they meet where they are now, too; but
// not when these come into another partition spec, where other deletes apply than where they were.
Result<> CheckNewDeletes(const iceberg::RowDelta& delta, const LiveFiles& live,
                         const SinceBase& since, const BranchView& branch);

}  // namespace pk::catalog
