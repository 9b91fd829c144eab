#pragma once

// How the entries of a manifest are read: the writer's schema, compiled once into one flat list of
// steps (records take no bytes of their own, so nesting disappears), and the state that entries
// inherit.

#include <cstdint>
#include <optional>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/iceberg/value.h"
#include "parkeeper/manifest/avro_decoder.h"
#include "parkeeper/manifest/record_plan_internal.h"

namespace pk::manifest {

enum class EntryPart : uint8_t {
  kStatus,
  kSnapshotId,
  kSequenceNumber,
  kFileSequenceNumber,
  kDataFile,  // not in plans: its fields are
  kContent,
  kLocation,
  kFormat,
  kPartition,  // in plans: one partition field
  kRecordCount,
  kFileSize,
  kColumnSizes,
  kValueCounts,
  kNullCounts,
  kNanCounts,
  kLowerBounds,
  kUpperBounds,
  kKeyMetadata,
  kSplitOffsets,
  kEqualityIds,
  kSortOrderId,
  kReferencedDataFile,
  kSkip
};

// How a partition value's encoding becomes a Value of the type that the spec has now.
enum class PartitionReading : uint8_t {
  kBoolean,
  kInt,   // of an int or a long
  kLong,  // likewise
  kFloat,
  kDouble,    // of a float or a double
  kBytes,     // of a string or bytes
  kFixed,     // of a fixed or bytes of EntryStep::length
  kUuidText,  // of a string
  kDecimal    // of a fixed or bytes, big-endian
};

struct EntryStep {
  EntryPart part = EntryPart::kSkip;
  bool required = false;
  MaybeNull field;
  MaybeNull item;
  const avro::Type* whole = nullptr;
  // Of partition fields.
  uint32_t position = 0;  // in the spec
  PartitionReading reading = PartitionReading::kBytes;
  uint32_t length = 0;
};

struct EntryPlan {
  std::vector<EntryStep> steps;
  bool has_sequence_numbers = false;  // v1 manifests have not
};

// kCorrupt names the field that is missing, of an unexpected type, or whose partition values cannot
// be read as the spec's type.
Result<EntryPlan> MakeEntryPlan(const avro::Schema& writer, const iceberg::PartitionSpec& spec,
                                const iceberg::Schema& schema);

iceberg::Value ReadPartitionValue(avro::Decoder& in, const EntryStep& step);

// Numbers of one entry as they lie in the file, and then as inherited (spec, "Sequence Number
// Inheritance").
struct EntryNumbers {
  iceberg::EntryStatus status = iceberg::EntryStatus::kAdded;
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> sequence_number;
  std::optional<int64_t> file_sequence_number;

  // False when an entry that lives has no data sequence number and may not inherit one.
  bool Inherit(const iceberg::ManifestFile& file, bool has_sequence_numbers);
};

iceberg::EntryStatus ReadStatus(avro::Decoder& in);
iceberg::FileContent ReadContent(avro::Decoder& in);
// Fails when negative.
int64_t ReadSize(avro::Decoder& in);

// Calls value(key) for each pair of a map with int keys whose value is not null; it must read the
// value, and returns false when it wants no more of the map. The rest is then jumped over, at once
// where the writer gave its length.
template <class Value>
void ForEachById(avro::Decoder& in, const EntryStep& step, const Value& value) {
  const avro::Type& item = *step.field.type->parts[0];
  bool wanted = true;
  while (in.ok()) {
    const avro::Decoder::Block block = in.NextBlock(item.min_size);
    if (block.count == 0) return;
    const size_t end = in.offset() + (block.bytes < 0 ? 0 : size_t(block.bytes));
    for (int64_t i = 0; i < block.count && in.ok(); ++i) {
      if (!wanted) {
        if (block.bytes >= 0) {
          in.SkipTo(end);
          break;
        }
        in.Skip(item);
        continue;
      }
      const int32_t key = in.Int();
      if (IsPresent(in, step.item)) wanted = value(key);
    }
    if (block.bytes >= 0) in.ExpectAt(end);
  }
}

}  // namespace pk::manifest
