#pragma once

// Iceberg's types (table spec, "Schemas and Data Types", v1 and v2). Values: a Type is cheap to
// copy, compares deeply and never changes.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/unknown_members.h"

namespace pk::iceberg {

enum class PrimitiveKind {
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kDecimal,      // precision, scale
  kDate,         // days since 1970-01-01
  kTime,         // microseconds since midnight
  kTimestamp,    // microseconds since 1970-01-01T00:00:00, no zone
  kTimestamptz,  // microseconds since 1970-01-01T00:00:00Z
  kString,       // UTF-8
  kUuid,
  kFixed,  // length
  kBinary,
};

struct PrimitiveType {
  PrimitiveKind kind = PrimitiveKind::kBoolean;
  int32_t precision = 0;  // of a decimal: 1 to 38
  int32_t scale = 0;      // of a decimal: 0 to precision
  int32_t length = 0;     // of a fixed, in bytes: at least 1

  bool operator==(const PrimitiveType&) const = default;
};

struct StructType;
struct ListType;
struct MapType;

class Type {
 public:
  Type(PrimitiveType primitive) : alternatives_(primitive) {}
  Type(PrimitiveKind kind) : alternatives_(PrimitiveType{.kind = kind}) {}
  Type(StructType type);
  Type(ListType type);
  Type(MapType type);

  // Null when it is another alternative.
  const PrimitiveType* primitive() const { return std::get_if<PrimitiveType>(&alternatives_); }
  const StructType* struct_type() const;
  const ListType* list() const;
  const MapType* map() const;
  bool is_primitive() const { return primitive() != nullptr; }

  bool operator==(const Type& other) const;

 private:
  std::variant<PrimitiveType, std::shared_ptr<const StructType>, std::shared_ptr<const ListType>,
               std::shared_ptr<const MapType>>
      alternatives_;
};

struct Field {
  int32_t id = 0;
  std::string name;
  bool required = false;
  Type type = PrimitiveKind::kBoolean;
  std::optional<std::string> doc = std::nullopt;
  UnknownMembers unknown = {};  // "initial-default" and "write-default" of v3 among them

  bool operator==(const Field&) const = default;
};

struct StructType {
  std::vector<Field> fields;
  UnknownMembers unknown = {};
  bool operator==(const StructType&) const = default;
};
struct ListType {
  int32_t element_id = 0;
  bool element_required = false;
  Type element;
  UnknownMembers unknown = {};
  bool operator==(const ListType&) const = default;
};
struct MapType {
  int32_t key_id = 0;
  Type key;
  int32_t value_id = 0;
  bool value_required = false;
  Type value;
  UnknownMembers unknown = {};
  bool operator==(const MapType&) const = default;
};

inline PrimitiveType Decimal(int32_t precision, int32_t scale) {
  return {.kind = PrimitiveKind::kDecimal, .precision = precision, .scale = scale};
}
inline PrimitiveType Fixed(int32_t length) {
  return {.kind = PrimitiveKind::kFixed, .length = length};
}

// As the specification writes it in JSON: "long", "decimal(9,2)", "fixed[16]"; nested ones for
// people: "struct<1: a: required int>", "list<long>", "map<string, int>".
std::string ToString(const Type& type);

// A primitive from its JSON name; kInvalidArgument names what is wrong ("decimal(39,2)": precision
// over 38). "timestamp_ns" and the other v3 types give kUnsupported.
Result<PrimitiveType> ParsePrimitive(std::string_view text);

// A file or a manifest written as `from` can be read as `to` (spec, "Schema Evolution": int to
// long, float to double, decimal to a wider precision of the same scale; each type to itself).
bool IsPromotable(const PrimitiveType& from, const PrimitiveType& to);

}  // namespace pk::iceberg
