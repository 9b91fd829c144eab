#pragma once

// A group of commits applied to one state of a table: each in turn, against what the earlier ones
// leave, as one metadata file. Neighbouring appends to one branch become one snapshot, a row delta
// is one of its own. What a commit requires of properties is judged in the same order, also within
// such a run of appends. Reads what the state names, writes nothing: gives bytes to be written.

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
  struct Append {
    size_t place;
    const iceberg::TableCommit* commit;

    const iceberg::AppendFiles& files() const {
      return std::get<iceberg::AppendFiles>(commit->change);
    }
    // One that only moves properties on makes none.
    bool makes_snapshot() const { return !files().files.empty() || commit->properties.empty(); }
  };

  Result<> AddToRun(const Append& append);
  Result<> AddAlone(size_t place, const iceberg::TableCommit& commit);
  Result<> ApplyUpdate(size_t place, const iceberg::UpdateTable& update);
  bool FitsRun(const Append& append) const;
  Result<std::vector<iceberg::ManifestFile>> Manifests(const iceberg::Snapshot& snapshot) const;
  // Those with files that live; the others served only the snapshot that emptied them.
  Result<std::vector<iceberg::ManifestFile>> LiveManifests(const iceberg::Snapshot* snapshot) const;
  Result<std::shared_ptr<const std::string>> ManifestBytes(const std::string& location) const;
  // Makes the snapshot of the appends that wait for others to join them.
  Result<> EndRun();
  Result<> ProduceRun(const std::vector<Append>& run);
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
  // Appends that wait. The properties of state_ are those that they leave; what they found is kept,
  // for as long as their snapshot is not made they may have to be rejected.
  std::vector<Append> run_;
  std::map<std::string, std::string> properties_before_run_;
  std::optional<std::string> run_branch_;  // of its snapshot
  std::map<std::string, std::string> run_summary_;
  Built built_;
};

}  // namespace pk::catalog
