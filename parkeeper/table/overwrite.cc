#include "parkeeper/table/overwrite.h"

#include <fmt/format.h>

#include <string>
#include <unordered_set>
#include <utility>

#include "parkeeper/table/planning_internal.h"
#include "parkeeper/table/replaced_files_internal.h"
#include "parkeeper/table/scan.h"

namespace pk::table {

using iceberg::FileRef;

namespace {

// With the deletes that apply to nothing.
std::vector<FileRef> AllFiles(const ScanPlan& plan) {
  std::vector<FileRef> files;
  std::unordered_set<std::string_view> seen;
  const auto add = [&](const iceberg::DataFile& file) {
    if (seen.insert(file.location).second) files.push_back(RefTo(file));
  };
  for (const FileTask& task : plan.tasks) add(task.file);
  for (const DeleteFile& deletes : plan.deletes) add(deletes.file);
  return files;
}

// Locations of the files that hold rows which pass, and no others.
Result<std::unordered_set<std::string>> FilesOf(storage::Storage& storage,
                                                const iceberg::TableMetadata& metadata,
                                                const OverwriteOptions& options) {
  const ScanPlan plan = PK_TRY(PlanScan(
      storage, metadata, {.filter = options.rows, .columns = {}, .snapshot = {}, .limit = {}},
      {.threads = options.threads}));
  std::unordered_set<std::string> files;
  for (const FileTask& task : plan.tasks) {
    PK_CHECK(task.all_rows_pass,
             FailedPrecondition(fmt::format("{} may hold rows with {} and others: an overwrite "
                                            "takes whole files, delete the rows first",
                                            task.file.location, iceberg::ToString(options.rows))));
    files.insert(task.file.location);
  }
  return files;
}

}  // namespace

Result<iceberg::RowDelta> PrepareOverwrite(storage::Storage& storage,
                                           const iceberg::TableMetadata& metadata,
                                           AppendedFiles written, const OverwriteOptions& options) {
  iceberg::RowDelta delta;
  const WholePlan whole = PK_TRY(PlanWhole(storage, metadata, nullptr, options.threads));
  if (options.rows.is_true()) {
    delta.removed = AllFiles(whole.scan);
  } else {
    const auto files = PK_TRY(FilesOf(storage, metadata, options));
    std::vector<bool> chosen;
    for (const FileTask& task : whole.scan.tasks)
      chosen.push_back(files.contains(task.file.location));
    delta.removed = ReplacedFiles(whole, chosen, metadata);
  }
  delta.base_snapshot_id = whole.scan.snapshot_id;
  delta.added = std::move(written.files);
  if (!options.keep_new_rows) delta.reads = options.rows;
  delta.schema_id = metadata.current_schema_id;
  return delta;
}

}  // namespace pk::table
