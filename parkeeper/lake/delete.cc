#include "parkeeper/lake/delete.h"

#include <fmt/format.h>

#include <utility>

#include "parkeeper/lake/commit_delta_internal.h"

namespace pk::lake {
namespace {

// As far as one try came.
struct Tried {
  DeleteResult result;
  std::optional<std::string> rejected = std::nullopt;
};

Result<Tried> TryDelete(Lake& lake, const catalog::LoadedTable& table,
                        const iceberg::Expression& filter, const DeleteOptions& options) {
  table::PreparedDelete prepared = PK_TRY(table::PrepareDelete(
      lake.storage(), *table.metadata, filter,
      {.threads = options.threads, .stop = options.stop, .progress = options.progress}));
  Tried tried{.result = {.rows = prepared.rows,
                         .files_removed = prepared.files_removed,
                         .files_rewritten = prepared.files_rewritten,
                         .data_files = int64_t(prepared.delta.added.size()),
                         .bytes = prepared.bytes,
                         .snapshot_id = {}}};
  if (prepared.delta.removed.empty()) return tried;
  if (options.stop.stop_requested()) {
    table::RemoveFiles(lake.storage(), prepared.delta.added);
    return Cancelled("the delete was stopped");
  }
  const catalog::CommitResult outcome =
      PK_TRY(CommitDelta(lake, table, std::move(prepared.delta), prepared.oldest_file_ms));
  if (const auto* rejected = std::get_if<catalog::Rejected>(&outcome)) {
    tried.rejected = rejected->reason;
  } else {
    tried.result.snapshot_id = std::get<catalog::Committed>(outcome).snapshot_id;
  }
  return tried;
}

}  // namespace

Result<DeleteResult> Delete(Lake& lake, const catalog::TableName& name,
                            const iceberg::Expression& filter, const DeleteOptions& options) {
  PK_CHECK(options.tries > 0, InvalidArgument("a delete needs at least one try"));
  std::string rejected;
  for (int tries = 1; tries <= options.tries; ++tries) {
    const catalog::LoadedTable table = PK_TRY(lake.catalog().LoadTable(name));
    Tried tried = PK_TRY(TryDelete(lake, table, filter, options).With(catalog::ToString(name)));
    if (!tried.rejected) {
      tried.result.tries = tries;
      return tried.result;
    }
    rejected = *std::move(tried.rejected);
  }
  return Conflict(fmt::format("{}: others changed the table at each of {} tries; the last met: {}",
                              catalog::ToString(name), options.tries, rejected));
}

}  // namespace pk::lake
