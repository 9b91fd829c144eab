#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "parkeeper/catalog/snapshot_internal.h"
#include "parkeeper/iceberg/tuple.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_writer.h"

namespace pk::catalog {

using iceberg::DataFile;
using iceberg::ManifestFile;
using iceberg::TableMetadata;
using Summary = std::map<std::string, std::string>;

namespace {

constexpr const char* kCodecProperty = "write.avro.compression-codec";

// The number in `text`, or `fallback` when it is none.
int64_t NumberOr(std::string_view text, int64_t fallback) {
  int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size() ? number : fallback;
}

class ManifestSet {
 public:
  ManifestSet(const TableMetadata& metadata, manifest::Codec codec, PreparedAppend& append,
              IdSource& ids)
      : metadata_(metadata),
        codec_(codec),
        append_(append),
        prefix_(fmt::format("{}/metadata/{}", metadata.location, ids.NewUuid4().ToString())),
        target_bytes_(ManifestTargetBytes(metadata)) {}

  // All files of one spec.
  Result<> Write(int32_t spec_id, const std::vector<const DataFile*>& files) {
    std::optional<manifest::ManifestWriter> writer;
    for (const DataFile* file : files) {
      if (!writer) writer.emplace(NewWriter(spec_id));
      iceberg::ManifestEntry entry;
      entry.snapshot_id = append_.snapshot_id;
      entry.file = *file;
      PK_TRY(writer->Add(entry).With(file->location));
      if (writer->size() >= target_bytes_) PK_TRY(Finish(writer));
    }
    if (writer) PK_TRY(Finish(writer));
    return {};
  }

 private:
  manifest::ManifestWriter NewWriter(int32_t spec_id) const {
    return {std::make_shared<const iceberg::Schema>(metadata_.schema()),
            *metadata_.FindSpec(spec_id),
            {.format_version = metadata_.format_version,
             .snapshot_id = append_.snapshot_id,
             .codec = codec_}};
  }

  Result<> Finish(std::optional<manifest::ManifestWriter>& writer) {
    manifest::ManifestWriter::Written written = PK_TRY((*std::move(writer)).Finish());
    writer.reset();
    written.file.location = fmt::format("{}-m{}.avro", prefix_, append_.files.size());
    written.file.length = int64_t(written.bytes.size());
    written.file.added_snapshot_id = append_.snapshot_id;
    append_.files.push_back({written.file.location, std::move(written.bytes)});
    append_.manifests.push_back(std::move(written.file));
    return {};
  }

  const TableMetadata& metadata_;
  const manifest::Codec codec_;
  PreparedAppend& append_;
  const std::string prefix_;
  const int64_t target_bytes_;
};

Summary AddedCounts(const std::vector<const iceberg::AppendFiles*>& appends) {
  int64_t rows = 0, bytes = 0;
  size_t files = 0;
  std::map<int32_t, std::set<std::vector<iceberg::Value>, iceberg::TupleLess>> partitions;
  Summary summary;
  for (const iceberg::AppendFiles* append : appends) {
    summary.insert(append->summary.begin(), append->summary.end());
    files += append->files.size();
    for (const DataFile& file : append->files) {
      rows += file.record_count;
      bytes += file.file_size;
      partitions[file.spec_id].insert(file.partition);
    }
  }
  summary["operation"] = "append";
  summary["added-data-files"] = std::to_string(files);
  summary["added-records"] = std::to_string(rows);
  summary["added-files-size"] = std::to_string(bytes);
  size_t changed = 0;
  for (const auto& [spec_id, of_spec] : partitions) changed += of_spec.size();
  summary["changed-partition-count"] = std::to_string(changed);
  return summary;
}

// Totals of the parent's summary plus what is added; a total that the parent does not know stays
// unknown.
void AddTotals(const iceberg::Snapshot* parent, Summary& summary) {
  static constexpr std::pair<const char*, const char*> kTotals[] = {
      {"total-data-files", "added-data-files"}, {"total-records", "added-records"},
      {"total-files-size", "added-files-size"}, {"total-delete-files", nullptr},
      {"total-position-deletes", nullptr},      {"total-equality-deletes", nullptr},
  };
  for (const auto& [total, added] : kTotals) {
    int64_t before = 0;
    if (parent != nullptr) {
      const auto found = parent->summary.find(total);
      before = found == parent->summary.end() ? -1 : NumberOr(found->second, -1);
    }
    if (before < 0) continue;
    const int64_t more = added == nullptr ? 0 : NumberOr(summary[added], 0);
    summary[total] = std::to_string(before + more);
  }
}

}  // namespace

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

Result<> CheckAppend(const iceberg::AppendFiles& append, const TableMetadata& metadata) {
  PK_CHECK(metadata.FindSchema(append.schema_id) != nullptr,
           InvalidArgument(fmt::format("the table has no schema {}", append.schema_id)));
  for (const DataFile& file : append.files) {
    PK_CHECK(metadata.FindSpec(file.spec_id) != nullptr,
             InvalidArgument(fmt::format("the table has no partition spec {}, which {} has",
                                         file.spec_id, file.location)));
    PK_CHECK(file.content == iceberg::FileContent::kData,
             InvalidArgument(fmt::format("{} is no data file", file.location)));
  }
  const auto ref = metadata.refs.find(append.branch);
  PK_CHECK(ref == metadata.refs.end() || !ref->second.is_tag,
           InvalidArgument(fmt::format("'{}' is a tag, not a branch", append.branch)));
  return {};
}

Result<PreparedAppend> PrepareAppend(const std::vector<const iceberg::AppendFiles*>& appends,
                                     const TableMetadata& metadata, IdSource& ids) {
  const manifest::Codec codec = PK_TRY(ManifestCodec(metadata));
  PreparedAppend prepared;
  do {
    prepared.snapshot_id = ids.NewSnapshotId();
  } while (metadata.FindSnapshot(prepared.snapshot_id) != nullptr);
  prepared.branch = appends.front()->branch;
  prepared.summary = AddedCounts(appends);

  std::map<int32_t, std::vector<const DataFile*>> by_spec;
  for (const iceberg::AppendFiles* append : appends) {
    for (const DataFile& file : append->files) by_spec[file.spec_id].push_back(&file);
  }
  ManifestSet manifests(metadata, codec, prepared, ids);
  for (const auto& [spec_id, files] : by_spec) PK_TRY(manifests.Write(spec_id, files));
  return prepared;
}

Result<ProducedSnapshot> ProduceSnapshot(const PreparedAppend& append, const TableMetadata& base,
                                         const std::vector<ManifestFile>& present, int64_t now_ms,
                                         IdSource& ids) {
  const std::shared_ptr<const iceberg::Snapshot> parent = base.FindRef(append.branch);
  iceberg::Snapshot snapshot;
  snapshot.snapshot_id = append.snapshot_id;
  if (parent != nullptr) snapshot.parent_id = parent->snapshot_id;
  snapshot.sequence_number = base.format_version >= 2 ? base.last_sequence_number + 1 : 0;
  // Readers refuse a log that runs backwards, whatever this machine's clock says.
  snapshot.timestamp_ms = std::max(now_ms, base.last_updated_ms + 1);
  snapshot.schema_id = base.current_schema_id;
  snapshot.summary = append.summary;
  AddTotals(parent.get(), snapshot.summary);

  std::vector<ManifestFile> manifests = append.manifests;
  manifests.insert(manifests.end(), present.begin(), present.end());
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
  produced.manifest_list.bytes =
      PK_TRY(manifest::WriteManifestList({.format_version = base.format_version,
                                          .snapshot_id = snapshot.snapshot_id,
                                          .parent_snapshot_id = snapshot.parent_id,
                                          .sequence_number = snapshot.sequence_number,
                                          .codec = PK_TRY(ManifestCodec(base))},
                                         manifests));
  snapshot.manifest_list = produced.manifest_list.location;

  iceberg::SnapshotRef ref;
  const auto found = base.refs.find(append.branch);
  if (found != base.refs.end()) ref = found->second;
  ref.snapshot_id = snapshot.snapshot_id;
  produced.updates.emplace_back(
      iceberg::AddSnapshot{std::make_shared<const iceberg::Snapshot>(std::move(snapshot))});
  produced.updates.emplace_back(iceberg::SetSnapshotRef{append.branch, std::move(ref)});
  produced.manifests = std::move(manifests);
  return produced;
}

}  // namespace pk::catalog
