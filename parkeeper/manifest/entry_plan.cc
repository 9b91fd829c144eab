#include <fmt/format.h>

#include <array>

#include "parkeeper/manifest/entry_plan_internal.h"

namespace pk::manifest {
namespace {

using avro::Decoder;
using avro::Kind;
using iceberg::EntryStatus;
using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;
using iceberg::Value;

// Positions are those of EntryPart, from kStatus and from kContent on.
constexpr std::array<FieldRule, 5> kEntryFields = {{
    {0, Shape::kNumber, true, "status"},
    {1, Shape::kNumber, false, "snapshot_id"},
    {3, Shape::kNumber, false, "sequence_number"},
    {4, Shape::kNumber, false, "file_sequence_number"},
    {2, Shape::kRecord, true, "data_file"},
}};

constexpr std::array<FieldRule, 17> kDataFileFields = {{
    {134, Shape::kNumber, false, "content"},
    {100, Shape::kBytes, true, "file_path"},
    {101, Shape::kBytes, true, "file_format"},
    {102, Shape::kRecord, true, "partition"},
    {103, Shape::kNumber, true, "record_count"},
    {104, Shape::kNumber, true, "file_size_in_bytes"},
    {108, Shape::kNumberById, false, "column_sizes"},
    {109, Shape::kNumberById, false, "value_counts"},
    {110, Shape::kNumberById, false, "null_value_counts"},
    {137, Shape::kNumberById, false, "nan_value_counts"},
    {125, Shape::kBytesById, false, "lower_bounds"},
    {128, Shape::kBytesById, false, "upper_bounds"},
    {131, Shape::kBytes, false, "key_metadata"},
    {132, Shape::kNumbers, false, "split_offsets"},
    {135, Shape::kNumbers, false, "equality_ids"},
    {140, Shape::kNumber, false, "sort_order_id"},
    {143, Shape::kBytes, false, "referenced_data_file"},
}};
static_assert(int(EntryPart::kReferencedDataFile) - int(EntryPart::kContent) ==
              int(kDataFileFields.size()) - 1);

bool IsNumber(Kind kind) { return kind == Kind::kInt || kind == Kind::kLong; }
bool IsRaw(Kind kind) { return kind == Kind::kBytes || kind == Kind::kFixed; }

// The unit is not the one that Iceberg writes.
bool HasOtherUnit(const avro::Type& type) {
  return type.logical_type.ends_with("-millis") || type.logical_type.ends_with("-nanos");
}

std::optional<PartitionReading> ReadingOf(const avro::Type& from, const PrimitiveType& to) {
  switch (to.kind) {
    case PrimitiveKind::kBoolean:
      if (from.kind == Kind::kBoolean) return PartitionReading::kBoolean;
      break;
    case PrimitiveKind::kInt:
    case PrimitiveKind::kDate:
      if (IsNumber(from.kind)) return PartitionReading::kInt;
      break;
    case PrimitiveKind::kLong:
    case PrimitiveKind::kTime:
    case PrimitiveKind::kTimestamp:
    case PrimitiveKind::kTimestamptz:
      if (IsNumber(from.kind) && !HasOtherUnit(from)) return PartitionReading::kLong;
      break;
    case PrimitiveKind::kFloat:
      if (from.kind == Kind::kFloat) return PartitionReading::kFloat;
      break;
    case PrimitiveKind::kDouble:
      if (from.kind == Kind::kFloat || from.kind == Kind::kDouble) return PartitionReading::kDouble;
      break;
    case PrimitiveKind::kDecimal:
      if (IsRaw(from.kind) && (from.logical_type != "decimal" || from.scale == to.scale))
        return PartitionReading::kDecimal;
      break;
    case PrimitiveKind::kString:
      if (from.kind == Kind::kString) return PartitionReading::kBytes;
      break;
    case PrimitiveKind::kBinary:
      if (from.kind == Kind::kBytes) return PartitionReading::kBytes;
      break;
    case PrimitiveKind::kUuid:
      if (from.kind == Kind::kString) return PartitionReading::kUuidText;
      [[fallthrough]];
    case PrimitiveKind::kFixed:
      if (IsRaw(from.kind)) return PartitionReading::kFixed;
      break;
  }
  return std::nullopt;
}

// The spec's type is a stand-in: values of this field cannot be told (PartitionTypes()).
bool HasNoType(const iceberg::PartitionField& field, const iceberg::Schema& schema) {
  return field.transform.kind == iceberg::TransformKind::kUnknown ||
         schema.FindById(field.source_id) == nullptr;
}

Result<EntryStep> PartitionStep(const avro::Field& from, size_t position,
                                const iceberg::PartitionField& to, const PrimitiveType& type) {
  EntryStep step;
  step.part = EntryPart::kPartition;
  step.whole = from.type;
  step.position = uint32_t(position);
  step.field = PK_TRY(WithoutNull(*from.type));
  const auto reading = ReadingOf(*step.field.type, type);
  PK_CHECK(reading.has_value(),
           Corrupt(fmt::format("partition field '{}' (id {}) is {}, expected {}", to.name,
                               to.field_id, KindName(step.field.type->kind), ToString(type))));
  step.reading = *reading;
  step.length = uint32_t(type.kind == PrimitiveKind::kUuid ? 16 : type.length);
  return step;
}

Result<> PlanPartition(const avro::Type& record, const iceberg::PartitionSpec& spec,
                       const iceberg::Schema& schema, std::vector<EntryStep>& steps) {
  const std::vector<PrimitiveType> types = PartitionTypes(spec, schema);
  for (const avro::Field& field : record.fields) {
    EntryStep step;
    step.whole = field.type;
    for (size_t i = 0; i < spec.fields.size(); ++i) {
      const iceberg::PartitionField& to = spec.fields[i];
      // A field without a type in the writer's schema is always null.
      if (field.id == to.field_id && field.type->kind != Kind::kNull && !HasNoType(to, schema))
        step = PK_TRY(PartitionStep(field, i, to, types[i]));
    }
    steps.push_back(step);
  }
  return {};
}

void AppendStep(const Step& from, std::span<const FieldRule> rules, EntryPart first,
                std::vector<EntryStep>& steps) {
  EntryStep step;
  step.whole = from.whole;
  if (from.target != kSkipField) {
    step.part = EntryPart(int(first) + from.target);
    step.required = rules[size_t(from.target)].required;
    step.field = from.field;
    step.item = from.item;
  }
  steps.push_back(step);
}

std::string_view RawBytes(Decoder& in, const avro::Type& type) {
  return type.kind == Kind::kFixed ? in.Fixed(size_t(type.size)) : in.Bytes();
}

Value ReadDecimal(Decoder& in, const avro::Type& type) {
  const std::string_view bytes = RawBytes(in, type);
  if (bytes.empty() || bytes.size() > sizeof(iceberg::Int128)) {
    in.Fail("a decimal has no bytes or more than 16");
    return {};
  }
  // Unsigned, since shifting a negative number to the left is not defined.
  __extension__ unsigned __int128 value = 0;
  if (uint8_t(bytes[0]) >= 0x80) value = ~value;
  for (const char byte : bytes) value = (value << 8) | uint8_t(byte);
  return iceberg::Int128(value);
}

Value ReadUuidText(Decoder& in) {
  auto value = iceberg::ParseValue(in.Bytes(), PrimitiveType{.kind = PrimitiveKind::kUuid});
  if (value.ok()) return std::move(value).value();
  in.Fail("a uuid is not valid");
  return {};
}

}  // namespace

Result<EntryPlan> MakeEntryPlan(const avro::Schema& writer, const iceberg::PartitionSpec& spec,
                                const iceberg::Schema& schema) {
  EntryPlan plan;
  for (const Step& outer : PK_TRY(PlanRecord(writer.root(), kEntryFields))) {
    if (outer.target != int(EntryPart::kDataFile)) {
      AppendStep(outer, kEntryFields, EntryPart::kStatus, plan.steps);
      if (plan.steps.back().part == EntryPart::kSequenceNumber) plan.has_sequence_numbers = true;
      continue;
    }
    const auto file_steps =
        PK_TRY(PlanRecord(*outer.field.type, kDataFileFields).With("data_file"));
    for (const Step& inner : file_steps) {
      if (inner.target == int(EntryPart::kPartition) - int(EntryPart::kContent)) {
        PK_TRY(PlanPartition(*inner.field.type, spec, schema, plan.steps));
      } else {
        AppendStep(inner, kDataFileFields, EntryPart::kContent, plan.steps);
      }
    }
  }
  return plan;
}

Value ReadPartitionValue(Decoder& in, const EntryStep& step) {
  const avro::Type& type = *step.field.type;
  switch (step.reading) {
    case PartitionReading::kBoolean:
      return in.Boolean();
    case PartitionReading::kInt:
      return in.Int();
    case PartitionReading::kLong:
      return in.Long();
    case PartitionReading::kFloat:
      return in.Float();
    case PartitionReading::kDouble:
      return type.kind == Kind::kFloat ? double(in.Float()) : in.Double();
    case PartitionReading::kBytes:
      return std::string(in.Bytes());
    case PartitionReading::kFixed: {
      const std::string_view bytes = RawBytes(in, type);
      if (bytes.size() != step.length) in.Fail("a fixed partition value has another length");
      return std::string(bytes);
    }
    case PartitionReading::kUuidText:
      return ReadUuidText(in);
    case PartitionReading::kDecimal:
      return ReadDecimal(in, type);
  }
  return {};
}

bool EntryNumbers::Inherit(const iceberg::ManifestFile& file, bool has_sequence_numbers) {
  if (!snapshot_id) snapshot_id = file.added_snapshot_id;
  if (!has_sequence_numbers) {
    sequence_number = 0;
    file_sequence_number = 0;
  }
  if (status == EntryStatus::kAdded || file.sequence_number == 0) {
    if (!sequence_number) sequence_number = file.sequence_number;
    if (!file_sequence_number) file_sequence_number = file.sequence_number;
  }
  return sequence_number.has_value() || status == EntryStatus::kDeleted;
}

EntryStatus ReadStatus(Decoder& in) {
  const int64_t status = in.Long();
  if (status < 0 || status > 2) return in.Fail("an entry's status is not 0, 1 or 2"), EntryStatus();
  return EntryStatus(status);
}

iceberg::FileContent ReadContent(Decoder& in) {
  const int64_t content = in.Long();
  if (content < 0 || content > 2)
    return in.Fail("a file's content is not 0, 1 or 2"), iceberg::FileContent();
  return iceberg::FileContent(content);
}

int64_t ReadSize(Decoder& in) {
  const int64_t size = in.Long();
  if (size < 0) in.Fail("a size or count is negative");
  return size;
}

}  // namespace pk::manifest
