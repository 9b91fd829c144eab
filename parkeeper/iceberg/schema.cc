#include "parkeeper/iceberg/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "parkeeper/base/json.h"

namespace pk::iceberg {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }

bool EqualIgnoringCase(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, Lower, Lower);
}

Field ElementField(const ListType& list) {
  return {.id = list.element_id,
          .name = "element",
          .required = list.element_required,
          .type = list.element};
}
Field KeyField(const MapType& map) {
  return {.id = map.key_id, .name = "key", .required = true, .type = map.key};
}
Field ValueField(const MapType& map) {
  return {.id = map.value_id, .name = "value", .required = map.value_required, .type = map.value};
}

}  // namespace

Schema::Schema(StructType type, int32_t schema_id, std::vector<int32_t> identifier_ids)
    : type_(std::make_shared<const StructType>(std::move(type))),
      schema_id_(schema_id),
      identifier_ids_(std::move(identifier_ids)) {
  Index(*type_, Entry{}, kNoParent);
}

void Schema::Index(const StructType& type, const Entry& parent, int32_t parent_id) {
  for (const Field& field : type.fields) Add(field, parent, parent_id, parent.repeated);
}

void Schema::Add(const Field& field, const Entry& parent, int32_t parent_id, bool repeated) {
  Entry entry{
      .field = field,
      .full_name = parent_id == kNoParent ? field.name : parent.full_name + "." + field.name,
      .parent = parent_id,
      .repeated = repeated};
  highest_id_ = std::max(highest_id_, field.id);
  // The first one wins; Validate tells of doubles.
  by_name_.emplace(entry.full_name, field.id);
  if (const StructType* nested = field.type.struct_type()) {
    Index(*nested, entry, field.id);
  } else if (const ListType* list = field.type.list()) {
    Add(ElementField(*list), entry, field.id, true);
  } else if (const MapType* map = field.type.map()) {
    Add(KeyField(*map), entry, field.id, true);
    Add(ValueField(*map), entry, field.id, true);
  }
  by_id_.emplace(field.id, std::move(entry));
}

const Field* Schema::FindById(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second.field;
}

const Field* Schema::FindByName(std::string_view full_name, bool case_sensitive) const {
  if (case_sensitive) {
    const auto found = by_name_.find(full_name);
    return found == by_name_.end() ? nullptr : FindById(found->second);
  }
  const Field* match = nullptr;
  for (const auto& [name, id] : by_name_) {
    if (!EqualIgnoringCase(name, full_name)) continue;
    if (match != nullptr) return nullptr;
    match = FindById(id);
  }
  return match;
}

std::string Schema::FullName(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? "" : found->second.full_name;
}

std::vector<std::string> Schema::FullNames() const {
  std::vector<std::string> names;
  names.reserve(by_name_.size());
  for (const auto& [name, id] : by_name_) names.push_back(name);
  return names;
}

std::vector<int32_t> Schema::PathTo(int32_t id) const {
  std::vector<int32_t> path;
  // A schema with an id used twice may have a circle here; Validate refuses it.
  for (auto entry = by_id_.find(id); entry != by_id_.end() && path.size() <= by_id_.size();
       entry = by_id_.find(entry->second.parent))
    path.push_back(entry->first);
  std::ranges::reverse(path);
  return path;
}

bool Schema::IsRepeated(int32_t id) const {
  const auto found = by_id_.find(id);
  return found != by_id_.end() && found->second.repeated;
}

bool Schema::SameColumns(const Schema& other) const {
  return (type_ == other.type_ || *type_ == *other.type_) &&
         std::set(identifier_ids_.begin(), identifier_ids_.end()) ==
             std::set(other.identifier_ids_.begin(), other.identifier_ids_.end());
}

bool Schema::operator==(const Schema& other) const {
  return schema_id_ == other.schema_id_ && SameColumns(other);
}

namespace {

// Walks all fields of a schema once; the ids and names seen are those before the present field.
class Validation {
 public:
  Result<> Struct(const StructType& type, const std::string& prefix) {
    for (const Field& field : type.fields) PK_TRY(Add(field, prefix));
    return {};
  }

 private:
  Result<> Add(const Field& field, const std::string& prefix) {
    const std::string full_name = prefix + field.name;
    PK_CHECK(!field.name.empty(),
             InvalidArgument(fmt::format("a column has no name: field id {}", field.id)));
    PK_CHECK(json::IsUtf8(field.name),
             InvalidArgument(fmt::format("a column's name is not UTF-8: '{}'", full_name)));
    PK_CHECK(names_.insert(full_name).second,
             InvalidArgument(fmt::format("two columns have the same name: '{}'", full_name)));
    PK_CHECK(field.id >= 0 && field.id < kFirstReservedFieldId,
             InvalidArgument(
                 fmt::format("column '{}' has an id out of bounds: {}", full_name, field.id)));
    PK_CHECK(ids_.insert(field.id).second,
             InvalidArgument(fmt::format("field id used twice, the second time for '{}': {}",
                                         full_name, field.id)));
    if (const PrimitiveType* primitive = field.type.primitive())
      return Primitive(*primitive).With(fmt::format("column '{}'", full_name));
    if (const StructType* nested = field.type.struct_type())
      return Struct(*nested, full_name + ".");
    if (const ListType* list = field.type.list()) return Add(ElementField(*list), full_name + ".");
    PK_TRY(Add(KeyField(*field.type.map()), full_name + "."));
    return Add(ValueField(*field.type.map()), full_name + ".");
  }

  // The bounds of decimals and fixeds are those of their text.
  static Result<> Primitive(const PrimitiveType& type) {
    if (type.kind == PrimitiveKind::kDecimal || type.kind == PrimitiveKind::kFixed)
      PK_TRY(ParsePrimitive(ToString(type)));
    return {};
  }

  std::unordered_set<int32_t> ids_;
  std::unordered_set<std::string> names_;
};

Result<> ValidateIdentifier(const Schema& schema, int32_t id) {
  const Field* field = schema.FindById(id);
  PK_CHECK(field != nullptr,
           InvalidArgument(fmt::format("an identifier field is not in the schema: id {}", id)));
  const PrimitiveType* type = field->type.primitive();
  const auto refuse = [&](std::string_view why) {
    return InvalidArgument(
        fmt::format("a column that {} cannot be an identifier: '{}'", why, schema.FullName(id)));
  };
  PK_CHECK(type != nullptr, refuse("is not primitive"));
  PK_CHECK(type->kind != PrimitiveKind::kFloat && type->kind != PrimitiveKind::kDouble,
           refuse("is float or double"));
  PK_CHECK(!schema.IsRepeated(id), refuse("is in a list or map"));
  for (const int32_t step : schema.PathTo(id))
    PK_CHECK(schema.FindById(step)->required, refuse("is optional or in an optional struct"));
  return {};
}

}  // namespace

Result<> Validate(const Schema& schema) {
  PK_TRY(Validation().Struct(schema.type(), ""));
  for (const int32_t id : schema.identifier_ids()) PK_TRY(ValidateIdentifier(schema, id));
  return {};
}

namespace {

// Ids of a struct's fields are given before those inside the fields, as the reference
// implementation does.
class FreshIds {
 public:
  explicit FreshIds(int32_t first_id) : next_(first_id) {}
  int32_t last() const { return next_ - 1; }

  StructType Struct(StructType type) {
    for (Field& field : type.fields) field.id = next_++;
    for (Field& field : type.fields) field.type = Inside(field.type);
    return type;
  }

 private:
  Type Inside(const Type& type) {
    if (const StructType* nested = type.struct_type()) return Struct(*nested);
    if (const ListType* found = type.list()) {
      ListType list = *found;
      list.element_id = next_++;
      list.element = Inside(list.element);
      return list;
    }
    if (const MapType* found = type.map()) {
      MapType map = *found;
      map.key_id = next_++;
      map.value_id = next_++;
      map.key = Inside(map.key);
      map.value = Inside(map.value);
      return map;
    }
    return type;
  }

  int32_t next_;
};

}  // namespace

Schema AssignFreshIds(const Schema& schema, int32_t first_id, int32_t& last_id) {
  FreshIds ids(first_id);
  const Schema fresh(ids.Struct(schema.type()), schema.schema_id());
  last_id = ids.last();
  std::vector<int32_t> identifiers;
  for (const int32_t id : schema.identifier_ids()) {
    const Field* field = fresh.FindByName(schema.FullName(id));
    if (field != nullptr) identifiers.push_back(field->id);
  }
  return Schema(fresh.type(), schema.schema_id(), std::move(identifiers));
}

namespace {

// Levenshtein's, without regard to case.
size_t EditDistance(std::string_view left, std::string_view right) {
  std::vector<size_t> row(right.size() + 1);
  for (size_t j = 0; j <= right.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= right.size(); ++j) {
      const size_t change = diagonal + (Lower(left[i - 1]) == Lower(right[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row.back();
}

// Keeps of `type` what is in `wanted` (ids) or on the way to it.
class Selection {
 public:
  Selection(const Schema& schema, const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) {
      whole_.insert(id);
      for (const int32_t step : schema.PathTo(id)) on_the_way_.insert(step);
    }
  }

  StructType Struct(const StructType& type) const {
    StructType kept{.fields = {}, .unknown = type.unknown};
    for (const Field& field : type.fields) {
      if (!on_the_way_.contains(field.id)) continue;
      kept.fields.push_back(field);
      if (!whole_.contains(field.id)) kept.fields.back().type = Inside(field.type);
    }
    return kept;
  }

 private:
  Type Inside(const Type& type) const {
    if (const StructType* nested = type.struct_type()) return Struct(*nested);
    if (const ListType* found = type.list()) {
      ListType list = *found;
      if (!whole_.contains(list.element_id)) list.element = Inside(list.element);
      return list;
    }
    if (const MapType* found = type.map()) {
      MapType map = *found;
      // A map whose key alone is asked for comes whole: a key has no meaning without its value.
      if (on_the_way_.contains(map.value_id) && !whole_.contains(map.value_id))
        map.value = Inside(map.value);
      return map;
    }
    return type;
  }

  std::unordered_set<int32_t> whole_, on_the_way_;
};

}  // namespace

Error UnknownColumn(const Schema& schema, std::string_view name) {
  constexpr size_t kShown = 3;
  constexpr size_t kLongestCompared = 100;  // the distance is quadratic
  const size_t tolerance = std::max<size_t>(2, name.size() / 3);
  std::vector<std::pair<size_t, std::string>> near;
  for (std::string& known : schema.FullNames()) {
    if (known.size() > kLongestCompared || name.size() > kLongestCompared) continue;
    const size_t distance = EditDistance(name, known);
    if (distance <= tolerance) near.emplace_back(distance, std::move(known));
  }
  std::ranges::sort(near);
  std::string message = fmt::format("there is no column '{}'", name);
  if (near.empty() && !schema.fields().empty()) {
    message += "; there are";
    for (const Field& field : schema.fields()) near.emplace_back(0, field.name);
  } else if (!near.empty()) {
    message += "; did you mean";
  }
  for (size_t i = 0; i < std::min(kShown, near.size()); ++i)
    message += fmt::format("{} '{}'", i == 0 ? "" : ",", near[i].second);
  if (near.size() > kShown) message += ", ...";
  return InvalidArgument(std::move(message));
}

Result<const Field*> FindColumn(const Schema& schema, std::string_view name, bool case_sensitive) {
  const Field* exact = schema.FindByName(name);
  if (exact != nullptr) return exact;
  if (case_sensitive) return UnknownColumn(schema, name);
  std::vector<std::string> known = schema.FullNames();
  std::erase_if(known, [&](const std::string& other) { return !EqualIgnoringCase(other, name); });
  if (known.empty()) return UnknownColumn(schema, name);
  PK_CHECK(known.size() == 1,
           InvalidArgument(fmt::format("column '{}' is ambiguous: there are '{}' and '{}'", name,
                                       known[0], known[1])));
  return schema.FindByName(known.front());
}

Result<Schema> Select(const Schema& schema, const std::vector<std::string>& names) {
  std::vector<int32_t> ids;
  for (const std::string& name : names) {
    ids.push_back(PK_TRY(FindColumn(schema, name))->id);
  }
  const Schema kept(Selection(schema, ids).Struct(schema.type()), schema.schema_id());
  std::vector<int32_t> identifiers = schema.identifier_ids();
  std::erase_if(identifiers, [&](int32_t id) { return kept.FindById(id) == nullptr; });
  return Schema(kept.type(), schema.schema_id(), std::move(identifiers));
}

}  // namespace pk::iceberg
