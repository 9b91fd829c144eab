#include <fmt/format.h>

#include <array>

#include "parkeeper/manifest/avro_container.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/record_plan_internal.h"

namespace pk::manifest {
namespace {

using avro::Decoder;
using iceberg::ManifestFile;
using iceberg::PartitionSummary;

// In the order of kFields.
enum Target : int {
  kPath,
  kLength,
  kSpecId,
  kContent,
  kSequenceNumber,
  kMinSequenceNumber,
  kSnapshotId,
  kAddedFiles,
  kExistingFiles,
  kDeletedFiles,
  kAddedRows,
  kExistingRows,
  kDeletedRows,
  kPartitions,
  kKeyMetadata
};

constexpr std::array<FieldRule, 15> kFields = {{
    {500, Shape::kBytes, true, "manifest_path"},
    {501, Shape::kNumber, true, "manifest_length"},
    {502, Shape::kNumber, true, "partition_spec_id"},
    {517, Shape::kNumber, false, "content"},
    {515, Shape::kNumber, false, "sequence_number"},
    {516, Shape::kNumber, false, "min_sequence_number"},
    {503, Shape::kNumber, true, "added_snapshot_id"},
    {504, Shape::kNumber, false, "added_files_count"},
    {505, Shape::kNumber, false, "existing_files_count"},
    {506, Shape::kNumber, false, "deleted_files_count"},
    {512, Shape::kNumber, false, "added_rows_count"},
    {513, Shape::kNumber, false, "existing_rows_count"},
    {514, Shape::kNumber, false, "deleted_rows_count"},
    {507, Shape::kRecords, false, "partitions"},
    {519, Shape::kBytes, false, "key_metadata"},
}};

enum SummaryTarget : int { kContainsNull, kContainsNan, kLower, kUpper };

constexpr std::array<FieldRule, 4> kSummaryFields = {{
    {509, Shape::kBoolean, true, "contains_null"},
    {518, Shape::kBoolean, false, "contains_nan"},
    {510, Shape::kBytes, false, "lower_bound"},
    {511, Shape::kBytes, false, "upper_bound"},
}};

struct Plan {
  std::vector<Step> manifest;
  std::vector<Step> summary;
};

Result<Plan> MakePlan(const avro::Schema& schema) {
  Plan plan{.manifest = PK_TRY(PlanRecord(schema.root(), kFields)), .summary = {}};
  for (const Step& step : plan.manifest) {
    if (step.target == kPartitions)
      plan.summary = PK_TRY(PlanRecord(*step.item.type, kSummaryFields).With("partitions"));
  }
  return plan;
}

PartitionSummary ReadSummary(Decoder& in, const std::vector<Step>& steps) {
  PartitionSummary summary;
  for (const Step& step : steps) {
    if (step.target == kSkipField) {
      in.Skip(*step.whole);
    } else if (IsPresent(in, step.field)) {
      switch (step.target) {
        case kContainsNull:
          summary.contains_null = in.Boolean();
          break;
        case kContainsNan:
          summary.contains_nan = in.Boolean();
          break;
        case kLower:
          summary.lower = std::string(in.Bytes());
          break;
        default:
          summary.upper = std::string(in.Bytes());
      }
    }
  }
  return summary;
}

void ReadPartitions(Decoder& in, const Step& step, const Plan& plan, ManifestFile& manifest) {
  ForEachItem(in, step.field.type->parts[0]->min_size, [&] {
    if (IsPresent(in, step.item)) {
      manifest.partitions.push_back(ReadSummary(in, plan.summary));
    } else {
      in.Fail("a partition summary is null");
    }
  });
}

int64_t NotNegative(Decoder& in) {
  const int64_t number = in.Long();
  if (number < 0) in.Fail("a length or count is negative");
  return number;
}

int32_t Count(Decoder& in) {
  const int64_t number = NotNegative(in);
  if (number != int32_t(number)) in.Fail("a count has more than 32 bits");
  return int32_t(number);
}

void ReadField(Decoder& in, const Step& step, const Plan& plan, ManifestFile& manifest) {
  switch (step.target) {
    case kPath:
      manifest.location = in.Bytes();
      break;
    case kLength:
      manifest.length = NotNegative(in);
      break;
    case kSpecId:
      manifest.spec_id = Count(in);
      break;
    case kContent: {
      const int64_t content = in.Long();
      if (content != 0 && content != 1) in.Fail("a manifest's content is neither 0 nor 1");
      manifest.content = iceberg::ManifestContent(content == 1);
      break;
    }
    case kSequenceNumber:
      manifest.sequence_number = in.Long();
      break;
    case kMinSequenceNumber:
      manifest.min_sequence_number = in.Long();
      break;
    case kSnapshotId:
      manifest.added_snapshot_id = in.Long();
      break;
    case kAddedFiles:
      manifest.added_files = Count(in);
      break;
    case kExistingFiles:
      manifest.existing_files = Count(in);
      break;
    case kDeletedFiles:
      manifest.deleted_files = Count(in);
      break;
    case kAddedRows:
      manifest.added_rows = NotNegative(in);
      break;
    case kExistingRows:
      manifest.existing_rows = NotNegative(in);
      break;
    case kDeletedRows:
      manifest.deleted_rows = NotNegative(in);
      break;
    case kPartitions:
      ReadPartitions(in, step, plan, manifest);
      break;
    default:
      manifest.key_metadata = std::string(in.Bytes());
  }
}

ManifestFile ReadManifestFile(Decoder& in, const Plan& plan) {
  ManifestFile manifest;
  for (const Step& step : plan.manifest) {
    if (step.target == kSkipField) {
      in.Skip(*step.whole);
    } else if (IsPresent(in, step.field)) {
      ReadField(in, step, plan, manifest);
    } else if (kFields[size_t(step.target)].required) {
      in.Fail("a required field is null");
    }
  }
  return manifest;
}

}  // namespace

Result<std::vector<ManifestFile>> ReadManifestList(std::string_view bytes) {
  auto container = PK_TRY(avro::ContainerReader::Open(bytes).With("manifest list"));
  const Plan plan = PK_TRY(MakePlan(container.schema()).With("manifest list"));
  std::vector<ManifestFile> manifests;
  while (const auto block = PK_TRY(container.Next().With("manifest list"))) {
    Decoder in(block->bytes);
    for (int64_t i = 0; i < block->count && in.ok(); ++i)
      manifests.push_back(ReadManifestFile(in, plan));
    if (in.ok() && !in.at_end()) in.Fail("there are bytes after the last value");
    if (!in.ok()) {
      return in.error().With(fmt::format("manifest list: in the block at byte {}", block->offset));
    }
  }
  return manifests;
}

}  // namespace pk::manifest
