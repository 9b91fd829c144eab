#include <fmt/format.h>

#include <boost/json.hpp>

#include "parkeeper/table/scan.h"

namespace pk::table {
namespace {

namespace bj = boost::json;

std::string Bytes(int64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", double(bytes) / 1e3);
  if (bytes < 10'000'000'000) return fmt::format("{:.1f} MB", double(bytes) / 1e6);
  return fmt::format("{:.1f} GB", double(bytes) / 1e9);
}

int64_t AllFiles(const PlanCounts& counts) {
  return counts.files + counts.files_in_skipped_manifests;
}

const iceberg::PartitionSpec* SpecOf(const ScanPlan& plan, int32_t id) {
  for (const iceberg::PartitionSpec& spec : plan.specs) {
    if (spec.spec_id == id) return &spec;
  }
  return nullptr;
}

std::string PartitionOf(const ScanPlan& plan, const iceberg::DataFile& file) {
  const iceberg::PartitionSpec* spec = SpecOf(plan, file.spec_id);
  if (spec == nullptr || spec->unpartitioned()) return "";
  return iceberg::PartitionPath(*spec, *plan.table_schema, file.partition);
}

std::string DeletesOf(const ScanPlan& plan) {
  int64_t positions = 0;
  for (const DeleteFile& file : plan.deletes) {
    if (file.file.content == iceberg::FileContent::kPositionDeletes) ++positions;
  }
  return fmt::format(
      "deletes     {} of {} delete files to apply, {} with {} rows: {} by position, {} by keys; {} "
      "of {} manifests skipped by partition\n",
      plan.deletes.size(), plan.counts.delete_files, Bytes(plan.delete_bytes), plan.delete_rows,
      positions, int64_t(plan.deletes.size()) - positions, plan.counts.delete_manifests_skipped,
      plan.counts.delete_manifests);
}

size_t DeletesFor(const FileTask& task) {
  return task.deletes.size() + (task.only_hidden_by ? task.only_hidden_by->size() : 0);
}

std::string ChangeOf(const FileTask& task) {
  if (!task.change) return "";
  return fmt::format("{} {}: ", task.change->snapshot_id,
                     task.change->is_delete ? "deletes" : "inserts");
}

bj::array DeletesToJson(const ScanPlan& plan) {
  bj::array files;
  for (const DeleteFile& file : plan.deletes) {
    const bool by_position = file.file.content == iceberg::FileContent::kPositionDeletes;
    bj::object object{{"location", file.file.location},
                      {"content", by_position ? "position-deletes" : "equality-deletes"},
                      {"rows", file.file.record_count},
                      {"bytes", file.file.file_size},
                      {"sequence-number", file.sequence_number},
                      {"partition", PartitionOf(plan, file.file)}};
    bj::array columns;
    for (const int32_t id : file.file.equality_ids) {
      columns.emplace_back(plan.delete_schema->FullName(id));
    }
    if (!by_position) object["columns"] = std::move(columns);
    if (file.file.referenced_data_file) {
      object["data-file"] = *file.file.referenced_data_file;
    }
    files.push_back(std::move(object));
  }
  return files;
}

}  // namespace

std::string Explain(const ScanPlan& plan, bool files) {
  const PlanCounts& counts = plan.counts;
  std::string text = plan.snapshot_id
                         ? fmt::format("snapshot    {}\n", *plan.snapshot_id)
                         : std::string("snapshot    none: the table has no rows yet\n");
  if (plan.after_snapshot_id) {
    text += fmt::format("rows        {} after snapshot {}\n", plan.changes ? "changed" : "appended",
                        *plan.after_snapshot_id);
  }
  if (plan.files_named) {
    text += fmt::format("files       only {} that were named\n", *plan.files_named);
  }
  text += "columns    ";
  for (const iceberg::Field& field : plan.projection->fields()) text += " " + field.name;
  text += fmt::format("\nfilter      {}\n", iceberg::ToString(plan.filter, *plan.table_schema));
  if (plan.limit) text += fmt::format("limit       {} rows\n", *plan.limit);
  text += fmt::format("manifests   {}, {} skipped by partition\n", counts.manifests,
                      counts.manifests_skipped_by_partition);
  text += fmt::format(
      "files       {} of {} to read: {} skipped by partition, {} by column metrics, {} in skipped "
      "manifests\n",
      plan.tasks.size(), AllFiles(counts), counts.files_skipped_by_partition,
      counts.files_skipped_by_metrics, counts.files_in_skipped_manifests);
  if (counts.delete_manifests > 0) text += DeletesOf(plan);
  text += fmt::format(
      "to read     at most {} with {} rows; row groups and pages are skipped "
      "further\n",
      Bytes(plan.bytes), plan.rows_most);
  if (!files) return text;
  for (const FileTask& task : plan.tasks) {
    const std::string partition = PartitionOf(plan, task.file);
    const size_t deletes = DeletesFor(task);
    text += fmt::format("  {}{}  {} rows, {}{}{}{}, remaining filter: {}\n", ChangeOf(task),
                        task.file.location, task.file.record_count, Bytes(task.file.file_size),
                        partition.empty() ? "" : ", ", partition,
                        deletes == 0 ? "" : fmt::format(", {} delete files", deletes),
                        iceberg::ToString(task.residual, *plan.table_schema));
  }
  return text;
}

std::string ToJson(const ScanPlan& plan) {
  const PlanCounts& counts = plan.counts;
  bj::object object;
  if (plan.snapshot_id) object["snapshot-id"] = *plan.snapshot_id;
  if (plan.after_snapshot_id) object["after-snapshot-id"] = *plan.after_snapshot_id;
  if (plan.changes) object["changes"] = true;
  if (plan.files_named) object["files-named"] = *plan.files_named;
  bj::array columns;
  for (const iceberg::Field& field : plan.projection->fields()) columns.emplace_back(field.name);
  object["columns"] = std::move(columns);
  object["filter"] = iceberg::ToString(plan.filter, *plan.table_schema);
  if (plan.limit) object["limit"] = *plan.limit;
  object["manifests"] = counts.manifests;
  object["manifests-skipped-by-partition"] = counts.manifests_skipped_by_partition;
  object["files-considered"] = AllFiles(counts);
  object["files-skipped-by-partition"] =
      counts.files_skipped_by_partition + counts.files_in_skipped_manifests;
  object["files-skipped-by-metrics"] = counts.files_skipped_by_metrics;
  object["files-to-read"] = plan.tasks.size();
  object["bytes-to-read"] = plan.bytes;
  object["rows-at-most"] = plan.rows_most;
  object["delete-files-considered"] = counts.delete_files;
  object["delete-files-to-read"] = plan.deletes.size();
  object["delete-bytes-to-read"] = plan.delete_bytes;
  object["delete-files"] = DeletesToJson(plan);
  bj::array files;
  for (const FileTask& task : plan.tasks) {
    bj::object file{{"location", task.file.location},
                    {"rows", task.file.record_count},
                    {"bytes", task.file.file_size},
                    {"partition", PartitionOf(plan, task.file)},
                    {"residual", iceberg::ToString(task.residual, *plan.table_schema)},
                    {"delete-files", bj::value_from(task.deletes)}};
    if (task.only_hidden_by) file["only-hidden-by"] = bj::value_from(*task.only_hidden_by);
    if (task.change) {
      file["change"] = task.change->is_delete ? "delete" : "insert";
      file["change-ordinal"] = task.change->ordinal;
      file["commit-snapshot-id"] = task.change->snapshot_id;
    }
    files.push_back(std::move(file));
  }
  object["files"] = std::move(files);
  return bj::serialize(object);
}

}  // namespace pk::table
