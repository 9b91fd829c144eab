#include "bench/external_commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_writer.h"

namespace pk::bench {
namespace {

using iceberg::ManifestFile;
using iceberg::Snapshot;
using iceberg::TableMetadata;

Result<ManifestFile> WriteManifest(lake::Lake& lake, const TableMetadata& metadata,
                                   const table::AppendedFiles& files, int64_t snapshot_id) {
  manifest::ManifestWriter writer(std::make_shared<const iceberg::Schema>(metadata.schema()),
                                  metadata.spec(),
                                  {.format_version = metadata.format_version,
                                   .content = iceberg::ManifestContent::kData,
                                   .snapshot_id = snapshot_id,
                                   .codec = manifest::Codec::kDeflate});
  for (const iceberg::DataFile& file : files.files) {
    iceberg::ManifestEntry entry;
    entry.snapshot_id = snapshot_id;
    entry.file = file;
    PK_TRY(writer.Add(entry));
  }
  auto written = PK_TRY(std::move(writer).Finish());
  written.file.location =
      fmt::format("{}/metadata/{}-m0.avro", metadata.location, SystemIds().NewUuid4().ToString());
  PK_TRY(storage::WriteIfAbsent(lake.storage(), written.file.location, written.bytes));
  return std::move(written.file);
}

int64_t Total(const Snapshot* parent, const char* name, int64_t more) {
  int64_t number = 0;
  if (parent != nullptr) {
    const auto found = parent->summary.find(name);
    const std::string text = found == parent->summary.end() ? "0" : found->second;
    std::from_chars(text.data(), text.data() + text.size(), number);
  }
  return number + more;
}

std::map<std::string, std::string> Summary(const Snapshot* parent,
                                           const table::AppendedFiles& files) {
  const auto count = int64_t(files.files.size());
  return {{"operation", "append"},
          {"added-data-files", std::to_string(count)},
          {"added-records", std::to_string(files.rows)},
          {"added-files-size", std::to_string(files.bytes)},
          {"total-data-files", std::to_string(Total(parent, "total-data-files", count))},
          {"total-records", std::to_string(Total(parent, "total-records", files.rows))},
          {"total-files-size", std::to_string(Total(parent, "total-files-size", files.bytes))},
          {"total-delete-files", "0"},
          {"total-position-deletes", "0"},
          {"total-equality-deletes", "0"}};
}

// The snapshot of this manifest on top of what `metadata` says.
Result<Snapshot> MakeSnapshot(lake::Lake& lake, const TableMetadata& metadata,
                              const ManifestFile& added, const table::AppendedFiles& files) {
  const auto parent = metadata.current_snapshot();
  Snapshot snapshot;
  snapshot.snapshot_id = added.added_snapshot_id;
  if (parent != nullptr) snapshot.parent_id = parent->snapshot_id;
  snapshot.sequence_number = metadata.last_sequence_number + 1;
  snapshot.timestamp_ms = std::max(SystemClock().WallMs(), metadata.last_updated_ms + 1);
  snapshot.schema_id = metadata.current_schema_id;
  snapshot.summary = Summary(parent.get(), files);
  std::vector<ManifestFile> manifests = {added};
  if (parent != nullptr) {
    const std::string bytes = PK_TRY(storage::ReadAll(lake.storage(), parent->manifest_list));
    const auto carried = PK_TRY(manifest::ReadManifestList(bytes));
    manifests.insert(manifests.end(), carried.begin(), carried.end());
  }
  snapshot.manifest_list = fmt::format("{}/metadata/snap-{}-{}.avro", metadata.location,
                                       snapshot.snapshot_id, SystemIds().NewUuid4().ToString());
  const std::string list =
      PK_TRY(manifest::WriteManifestList({.format_version = metadata.format_version,
                                          .snapshot_id = snapshot.snapshot_id,
                                          .parent_snapshot_id = snapshot.parent_id,
                                          .sequence_number = snapshot.sequence_number},
                                         manifests));
  PK_TRY(storage::WriteIfAbsent(lake.storage(), snapshot.manifest_list, list));
  return snapshot;
}

iceberg::TableCommit CommitOf(Snapshot snapshot) {
  iceberg::UpdateTable update;
  update.requirements.emplace_back(iceberg::AssertRefSnapshotId{"main", snapshot.parent_id});
  const iceberg::SnapshotRef ref{.snapshot_id = snapshot.snapshot_id};
  update.updates.emplace_back(
      iceberg::AddSnapshot{std::make_shared<const Snapshot>(std::move(snapshot))});
  update.updates.emplace_back(iceberg::SetSnapshotRef{"main", ref});
  return {.id = SystemIds().NewUuid7(SystemClock()), .change = update, .oldest_file_ms = 0};
}

}  // namespace

Result<bool> CommitAsExternal(lake::Lake& lake, const catalog::TableName& name,
                              const table::AppendedFiles& files, SteadyTime end,
                              ExternalCommits& counts) {
  std::optional<ManifestFile> manifest;
  while (SystemClock().Now() < end) {
    const auto table = PK_TRY(lake.catalog().LoadTable(name));
    if (!manifest) {
      manifest = PK_TRY(WriteManifest(lake, *table.metadata, files, SystemIds().NewSnapshotId()));
    }
    Snapshot snapshot = PK_TRY(MakeSnapshot(lake, *table.metadata, *manifest, files));
    const std::string list = snapshot.manifest_list;
    ++counts.attempts;
    const auto outcome = PK_TRY(
        lake.catalog().Commit(table.key, CommitOf(std::move(snapshot)), catalog::CommitId::kNew));
    if (std::holds_alternative<catalog::Committed>(outcome)) return true;
    ++counts.conflicts;
    static_cast<void>(lake.storage().Remove(list));
  }
  return false;
}

}  // namespace pk::bench
