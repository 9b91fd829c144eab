#include "parkeeper/catalog/merge_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <utility>

#include "parkeeper/base/parallel.h"
#include "parkeeper/catalog/manifest_set_internal.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/manifest/manifest_writer.h"

namespace pk::catalog {

using iceberg::EntryStatus;
using iceberg::ManifestFile;
using iceberg::TableMetadata;

namespace {

// Manifests below this are one size; each further size is eight times the one before.
constexpr uint64_t kSmallestBytes = 32'768;
constexpr int kBitsPerSize = 3;
constexpr size_t kLargerAtOnce = 8;

int SizeOf(int64_t bytes) {
  return int(std::bit_width(uint64_t(bytes) / kSmallestBytes) + kBitsPerSize - 1) / kBitsPerSize;
}

Result<> TryMerge(MetadataFiles& metadata_files, const TableMetadata& metadata, int64_t snapshot_id,
                  std::vector<ManifestFile>& present, std::vector<NewFile>& files, IdSource& ids) {
  if (metadata.Property("commit.manifest-merge.enabled", "true") == "false") return {};
  const std::vector<size_t> places = ChooseMerge(
      present,
      {.min_count = size_t(NumberProperty(metadata, "commit.manifest.min-count-to-merge", 100)),
       .target_bytes = ManifestTargetBytes(metadata)});
  if (places.size() < 2) return {};
  const ManifestFile& first = present[places.front()];
  const iceberg::PartitionSpec* spec = metadata.FindSpec(first.spec_id);
  PK_CHECK(spec != nullptr, Corrupt(fmt::format("no partition spec {}", first.spec_id)));
  const auto schema = SchemaForPartitions(metadata, *spec);
  if (schema == nullptr) return {};

  std::vector<std::vector<iceberg::ManifestEntry>> entries(places.size());
  PK_TRY(ParallelFor(places.size(), metadata_files.threads(), [&](size_t i) -> Result<> {
    const ManifestFile& manifest = present[places[i]];
    const auto bytes = PK_TRY(metadata_files.LoadManifest(manifest.location));
    entries[i] =
        PK_TRY(manifest::ReadEntries(*bytes, manifest, *spec, *schema).With(manifest.location));
    return {};
  }));
  const auto codec = PK_TRY(ManifestCodec(metadata));
  manifest::ManifestWriter writer(
      schema, *spec,
      {.format_version = metadata.format_version, .snapshot_id = snapshot_id, .codec = codec});
  for (auto& of_one : entries) {
    for (iceberg::ManifestEntry& entry : of_one) {
      if (entry.status == EntryStatus::kDeleted) continue;
      entry.status = EntryStatus::kExisting;
      PK_TRY(writer.Add(entry).With(entry.file.location));
    }
  }
  auto written = PK_TRY(std::move(writer).Finish());
  written.file.location =
      fmt::format("{}/metadata/{}-merged.avro", metadata.location, ids.NewUuid4().ToString());
  written.file.length = int64_t(written.bytes.size());
  written.file.added_snapshot_id = snapshot_id;
  files.push_back({written.file.location, std::move(written.bytes)});
  present[places.front()] = std::move(written.file);
  for (size_t i = places.size(); i-- > 1;) present.erase(present.begin() + ptrdiff_t(places[i]));
  return {};
}

}  // namespace

std::vector<size_t> ChooseMerge(const std::vector<ManifestFile>& manifests,
                                const MergeOptions& options) {
  std::map<std::pair<int, int32_t>, std::vector<size_t>> alike;  // by size and spec
  for (size_t i = 0; i < manifests.size(); ++i) {
    const ManifestFile& manifest = manifests[i];
    if (manifest.content != iceberg::ManifestContent::kData) continue;
    if (manifest.length * 2 > options.target_bytes) continue;
    alike[{SizeOf(manifest.length), manifest.spec_id}].push_back(i);
  }
  for (auto& [key, places] : alike) {
    const size_t least = key.first == 0 ? std::max<size_t>(options.min_count, 2) : kLargerAtOnce;
    if (places.size() >= least) return std::move(places);
  }
  return {};
}

void MergeManifests(MetadataFiles& metadata_files, const TableMetadata& metadata,
                    int64_t snapshot_id, std::vector<ManifestFile>& present,
                    std::vector<NewFile>& files, IdSource& ids) {
  const Result<> merged = TryMerge(metadata_files, metadata, snapshot_id, present, files, ids);
  if (merged.ok()) return;
  LogFailure(fmt::format("{}: manifests are left unmerged", metadata.location), merged.error());
}

}  // namespace pk::catalog
