#include <fmt/format.h>

#include "parkeeper/sql/duck_types_internal.h"
#include "parkeeper/sql/engine_internal.h"

namespace pk::sql {
namespace {

using iceberg::PrimitiveKind;

std::string PrimitiveName(const iceberg::PrimitiveType& type) {
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      return "BOOLEAN";
    case PrimitiveKind::kInt:
      return "INTEGER";
    case PrimitiveKind::kLong:
      return "BIGINT";
    case PrimitiveKind::kFloat:
      return "FLOAT";
    case PrimitiveKind::kDouble:
      return "DOUBLE";
    case PrimitiveKind::kDecimal:
      return fmt::format("DECIMAL({},{})", type.precision, type.scale);
    case PrimitiveKind::kDate:
      return "DATE";
    case PrimitiveKind::kTime:
      return "TIME";
    case PrimitiveKind::kTimestamp:
      return "TIMESTAMP";
    case PrimitiveKind::kTimestamptz:
      return "TIMESTAMP WITH TIME ZONE";
    case PrimitiveKind::kString:
      return "VARCHAR";
    case PrimitiveKind::kUuid:
      return "UUID";
    case PrimitiveKind::kFixed:
    case PrimitiveKind::kBinary:
      return "BLOB";
  }
  return "BLOB";
}

}  // namespace

std::string DuckTypeOf(const iceberg::Type& type) {
  if (const auto* primitive = type.primitive()) return PrimitiveName(*primitive);
  if (const auto* list = type.list()) return DuckTypeOf(list->element) + "[]";
  if (const auto* map = type.map()) {
    return fmt::format("MAP({}, {})", DuckTypeOf(map->key), DuckTypeOf(map->value));
  }
  std::string members;
  for (const iceberg::Field& field : type.struct_type()->fields) {
    members += fmt::format("{}{} {}", members.empty() ? "" : ", ", QuotedName(field.name),
                           DuckTypeOf(field.type));
  }
  return fmt::format("STRUCT({})", members);
}

bool ReadsAs(std::string_view stored, const iceberg::PrimitiveType& type) {
  if (stored == PrimitiveName(type)) return true;
  if (type.kind == PrimitiveKind::kLong) return stored == "INTEGER";
  if (type.kind == PrimitiveKind::kDouble) return stored == "FLOAT";
  if (type.kind != PrimitiveKind::kDecimal) return false;
  for (int32_t precision = type.scale; precision < type.precision; ++precision) {
    if (stored == fmt::format("DECIMAL({},{})", precision, type.scale)) return true;
  }
  return false;
}

}  // namespace pk::sql
