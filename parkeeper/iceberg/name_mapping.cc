#include "parkeeper/iceberg/name_mapping.h"

#include "parkeeper/iceberg/json_internal.h"

namespace pk::iceberg {
namespace {

namespace bj = boost::json;

Result<std::vector<MappedField>> ReadFields(const bj::array& array) {
  std::vector<MappedField> fields;
  PK_TRY(EachObject(array, "fields", [&](const bj::object& object) -> Result<> {
    MappedField field;
    field.names = PK_TRY(ReadStrings(object, "names"));
    field.field_id = PK_TRY(json::OptionalInt32(object, "field-id"));
    if (const bj::array* nested = PK_TRY(json::OptionalArray(object, "fields")))
      field.fields = PK_TRY(ReadFields(*nested));
    fields.push_back(std::move(field));
    return {};
  }));
  return fields;
}

void WriteFields(JsonWriter& out, const std::vector<MappedField>& fields) {
  out.BeginArray();
  for (const MappedField& field : fields) {
    out.BeginObject();
    if (field.field_id) out.Int("field-id", *field.field_id);
    out.Strings("names", field.names);
    if (!field.fields.empty()) {
      out.Key("fields");
      WriteFields(out, field.fields);
    }
    out.EndObject();
  }
  out.EndArray();
}

std::vector<MappedField> MappedFieldsOf(const Type& type);

MappedField Mapped(std::string name, int32_t id, const Type& type) {
  return {.names = {std::move(name)}, .field_id = id, .fields = MappedFieldsOf(type)};
}

std::vector<MappedField> MappedFieldsOf(const Type& type) {
  std::vector<MappedField> fields;
  if (const StructType* nested = type.struct_type()) {
    for (const Field& field : nested->fields)
      fields.push_back(Mapped(field.name, field.id, field.type));
  } else if (const ListType* list = type.list()) {
    fields.push_back(Mapped("element", list->element_id, list->element));
  } else if (const MapType* map = type.map()) {
    fields.push_back(Mapped("key", map->key_id, map->key));
    fields.push_back(Mapped("value", map->value_id, map->value));
  }
  return fields;
}

}  // namespace

Result<NameMapping> ParseNameMapping(std::string_view text) {
  const bj::value root = PK_TRY(json::Parse(text));
  const bj::array* fields = root.if_array();
  PK_CHECK(fields != nullptr, Corrupt("a name mapping must be an array"));
  return NameMapping{.fields = PK_TRY(ReadFields(*fields))};
}

std::string ToJson(const NameMapping& mapping) {
  JsonWriter out;
  WriteFields(out, mapping.fields);
  return std::move(out).Take();
}

NameMapping MappingOf(const Schema& schema) {
  NameMapping mapping;
  for (const Field& field : schema.fields())
    mapping.fields.push_back(Mapped(field.name, field.id, field.type));
  return mapping;
}

}  // namespace pk::iceberg
