#include "parkeeper/catalog/row_delta_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "parkeeper/catalog/manifest_set_internal.h"
#include "parkeeper/catalog/row_delta_checks_internal.h"
#include "parkeeper/catalog/summary_internal.h"
#include "parkeeper/manifest/manifest_reader.h"

namespace pk::catalog {

using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::FileRef;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::PartitionSpec;
using iceberg::RowDelta;

namespace {

// As the reference implementation names them.
std::string_view OperationOf(const RowDelta& delta) {
  if (delta.rewrite) return "replace";
  const auto is_data = [](const auto& file) { return file.content == iceberg::FileContent::kData; };
  const bool removes_rows =
      std::ranges::any_of(delta.removed, is_data) || !std::ranges::all_of(delta.added, is_data);
  if (!CarriesRows(delta)) return "delete";
  return removes_rows ? "overwrite" : "append";
}

// The sequence number that added files take over from the removed ones of their kind. For data not
// below that of any delete file of the base either: those were applied, and equality deletes of a
// partition that the rows have come into must not hide them now.
std::optional<int64_t> InheritedNumber(const RowDelta& delta, const LiveFiles& live,
                                       const BranchView& branch, const SinceBase& since,
                                       ManifestContent content) {
  std::optional<int64_t> newest;
  if (!delta.rewrite || branch.metadata.format_version < 2) return newest;
  for (const FileRef& file : delta.removed) {
    if (ContentOf(file.content) != content) continue;
    newest = std::max(newest.value_or(0), live.Find(file)->sequence_number);
  }
  if (content == ManifestContent::kDeletes || !newest) return newest;
  const int64_t base = since.base_sequence_number();
  for (const ManifestFile& manifest : branch.manifests) {
    if (manifest.content != ManifestContent::kDeletes) continue;
    if (manifest.min_sequence_number > base) continue;
    newest = std::max(*newest, std::min(manifest.sequence_number, base));
  }
  return newest;
}

// A manifest of the branch with removed files, read whole.
struct Touched {
  ManifestKind kind;
  std::vector<ManifestEntry> entries;
};

Result<std::vector<Touched>> ReadTouched(const std::vector<size_t>& places,
                                         const BranchView& branch) {
  std::vector<Touched> touched(places.size());
  const auto read = [&](size_t i, const std::string& bytes, const PartitionSpec& spec) -> Result<> {
    const ManifestFile& manifest = branch.manifests[places[i]];
    const auto schema = SchemaForPartitions(branch.metadata, spec);
    PK_CHECK(schema != nullptr,
             Unsupported(fmt::format("the values of partition spec {} cannot be written again: a "
                                     "transform of it is unknown to this version, or its column in "
                                     "no schema that the table kept",
                                     spec.spec_id)));
    touched[i].kind = {.content = manifest.content, .spec = &spec, .schema = schema};
    touched[i].entries =
        PK_TRY(manifest::ReadEntries(bytes, manifest, spec, *schema).With(manifest.location));
    return {};
  };
  PK_TRY(ReadManifests(branch, places, read));
  return touched;
}

// Writes the manifest again: the removed files as deleted by this snapshot, the others as they are.
// What earlier snapshots deleted is theirs to tell.
Result<> WriteWithout(const LiveFiles& removed, Touched& touched, ManifestSet& manifests,
                      int64_t snapshot_id, ChangeCounts& counts) {
  std::erase_if(touched.entries,
                [](const ManifestEntry& entry) { return entry.status == EntryStatus::kDeleted; });
  const auto& gone = removed.Of(touched.kind.content);
  for (ManifestEntry& entry : touched.entries) {
    entry.status = EntryStatus::kExisting;
    if (!gone.contains(entry.file.location)) continue;
    entry.status = EntryStatus::kDeleted;
    entry.snapshot_id = snapshot_id;
    counts.Remove(entry.file);
  }
  return manifests.WriteEntries(touched.kind, touched.entries);
}

Result<> WriteAdded(const RowDelta& delta, const LiveFiles& live, const BranchView& branch,
                    const SinceBase& since, ManifestSet& manifests, ChangeCounts& counts) {
  std::map<std::pair<ManifestContent, int32_t>, std::vector<const DataFile*>> alike;
  for (const DataFile& file : delta.added) {
    counts.Add(file);
    alike[{ContentOf(file.content), file.spec_id}].push_back(&file);
  }
  const auto schema = std::make_shared<const iceberg::Schema>(branch.metadata.schema());
  for (const auto& [key, files] : alike) {
    const ManifestKind kind{
        .content = key.first, .spec = branch.metadata.FindSpec(key.second), .schema = schema};
    PK_TRY(
        manifests.WriteAdded(kind, files, InheritedNumber(delta, live, branch, since, key.first)));
  }
  return {};
}

// The files that go, and the manifests of the branch that hold them.
std::pair<LiveFiles, std::set<size_t>> Removed(const RowDelta& delta, const LiveFiles& live) {
  LiveFiles removed;
  std::set<size_t> places;
  for (const FileRef& file : delta.removed) {
    const LiveFile& found = *live.Find(file);
    const bool data = ContentOf(file.content) == ManifestContent::kData;
    (data ? removed.data : removed.deletes).emplace(file.location, found);
    places.insert(found.manifests.begin(), found.manifests.end());
  }
  return {std::move(removed), std::move(places)};
}

}  // namespace

Result<PreparedRowDelta> PrepareRowDelta(const RowDelta& delta, const BranchView& branch,
                                         IdSource& ids) {
  const SinceBase since = PK_TRY(SinceBase::Read(branch, delta.base_snapshot_id));
  const std::vector<FileRef> referenced = ReferencedFiles(delta);
  std::vector<FileRef> needed = delta.removed;
  needed.insert(needed.end(), referenced.begin(), referenced.end());
  const LiveFiles live = PK_TRY(FindLive(needed, branch));
  PK_TRY(CheckLive(needed, live, since, branch, delta.branch));
  PK_TRY(CheckReads(delta, since, branch));
  PK_TRY(CheckNewDeletes(delta, live, since, branch));

  PreparedRowDelta prepared;
  PreparedSnapshot& snapshot = prepared.snapshot;
  snapshot.snapshot_id = NewSnapshotId(branch.metadata, ids);
  snapshot.branch = delta.branch;
  const manifest::Codec codec = PK_TRY(ManifestCodec(branch.metadata));
  ManifestSet manifests(branch.metadata, codec, snapshot, ids);
  ChangeCounts counts;
  PK_TRY(WriteAdded(delta, live, branch, since, manifests, counts));
  const auto [removed, places] = Removed(delta, live);
  auto touched = PK_TRY(ReadTouched({places.begin(), places.end()}, branch));
  for (Touched& each : touched) {
    PK_TRY(WriteWithout(removed, each, manifests, snapshot.snapshot_id, counts));
  }
  for (size_t i = 0; i < branch.manifests.size(); ++i) {
    if (!places.contains(i)) prepared.carried.push_back(branch.manifests[i]);
  }
  snapshot.summary = counts.ToSummary(delta.summary, OperationOf(delta));
  return prepared;
}

}  // namespace pk::catalog
