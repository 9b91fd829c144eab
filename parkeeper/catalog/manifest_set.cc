#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "parkeeper/catalog/manifest_set_internal.h"

namespace pk::catalog {

using iceberg::DataFile;
using iceberg::TableMetadata;

namespace {

bool ReadsAllPartitionValues(const iceberg::PartitionSpec& spec, const iceberg::Schema& schema) {
  return std::ranges::all_of(spec.fields, [&](const iceberg::PartitionField& field) {
    const iceberg::TransformKind kind = field.transform.kind;
    if (kind == iceberg::TransformKind::kVoid) return true;
    return kind != iceberg::TransformKind::kUnknown && schema.FindById(field.source_id) != nullptr;
  });
}

}  // namespace

std::shared_ptr<const iceberg::Schema> SchemaForPartitions(const TableMetadata& metadata,
                                                           const iceberg::PartitionSpec& spec) {
  if (ReadsAllPartitionValues(spec, metadata.schema())) {
    return std::make_shared<const iceberg::Schema>(metadata.schema());
  }
  const auto found =
      std::find_if(metadata.schemas.rbegin(), metadata.schemas.rend(),
                   [&](const auto& schema) { return ReadsAllPartitionValues(spec, *schema); });
  return found == metadata.schemas.rend() ? nullptr : *found;
}

ManifestSet::ManifestSet(const TableMetadata& metadata, manifest::Codec codec,
                         PreparedSnapshot& snapshot, IdSource& ids)
    : metadata_(metadata),
      codec_(codec),
      snapshot_(snapshot),
      prefix_(fmt::format("{}/metadata/{}", metadata.location, ids.NewUuid4().ToString())),
      target_bytes_(ManifestTargetBytes(metadata)) {}

Result<> ManifestSet::WriteAdded(const ManifestKind& kind,
                                 const std::vector<const DataFile*>& files,
                                 std::optional<int64_t> sequence_number) {
  std::optional<manifest::ManifestWriter> writer;
  for (const DataFile* file : files) {
    if (!writer) writer.emplace(NewWriter(kind));
    iceberg::ManifestEntry entry;
    entry.snapshot_id = snapshot_.snapshot_id;
    entry.sequence_number = sequence_number;
    entry.file = *file;
    PK_TRY(writer->Add(entry).With(file->location));
    if (writer->size() >= target_bytes_) PK_TRY(Finish(writer));
  }
  if (writer) PK_TRY(Finish(writer));
  return {};
}

Result<> ManifestSet::WriteEntries(const ManifestKind& kind,
                                   const std::vector<iceberg::ManifestEntry>& entries) {
  std::optional<manifest::ManifestWriter> writer(NewWriter(kind));
  for (const iceberg::ManifestEntry& entry : entries) {
    PK_TRY(writer->Add(entry).With(entry.file.location));
  }
  return Finish(writer);
}

manifest::ManifestWriter ManifestSet::NewWriter(const ManifestKind& kind) const {
  return {kind.schema,
          *kind.spec,
          {.format_version = metadata_.format_version,
           .content = kind.content,
           .snapshot_id = snapshot_.snapshot_id,
           .codec = codec_}};
}

Result<> ManifestSet::Finish(std::optional<manifest::ManifestWriter>& writer) {
  manifest::ManifestWriter::Written written = PK_TRY((*std::move(writer)).Finish());
  writer.reset();
  written.file.location = fmt::format("{}-m{}.avro", prefix_, snapshot_.files.size());
  written.file.length = int64_t(written.bytes.size());
  written.file.added_snapshot_id = snapshot_.snapshot_id;
  snapshot_.files.push_back({written.file.location, std::move(written.bytes)});
  snapshot_.manifests.push_back(std::move(written.file));
  return {};
}

}  // namespace pk::catalog
