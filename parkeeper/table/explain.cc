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

}  // namespace

std::string Explain(const ScanPlan& plan, bool files) {
  const PlanCounts& counts = plan.counts;
  std::string text = plan.snapshot_id
                         ? fmt::format("snapshot    {}\n", *plan.snapshot_id)
                         : std::string("snapshot    none: the table has no rows yet\n");
  if (plan.after_snapshot_id) {
    text += fmt::format("rows        appended after snapshot {}\n", *plan.after_snapshot_id);
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
  text += fmt::format(
      "to read     at most {} with {} rows; row groups and pages are skipped "
      "further\n",
      Bytes(plan.bytes), plan.rows_most);
  if (!files) return text;
  for (const FileTask& task : plan.tasks) {
    const std::string partition = PartitionOf(plan, task.file);
    text += fmt::format("  {}  {} rows, {}{}{}, remaining filter: {}\n", task.file.location,
                        task.file.record_count, Bytes(task.file.file_size),
                        partition.empty() ? "" : ", ", partition,
                        iceberg::ToString(task.residual, *plan.table_schema));
  }
  return text;
}

std::string ToJson(const ScanPlan& plan) {
  const PlanCounts& counts = plan.counts;
  bj::object object;
  if (plan.snapshot_id) object["snapshot-id"] = *plan.snapshot_id;
  if (plan.after_snapshot_id) object["after-snapshot-id"] = *plan.after_snapshot_id;
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
  bj::array files;
  for (const FileTask& task : plan.tasks) {
    files.push_back(bj::object{{"location", task.file.location},
                               {"rows", task.file.record_count},
                               {"bytes", task.file.file_size},
                               {"partition", PartitionOf(plan, task.file)},
                               {"residual", iceberg::ToString(task.residual, *plan.table_schema)}});
  }
  object["files"] = std::move(files);
  return bj::serialize(object);
}

}  // namespace pk::table
