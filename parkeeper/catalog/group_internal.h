#pragma once

// A group of commits applied to one state of a table: each in turn, against what the earlier ones
// leave, as one metadata file. Neighbouring appends to one branch become one snapshot, a row delta
// is one of its own. Reads what the state names, writes nothing: gives bytes to be written.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/files_internal.h"
#include "parkeeper/catalog/row_delta_internal.h"
#include "parkeeper/iceberg/table_commit.h"

namespace pk::catalog {

struct AppliedInGroup {
  std::optional<int64_t> snapshot_id;
};
using GroupOutcome = std::variant<AppliedInGroup, Rejected>;

// Not thread-safe. What it was given must outlive it.
class Group {
 public:
  // On top of the metadata at `location`, which are those of version `version`.
  Group(MetadataFiles& files, std::shared_ptr<const iceberg::TableMetadata> base,
        std::string location, int64_t version, Clock& clock, IdSource& ids);

  // Applies the commit, or rejects it and is as it was before. Returns its place in outcomes(),
  // which is final after Finish(). An error is of storage, and of the whole group.
  Result<size_t> Add(const iceberg::TableCommit& commit);

  struct Built {
    std::vector<GroupOutcome> outcomes;
    std::vector<NewFile> files;  // empty when nothing was applied; the metadata are the last
    std::shared_ptr<const iceberg::TableMetadata> metadata;  // null likewise
    std::string metadata_location;
    // Metadata files that the log no longer names and the table does not want to keep
    // (write.metadata.delete-after-commit.enabled); their bytes are not read.
    std::vector<NewFile> forgotten;
  };
  // Call it once, at the end.
  Result<Built> Finish();

 private:
  Result<> AddAppend(size_t place, const iceberg::AppendFiles& append);
  Result<> AddRowDelta(size_t place, const iceberg::RowDelta& delta);
  Result<> AddUpdate(size_t place, const iceberg::UpdateTable& update);
  bool FitsRun(const iceberg::AppendFiles& append) const;
  Result<std::vector<iceberg::ManifestFile>> Manifests(const iceberg::Snapshot& snapshot) const;
  // Those with files that live; the others served only the snapshot that emptied them.
  Result<std::vector<iceberg::ManifestFile>> LiveManifests(const iceberg::Snapshot* snapshot) const;
  Result<std::shared_ptr<const std::string>> ManifestBytes(const std::string& location) const;
  // Makes the snapshot of the appends that wait for others to join them.
  Result<> EndRun();
  Result<> ProduceRun(const std::vector<const iceberg::AppendFiles*>& run,
                      const std::vector<size_t>& places);
  Result<> ProduceRowDelta(size_t place, const iceberg::RowDelta& delta);
  // Makes it the next snapshot of its branch, for the commits at `places`. An error changes
  // nothing.
  Result<> Produce(PreparedSnapshot prepared, std::vector<iceberg::ManifestFile> carried,
                   const std::vector<size_t>& places);

  MetadataFiles& files_;
  const std::shared_ptr<const iceberg::TableMetadata> base_;
  const std::string base_location_;
  const int64_t version_;
  Clock& clock_;
  IdSource& ids_;

  iceberg::TableMetadata state_;
  // Manifest lists of this group's snapshots, and where in built_.files their manifests are: the
  // next commits of this group stand on what is not written yet.
  std::map<std::string, std::vector<iceberg::ManifestFile>> lists_;
  std::map<std::string, size_t> manifests_;
  bool changed_ = false;
  std::vector<const iceberg::AppendFiles*> run_;
  std::vector<size_t> run_places_;
  std::map<std::string, std::string> run_summary_;
  Built built_;
};

}  // namespace pk::catalog
