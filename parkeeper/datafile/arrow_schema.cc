#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

#include <charconv>

#include "parkeeper/datafile/arrow_schema_internal.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;

constexpr char kFieldId[] = "PARQUET:field_id";
constexpr char kExtensionName[] = "ARROW:extension:name";
constexpr char kExtensionMetadata[] = "ARROW:extension:metadata";
constexpr char kUuidExtension[] = "arrow.uuid";
constexpr int kMaxDepth = 64;

std::shared_ptr<arrow::DataType> PrimitiveToArrow(const PrimitiveType& type) {
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      return arrow::boolean();
    case PrimitiveKind::kInt:
      return arrow::int32();
    case PrimitiveKind::kLong:
      return arrow::int64();
    case PrimitiveKind::kFloat:
      return arrow::float32();
    case PrimitiveKind::kDouble:
      return arrow::float64();
    case PrimitiveKind::kDecimal:
      return arrow::decimal128(type.precision, type.scale);
    case PrimitiveKind::kDate:
      return arrow::date32();
    case PrimitiveKind::kTime:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case PrimitiveKind::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case PrimitiveKind::kTimestamptz:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case PrimitiveKind::kString:
      return arrow::utf8();
    case PrimitiveKind::kUuid:
      return arrow::fixed_size_binary(16);
    case PrimitiveKind::kFixed:
      return arrow::fixed_size_binary(type.length);
    case PrimitiveKind::kBinary:
      return arrow::binary();
  }
  return nullptr;
}

std::shared_ptr<arrow::Field> MakeField(const std::string& name, const iceberg::Type& type,
                                        int32_t id, bool required) {
  auto metadata = arrow::key_value_metadata({kFieldId}, {std::to_string(id)});
  if (type.is_primitive() && type.primitive()->kind == PrimitiveKind::kUuid) {
    metadata->Append(kExtensionName, kUuidExtension);
    metadata->Append(kExtensionMetadata, "");
  }
  return arrow::field(name, ToArrowType(type), !required, std::move(metadata));
}

bool SaysUuid(const arrow::Field& field) {
  if (field.metadata() == nullptr) return false;
  auto name = field.metadata()->Get(kExtensionName);
  return name.ok() && *name == kUuidExtension;
}

// Turns Arrow types into Iceberg's. Ids are those of the metadata when `use_ids`, else counted.
class Importer {
 public:
  explicit Importer(bool use_ids) : use_ids_(use_ids) {}

  Result<iceberg::StructType> Fields(const arrow::FieldVector& fields, const std::string& path,
                                     int depth) {
    // A struct's own fields are numbered before what is inside them, as for new tables.
    iceberg::StructType result;
    for (const auto& field : fields) {
      result.fields.push_back({.id = IdOf(*field),
                               .name = field->name(),
                               .required = !field->nullable(),
                               .type = PrimitiveKind::kBoolean,
                               .doc = std::nullopt});
    }
    for (size_t i = 0; i < fields.size(); ++i)
      result.fields[i].type = PK_TRY(FieldType(*fields[i], Join(path, fields[i]->name()), depth));
    return result;
  }

 private:
  static std::string Join(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "." + name;
  }
  static Error Refuse(const std::string& path, const std::string& reason) {
    return InvalidArgument(fmt::format("column '{}': {}", path, reason));
  }

  int32_t IdOf(const arrow::Field& field) { return use_ids_ ? *FieldIdOf(field) : next_id_++; }

  Result<iceberg::Type> FieldType(const arrow::Field& field, const std::string& path, int depth) {
    if (field.type()->id() == arrow::Type::FIXED_SIZE_BINARY && SaysUuid(field) &&
        static_cast<const arrow::FixedSizeBinaryType&>(*field.type()).byte_width() == 16) {
      return iceberg::Type(PrimitiveKind::kUuid);
    }
    return TypeOf(*field.type(), path, depth);
  }

  Result<iceberg::Type> List(const arrow::Field& element, const std::string& path, int depth) {
    int32_t id = IdOf(element);
    iceberg::Type type = PK_TRY(FieldType(element, Join(path, "element"), depth + 1));
    return iceberg::Type(iceberg::ListType{
        .element_id = id, .element_required = !element.nullable(), .element = std::move(type)});
  }

  Result<iceberg::Type> Map(const arrow::MapType& map, const std::string& path, int depth) {
    int32_t key_id = IdOf(*map.key_field());
    int32_t value_id = IdOf(*map.item_field());
    iceberg::Type key = PK_TRY(FieldType(*map.key_field(), Join(path, "key"), depth + 1));
    iceberg::Type value = PK_TRY(FieldType(*map.item_field(), Join(path, "value"), depth + 1));
    return iceberg::Type(iceberg::MapType{.key_id = key_id,
                                          .key = std::move(key),
                                          .value_id = value_id,
                                          .value_required = !map.item_field()->nullable(),
                                          .value = std::move(value)});
  }

  static Result<iceberg::Type> DecimalOf(const arrow::DecimalType& type, const std::string& path) {
    if (type.precision() > 38)
      return Refuse(path, fmt::format("{} has more than 38 digits", type.ToString()));
    if (type.scale() < 0 || type.scale() > type.precision())
      return Refuse(path,
                    fmt::format("{}: the scale must be from 0 to the precision", type.ToString()));
    return iceberg::Type(iceberg::Decimal(type.precision(), type.scale()));
  }

  Result<iceberg::Type> TypeOf(const arrow::DataType& type, const std::string& path, int depth) {
    using T = arrow::Type;
    if (depth > kMaxDepth) return Refuse(path, "nested too deep");
    switch (type.id()) {
      case T::STRUCT:
        return iceberg::Type(PK_TRY(Fields(type.fields(), path, depth + 1)));
      case T::LIST:
      case T::LARGE_LIST:
      case T::FIXED_SIZE_LIST:
      case T::LIST_VIEW:
      case T::LARGE_LIST_VIEW:
        return List(*type.field(0), path, depth);
      case T::MAP:
        return Map(static_cast<const arrow::MapType&>(type), path, depth);
      case T::DICTIONARY:
        return TypeOf(*static_cast<const arrow::DictionaryType&>(type).value_type(), path,
                      depth + 1);
      case T::RUN_END_ENCODED:
        return TypeOf(*static_cast<const arrow::RunEndEncodedType&>(type).value_type(), path,
                      depth + 1);
      case T::EXTENSION: {
        const auto& extension = static_cast<const arrow::ExtensionType&>(type);
        if (extension.extension_name() == kUuidExtension)
          return iceberg::Type(PrimitiveKind::kUuid);
        return TypeOf(*extension.storage_type(), path, depth + 1);
      }
      case T::DECIMAL32:
      case T::DECIMAL64:
      case T::DECIMAL128:
      case T::DECIMAL256:
        return DecimalOf(static_cast<const arrow::DecimalType&>(type), path);
      case T::FIXED_SIZE_BINARY: {
        int32_t width = static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width();
        if (width < 1) return Refuse(path, "a fixed binary of no bytes");
        return iceberg::Type(iceberg::Fixed(width));
      }
      case T::TIMESTAMP:
        return iceberg::Type(static_cast<const arrow::TimestampType&>(type).timezone().empty()
                                 ? PrimitiveKind::kTimestamp
                                 : PrimitiveKind::kTimestamptz);
      default:
        return Plain(type, path);
    }
  }

  static Result<iceberg::Type> Plain(const arrow::DataType& type, const std::string& path) {
    using T = arrow::Type;
    switch (type.id()) {
      case T::BOOL:
        return iceberg::Type(PrimitiveKind::kBoolean);
      case T::INT8:
      case T::INT16:
      case T::INT32:
      case T::UINT8:
      case T::UINT16:
        return iceberg::Type(PrimitiveKind::kInt);
      case T::INT64:
      case T::UINT32:
      case T::UINT64:
        return iceberg::Type(PrimitiveKind::kLong);
      case T::HALF_FLOAT:
      case T::FLOAT:
        return iceberg::Type(PrimitiveKind::kFloat);
      case T::DOUBLE:
        return iceberg::Type(PrimitiveKind::kDouble);
      case T::DATE32:
      case T::DATE64:
        return iceberg::Type(PrimitiveKind::kDate);
      case T::TIME32:
      case T::TIME64:
        return iceberg::Type(PrimitiveKind::kTime);
      case T::STRING:
      case T::LARGE_STRING:
      case T::STRING_VIEW:
        return iceberg::Type(PrimitiveKind::kString);
      case T::BINARY:
      case T::LARGE_BINARY:
      case T::BINARY_VIEW:
        return iceberg::Type(PrimitiveKind::kBinary);
      case T::NA:
        return Refuse(path, "it holds only nulls and has no type; give it one");
      default:
        return Refuse(
            path, fmt::format("Arrow's type {} has no counterpart in a table", type.ToString()));
    }
  }

  bool use_ids_;
  int32_t next_id_ = 1;
};

// Looks through encodings at the fields inside a type.
const arrow::DataType& Inner(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::DICTIONARY:
      return Inner(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::RUN_END_ENCODED:
      return Inner(*static_cast<const arrow::RunEndEncodedType&>(type).value_type());
    case arrow::Type::EXTENSION:
      return Inner(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    default:
      return type;  // NOLINT(bugprone-return-const-ref-from-parameter): of the caller, who keeps it
  }
}

bool AllHaveIds(const arrow::FieldVector& fields);

bool HasIds(const arrow::DataType& outer) {
  const arrow::DataType& type = Inner(outer);
  if (type.id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(type);
    return AllHaveIds({map.key_field(), map.item_field()});
  }
  return AllHaveIds(type.fields());
}

// Reserved ids, as those of position delete files, are none that a schema could use.
bool AllHaveIds(const arrow::FieldVector& fields) {
  for (const auto& field : fields) {
    const auto id = FieldIdOf(*field);
    if (!id || *id >= iceberg::kFirstReservedFieldId || !HasIds(*field->type())) return false;
  }
  return true;
}

bool PrimitiveIsHeldAs(const arrow::DataType& actual, const PrimitiveType& type) {
  const bool string = type.kind == PrimitiveKind::kString;
  if (string || type.kind == PrimitiveKind::kBinary) {
    const auto plain = string ? arrow::Type::STRING : arrow::Type::BINARY;
    const auto view = string ? arrow::Type::STRING_VIEW : arrow::Type::BINARY_VIEW;
    if (actual.id() == arrow::Type::DICTIONARY) {
      const auto& dictionary = static_cast<const arrow::DictionaryType&>(actual);
      return dictionary.index_type()->id() == arrow::Type::INT32 &&
             dictionary.value_type()->id() == plain;
    }
    return actual.id() == plain || actual.id() == view;
  }
  return actual.Equals(*PrimitiveToArrow(type), /*check_metadata=*/false);
}

}  // namespace

std::shared_ptr<arrow::DataType> ToArrowType(const iceberg::Type& type) {
  if (const auto* primitive = type.primitive()) return PrimitiveToArrow(*primitive);
  if (const auto* list = type.list())
    return arrow::list(
        MakeField("element", list->element, list->element_id, list->element_required));
  if (const auto* map = type.map())
    return std::make_shared<arrow::MapType>(
        MakeField("key", map->key, map->key_id, true),
        MakeField("value", map->value, map->value_id, map->value_required));
  arrow::FieldVector fields;
  for (const auto& field : type.struct_type()->fields) fields.push_back(ToArrowField(field));
  return arrow::struct_(fields);
}

std::shared_ptr<arrow::Field> ToArrowField(const iceberg::Field& field) {
  return MakeField(field.name, field.type, field.id, field.required);
}

std::shared_ptr<arrow::Schema> ToArrowSchema(const iceberg::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) fields.push_back(ToArrowField(field));
  return arrow::schema(std::move(fields));
}

std::optional<int32_t> FieldIdOf(const arrow::Field& field) {
  if (field.metadata() == nullptr) return std::nullopt;
  auto text = field.metadata()->Get(kFieldId);
  if (!text.ok()) return std::nullopt;
  int32_t id = 0;
  const char* end = text->data() + text->size();
  auto [rest, code] = std::from_chars(text->data(), end, id);
  if (code != std::errc() || rest != end || id < 0) return std::nullopt;
  return id;
}

Result<iceberg::Schema> FromArrowSchema(const arrow::Schema& schema) {
  Importer importer(AllHaveIds(schema.fields()));
  iceberg::Schema result(PK_TRY(importer.Fields(schema.fields(), "", 0)));
  PK_TRY(iceberg::Validate(result));
  return result;
}

bool IsHeldAs(const arrow::DataType& actual, const iceberg::Type& type) {
  if (const auto* primitive = type.primitive()) return PrimitiveIsHeldAs(actual, *primitive);
  if (const auto* list = type.list())
    return actual.id() == arrow::Type::LIST && IsHeldAs(*actual.field(0)->type(), list->element);
  if (const auto* map = type.map()) {
    if (actual.id() != arrow::Type::MAP) return false;
    const auto& held = static_cast<const arrow::MapType&>(actual);
    return IsHeldAs(*held.key_type(), map->key) && IsHeldAs(*held.item_type(), map->value);
  }
  const auto& members = type.struct_type()->fields;
  if (actual.id() != arrow::Type::STRUCT || actual.num_fields() != static_cast<int>(members.size()))
    return false;
  for (size_t i = 0; i < members.size(); ++i)
    if (!IsHeldAs(*actual.field(static_cast<int>(i))->type(), members[i].type)) return false;
  return true;
}

}  // namespace pk::datafile
