#pragma once

// A table with every type, a spec with an identity field on each and further transforms, and
// manifest entries for it.

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::testing {

inline constexpr int64_t kSampleSnapshot = 3051729675574597004;

inline std::vector<iceberg::Type> EveryType() {
  using iceberg::PrimitiveKind;
  return {PrimitiveKind::kBoolean,   PrimitiveKind::kInt,         PrimitiveKind::kLong,
          PrimitiveKind::kFloat,     PrimitiveKind::kDouble,      iceberg::Decimal(9, 2),
          iceberg::Decimal(38, 10),  PrimitiveKind::kDate,        PrimitiveKind::kTime,
          PrimitiveKind::kTimestamp, PrimitiveKind::kTimestamptz, PrimitiveKind::kString,
          PrimitiveKind::kUuid,      iceberg::Fixed(5),           PrimitiveKind::kBinary};
}

// Columns c1, c2, ... with ids 1, 2, ...
inline std::shared_ptr<const iceberg::Schema> SampleSchema() {
  iceberg::StructType columns;
  int32_t id = 0;
  for (const iceberg::Type& type : EveryType()) {
    ++id;
    iceberg::Field field;
    field.id = id;
    field.name = "c" + std::to_string(id);
    field.type = type;
    columns.fields.push_back(field);
  }
  return std::make_shared<iceberg::Schema>(columns, 3);
}

// Identity of every column, then two with names that Avro does not allow, one of them void.
inline iceberg::PartitionSpec SampleSpec() {
  using iceberg::Transform;
  using iceberg::TransformKind;
  iceberg::PartitionSpec spec{.spec_id = 2, .fields = {}};
  const auto add = [&](int32_t source, std::string name, Transform transform) {
    const auto id = int32_t(iceberg::kFirstPartitionFieldId + spec.fields.size());
    spec.fields.push_back(
        {.source_id = source, .field_id = id, .name = std::move(name), .transform = transform});
  };
  const auto columns = int32_t(EveryType().size());
  for (int32_t i = 1; i <= columns; ++i) add(i, "c" + std::to_string(i), Transform{});
  add(8, "c8_day", {.kind = TransformKind::kDay, .parameter = 0, .unknown = ""});
  add(10, "hour of c10", {.kind = TransformKind::kHour, .parameter = 0, .unknown = ""});
  add(12, "1c12_bucket", {.kind = TransformKind::kBucket, .parameter = 16, .unknown = ""});
  add(3, "c3_void", {.kind = TransformKind::kVoid, .parameter = 0, .unknown = ""});
  return spec;
}

// A value of each column; every fourth is null, each in another row.
inline std::vector<iceberg::Value> SampleColumns(int i) {
  using iceberg::Int128;
  const int64_t sign = i % 2 == 1 ? -1 : 1;
  Int128 huge = std::numeric_limits<int64_t>::max();
  huge = huge * sign * (i + 1);
  std::vector<iceberg::Value> values = {i % 2 == 0,
                                        int32_t(sign * i * 1000),
                                        sign * i * (int64_t(1) << 40),
                                        float(sign) * 1.5f * float(i),
                                        i == 6 ? std::nan("") : double(sign) * 2.25 * i,
                                        Int128(sign * 14 * i),
                                        huge,
                                        int32_t(sign * (17486 + i)),
                                        int64_t(81068000000) + i,
                                        sign * (int64_t(1510871468000000) + i),
                                        sign * (int64_t(1510871468000001) + i),
                                        "n\xc3\xa4me-" + std::to_string(i),
                                        std::string(15, char(i)) + "\xff",
                                        std::string({char(i), '\0', '\xff', 1, 2}),
                                        std::string(size_t(i % 40), char(255 - i % 256))};
  for (size_t position = 0; position < values.size(); ++position) {
    if ((size_t(i) + position) % 4 == 3) values[position] = std::monostate();
  }
  return values;
}

inline iceberg::DataFile SampleFile(int i, const iceberg::PartitionSpec& spec) {
  iceberg::DataFile file;
  file.location = "s3://bucket/t/data/" + std::to_string(i) + ".parquet";
  file.spec_id = spec.spec_id;
  const std::vector<iceberg::Value> columns = SampleColumns(i);
  const auto schema = SampleSchema();
  for (const iceberg::PartitionField& field : spec.fields) {
    const size_t column = size_t(field.source_id) - 1;
    file.partition.push_back(ApplyTransform(
        field.transform, *schema->fields()[column].type.primitive(), columns[column]));
  }
  file.record_count = 100 * i;
  file.file_size = (int64_t(1) << 33) + i;
  if (i % 5 == 4) return file;  // no metrics
  for (size_t column = 0; column < columns.size(); ++column) {
    const auto id = int32_t(column + 1);
    file.column_sizes[id] = 10 * id + i;
    file.value_counts[id] = 100 * i;
    file.null_counts[id] = id % 3;
    if (id == 4 || id == 5) file.nan_counts[id] = i;
    if (iceberg::IsNull(columns[column]) || iceberg::IsNan(columns[column])) continue;
    const auto bytes = ToBytes(columns[column], *schema->fields()[column].type.primitive());
    file.lower_bounds[id] = bytes;
    file.upper_bounds[id] = bytes;
  }
  if (i % 4 == 2) file.key_metadata = std::string("\0key", 4);
  if (i % 2 == 1) file.split_offsets = {4, 4 + i * 1000, int64_t(1) << 33};
  if (i % 3 == 0) file.sort_order_id = i;
  return file;
}

// Added, added, existing, deleted, added, existing, and so on; added ones leave out what they
// inherit.
inline iceberg::ManifestEntry SampleEntry(int i, const iceberg::PartitionSpec& spec) {
  using iceberg::EntryStatus;
  constexpr EntryStatus kStatuses[] = {EntryStatus::kAdded,    EntryStatus::kAdded,
                                       EntryStatus::kExisting, EntryStatus::kDeleted,
                                       EntryStatus::kAdded,    EntryStatus::kExisting};
  iceberg::ManifestEntry entry;
  entry.status = kStatuses[i % 6];
  entry.file = SampleFile(i, spec);
  if (entry.status == EntryStatus::kAdded) return entry;
  entry.snapshot_id = 77 + i;
  entry.sequence_number = 5 + i % 20;
  entry.file_sequence_number = 4 + i % 20;
  return entry;
}

// As a reader gives it, in a manifest that snapshot kSampleSnapshot added.
inline iceberg::ManifestEntry Inherited(iceberg::ManifestEntry entry, int64_t sequence_number) {
  if (!entry.snapshot_id) entry.snapshot_id = kSampleSnapshot;
  if (!entry.sequence_number) entry.sequence_number = sequence_number;
  if (!entry.file_sequence_number) entry.file_sequence_number = sequence_number;
  return entry;
}

}  // namespace pk::testing
