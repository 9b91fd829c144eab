#include <fmt/format.h>

#include "parkeeper/manifest/avro_container.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_schema_internal.h"

namespace pk::manifest {
namespace {

using avro::Encoder;
using iceberg::ManifestFile;
using iceberg::PartitionSummary;

constexpr int64_t kUnassigned = -1;

void WriteOptional(Encoder& out, const std::optional<std::string>& bytes) {
  out.Branch(bytes.has_value());
  if (bytes) out.Bytes(*bytes);
}

void WriteSummary(Encoder& out, const PartitionSummary& summary) {
  out.Boolean(summary.contains_null);
  out.Branch(summary.contains_nan.has_value());
  if (summary.contains_nan) out.Boolean(*summary.contains_nan);
  WriteOptional(out, summary.lower);
  WriteOptional(out, summary.upper);
}

// One list entry: fields in the order of ManifestListSchema().
class Line {
 public:
  Line(const ManifestListOptions& options, const ManifestFile& manifest, Encoder& out)
      : options_(options), manifest_(manifest), out_(out) {}

  Result<> Write() {
    const bool v2 = options_.format_version >= 2;
    PK_TRY(Check(v2));
    out_.Bytes(manifest_.location);
    out_.Long(manifest_.length);
    out_.Int(manifest_.spec_id);
    if (v2) {
      out_.Int(int32_t(manifest_.content));
      out_.Long(Assigned(manifest_.sequence_number));
      out_.Long(Assigned(manifest_.min_sequence_number));
    }
    out_.Long(manifest_.added_snapshot_id);
    Count(manifest_.added_files, v2);
    Count(manifest_.existing_files, v2);
    Count(manifest_.deleted_files, v2);
    Count(manifest_.added_rows, v2);
    Count(manifest_.existing_rows, v2);
    Count(manifest_.deleted_rows, v2);
    WritePartitions();
    WriteOptional(out_, manifest_.key_metadata);
    return {};
  }

 private:
  Result<> Check(bool v2) const {
    if (!v2) {
      PK_CHECK(manifest_.content == iceberg::ManifestContent::kData,
               InvalidArgument("a v1 list cannot hold a manifest of deletes"));
      return {};
    }
    PK_CHECK(manifest_.added_files && manifest_.existing_files && manifest_.deleted_files &&
                 manifest_.added_rows && manifest_.existing_rows && manifest_.deleted_rows,
             InvalidArgument("a v2 list needs all counts of files and rows"));
    const bool unassigned =
        manifest_.sequence_number == kUnassigned || manifest_.min_sequence_number == kUnassigned;
    PK_CHECK(!unassigned || manifest_.added_snapshot_id == options_.snapshot_id,
             InvalidArgument(fmt::format("no sequence number, yet it belongs to snapshot {}",
                                         manifest_.added_snapshot_id)));
    return {};
  }

  int64_t Assigned(int64_t number) const {
    return number == kUnassigned ? options_.sequence_number : number;
  }

  template <class T>
  void Count(const std::optional<T>& count, bool required) {
    if (!required) out_.Branch(count.has_value());
    if (count) out_.Long(*count);
  }

  void WritePartitions() {
    out_.Branch(true);
    if (!manifest_.partitions.empty()) {
      out_.Long(int64_t(manifest_.partitions.size()));
      for (const PartitionSummary& summary : manifest_.partitions) WriteSummary(out_, summary);
    }
    out_.Long(0);
  }

  const ManifestListOptions& options_;
  const ManifestFile& manifest_;
  Encoder& out_;
};

avro::Metadata HeaderMetadata(const ManifestListOptions& options) {
  avro::Metadata metadata = {
      {"format-version", std::to_string(options.format_version)},
      {"snapshot-id", std::to_string(options.snapshot_id)},
      {"parent-snapshot-id",
       options.parent_snapshot_id ? std::to_string(*options.parent_snapshot_id) : "null"}};
  if (options.format_version >= 2)
    metadata.emplace("sequence-number", std::to_string(options.sequence_number));
  return metadata;
}

}  // namespace

Result<std::string> WriteManifestList(const ManifestListOptions& options,
                                      const std::vector<ManifestFile>& manifests) {
  PK_CHECK(options.format_version == 1 || options.format_version == 2,
           Unsupported(fmt::format("manifest lists of format version {} cannot be written",
                                   options.format_version)));
  avro::ContainerWriter container(ManifestListSchema(options.format_version),
                                  HeaderMetadata(options), options.codec);
  for (const ManifestFile& manifest : manifests) {
    PK_TRY(Line(options, manifest, container.value())
               .Write()
               .With(fmt::format("manifest list: manifest {}", manifest.location)));
    PK_TRY(container.EndValue());
  }
  return std::move(container).Finish();
}

}  // namespace pk::manifest
