#include "parkeeper/manifest/avro_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iterator>
#include <map>
#include <set>

#include "parkeeper/base/json.h"

namespace pk::manifest::avro {

namespace bj = boost::json;

namespace {

constexpr uint64_t kMostMinSize = 4096;

constexpr std::string_view kKindNames[] = {"null",   "boolean", "int",    "long",   "float",
                                           "double", "bytes",   "string", "record", "enum",
                                           "array",  "map",     "union",  "fixed"};

std::optional<Kind> PrimitiveNamed(std::string_view name) {
  for (int kind = 0; kind <= int(Kind::kString); ++kind) {
    if (kKindNames[kind] == name) return Kind(kind);
  }
  return std::nullopt;
}

uint32_t PrimitiveMinSize(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return 0;
    case Kind::kFloat:
      return 4;
    case Kind::kDouble:
      return 8;
    default:
      return 1;
  }
}

Result<std::optional<int32_t>> Id(const bj::object& object, std::string_view key) {
  return json::OptionalInt32(object, key);
}

}  // namespace

std::string_view KindName(Kind kind) { return kKindNames[int(kind)]; }

// Resolves names as it goes: a name can be used from its definition on, inside it too.
class SchemaParser {
 public:
  Result<Schema> Run(const bj::value& json) {
    schema_.root_ = PK_TRY(ParseType(json, ""));
    return std::move(schema_);
  }

 private:
  Type* Make(Kind kind) {
    schema_.types_.push_back(std::make_unique<Type>());
    Type* type = schema_.types_.back().get();
    type->kind = kind;
    type->min_size = PrimitiveMinSize(kind);
    return type;
  }

  Result<const Type*> ParseType(const bj::value& json, const std::string& space) {
    if (const bj::string* name = json.if_string()) return Named(*name, space);
    if (const bj::array* branches = json.if_array()) return ParseUnion(*branches, space);
    const bj::object* object = PK_TRY(json::AsObject(json, "a type"));
    const bj::value* kind = object->if_contains("type");
    PK_CHECK(kind != nullptr, Corrupt("a type of the Avro schema has no 'type'"));
    const bj::string* name = kind->if_string();
    if (name == nullptr) return ParseType(*kind, space);
    const std::string_view text = *name;
    if (text == "record" || text == "error") return ParseRecord(*object, space);
    if (text == "array" || text == "map") return ParseContainer(*object, text, space);
    if (text == "fixed" || text == "enum") return ParseFixedOrEnum(*object, text, space);
    const std::optional<Kind> primitive = PrimitiveNamed(text);
    if (!primitive) return Named(text, space);
    Type* type = Make(*primitive);
    PK_TRY(ReadLogicalType(*object, *type));
    return type;
  }

  Result<const Type*> Named(std::string_view name, const std::string& space) {
    if (const std::optional<Kind> primitive = PrimitiveNamed(name)) return Make(*primitive);
    const bool full = space.empty() || name.find('.') != std::string_view::npos;
    auto found = names_.find(full ? std::string(name) : fmt::format("{}.{}", space, name));
    if (found == names_.end()) found = names_.find(std::string(name));
    PK_CHECK(found != names_.end(),
             Corrupt(fmt::format("the Avro schema uses the unknown type '{}'", name)));
    return found->second;
  }

  Result<const Type*> ParseUnion(const bj::array& branches, const std::string& space) {
    Type* type = Make(Kind::kUnion);
    for (const bj::value& branch : branches) {
      const Type* part = PK_TRY(ParseType(branch, space));
      PK_CHECK(part->kind != Kind::kUnion, Corrupt("a union of the Avro schema holds a union"));
      type->parts.push_back(part);
    }
    PK_CHECK(!type->parts.empty(), Corrupt("a union of the Avro schema has no branches"));
    return type;
  }

  Result<const Type*> ParseContainer(const bj::object& object, std::string_view kind,
                                     const std::string& space) {
    const bool is_array = kind == "array";
    const std::string_view key = is_array ? "items" : "values";
    const bj::value* part = object.if_contains(key);
    PK_CHECK(part != nullptr, Corrupt(fmt::format("an Avro {} has no '{}'", kind, key)));
    Type* type = Make(is_array ? Kind::kArray : Kind::kMap);
    type->parts.push_back(PK_TRY(ParseType(*part, space)));
    PK_TRY(ReadLogicalType(object, *type));
    return type;
  }

  // Registers `type` under its full name; `space` becomes its namespace.
  Result<> Define(const bj::object& object, Type* type, std::string& space) {
    std::string name = PK_TRY(json::String(object, "name"));
    const size_t dot = name.rfind('.');
    if (dot != std::string::npos) {
      space = name.substr(0, dot);
    } else {
      const auto given = PK_TRY(json::OptionalString(object, "namespace"));
      if (given) space = *given;
      if (!space.empty()) name = fmt::format("{}.{}", space, name);
    }
    // PyIceberg defines a fixed each time that it uses it: the latest one counts.
    names_.insert_or_assign(name, type);
    return {};
  }

  Result<const Type*> ParseRecord(const bj::object& object, std::string space) {
    Type* type = Make(Kind::kRecord);
    PK_TRY(Define(object, type, space));
    PK_TRY(ReadLogicalType(object, *type));
    open_.insert(type);
    uint64_t min_size = 0;
    for (const bj::value& item : *PK_TRY(json::Array(object, "fields"))) {
      const bj::object* entry = PK_TRY(json::AsObject(item, "a field of the Avro schema"));
      Field field;
      field.name = PK_TRY(json::String(*entry, "name"));
      field.id = PK_TRY(Id(*entry, "field-id"));
      const bj::value* field_type = entry->if_contains("type");
      PK_CHECK(field_type != nullptr,
               Corrupt(fmt::format("field '{}' of the Avro schema has no type", field.name)));
      field.type = PK_TRY(ParseType(*field_type, space));
      PK_CHECK(!open_.contains(field.type),
               Corrupt(fmt::format("field '{}' of the Avro schema contains itself", field.name)));
      min_size += field.type->min_size;
      type->fields.push_back(std::move(field));
    }
    open_.erase(type);
    type->min_size = uint32_t(std::min(min_size, kMostMinSize));
    return type;
  }

  Result<const Type*> ParseFixedOrEnum(const bj::object& object, std::string_view kind,
                                       std::string space) {
    Type* type = Make(kind == "fixed" ? Kind::kFixed : Kind::kEnum);
    PK_TRY(Define(object, type, space));
    PK_TRY(ReadLogicalType(object, *type));
    if (type->kind == Kind::kEnum) {
      type->symbols = int32_t(PK_TRY(json::Array(object, "symbols"))->size());
      return type;
    }
    type->size = PK_TRY(json::Int32(object, "size"));
    PK_CHECK(type->size >= 0, Corrupt(fmt::format("an Avro fixed has the size {}", type->size)));
    type->min_size = uint32_t(std::min(uint64_t(type->size), kMostMinSize));
    return type;
  }

  Result<> ReadLogicalType(const bj::object& object, Type& type) {
    type.logical_type = PK_TRY(json::OptionalString(object, "logicalType")).value_or("");
    if (type.logical_type != "decimal") return {};
    type.precision = PK_TRY(json::Int32(object, "precision"));
    type.scale = PK_TRY(json::OptionalInt32(object, "scale")).value_or(0);
    return {};
  }

  Schema schema_;
  std::map<std::string, const Type*> names_;
  std::set<const Type*> open_;  // records whose fields are being read
};

Result<Schema> Schema::Parse(std::string_view json) {
  const bj::value value = PK_TRY(json::Parse(json).With("Avro schema"));
  return SchemaParser().Run(value).With("Avro schema");
}

}  // namespace pk::manifest::avro
