#pragma once

// From manifests to tasks.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/iceberg/lineage.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/manifest/partition_filter.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/table/delete_index_internal.h"
#include "parkeeper/table/scan.h"

namespace pk::table {

// A partition spec with what the filter means for it.
struct SpecFilter {
  const iceberg::PartitionSpec* spec = nullptr;
  manifest::PartitionFilter rows;  // that pass
};

// A task to be made of a data file.
struct Reading {
  const DeleteIndex* deletes = nullptr;  // whose rows are left out; null: none
  // Only rows that these hide, and no task when none of them applies; null: all rows.
  const DeleteIndex* only = nullptr;
  std::optional<RowChange> change = {};
};
// What is to be read of a data file, by its manifest and its entry's status and snapshot id.
using Readings = std::function<std::vector<Reading>(const iceberg::ManifestFile&,
                                                    iceberg::EntryStatus, int64_t snapshot_id)>;

// A partition of one spec.
struct PartitionPlace {
  int32_t spec_id = 0;
  std::vector<iceberg::Value> partition;
};

// The present state of main for who replaces files of it: no row is filtered out.
struct WholePlan {
  // `deletes` holds those that apply to no task, too.
  ScanPlan scan;
  // No data file of main is left out.
  bool complete = true;
};
// All files, or those of one place with the delete files that can apply to them. Errors as of
// PlanScan.
Result<WholePlan> PlanWhole(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                            const PartitionPlace* place, int threads);

// What one manifest adds to the plan.
struct ManifestTasks {
  std::vector<FileTask> tasks;
  PlanCounts counts;
  std::vector<std::string> found;  // of the files that were asked for by location
};

// The columns that tell changes, with their reserved ids.
const std::vector<iceberg::Field>& ChangeColumns();

class Planning {
 public:
  // `files`: as of ScanRequest; outlives the planning.
  Planning(storage::Storage& storage, const iceberg::TableMetadata& metadata, ScanPlan& plan,
           int threads, const std::optional<std::vector<std::string>>& files);

  // All rows of the snapshot.
  Result<> Run(const iceberg::Snapshot& snapshot);
  // Likewise, of the files of a place when one is given. The plan gets deletes that apply to no
  // task, too. Gives whether all data files are in the plan.
  Result<bool> RunWhole(const iceberg::Snapshot& snapshot, const PartitionPlace* place);
  // The rows that these snapshots appended. Each is asked for its own manifests: later ones may
  // have put the rows into other files, or the files into other manifests.
  Result<> RunAppends(const iceberg::Snapshots& appends);
  // What these snapshots did to rows.
  Result<> RunChanges(const iceberg::Snapshots& snapshots);
  // After the run: kFailedPrecondition names a file that was asked for and is not there.
  Result<> CheckFound() const;

 private:
  using Manifests = std::vector<iceberg::ManifestFile>;
  // Entries of delete manifests with their numbers in deletes_.
  struct Deletes {
    std::vector<int32_t> before, after;  // that the parent and the snapshot have
  };

  Result<Manifests> ReadList(const iceberg::Snapshot& snapshot) const;
  Result<const SpecFilter*> FilterOf(int32_t spec_id);
  // Whether the manifest must be read, of which `files` entries are wanted as far as is known.
  Result<bool> Consider(const iceberg::ManifestFile& manifest, int64_t files);
  Result<bool> ConsiderDeletes(const iceberg::ManifestFile& manifest);
  // Those of the manifests with deletes. What `snapshot_id` added or took away is told apart.
  Result<Deletes> ReadDeletes(const Manifests& manifests, int64_t snapshot_id);
  // Tasks are appended to the plan in the order of the manifests.
  Result<> ReadManifests(const Manifests& manifests, const Readings& readings);
  // Called by several threads at once: reads members only.
  Result<> ReadManifest(const iceberg::ManifestFile& manifest, const manifest::ReadOptions& options,
                        const Readings& readings, ManifestTasks& out) const;
  // The deletes that tasks refer to, and nothing else, become the plan's; with `idle` also those
  // of these that no task refers to.
  Result<> TakeDeletes(const std::vector<int32_t>& idle = {});
  // Only files of the place from now on, and deletes that can apply to them.
  Result<> Restrict(const PartitionPlace& place);
  Result<> AddChanges(const iceberg::Snapshot& snapshot, int32_t ordinal);
  // One of these delete files may apply to a file of the manifest.
  Result<bool> MightConcern(const DeleteIndex& deletes, const iceberg::ManifestFile& manifest);

  storage::Storage& storage_;
  const iceberg::TableMetadata& metadata_;
  ScanPlan& plan_;
  const int threads_;
  DeleteFiles deletes_;
  std::map<int32_t, SpecFilter> filters_;
  const std::optional<std::vector<std::string>>& files_;
  const std::unordered_set<std::string_view> named_;  // files_, if there are any
  std::unordered_set<std::string> found_;             // of them
};

}  // namespace pk::table
