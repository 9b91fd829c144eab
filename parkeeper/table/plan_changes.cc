#include <algorithm>
#include <iterator>

#include "parkeeper/table/planning_internal.h"

namespace pk::table {

using iceberg::EntryStatus;
using iceberg::ManifestContent;
using iceberg::ManifestFile;
using iceberg::PrimitiveKind;

namespace {

// Those of `all` that `rest`, sorted as well, has not.
std::vector<int32_t> Without(std::vector<int32_t> all, std::vector<int32_t> rest) {
  std::ranges::sort(all);
  std::ranges::sort(rest);
  std::vector<int32_t> left;
  std::ranges::set_difference(all, rest, std::back_inserter(left));
  return left;
}

bool HasEntries(const ManifestFile& manifest) {
  return manifest.added_files != 0 || manifest.existing_files != 0 || manifest.deleted_files != 0;
}

// Nothing but data files was added, so that no delete file of before can apply to what changed.
bool OnlyAppends(const std::vector<ManifestFile>& manifests, const iceberg::Snapshot& snapshot) {
  const auto operation = snapshot.summary.find("operation");
  if (operation == snapshot.summary.end() || operation->second != "append") return false;
  return std::ranges::all_of(manifests, [&](const ManifestFile& manifest) {
    return manifest.added_snapshot_id != snapshot.snapshot_id ||
           (manifest.content == ManifestContent::kData && manifest.deleted_files == 0);
  });
}

}  // namespace

const std::vector<iceberg::Field>& ChangeColumns() {
  static const std::vector<iceberg::Field> columns = {{.id = 2147483543,
                                                       .name = kChangeTypeColumn,
                                                       .required = true,
                                                       .type = PrimitiveKind::kString},
                                                      {.id = 2147483542,
                                                       .name = kChangeOrdinalColumn,
                                                       .required = true,
                                                       .type = PrimitiveKind::kInt},
                                                      {.id = 2147483541,
                                                       .name = kCommitSnapshotColumn,
                                                       .required = true,
                                                       .type = PrimitiveKind::kLong}};
  return columns;
}

Result<> Planning::RunChanges(const iceberg::Snapshots& snapshots) {
  int32_t ordinal = 0;
  for (const auto& snapshot : snapshots) PK_TRY(AddChanges(*snapshot, ordinal++));
  return TakeDeletes();
}

// A snapshot's own manifests tell all that it did: its parent, which may have expired, is what it
// did not add and what it took away.
Result<> Planning::AddChanges(const iceberg::Snapshot& snapshot, int32_t ordinal) {
  const int64_t id = snapshot.snapshot_id;
  const Manifests all = PK_TRY(ReadList(snapshot));
  const bool only_appends = OnlyAppends(all, snapshot);
  Manifests delete_manifests;
  for (const ManifestFile& manifest : all) {
    if (manifest.content != ManifestContent::kDeletes || only_appends || !HasEntries(manifest)) {
      continue;
    }
    if (PK_TRY(ConsiderDeletes(manifest))) delete_manifests.push_back(manifest);
  }
  const Deletes deletes = PK_TRY(ReadDeletes(delete_manifests, id));
  const DeleteIndex before(deletes_, deletes.before), after(deletes_, deletes.after),
      added(deletes_, Without(deletes.after, deletes.before)),
      removed(deletes_, Without(deletes.before, deletes.after));

  Manifests data;
  for (const ManifestFile& manifest : all) {
    if (manifest.content != ManifestContent::kData || !HasEntries(manifest)) continue;
    const bool own = manifest.added_snapshot_id == id;
    if (!own && !PK_TRY(MightConcern(added, manifest)) && !PK_TRY(MightConcern(removed, manifest)))
      continue;
    const int64_t files = own ? int64_t{manifest.added_files.value_or(0)} +
                                    int64_t{manifest.deleted_files.value_or(0)}
                              : 0;
    if (PK_TRY(Consider(manifest, files))) data.push_back(manifest);
  }
  const RowChange inserted{.is_delete = false, .ordinal = ordinal, .snapshot_id = id};
  const RowChange deleted{.is_delete = true, .ordinal = ordinal, .snapshot_id = id};
  const size_t first = plan_.tasks.size();
  PK_TRY(ReadManifests(data, [&](const ManifestFile&, EntryStatus status, int64_t by) {
    std::vector<Reading> readings;
    if (status != EntryStatus::kExisting && by == id) {
      const bool is_new = status == EntryStatus::kAdded;
      readings.push_back({.deletes = is_new ? &after : &before,
                          .only = nullptr,
                          .change = is_new ? inserted : deleted});
    } else if (status != EntryStatus::kDeleted) {
      if (!added.empty()) {
        readings.push_back({.deletes = &before, .only = &added, .change = deleted});
      }
      // Rows that come back with the delete file that hid them.
      if (!removed.empty()) {
        readings.push_back({.deletes = &after, .only = &removed, .change = inserted});
      }
    }
    return readings;
  }));
  std::stable_sort(plan_.tasks.begin() + std::ptrdiff_t(first), plan_.tasks.end(),
                   [](const FileTask& left, const FileTask& right) {
                     return left.change->is_delete && !right.change->is_delete;
                   });
  return {};
}

Result<bool> Planning::MightConcern(const DeleteIndex& deletes, const ManifestFile& manifest) {
  if (deletes.empty() || manifest.min_sequence_number > deletes.newest()) return false;
  const SpecFilter& filter = *PK_TRY(FilterOf(manifest.spec_id).With(manifest.location));
  return std::ranges::any_of(deletes.numbers(), [&](int32_t number) {
    const DeleteFiles::Entry& entry = deletes_.at(number);
    if (entry.global) return true;
    return entry.task.file.spec_id == manifest.spec_id &&
           manifest::PartitionFilter::OfValues(entry.task.file.partition, *filter.spec,
                                               *plan_.table_schema)
               .MightMatch(manifest);
  });
}

}  // namespace pk::table
