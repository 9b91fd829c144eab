#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "parkeeper/catalog/manifest_set_internal.h"
#include "parkeeper/catalog/snapshot_internal.h"
#include "parkeeper/catalog/summary_internal.h"
#include "parkeeper/manifest/manifest_list.h"

namespace pk::catalog {

using iceberg::DataFile;
using iceberg::ManifestFile;
using iceberg::TableMetadata;

namespace {

constexpr const char* kCodecProperty = "write.avro.compression-codec";

}  // namespace

int64_t NumberOr(std::string_view text, int64_t fallback) {
  int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size() ? number : fallback;
}

int64_t NumberProperty(const TableMetadata& metadata, std::string_view name, int64_t fallback) {
  return NumberOr(metadata.Property(name, ""), fallback);
}

int64_t ManifestTargetBytes(const TableMetadata& metadata) {
  return NumberProperty(metadata, "commit.manifest.target-size-bytes", int64_t{8} << 20);
}

// "gzip" is what Iceberg's property calls Avro's deflate.
Result<manifest::Codec> ManifestCodec(const TableMetadata& metadata) {
  const std::string name = metadata.Property(kCodecProperty, "gzip");
  if (name == "gzip") return manifest::Codec::kDeflate;
  if (name == "uncompressed") return manifest::Codec::kNull;
  if (name == "zstd") return manifest::Codec::kZstd;
  return manifest::ParseCodec(name).With(kCodecProperty);
}

Result<> CheckTarget(const std::string& branch, int32_t schema_id, const TableMetadata& metadata) {
  PK_CHECK(metadata.FindSchema(schema_id) != nullptr,
           InvalidArgument(fmt::format("the table has no schema {}", schema_id)));
  const auto ref = metadata.refs.find(branch);
  PK_CHECK(ref == metadata.refs.end() || !ref->second.is_tag,
           InvalidArgument(fmt::format("'{}' is a tag, not a branch", branch)));
  return {};
}

Result<> CheckSpec(int32_t spec_id, const std::string& location, const TableMetadata& metadata) {
  PK_CHECK(metadata.FindSpec(spec_id) != nullptr,
           InvalidArgument(
               fmt::format("the table has no partition spec {}, which {} has", spec_id, location)));
  return {};
}

int64_t NewSnapshotId(const TableMetadata& metadata, IdSource& ids) {
  for (;;) {
    const int64_t id = ids.NewSnapshotId();
    if (metadata.FindSnapshot(id) == nullptr) return id;
  }
}

Result<> CheckAppend(const iceberg::AppendFiles& append, const TableMetadata& metadata) {
  PK_TRY(CheckTarget(append.branch, append.schema_id, metadata));
  for (const DataFile& file : append.files) {
    PK_TRY(CheckSpec(file.spec_id, file.location, metadata));
    PK_CHECK(file.content == iceberg::FileContent::kData,
             InvalidArgument(fmt::format("{} is no data file", file.location)));
  }
  return {};
}

Result<PreparedSnapshot> PrepareAppend(const std::vector<const iceberg::AppendFiles*>& appends,
                                       const TableMetadata& metadata, IdSource& ids) {
  const manifest::Codec codec = PK_TRY(ManifestCodec(metadata));
  PreparedSnapshot prepared;
  prepared.snapshot_id = NewSnapshotId(metadata, ids);
  prepared.branch = appends.front()->branch;

  ChangeCounts counts;
  std::map<std::string, std::string> own;
  std::map<int32_t, std::vector<const DataFile*>> by_spec;
  for (const iceberg::AppendFiles* append : appends) {
    own.insert(append->summary.begin(), append->summary.end());
    for (const DataFile& file : append->files) {
      counts.Add(file);
      by_spec[file.spec_id].push_back(&file);
    }
  }
  prepared.summary = counts.ToSummary(std::move(own), "append");
  const auto schema = std::make_shared<const iceberg::Schema>(metadata.schema());
  ManifestSet manifests(metadata, codec, prepared, ids);
  for (const auto& [spec_id, files] : by_spec) {
    const ManifestKind kind{.content = iceberg::ManifestContent::kData,
                            .spec = metadata.FindSpec(spec_id),
                            .schema = schema};
    PK_TRY(manifests.WriteAdded(kind, files, std::nullopt));
  }
  return prepared;
}

Result<ProducedSnapshot> ProduceSnapshot(const PreparedSnapshot& prepared,
                                         const TableMetadata& base,
                                         const std::vector<ManifestFile>& carried, int64_t now_ms,
                                         IdSource& ids) {
  const std::shared_ptr<const iceberg::Snapshot> parent = base.FindRef(prepared.branch);
  iceberg::Snapshot snapshot;
  snapshot.snapshot_id = prepared.snapshot_id;
  if (parent != nullptr) snapshot.parent_id = parent->snapshot_id;
  snapshot.sequence_number = base.format_version >= 2 ? base.last_sequence_number + 1 : 0;
  // Readers refuse a log that runs backwards, whatever this machine's clock says.
  snapshot.timestamp_ms = std::max(now_ms, base.last_updated_ms + 1);
  snapshot.schema_id = base.current_schema_id;
  snapshot.summary = prepared.summary;
  AddTotals(parent.get(), snapshot.summary);

  std::vector<ManifestFile> manifests = prepared.manifests;
  manifests.insert(manifests.end(), carried.begin(), carried.end());
  for (ManifestFile& manifest : manifests) {
    if (manifest.added_snapshot_id != snapshot.snapshot_id) continue;
    manifest.sequence_number = snapshot.sequence_number;
    if (manifest.min_sequence_number < 0) {
      manifest.min_sequence_number = snapshot.sequence_number;
    }
  }

  ProducedSnapshot produced;
  produced.manifest_list.location = fmt::format("{}/metadata/snap-{}-{}.avro", base.location,
                                                snapshot.snapshot_id, ids.NewUuid4().ToString());
  const auto codec = PK_TRY(ManifestCodec(base));
  produced.manifest_list.bytes =
      PK_TRY(manifest::WriteManifestList({.format_version = base.format_version,
                                          .snapshot_id = snapshot.snapshot_id,
                                          .parent_snapshot_id = snapshot.parent_id,
                                          .sequence_number = snapshot.sequence_number,
                                          .codec = codec},
                                         manifests));
  snapshot.manifest_list = produced.manifest_list.location;

  iceberg::SnapshotRef ref;
  const auto found = base.refs.find(prepared.branch);
  if (found != base.refs.end()) ref = found->second;
  ref.snapshot_id = snapshot.snapshot_id;
  produced.updates.emplace_back(
      iceberg::AddSnapshot{std::make_shared<const iceberg::Snapshot>(std::move(snapshot))});
  produced.updates.emplace_back(iceberg::SetSnapshotRef{prepared.branch, std::move(ref)});
  produced.manifests = std::move(manifests);
  return produced;
}

}  // namespace pk::catalog
