#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "parkeeper/base/parallel.h"
#include "parkeeper/iceberg/tuple.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/table/planning_internal.h"

namespace pk::table {

using iceberg::BoundExpression;
using iceberg::EntryStatus;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::PartitionSpec;
using iceberg::Value;

namespace {

using Residuals = std::map<std::vector<Value>, BoundExpression, iceberg::TupleLess>;

FileTask MakeTask(const manifest::EntryColumns& entries, size_t row, const SpecFilter& filter,
                  const ScanPlan& plan, Residuals& residuals) {
  FileTask task;
  task.file.location = entries.location[row];
  task.file.spec_id = filter.spec->spec_id;
  task.file.record_count = entries.record_count[row];
  task.file.file_size = entries.file_size[row];
  task.file.split_offsets = entries.split_offsets[row];
  task.sequence_number = entries.sequence_number[row];
  task.file_sequence_number = entries.file_sequence_number[row];
  for (const auto& column : entries.partition) task.file.partition.push_back(column[row]);
  task.residual = plan.filter;
  if (plan.filter.is_true() || filter.spec->unpartitioned()) return task;
  const auto [place, added] = residuals.try_emplace(task.file.partition);
  if (added) {
    place->second =
        iceberg::Residual(plan.filter, *filter.spec, *plan.table_schema, task.file.partition);
  }
  task.residual = place->second;
  return task;
}

void Add(const PlanCounts& part, PlanCounts& counts) {
  counts.files += part.files;
  counts.files_skipped_by_partition += part.files_skipped_by_partition;
  counts.files_skipped_by_metrics += part.files_skipped_by_metrics;
}

}  // namespace

Planning::Planning(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                   ScanPlan& plan, int threads,
                   const std::optional<std::vector<std::string>>& files)
    : storage_(storage),
      metadata_(metadata),
      plan_(plan),
      threads_(threads),
      deletes_(metadata, plan.table_schema),
      files_(files),
      named_(files ? std::unordered_set<std::string_view>(files->begin(), files->end())
                   : std::unordered_set<std::string_view>()) {}

Result<> Planning::Run(const iceberg::Snapshot& snapshot) {
  Manifests data, deletes;
  for (const ManifestFile& manifest : PK_TRY(ReadList(snapshot))) {
    // Lists of v1 may not say.
    if (manifest.added_files == 0 && manifest.existing_files == 0) continue;
    if (manifest.content == ManifestContent::kDeletes) {
      if (PK_TRY(ConsiderDeletes(manifest))) deletes.push_back(manifest);
      continue;
    }
    const int64_t files =
        int64_t{manifest.added_files.value_or(0)} + int64_t{manifest.existing_files.value_or(0)};
    if (PK_TRY(Consider(manifest, files))) data.push_back(manifest);
  }
  if (data.empty()) return {};
  Deletes found = PK_TRY(ReadDeletes(deletes, snapshot.snapshot_id));
  const DeleteIndex index(deletes_, std::move(found.after));
  PK_TRY(ReadManifests(data, [&](const ManifestFile&, EntryStatus, int64_t) {
    return std::vector<Reading>{{.deletes = &index, .only = nullptr, .change = {}}};
  }));
  return TakeDeletes();
}

Result<bool> Planning::RunWhole(const iceberg::Snapshot& snapshot, const PartitionPlace* place) {
  if (place != nullptr) PK_TRY(Restrict(*place));
  Manifests data, deletes;
  bool complete = true;
  for (const ManifestFile& manifest : PK_TRY(ReadList(snapshot))) {
    if (manifest.added_files == 0 && manifest.existing_files == 0) continue;
    const bool of_place = place == nullptr || manifest.spec_id == place->spec_id;
    const SpecFilter& filter = *PK_TRY(FilterOf(manifest.spec_id).With(manifest.location));
    if (manifest.content == ManifestContent::kDeletes) {
      if ((of_place || IsUnpartitioned(*filter.spec)) && PK_TRY(ConsiderDeletes(manifest))) {
        deletes.push_back(manifest);
      }
    } else if (of_place && filter.rows.MightMatch(manifest)) {
      ++plan_.counts.manifests;
      data.push_back(manifest);
    } else {
      complete = false;
    }
  }
  Deletes found = PK_TRY(ReadDeletes(deletes, snapshot.snapshot_id));
  const std::vector<int32_t> all = found.after;
  const DeleteIndex index(deletes_, std::move(found.after));
  PK_TRY(ReadManifests(data, [&](const ManifestFile&, EntryStatus, int64_t) {
    return std::vector<Reading>{{.deletes = &index, .only = nullptr, .change = {}}};
  }));
  PK_TRY(TakeDeletes(all));
  return complete && plan_.counts.files_skipped_by_partition == 0;
}

Result<> Planning::Restrict(const PartitionPlace& place) {
  PK_TRY(FilterOf(place.spec_id));
  SpecFilter& filter = filters_.at(place.spec_id);
  PK_CHECK(place.partition.size() == filter.spec->fields.size(),
           InvalidArgument(fmt::format("{} partition values for spec {}, which has {} fields",
                                       place.partition.size(), place.spec_id,
                                       filter.spec->fields.size())));
  filter.rows =
      manifest::PartitionFilter::OfValues(place.partition, *filter.spec, *plan_.table_schema);
  return {};
}

Result<> Planning::RunAppends(const iceberg::Snapshots& appends) {
  std::vector<Manifests> lists(appends.size());
  PK_TRY(ParallelFor(appends.size(), threads_, [&](size_t index) -> Result<> {
    lists[index] = PK_TRY(ReadList(*appends[index]));
    std::erase_if(lists[index], [&](const ManifestFile& manifest) {
      return manifest.added_snapshot_id != appends[index]->snapshot_id;
    });
    return {};
  }));
  Manifests data;
  for (const Manifests& list : lists) {
    for (const ManifestFile& manifest : list) {
      if (manifest.added_files == 0) continue;
      PK_CHECK(manifest.content == ManifestContent::kData,
               Unsupported(fmt::format("snapshot {} calls itself an append and added delete files "
                                       "({}): ask for changes (scan --changes)",
                                       manifest.added_snapshot_id, manifest.location)));
      if (PK_TRY(Consider(manifest, manifest.added_files.value_or(0)))) data.push_back(manifest);
    }
  }
  // An entry that the manifest only carries on is of an earlier snapshot.
  return ReadManifests(data, [](const ManifestFile& manifest, EntryStatus status, int64_t by) {
    const bool appended = status == EntryStatus::kAdded && by == manifest.added_snapshot_id;
    return appended ? std::vector<Reading>(1) : std::vector<Reading>();
  });
}

Result<Planning::Manifests> Planning::ReadList(const iceberg::Snapshot& snapshot) const {
  PK_CHECK(!snapshot.manifest_list.empty(),
           Unsupported(fmt::format("snapshot {} has no manifest list, as those of old v1 writers",
                                   snapshot.snapshot_id)));
  const std::string bytes = PK_TRY(storage::ReadAll(storage_, snapshot.manifest_list));
  return manifest::ReadManifestList(bytes).With(snapshot.manifest_list);
}

Result<bool> Planning::Consider(const ManifestFile& manifest, int64_t files) {
  ++plan_.counts.manifests;
  const SpecFilter& filter = *PK_TRY(FilterOf(manifest.spec_id).With(manifest.location));
  if (!plan_.filter.is_false() && filter.rows.MightMatch(manifest)) return true;
  // It may have a file that was asked for, which no row has to pass for.
  if (files_) return true;
  ++plan_.counts.manifests_skipped_by_partition;
  plan_.counts.files_in_skipped_manifests += files;
  return false;
}

Result<bool> Planning::ConsiderDeletes(const ManifestFile& manifest) {
  ++plan_.counts.delete_manifests;
  const SpecFilter& filter = *PK_TRY(FilterOf(manifest.spec_id).With(manifest.location));
  if (!plan_.filter.is_false() && filter.rows.MightMatch(manifest)) return true;
  ++plan_.counts.delete_manifests_skipped;
  return false;
}

Result<const SpecFilter*> Planning::FilterOf(int32_t spec_id) {
  const auto found = filters_.find(spec_id);
  if (found != filters_.end()) return &found->second;
  const PartitionSpec* spec = metadata_.FindSpec(spec_id);
  PK_CHECK(spec != nullptr, Corrupt(fmt::format("the metadata has no partition spec {}", spec_id)));
  plan_.specs.push_back(*spec);
  const SpecFilter filter{
      spec, manifest::PartitionFilter::OfRows(plan_.filter, *spec, *plan_.table_schema)};
  return &filters_.emplace(spec_id, filter).first->second;
}

Result<Planning::Deletes> Planning::ReadDeletes(const Manifests& manifests, int64_t snapshot_id) {
  std::vector<std::vector<ManifestEntry>> read(manifests.size());
  PK_TRY(ParallelFor(manifests.size(), threads_, [&](size_t index) -> Result<> {
    const ManifestFile& manifest = manifests[index];
    const SpecFilter& filter = filters_.at(manifest.spec_id);
    const std::string bytes = PK_TRY(storage::ReadAll(storage_, manifest.location));
    read[index] = PK_TRY(manifest::ReadEntries(bytes, manifest, *filter.spec, *plan_.table_schema)
                             .With(manifest.location));
    std::erase_if(read[index], [&](const ManifestEntry& entry) {
      return (entry.status == EntryStatus::kDeleted && entry.snapshot_id != snapshot_id) ||
             !filter.rows.Matches(entry.file.partition);
    });
    return {};
  }));
  Deletes deletes;
  for (auto& entries : read) {
    plan_.counts.delete_files += int64_t(entries.size());
    for (const ManifestEntry& entry : entries) {
      const int32_t number = PK_TRY(deletes_.Add(entry.file, entry.sequence_number.value_or(0)));
      if (deletes_.IsUseless(number, plan_.filter)) continue;
      const bool by_this = entry.snapshot_id == snapshot_id;
      if (entry.status != EntryStatus::kDeleted) deletes.after.push_back(number);
      if (entry.status != EntryStatus::kAdded || !by_this) deletes.before.push_back(number);
    }
    entries.clear();
  }
  return deletes;
}

Result<> Planning::ReadManifests(const Manifests& manifests, const Readings& readings) {
  manifest::ReadOptions options{.metrics_of = iceberg::ReferencedFields(plan_.filter),
                                .split_offsets = true,
                                .deleted = plan_.changes};
  for (const int32_t id : deletes_.KeyFields()) options.metrics_of.push_back(id);
  std::vector<ManifestTasks> found(manifests.size());
  PK_TRY(ParallelFor(manifests.size(), threads_, [&](size_t index) -> Result<> {
    return ReadManifest(manifests[index], options, readings, found[index])
        .With(manifests[index].location);
  }));
  for (ManifestTasks& part : found) {
    Add(part.counts, plan_.counts);
    for (std::string& location : part.found) found_.insert(std::move(location));
    for (FileTask& task : part.tasks) {
      plan_.bytes += task.file.file_size;
      plan_.rows_most += task.file.record_count;
      plan_.tasks.push_back(std::move(task));
    }
  }
  return {};
}

Result<> Planning::ReadManifest(const ManifestFile& manifest, const manifest::ReadOptions& options,
                                const Readings& readings, ManifestTasks& out) const {
  const SpecFilter& filter = filters_.at(manifest.spec_id);
  const std::string bytes = PK_TRY(storage::ReadAll(storage_, manifest.location));
  const manifest::EntryColumns entries =
      PK_TRY(manifest::ReadColumns(bytes, manifest, *filter.spec, *deletes_.schema(), options));
  Residuals residuals;
  for (size_t row = 0; row < entries.size(); ++row) {
    PK_CHECK(entries.content[row] == iceberg::FileContent::kData,
             Corrupt(fmt::format("a delete file among data files: {}", entries.location[row])));
    const auto wanted = readings(manifest, entries.status[row], entries.snapshot_id[row]);
    if (wanted.empty()) continue;
    if (files_) {
      if (!named_.contains(entries.location[row])) continue;
      out.found.emplace_back(entries.location[row]);
    }
    ++out.counts.files;
    if (!filter.rows.Matches(entries, row)) {
      ++out.counts.files_skipped_by_partition;
      continue;
    }
    const auto statistics = [&](int32_t field_id) { return entries.Statistics(row, field_id); };
    if (!iceberg::MightMatch(plan_.filter, statistics)) {
      ++out.counts.files_skipped_by_metrics;
      continue;
    }
    FileTask task = MakeTask(entries, row, filter, plan_, residuals);
    task.all_rows_pass = task.residual.is_true() || iceberg::MustMatch(plan_.filter, statistics);
    const DeleteTarget target{.location = task.file.location,
                              .spec_id = task.file.spec_id,
                              .partition = task.file.partition,
                              .sequence_number = entries.sequence_number[row],
                              .statistics = statistics};
    for (const Reading& reading : wanted) {
      FileTask made = task;
      made.change = reading.change;
      if (reading.only != nullptr) made.only_hidden_by = reading.only->Find(target);
      if (made.only_hidden_by && made.only_hidden_by->empty()) continue;
      if (reading.deletes != nullptr) made.deletes = reading.deletes->Find(target);
      out.tasks.push_back(std::move(made));
    }
  }
  return {};
}

Result<> Planning::CheckFound() const {
  if (!files_) return {};
  for (const std::string& location : *files_) {
    PK_CHECK(found_.contains(location),
             FailedPrecondition(fmt::format(
                 "snapshot {} {} data file {}", *plan_.snapshot_id,
                 plan_.after_snapshot_id
                     ? fmt::format("has not, since snapshot {}, appended", *plan_.after_snapshot_id)
                     : "does not have",
                 location)));
  }
  return {};
}

Result<> Planning::TakeDeletes(const std::vector<int32_t>& idle) {
  std::vector<int32_t> place(deletes_.size(), -1);
  const auto take = [&](std::vector<int32_t>& numbers) -> Result<> {
    for (int32_t& number : numbers) {
      int32_t& taken = place[size_t(number)];
      if (taken < 0) {
        PK_TRY(deletes_.Check(number));
        taken = int32_t(plan_.deletes.size());
        plan_.deletes.push_back(deletes_.at(number).task);
        plan_.delete_bytes += plan_.deletes.back().file.file_size;
        plan_.delete_rows += plan_.deletes.back().file.record_count;
      }
      number = taken;
    }
    std::ranges::sort(numbers);
    return {};
  };
  for (FileTask& task : plan_.tasks) {
    PK_TRY(take(task.deletes));
    if (task.only_hidden_by) PK_TRY(take(*task.only_hidden_by));
  }
  // They are not read, so it does not matter whether they can be.
  for (const int32_t number : idle) {
    if (place[size_t(number)] < 0) plan_.deletes.push_back(deletes_.at(number).task);
  }
  if (!plan_.deletes.empty()) plan_.delete_schema = deletes_.schema();
  return {};
}

}  // namespace pk::table
