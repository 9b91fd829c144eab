#include <set>

#include "parkeeper/catalog/coordinated_catalog_internal.h"
#include "parkeeper/manifest/manifest_reader.h"

namespace pk::catalog {
namespace {

// A file that is gone already is what was wanted.
Result<> RemoveIfThere(storage::Storage& storage, const std::string& location) {
  Result<> removed = storage.Remove(location);
  if (!removed.ok() && removed.error().code() == ErrorCode::kNotFound) return {};
  return removed;
}

// The data files of one manifest, then the manifest, so that what is left can still be found.
Result<> PurgeManifest(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                       const iceberg::ManifestFile& manifest) {
  const Result<std::string> bytes = storage::ReadAll(storage, manifest.location);
  if (!bytes.ok() && bytes.error().code() == ErrorCode::kNotFound) return {};
  if (!bytes.ok()) return bytes.error();
  const iceberg::PartitionSpec* spec = metadata.FindSpec(manifest.spec_id);
  PK_CHECK(spec != nullptr, Corrupt("unknown partition spec").With(manifest.location));
  const auto entries = PK_TRY(
      manifest::ReadEntries(*bytes, manifest, *spec, metadata.schema()).With(manifest.location));
  for (const iceberg::ManifestEntry& entry : entries) {
    PK_TRY(RemoveIfThere(storage, entry.file.location));
  }
  return RemoveIfThere(storage, manifest.location);
}

}  // namespace

Result<> PurgeFiles(MetadataFiles& files, const std::string& metadata_location) {
  const auto metadata = PK_TRY(files.Load(metadata_location));
  std::set<std::string> lists;
  std::set<std::string> done;
  for (const auto& snapshot : metadata->snapshots) {
    const auto manifests = files.LoadManifests(snapshot.get());
    if (!manifests.ok() && manifests.error().code() == ErrorCode::kNotFound) continue;
    if (!manifests.ok()) return manifests.error();
    for (const iceberg::ManifestFile& manifest : **manifests) {
      if (!done.insert(manifest.location).second) continue;
      PK_TRY(PurgeManifest(files.storage(), *metadata, manifest));
    }
    lists.insert(snapshot->manifest_list);
  }
  for (const std::string& list : lists) PK_TRY(RemoveIfThere(files.storage(), list));
  for (const iceberg::MetadataLogEntry& entry : metadata->metadata_log) {
    PK_TRY(RemoveIfThere(files.storage(), entry.metadata_file));
  }
  return RemoveIfThere(files.storage(), metadata_location);
}

}  // namespace pk::catalog
