#include <string_view>
#include <unordered_set>

#include "parkeeper/table/delete_index_internal.h"
#include "parkeeper/table/replaced_files_internal.h"

namespace pk::table {

using iceberg::FileContent;
using iceberg::FileRef;

namespace {

bool IsGlobal(const iceberg::DataFile& deletes, const iceberg::TableMetadata& metadata) {
  if (deletes.content != FileContent::kEqualityDeletes) return false;
  const iceberg::PartitionSpec* spec = metadata.FindSpec(deletes.spec_id);
  return spec == nullptr || IsUnpartitioned(*spec);
}

}  // namespace

FileRef RefTo(const iceberg::DataFile& file) {
  return {.content = file.content,
          .location = file.location,
          .spec_id = file.spec_id,
          .partition = file.partition};
}

bool MayHide(const DeleteFile& deletes, const FileTask& task) {
  return deletes.file.content != FileContent::kPositionDeletes ||
         task.file_sequence_number <= deletes.sequence_number;
}

std::vector<FileRef> ReplacedFiles(const WholePlan& plan, const std::vector<bool>& chosen,
                                   const iceberg::TableMetadata& metadata) {
  const ScanPlan& scan = plan.scan;
  std::vector<FileRef> files;
  std::unordered_set<std::string_view> seen;
  std::vector<bool> of_chosen(scan.deletes.size()), of_others(scan.deletes.size());
  for (size_t i = 0; i < scan.tasks.size(); ++i) {
    const FileTask& task = scan.tasks[i];
    // Careless writers name a file twice.
    if (chosen[i] && seen.insert(task.file.location).second) files.push_back(RefTo(task.file));
    for (const int32_t place : task.deletes) {
      if (!MayHide(scan.deletes[size_t(place)], task)) continue;
      (chosen[i] ? of_chosen : of_others)[size_t(place)] = true;
    }
  }
  for (size_t i = 0; i < scan.deletes.size(); ++i) {
    const iceberg::DataFile& deletes = scan.deletes[i].file;
    if (!of_chosen[i] || of_others[i]) continue;
    if (!plan.complete && IsGlobal(deletes, metadata)) continue;
    if (seen.insert(deletes.location).second) files.push_back(RefTo(deletes));
  }
  return files;
}

}  // namespace pk::table
