#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/manifest/record_plan_internal.h"

namespace pk::manifest {
namespace {

using avro::Kind;

bool IsNumber(const avro::Type& type) {
  return type.kind == Kind::kInt || type.kind == Kind::kLong;
}
bool IsBytes(const avro::Type& type) {
  return type.kind == Kind::kString || type.kind == Kind::kBytes;
}

// The value type of an array of records of an int and a value; null when `type` is none.
const avro::Type* MapValue(const avro::Type& type) {
  if (type.kind != Kind::kArray || type.parts[0]->kind != Kind::kRecord) return nullptr;
  const auto& fields = type.parts[0]->fields;
  if (fields.size() != 2 || fields[0].type->kind != Kind::kInt) return nullptr;
  return fields[1].type;
}

// Whether `step.field` has the shape; sets `step.item`.
Result<bool> Fits(Step& step, Shape shape) {
  const avro::Type& type = *step.field.type;
  switch (shape) {
    case Shape::kNumber:
      return IsNumber(type);
    case Shape::kBytes:
      return IsBytes(type);
    case Shape::kBoolean:
      return type.kind == Kind::kBoolean;
    case Shape::kRecord:
      return type.kind == Kind::kRecord && step.field.null_branch < 0;
    case Shape::kNumbers:
    case Shape::kRecords:
      if (type.kind != Kind::kArray) return false;
      step.item = PK_TRY(WithoutNull(*type.parts[0]));
      return shape == Shape::kNumbers ? IsNumber(*step.item.type)
                                      : step.item.type->kind == Kind::kRecord;
    case Shape::kNumberById:
    case Shape::kBytesById: {
      const avro::Type* value = MapValue(type);
      if (value == nullptr) return false;
      step.item = PK_TRY(WithoutNull(*value));
      return shape == Shape::kNumberById ? IsNumber(*step.item.type) : IsBytes(*step.item.type);
    }
  }
  return false;
}

}  // namespace

Result<MaybeNull> WithoutNull(const avro::Type& type) {
  if (type.kind != Kind::kUnion) return MaybeNull{.type = &type};
  const auto& parts = type.parts;
  PK_CHECK(parts.size() == 2 && (parts[0]->kind == Kind::kNull) != (parts[1]->kind == Kind::kNull),
           Corrupt(fmt::format("a union of {} types is not an optional value", parts.size())));
  const bool null_first = parts[0]->kind == Kind::kNull;
  return MaybeNull{.type = parts[null_first ? 1 : 0], .null_branch = int8_t(null_first ? 0 : 1)};
}

Result<std::vector<Step>> PlanRecord(const avro::Type& record, std::span<const FieldRule> rules) {
  PK_CHECK(record.kind == Kind::kRecord,
           Corrupt(fmt::format("the schema must be a record, found {}", KindName(record.kind))));
  std::vector<Step> steps;
  std::vector<bool> seen(rules.size());
  for (const avro::Field& field : record.fields) {
    Step step;
    step.whole = field.type;
    const auto rule = std::find_if(rules.begin(), rules.end(),
                                   [&](const FieldRule& r) { return field.id == r.id; });
    if (rule != rules.end()) {
      const std::string place = fmt::format("field '{}' (id {})", field.name, rule->id);
      step.target = int(rule - rules.begin());
      step.field = PK_TRY(WithoutNull(*field.type).With(place));
      PK_CHECK(PK_TRY(Fits(step, rule->shape).With(place)),
               Corrupt(fmt::format("{} has the unexpected type {}", place,
                                   KindName(step.field.type->kind))));
      PK_CHECK(!seen[size_t(step.target)], Corrupt(place + " is there twice"));
      seen[size_t(step.target)] = true;
    }
    steps.push_back(step);
  }
  for (size_t i = 0; i < rules.size(); ++i) {
    PK_CHECK(seen[i] || !rules[i].required,
             Corrupt(fmt::format("field '{}' (id {}) is missing", rules[i].name, rules[i].id)));
  }
  return steps;
}

}  // namespace pk::manifest
