// JSON of schemas, partition specs and sort orders (spec, Appendix C).

#include <algorithm>

#include "parkeeper/iceberg/json_internal.h"

namespace pk::iceberg {
namespace {

namespace bj = boost::json;

constexpr std::string_view kStructMembers[] = {"type", "fields", "schema-id",
                                               "identifier-field-ids"};
constexpr std::string_view kFieldMembers[] = {"id", "name", "required", "type", "doc"};
constexpr std::string_view kListMembers[] = {"type", "element-id", "element-required", "element"};
constexpr std::string_view kMapMembers[] = {"type",     "key-id",         "key",
                                            "value-id", "value-required", "value"};
constexpr std::string_view kSpecMembers[] = {"spec-id", "fields"};
constexpr std::string_view kPartitionFieldMembers[] = {"source-id", "field-id", "name",
                                                       "transform"};
constexpr std::string_view kOrderMembers[] = {"order-id", "fields"};
constexpr std::string_view kSortFieldMembers[] = {"source-id", "transform", "direction",
                                                  "null-order"};

Result<Type> ReadType(const bj::value& value);

Result<Type> ReadMember(const bj::object& object, std::string_view key) {
  const bj::value* member = object.if_contains(key);
  PK_CHECK(member != nullptr, Corrupt(fmt::format("field '{}' is missing", key)));
  return ReadType(*member);
}

Result<Field> ReadField(const bj::object& object) {
  Field field;
  field.id = PK_TRY(json::Int32(object, "id"));
  field.name = PK_TRY(json::String(object, "name"));
  field.required = PK_TRY(json::Bool(object, "required"));
  Result<Type> type = ReadMember(object, "type");
  if (!type.ok()) return std::move(type).error().With(fmt::format("column '{}'", field.name));
  field.type = *std::move(type);
  field.doc = PK_TRY(json::OptionalString(object, "doc"));
  field.unknown = UnknownIn(object, kFieldMembers);
  return field;
}

Result<StructType> ReadStruct(const bj::object& object) {
  StructType type;
  const bj::array& fields = *PK_TRY(json::Array(object, "fields"));
  type.fields.reserve(fields.size());
  PK_TRY(EachObject(fields, "fields", [&](const bj::object& field) -> Result<> {
    type.fields.push_back(PK_TRY(ReadField(field)));
    return {};
  }));
  type.unknown = UnknownIn(object, kStructMembers);
  return type;
}

Result<Type> ReadType(const bj::value& value) {
  if (const bj::string* name = value.if_string()) {
    Result<PrimitiveType> type = ParsePrimitive(*name);
    if (!type.ok()) return AsCorrupt(std::move(type).error());
    return Type(*type);
  }
  const bj::object& object = *PK_TRY(json::AsObject(value, "type"));
  const std::string name = PK_TRY(json::String(object, "type"));
  if (name == "struct") return Type(PK_TRY(ReadStruct(object)));
  if (name == "list") {
    ListType list{.element = PK_TRY(ReadMember(object, "element"))};
    list.element_id = PK_TRY(json::Int32(object, "element-id"));
    list.element_required = PK_TRY(json::Bool(object, "element-required"));
    list.unknown = UnknownIn(object, kListMembers);
    return Type(std::move(list));
  }
  if (name == "map") {
    Type key = PK_TRY(ReadMember(object, "key"));
    Type value_type = PK_TRY(ReadMember(object, "value"));
    MapType map{.key = std::move(key), .value = std::move(value_type)};
    map.key_id = PK_TRY(json::Int32(object, "key-id"));
    map.value_id = PK_TRY(json::Int32(object, "value-id"));
    map.value_required = PK_TRY(json::Bool(object, "value-required"));
    map.unknown = UnknownIn(object, kMapMembers);
    return Type(std::move(map));
  }
  return Corrupt(fmt::format("field 'type' must be struct, list or map, found '{}'", name));
}

void Write(JsonWriter& out, const Type& type);

void WriteStructMembers(JsonWriter& out, const StructType& type) {
  out.Key("fields");
  out.BeginArray();
  for (const Field& field : type.fields) {
    out.BeginObject();
    out.Int("id", field.id);
    out.String("name", field.name);
    out.Bool("required", field.required);
    out.Key("type");
    Write(out, field.type);
    if (field.doc) out.String("doc", *field.doc);
    out.Members(field.unknown);
    out.EndObject();
  }
  out.EndArray();
  out.Members(type.unknown);
}

void Write(JsonWriter& out, const Type& type) {
  if (type.is_primitive()) return out.String(ToString(type));
  out.BeginObject();
  if (const StructType* nested = type.struct_type()) {
    out.String("type", "struct");
    WriteStructMembers(out, *nested);
  } else if (const ListType* list = type.list()) {
    out.String("type", "list");
    out.Int("element-id", list->element_id);
    out.Key("element");
    Write(out, list->element);
    out.Bool("element-required", list->element_required);
    out.Members(list->unknown);
  } else if (const MapType* map = type.map()) {
    out.String("type", "map");
    out.Int("key-id", map->key_id);
    out.Key("key");
    Write(out, map->key);
    out.Int("value-id", map->value_id);
    out.Key("value");
    Write(out, map->value);
    out.Bool("value-required", map->value_required);
    out.Members(map->unknown);
  }
  out.EndObject();
}

Result<Transform> ReadTransform(const bj::object& object) {
  Result<Transform> transform = ParseTransform(PK_TRY(json::String(object, "transform")));
  if (!transform.ok()) return AsCorrupt(std::move(transform).error());
  return transform;
}

// "asc" or "desc": whether it is the second; case does not count.
Result<bool> ReadChoice(const bj::object& object, std::string_view key, std::string_view first,
                        std::string_view second) {
  std::string word = PK_TRY(json::String(object, key));
  std::ranges::transform(word, word.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  if (word == first) return false;
  if (word == second) return true;
  return Corrupt(fmt::format("field '{}' must be {} or {}, found '{}'", key, first, second, word));
}

}  // namespace

Result<Schema> ReadSchema(const bj::object& object) {
  const std::string type = PK_TRY(json::String(object, "type"));
  PK_CHECK(type == "struct",
           Corrupt(fmt::format("field 'type' of a schema must be struct, found '{}'", type)));
  const int32_t schema_id = PK_TRY(json::OptionalInt32(object, "schema-id")).value_or(0);
  std::vector<int32_t> identifiers;
  if (PK_TRY(json::OptionalArray(object, "identifier-field-ids")) != nullptr)
    identifiers = PK_TRY(ReadInt32s(object, "identifier-field-ids"));
  return Schema(PK_TRY(ReadStruct(object)), schema_id, std::move(identifiers));
}

Result<std::vector<PartitionField>> ReadPartitionFields(const bj::array& array,
                                                        MissingFieldIds missing) {
  std::vector<PartitionField> fields;
  size_t with_id = 0;
  PK_TRY(EachObject(array, "fields", [&](const bj::object& object) -> Result<> {
    const std::optional<int32_t> id = PK_TRY(json::OptionalInt32(object, "field-id"));
    const int32_t position = int32_t(fields.size());
    with_id += id.has_value() ? 1 : 0;
    auto& added = fields.emplace_back();
    added.source_id = PK_TRY(json::Int32(object, "source-id"));
    added.field_id = id.value_or(
        missing == MissingFieldIds::kSequential ? kFirstPartitionFieldId + position : 0);
    added.name = PK_TRY(json::String(object, "name"));
    added.transform = PK_TRY(ReadTransform(object));
    added.unknown = UnknownIn(object, kPartitionFieldMembers);
    return {};
  }));
  PK_CHECK(missing == MissingFieldIds::kZero || with_id == 0 || with_id == fields.size(),
           Corrupt("field 'field-id' must be in all partition fields or in none"));
  return fields;
}

Result<PartitionSpec> ReadPartitionSpec(const bj::object& object, MissingFieldIds missing) {
  PartitionSpec spec;
  // An update may leave the id to the table.
  spec.spec_id = missing == MissingFieldIds::kZero
                     ? PK_TRY(json::OptionalInt32(object, "spec-id")).value_or(0)
                     : PK_TRY(json::Int32(object, "spec-id"));
  spec.fields = PK_TRY(ReadPartitionFields(*PK_TRY(json::Array(object, "fields")), missing));
  spec.unknown = UnknownIn(object, kSpecMembers);
  return spec;
}

Result<SortOrder> ReadSortOrder(const bj::object& object) {
  SortOrder order;
  order.order_id = PK_TRY(json::Int32(object, "order-id"));
  const bj::array& fields = *PK_TRY(json::Array(object, "fields"));
  PK_TRY(EachObject(fields, "fields", [&](const bj::object& field) -> Result<> {
    auto& added = order.fields.emplace_back();
    added.source_id = PK_TRY(json::Int32(field, "source-id"));
    added.transform = PK_TRY(ReadTransform(field));
    added.descending = PK_TRY(ReadChoice(field, "direction", "asc", "desc"));
    added.nulls_first = !PK_TRY(ReadChoice(field, "null-order", "nulls-first", "nulls-last"));
    added.unknown = UnknownIn(field, kSortFieldMembers);
    return {};
  }));
  order.unknown = UnknownIn(object, kOrderMembers);
  return order;
}

void Write(JsonWriter& out, const Schema& schema) {
  out.BeginObject();
  out.String("type", "struct");
  out.Int("schema-id", schema.schema_id());
  if (!schema.identifier_ids().empty()) out.Ints("identifier-field-ids", schema.identifier_ids());
  WriteStructMembers(out, schema.type());
  out.EndObject();
}

void WriteFields(JsonWriter& out, const PartitionSpec& spec) {
  out.BeginArray();
  for (const PartitionField& field : spec.fields) {
    out.BeginObject();
    out.Int("source-id", field.source_id);
    if (field.field_id != 0) out.Int("field-id", field.field_id);
    out.String("name", field.name);
    out.String("transform", ToString(field.transform));
    out.Members(field.unknown);
    out.EndObject();
  }
  out.EndArray();
}

void Write(JsonWriter& out, const PartitionSpec& spec) {
  out.BeginObject();
  out.Int("spec-id", spec.spec_id);
  out.Key("fields");
  WriteFields(out, spec);
  out.Members(spec.unknown);
  out.EndObject();
}

void Write(JsonWriter& out, const SortOrder& order) {
  out.BeginObject();
  out.Int("order-id", order.order_id);
  out.Key("fields");
  out.BeginArray();
  for (const SortField& field : order.fields) {
    out.BeginObject();
    out.String("transform", ToString(field.transform));
    out.Int("source-id", field.source_id);
    out.String("direction", field.descending ? "desc" : "asc");
    out.String("null-order", field.nulls_first ? "nulls-first" : "nulls-last");
    out.Members(field.unknown);
    out.EndObject();
  }
  out.EndArray();
  out.Members(order.unknown);
  out.EndObject();
}

Result<Schema> ParseSchema(std::string_view text) {
  const bj::value root = PK_TRY(json::Parse(text));
  return ReadSchema(*PK_TRY(json::AsObject(root, "schema")));
}

std::string ToJson(const Schema& schema) {
  JsonWriter out;
  Write(out, schema);
  return std::move(out).Take();
}

Result<PartitionSpec> ParsePartitionSpec(std::string_view text) {
  const bj::value root = PK_TRY(json::Parse(text));
  return ReadPartitionSpec(*PK_TRY(json::AsObject(root, "partition spec")),
                           MissingFieldIds::kSequential);
}

std::string ToJson(const PartitionSpec& spec) {
  JsonWriter out;
  Write(out, spec);
  return std::move(out).Take();
}

}  // namespace pk::iceberg
