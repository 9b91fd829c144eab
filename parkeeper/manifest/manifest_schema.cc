#include <fmt/format.h>

#include <boost/json.hpp>
#include <set>

#include "parkeeper/manifest/manifest_schema_internal.h"

namespace pk::manifest {
namespace {

namespace bj = boost::json;

using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;

enum class Need { kRequired, kOptional };
constexpr Need kRequired = Need::kRequired;
constexpr Need kOptional = Need::kOptional;

bj::object AvroField(int32_t id, std::string_view name, bj::value type, Need need,
                     std::string_view doc = "") {
  bj::object field;
  field["name"] = name;
  if (need == kOptional) {
    field["type"] = bj::array{"null", std::move(type)};
  } else {
    field["type"] = std::move(type);
  }
  if (!doc.empty()) field["doc"] = doc;
  if (need == kOptional) field["default"] = nullptr;
  field["field-id"] = id;
  return field;
}

bj::value Record(std::string_view name, bj::array fields) {
  return bj::object{{"type", "record"}, {"name", name}, {"fields", std::move(fields)}};
}

bj::value List(int32_t element_id, bj::value items) {
  return bj::object{{"type", "array"}, {"items", std::move(items)}, {"element-id", element_id}};
}

bj::value MapFromInt(int32_t key_id, int32_t value_id, std::string_view value) {
  bj::array fields{AvroField(key_id, "key", "int", kRequired),
                   AvroField(value_id, "value", bj::value(value), kRequired)};
  return bj::object{{"type", "array"},
                    {"logicalType", "map"},
                    {"items", Record(fmt::format("k{}_v{}", key_id, value_id), std::move(fields))}};
}

bj::value Logical(std::string_view type, std::string_view logical_type) {
  return bj::object{{"type", type}, {"logicalType", logical_type}};
}

bj::value Timestamp(bool adjust_to_utc) {
  return bj::object{
      {"type", "long"}, {"logicalType", "timestamp-micros"}, {"adjust-to-utc", adjust_to_utc}};
}

// A named type is defined where it comes first and named after that.
bj::value Fixed(std::string name, int32_t size, bj::object attributes,
                std::set<std::string>& seen) {
  if (!seen.insert(name).second) return bj::value(name);
  bj::object type{{"type", "fixed"}, {"name", name}, {"size", size}};
  type.insert(attributes.begin(), attributes.end());
  return type;
}

bj::value AvroType(const PrimitiveType& type, std::set<std::string>& seen) {
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      return "boolean";
    case PrimitiveKind::kInt:
      return "int";
    case PrimitiveKind::kLong:
      return "long";
    case PrimitiveKind::kFloat:
      return "float";
    case PrimitiveKind::kDouble:
      return "double";
    case PrimitiveKind::kDecimal:
      return Fixed(
          fmt::format("decimal_{}_{}", type.precision, type.scale), DecimalBytes(type.precision),
          {{"logicalType", "decimal"}, {"precision", type.precision}, {"scale", type.scale}}, seen);
    case PrimitiveKind::kDate:
      return Logical("int", "date");
    case PrimitiveKind::kTime:
      return Logical("long", "time-micros");
    case PrimitiveKind::kTimestamp:
      return Timestamp(false);
    case PrimitiveKind::kTimestamptz:
      return Timestamp(true);
    case PrimitiveKind::kString:
      return "string";
    case PrimitiveKind::kUuid:
      return Fixed("uuid_fixed", 16, {{"logicalType", "uuid"}}, seen);
    case PrimitiveKind::kFixed:
      return Fixed(fmt::format("fixed_{}", type.length), type.length, {}, seen);
    case PrimitiveKind::kBinary:
      return "bytes";
  }
  return "bytes";
}

bj::value PartitionRecord(const iceberg::StructType& partition) {
  std::vector<std::string> names;
  for (const iceberg::Field& field : partition.fields) names.push_back(field.name);
  const std::vector<std::string> avro_names = AvroNames(names);
  std::set<std::string> seen;
  bj::array fields;
  for (size_t i = 0; i < names.size(); ++i) {
    const iceberg::Field& field = partition.fields[i];
    bj::object avro =
        AvroField(field.id, avro_names[i], AvroType(*field.type.primitive(), seen), kOptional);
    if (avro_names[i] != names[i]) avro["iceberg-field-name"] = names[i];
    fields.push_back(std::move(avro));
  }
  return Record("r102", std::move(fields));
}

// The fields that v1 and v2 have in common, from the sizes and counts on.
void AppendMetrics(bj::array& fields) {
  const auto map = [&](int32_t id, std::string_view name, int32_t key_id, int32_t value_id,
                       std::string_view value, std::string_view doc) {
    fields.push_back(AvroField(id, name, MapFromInt(key_id, value_id, value), kOptional, doc));
  };
  map(108, "column_sizes", 117, 118, "long", "Map of column id to total size on disk");
  map(109, "value_counts", 119, 120, "long",
      "Map of column id to total count, including null and NaN");
  map(110, "null_value_counts", 121, 122, "long", "Map of column id to null value count");
  map(137, "nan_value_counts", 138, 139, "long",
      "Map of column id to number of NaN values in the column");
  map(125, "lower_bounds", 126, 127, "bytes", "Map of column id to lower bound");
  map(128, "upper_bounds", 129, 130, "bytes", "Map of column id to upper bound");
  fields.push_back(
      AvroField(131, "key_metadata", "bytes", kOptional, "Encryption key metadata blob"));
  fields.push_back(
      AvroField(132, "split_offsets", List(133, "long"), kOptional, "Splittable offsets"));
}

bj::value DataFileRecord(bool v2, const iceberg::StructType& partition) {
  bj::array fields;
  const auto add = [&](bj::object field) { fields.push_back(std::move(field)); };
  if (v2) {
    add(AvroField(134, "content", "int", kRequired,
                  "Contents of the file: 0=data, 1=position deletes, 2=equality deletes"));
  }
  add(AvroField(100, "file_path", "string", kRequired, "Location URI with FS scheme"));
  add(AvroField(101, "file_format", "string", kRequired,
                "File format name: avro, orc, or parquet"));
  add(AvroField(102, "partition", PartitionRecord(partition), kRequired,
                "Partition data tuple, schema based on the partition spec"));
  add(AvroField(103, "record_count", "long", kRequired, "Number of records in the file"));
  add(AvroField(104, "file_size_in_bytes", "long", kRequired, "Total file size in bytes"));
  if (!v2) add(AvroField(105, "block_size_in_bytes", "long", kRequired));
  AppendMetrics(fields);
  if (v2) {
    add(AvroField(135, "equality_ids", List(136, "int"), kOptional,
                  "Equality comparison field IDs"));
  }
  add(AvroField(140, "sort_order_id", "int", kOptional, "Sort order ID"));
  if (v2) {
    add(AvroField(143, "referenced_data_file", "string", kOptional,
                  "Fully qualified location (URI with FS scheme) of a data file that all deletes "
                  "reference"));
  }
  return Record("r2", std::move(fields));
}

bj::value SummaryRecord() {
  return Record(
      "r508",
      {AvroField(509, "contains_null", "boolean", kRequired,
                 "True if any file has a null partition value"),
       AvroField(518, "contains_nan", "boolean", kOptional,
                 "True if any file has a nan partition value"),
       AvroField(510, "lower_bound", "bytes", kOptional, "Partition lower bound for all files"),
       AvroField(511, "upper_bound", "bytes", kOptional, "Partition upper bound for all files")});
}

bool IsAsciiLetter(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsAsciiDigit(unsigned char c) { return c >= '0' && c <= '9'; }

std::string AvroName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsAsciiLetter(byte) || c == '_' || (IsAsciiDigit(byte) && !out.empty())) {
      out += c;
    } else if (IsAsciiDigit(byte)) {
      out += fmt::format("_{}", c);
    } else {
      out += fmt::format("_x{:X}", byte);
    }
  }
  return out.empty() ? "_" : out;
}

}  // namespace

std::vector<std::string> AvroNames(const std::vector<std::string>& names) {
  // Names that need no change keep it, whoever comes first.
  std::set<std::string> taken(names.begin(), names.end());
  std::vector<std::string> out;
  for (const std::string& name : names) {
    std::string avro = AvroName(name);
    if (avro != name) {
      while (!taken.insert(avro).second) avro += '_';
    }
    out.push_back(std::move(avro));
  }
  return out;
}

int32_t DecimalBytes(int32_t precision) {
  // The least n with 2^(8n-1) > 10^precision - 1.
  __extension__ unsigned __int128 largest = 1;
  for (int32_t i = 0; i < precision; ++i) largest *= 10;
  --largest;
  int32_t bytes = 1;
  while (largest >> (8 * bytes - 1) != 0) ++bytes;
  return bytes;
}

std::string ManifestListSchema(int32_t format_version) {
  const bool v2 = format_version >= 2;
  const Need count_need = v2 ? kRequired : kOptional;
  bj::array fields;
  const auto add = [&](bj::object field) { fields.push_back(std::move(field)); };
  add(AvroField(500, "manifest_path", "string", kRequired, "Location URI with FS scheme"));
  add(AvroField(501, "manifest_length", "long", kRequired, "Total file size in bytes"));
  add(AvroField(502, "partition_spec_id", "int", kRequired, "Spec ID used to write"));
  if (v2) {
    add(AvroField(517, "content", "int", kRequired, "Contents of the manifest: 0=data, 1=deletes"));
    add(AvroField(515, "sequence_number", "long", kRequired,
                  "Sequence number when the manifest was added"));
    add(AvroField(516, "min_sequence_number", "long", kRequired,
                  "Lowest sequence number in the manifest"));
  }
  add(AvroField(503, "added_snapshot_id", "long", kRequired,
                "Snapshot ID that added the manifest"));
  add(AvroField(504, "added_files_count", "int", count_need, "Added entry count"));
  add(AvroField(505, "existing_files_count", "int", count_need, "Existing entry count"));
  add(AvroField(506, "deleted_files_count", "int", count_need, "Deleted entry count"));
  add(AvroField(512, "added_rows_count", "long", count_need, "Added rows count"));
  add(AvroField(513, "existing_rows_count", "long", count_need, "Existing rows count"));
  add(AvroField(514, "deleted_rows_count", "long", count_need, "Deleted rows count"));
  add(AvroField(507, "partitions", List(508, SummaryRecord()), kOptional,
                "Summary for each partition"));
  add(AvroField(519, "key_metadata", "bytes", kOptional, "Encryption key metadata blob"));
  return bj::serialize(Record("manifest_file", std::move(fields)));
}

std::string ManifestEntrySchema(int32_t format_version, const iceberg::StructType& partition) {
  const bool v2 = format_version >= 2;
  bj::array fields;
  const auto add = [&](bj::object field) { fields.push_back(std::move(field)); };
  add(AvroField(0, "status", "int", kRequired));
  add(AvroField(1, "snapshot_id", "long", v2 ? kOptional : kRequired));
  if (v2) {
    add(AvroField(3, "sequence_number", "long", kOptional));
    add(AvroField(4, "file_sequence_number", "long", kOptional));
  }
  add(AvroField(2, "data_file", DataFileRecord(v2, partition), kRequired));
  return bj::serialize(Record("manifest_entry", std::move(fields)));
}

}  // namespace pk::manifest
