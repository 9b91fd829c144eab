#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "parkeeper/base/parallel.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/iceberg/lineage.h"
#include "parkeeper/iceberg/tuple.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/table/scan.h"

namespace pk::table {

using iceberg::BoundExpression;
using iceberg::ColumnStatistics;
using iceberg::ManifestFile;
using iceberg::PartitionSpec;
using iceberg::Schema;
using iceberg::TableMetadata;
using iceberg::Value;

namespace {

constexpr const char* kNameMappingProperty = "schema.name-mapping.default";

// Null when nothing was asked for and the table has no rows yet.
Result<std::shared_ptr<const iceberg::Snapshot>> SelectSnapshot(const TableMetadata& metadata,
                                                                const SnapshotSelector& selector) {
  if (const auto* id = std::get_if<int64_t>(&selector)) {
    auto found = metadata.FindSnapshot(*id);
    PK_CHECK(found != nullptr, NotFound(fmt::format("the table has no snapshot {}", *id)));
    return found;
  }
  if (const auto* time = std::get_if<AsOfTime>(&selector)) {
    return iceberg::SnapshotAsOf(metadata, time->timestamp_ms);
  }
  if (const auto* name = std::get_if<std::string>(&selector)) {
    auto found = metadata.FindRef(*name);
    if (found == nullptr) {
      std::string known;
      for (const auto& [ref, target] : metadata.refs) {
        known += fmt::format("{} '{}'", known.empty() ? "; there are" : ",", ref);
      }
      return NotFound(fmt::format("the table has no branch or tag '{}'{}", *name, known));
    }
    return found;
  }
  return metadata.current_snapshot();
}

// The present schema for the present state of a branch; a snapshot of the past is read with its
// own, and so is a tag.
std::shared_ptr<const Schema> SchemaOf(const TableMetadata& metadata,
                                       const iceberg::Snapshot* snapshot,
                                       const SnapshotSelector& selector) {
  bool present = std::holds_alternative<std::monostate>(selector);
  if (const auto* name = std::get_if<std::string>(&selector)) {
    present = !metadata.refs.at(*name).is_tag;
  }
  const int32_t id = present || snapshot == nullptr
                         ? metadata.current_schema_id
                         : snapshot->schema_id.value_or(metadata.current_schema_id);
  for (const auto& schema : metadata.schemas) {
    if (schema->schema_id() == id) return schema;
  }
  return std::make_shared<const Schema>(metadata.schema());
}

// The columns in the order asked for; members of one struct stay together, where the first of them
// stands.
Result<std::shared_ptr<const Schema>> Project(const std::shared_ptr<const Schema>& schema,
                                              const std::vector<std::string>& columns) {
  if (columns.empty()) return schema;
  std::vector<std::string> names;  // as the schema spells them
  for (const std::string& column : columns) {
    names.push_back(schema->FullName(PK_TRY(iceberg::FindColumn(*schema, column, false))->id));
  }
  const Schema selected = PK_TRY(iceberg::Select(*schema, names));
  std::vector<iceberg::Field> fields = selected.fields();
  const auto place = [&](const iceberg::Field& field) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (schema->PathTo(schema->FindByName(names[i])->id).front() == field.id) return i;
    }
    return names.size();
  };
  std::stable_sort(fields.begin(), fields.end(),
                   [&](const auto& a, const auto& b) { return place(a) < place(b); });
  return std::make_shared<const Schema>(iceberg::StructType{std::move(fields)},
                                        schema->schema_id());
}

// A partition spec with what the filter means for it.
struct SpecFilter {
  const PartitionSpec* spec = nullptr;
  std::vector<iceberg::PrimitiveType> types;
  BoundExpression projected;  // over partition values

  size_t IndexOf(int32_t field_id) const {
    size_t index = 0;
    while (index < spec->fields.size() && spec->fields[index].field_id != field_id) ++index;
    return index;
  }

  bool MightMatch(const ManifestFile& manifest) const {
    if (projected.is_true() || manifest.partitions.size() != spec->fields.size()) return true;
    return iceberg::MightMatch(projected, [&](int32_t field_id) {
      const size_t index = IndexOf(field_id);
      return index == types.size() ? ColumnStatistics{}
                                   : StatisticsOf(manifest.partitions[index], types[index]);
    });
  }

  bool Matches(const manifest::EntryColumns& entries, size_t row) const {
    if (projected.is_true()) return true;
    return iceberg::Matches(projected, [&](int32_t field_id) {
      const size_t index = IndexOf(field_id);
      return index == types.size() ? Value() : entries.partition[index][row];
    });
  }

 private:
  static ColumnStatistics StatisticsOf(const iceberg::PartitionSummary& summary,
                                       const iceberg::PrimitiveType& type) {
    ColumnStatistics statistics;
    if (!summary.contains_null) statistics.null_count = 0;
    if (summary.contains_nan && !*summary.contains_nan) statistics.nan_count = 0;
    const auto bound = [&](const std::optional<std::string>& bytes) -> std::optional<Value> {
      if (!bytes) return std::nullopt;
      auto value = iceberg::FromBytes(*bytes, type);
      // A bound that cannot be read says nothing.
      return value.ok() ? std::optional<Value>(std::move(value).value()) : std::nullopt;
    };
    statistics.lower = bound(summary.lower);
    statistics.upper = bound(summary.upper);
    return statistics;
  }
};

// What one manifest adds to the plan.
struct ManifestTasks {
  std::vector<FileTask> tasks;
  PlanCounts counts;
};

class Planning {
 public:
  Planning(storage::Storage& storage, const TableMetadata& metadata, ScanPlan& plan)
      : storage_(storage), metadata_(metadata), plan_(plan) {
    options_.metrics_of = iceberg::ReferencedFields(plan.filter);
    options_.split_offsets = true;
  }

  // All rows of the snapshot.
  Result<> Run(const iceberg::Snapshot& snapshot, int threads) {
    return ReadManifests(PK_TRY(ReadList(snapshot)), threads);
  }

  // The rows that these snapshots appended. Each is asked for its own manifests: later ones may
  // have put the rows into other files, or the files into other manifests.
  Result<> RunAppends(const iceberg::Snapshots& appends, int threads) {
    std::vector<std::vector<ManifestFile>> lists(appends.size());
    PK_TRY(ParallelFor(appends.size(), threads, [&](size_t index) -> Result<> {
      lists[index] = PK_TRY(ReadList(*appends[index]));
      std::erase_if(lists[index], [&](const ManifestFile& manifest) {
        return manifest.added_snapshot_id != appends[index]->snapshot_id;
      });
      return {};
    }));
    only_added_ = true;
    std::vector<ManifestFile> manifests;
    for (auto& list : lists) std::ranges::move(list, std::back_inserter(manifests));
    return ReadManifests(manifests, threads);
  }

 private:
  Result<std::vector<ManifestFile>> ReadList(const iceberg::Snapshot& snapshot) const {
    PK_CHECK(!snapshot.manifest_list.empty(),
             Unsupported(fmt::format("snapshot {} has no manifest list, as those of old v1 writers",
                                     snapshot.snapshot_id)));
    const std::string bytes = PK_TRY(storage::ReadAll(storage_, snapshot.manifest_list));
    return manifest::ReadManifestList(bytes).With(snapshot.manifest_list);
  }

  Result<> ReadManifests(const std::vector<ManifestFile>& manifests, int threads) {
    std::vector<const ManifestFile*> to_read;
    for (const ManifestFile& manifest : manifests) {
      if (PK_TRY(Consider(manifest))) to_read.push_back(&manifest);
    }
    std::vector<ManifestTasks> found(to_read.size());
    PK_TRY(ParallelFor(to_read.size(), threads, [&](size_t index) -> Result<> {
      return ReadManifest(*to_read[index], found[index]).With(to_read[index]->location);
    }));
    for (ManifestTasks& part : found) Add(std::move(part));
    return {};
  }

  // An entry that the manifest only carries on is of an earlier snapshot.
  bool IsWanted(const manifest::EntryColumns& entries, size_t row,
                const ManifestFile& manifest) const {
    return !only_added_ || (entries.status[row] == iceberg::EntryStatus::kAdded &&
                            entries.snapshot_id[row] == manifest.added_snapshot_id);
  }

  // Whether the manifest must be read.
  Result<bool> Consider(const ManifestFile& manifest) {
    // Lists of v1 may not say.
    if (manifest.added_files == 0 && manifest.existing_files == 0) return false;
    PK_CHECK(manifest.content == iceberg::ManifestContent::kData,
             Unsupported(fmt::format("the snapshot has delete files ({}), which this version "
                                     "cannot apply",
                                     manifest.location)));
    ++plan_.counts.manifests;
    const SpecFilter& filter = *PK_TRY(FilterOf(manifest.spec_id).With(manifest.location));
    if (!plan_.filter.is_false() && filter.MightMatch(manifest)) return true;
    ++plan_.counts.manifests_skipped_by_partition;
    plan_.counts.files_in_skipped_manifests +=
        int64_t{manifest.added_files.value_or(0)} +
        (only_added_ ? 0 : manifest.existing_files.value_or(0));
    return false;
  }

  Result<const SpecFilter*> FilterOf(int32_t spec_id) {
    const auto found = filters_.find(spec_id);
    if (found != filters_.end()) return &found->second;
    const PartitionSpec* spec = metadata_.FindSpec(spec_id);
    PK_CHECK(spec != nullptr,
             Corrupt(fmt::format("the metadata has no partition spec {}", spec_id)));
    SpecFilter filter{.spec = spec,
                      .types = iceberg::PartitionTypes(*spec, *plan_.table_schema),
                      .projected = {}};
    filter.projected = iceberg::ProjectInclusive(plan_.filter, *spec, *plan_.table_schema);
    plan_.specs.push_back(*spec);
    return &filters_.emplace(spec_id, std::move(filter)).first->second;
  }

  // Called by several threads at once: reads members only.
  Result<> ReadManifest(const ManifestFile& manifest, ManifestTasks& out) const {
    const SpecFilter& filter = filters_.at(manifest.spec_id);
    const std::string bytes = PK_TRY(storage::ReadAll(storage_, manifest.location));
    const manifest::EntryColumns entries =
        PK_TRY(manifest::ReadColumns(bytes, manifest, *filter.spec, *plan_.table_schema, options_));
    std::map<std::vector<Value>, BoundExpression, iceberg::TupleLess> residuals;
    for (size_t row = 0; row < entries.size(); ++row) {
      PK_CHECK(entries.content[row] == iceberg::FileContent::kData,
               Corrupt(fmt::format("a delete file among data files: {}", entries.location[row])));
      if (!IsWanted(entries, row, manifest)) continue;
      ++out.counts.files;
      if (!filter.Matches(entries, row)) {
        ++out.counts.files_skipped_by_partition;
        continue;
      }
      const auto statistics = [&](int32_t field_id) { return entries.Statistics(row, field_id); };
      if (!iceberg::MightMatch(plan_.filter, statistics)) {
        ++out.counts.files_skipped_by_metrics;
        continue;
      }
      out.tasks.push_back(MakeTask(entries, row, filter, residuals));
      FileTask& task = out.tasks.back();
      task.all_rows_pass = task.residual.is_true() || iceberg::MustMatch(plan_.filter, statistics);
    }
    return {};
  }

  FileTask MakeTask(
      const manifest::EntryColumns& entries, size_t row, const SpecFilter& filter,
      std::map<std::vector<Value>, BoundExpression, iceberg::TupleLess>& residuals) const {
    FileTask task;
    task.file.location = entries.location[row];
    task.file.spec_id = filter.spec->spec_id;
    task.file.record_count = entries.record_count[row];
    task.file.file_size = entries.file_size[row];
    task.file.split_offsets = entries.split_offsets[row];
    for (const auto& column : entries.partition) task.file.partition.push_back(column[row]);
    task.residual = plan_.filter;
    if (!plan_.filter.is_true() && !filter.spec->unpartitioned()) {
      const auto [place, added] = residuals.try_emplace(task.file.partition);
      if (added) {
        place->second =
            iceberg::Residual(plan_.filter, *filter.spec, *plan_.table_schema, task.file.partition);
      }
      task.residual = place->second;
    }
    return task;
  }

  void Add(ManifestTasks part) {
    plan_.counts.files += part.counts.files;
    plan_.counts.files_skipped_by_partition += part.counts.files_skipped_by_partition;
    plan_.counts.files_skipped_by_metrics += part.counts.files_skipped_by_metrics;
    for (FileTask& task : part.tasks) {
      plan_.bytes += task.file.file_size;
      plan_.rows_most += task.file.record_count;
      plan_.tasks.push_back(std::move(task));
    }
  }

  storage::Storage& storage_;
  const TableMetadata& metadata_;
  ScanPlan& plan_;
  manifest::ReadOptions options_;
  std::map<int32_t, SpecFilter> filters_;
  bool only_added_ = false;
};

// The snapshots after `from` up to `to` that appended rows, when none of them did anything else to
// rows.
Result<iceberg::Snapshots> AppendsAfter(const TableMetadata& metadata, int64_t from, int64_t to) {
  iceberg::Snapshots appends;
  for (const auto& snapshot : PK_TRY(iceberg::SnapshotsAfter(metadata, from, to))) {
    const auto found = snapshot->summary.find("operation");
    const std::string operation =
        found == snapshot->summary.end() ? "unknown operation" : found->second;
    if (operation == "append") appends.push_back(snapshot);
    PK_CHECK(operation == "append" || operation == "replace",
             Unsupported(fmt::format(
                 "snapshot {} did more than append rows ({}), and this version cannot tell changed "
                 "and deleted rows: read the parts before and after it, or all of the table",
                 snapshot->snapshot_id, operation)));
  }
  return appends;
}

}  // namespace

Result<ScanPlan> PlanScan(storage::Storage& storage, const TableMetadata& metadata,
                          const ScanRequest& request, const PlanOptions& options) {
  PK_CHECK(request.limit.value_or(0) >= 0,
           InvalidArgument(fmt::format("a limit must not be negative: {}", *request.limit)));
  const auto snapshot = PK_TRY(SelectSnapshot(metadata, request.snapshot));
  ScanPlan plan;
  plan.limit = request.limit;
  plan.table_schema = SchemaOf(metadata, snapshot.get(), request.snapshot);
  plan.projection = PK_TRY(Project(plan.table_schema, request.columns));
  plan.filter = PK_TRY(iceberg::Bind(request.filter, *plan.table_schema, false));
  const std::string mapping = metadata.Property(kNameMappingProperty, "");
  if (!mapping.empty()) {
    plan.name_mapping = PK_TRY(iceberg::ParseNameMapping(mapping).With(kNameMappingProperty));
  }
  plan.after_snapshot_id = request.after_snapshot;
  PK_CHECK(snapshot != nullptr || !request.after_snapshot,
           NotFound(fmt::format("the table has no snapshot {}", *request.after_snapshot)));
  if (snapshot == nullptr) return plan;
  plan.snapshot_id = snapshot->snapshot_id;
  const int threads = options.threads > 0 ? options.threads : AvailableCores();
  Planning planning(storage, metadata, plan);
  if (!request.after_snapshot) {
    PK_TRY(planning.Run(*snapshot, threads));
    return plan;
  }
  const auto appends =
      PK_TRY(AppendsAfter(metadata, *request.after_snapshot, snapshot->snapshot_id));
  PK_TRY(planning.RunAppends(appends, threads));
  return plan;
}

}  // namespace pk::table
