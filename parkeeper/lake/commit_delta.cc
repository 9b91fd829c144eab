#include <utility>
#include <vector>

#include "parkeeper/lake/commit_delta_internal.h"
#include "parkeeper/table/append.h"
#include "parkeeper/table/delete.h"

namespace pk::lake {

Result<catalog::CommitResult> CommitDelta(Lake& lake, const catalog::LoadedTable& table,
                                          iceberg::RowDelta delta, int64_t oldest_file_ms) {
  const std::vector<iceberg::DataFile> written = delta.added;
  const iceberg::TableCommit commit = table::MakeRowDeltaCommit(std::move(delta), oldest_file_ms);
  Result<catalog::CommitResult> outcome =
      lake.catalog().Commit(table.key, commit, catalog::CommitId::kNew);
  const ErrorCode code = outcome.ok() ? ErrorCode::kConflict : outcome.error().code();
  const bool committed = outcome.ok() && std::holds_alternative<catalog::Committed>(*outcome);
  // Our own bug leaves it in doubt, too.
  if (!committed && code != ErrorCode::kOutcomeUnknown && code != ErrorCode::kInternal) {
    table::RemoveFiles(lake.storage(), written);
  }
  return outcome;
}

}  // namespace pk::lake
