#pragma once

// Values of primitive types: partition values, column bounds, literals of expressions.
//
// A Value does not know its type; each function takes both. The representation follows the type:
//   null                            monostate
//   boolean                         bool
//   int, date                       int32_t
//   long, time, timestamp(tz)       int64_t
//   float, double                   float, double
//   decimal                         Int128, unscaled
//   string, uuid, fixed, binary     std::string of bytes
// Giving a value of another representation to a function is a programmer's error.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/type.h"

namespace pk::iceberg {

__extension__ using Int128 = __int128;

using Value =
    std::variant<std::monostate, bool, int32_t, int64_t, float, double, Int128, std::string>;

inline bool IsNull(const Value& value) { return std::holds_alternative<std::monostate>(value); }
bool IsNan(const Value& value);

// `value` has the representation of `type` (or is null).
bool Represents(const Value& value, const PrimitiveType& type);

// <0, 0, >0. Numbers by value, -0 below +0 and NaN above all (spec, "Sorting"); strings, uuid,
// fixed and binary by unsigned bytes; false below true; null below all.
int Compare(const Value& left, const Value& right);

// Spec, "Appendix D: Single-value serialization", binary. Null is not serialisable: a programmer's
// error.
std::string ToBytes(const Value& value, const PrimitiveType& type);
// The inverse. Also accepts what was written before a promotion of the column (4 bytes for a long,
// a float for a double), and a fixed that is too short, as truncated bounds are. Strings are not
// held against UTF-8. kCorrupt names the type and the length found.
Result<Value> FromBytes(std::string_view bytes, const PrimitiveType& type);

// Spec, Appendix D, JSON single values; `json` is a JSON text such as `"2017-11-16"` or 34. null is
// null; NaN and infinities are the strings "NaN", "Infinity", "-Infinity". kCorrupt says what does
// not fit.
Result<Value> FromJsonText(std::string_view json, const PrimitiveType& type);
std::string ToJsonText(const Value& value, const PrimitiveType& type);

// For people: "2017-11-16", "22:31:08.5", "2017-11-16T22:31:08.5+00:00", "14.20", "abc", "1.0",
// hexadecimal for binary, "null". ParseValue reads it back.
std::string ToString(const Value& value, const PrimitiveType& type);

// From text as people write it: "14.20", "1e3", "2017-11-16", "2017-11-16T22:31:08.5" (or a space,
// or the date alone for its midnight), "...+01:00" for timestamptz only (UTC without one), "true",
// "nan", "infinity", hexadecimal for binary and fixed. kInvalidArgument names text and type; a
// number that does not fit the type, or would lose digits, is refused; floats take the nearest.
Result<Value> ParseValue(std::string_view text, const PrimitiveType& type);

// `value` of type `from` as a value of `to`, where IsPromotable(from, to).
Value Promote(const Value& value, const PrimitiveType& from, const PrimitiveType& to);

}  // namespace pk::iceberg
