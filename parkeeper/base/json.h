#pragma once

// Reading JSON with errors that name the place, over Boost.JSON. Writing is Boost's own. Only
// source files and *_internal.h headers include this: JSON is a codec, never part of an interface.

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::json {

// Fails with kCorrupt and the offset of the first bad byte, or of the word that it is in. Integers
// beyond 64 bits become doubles; doubles are read exactly, and one too large for a double is
// refused. Depth is limited to 100 levels. Of members with one key the last counts.
Result<boost::json::value> Parse(std::string_view text);

// The member `key` of `object`; kCorrupt names the key when it is missing or of another kind.
// Optional forms give nullopt when it is missing or null.
Result<std::string> String(const boost::json::object& object, std::string_view key);
Result<int64_t> Int64(const boost::json::object& object, std::string_view key);
Result<int32_t> Int32(const boost::json::object& object, std::string_view key);
Result<bool> Bool(const boost::json::object& object, std::string_view key);
Result<const boost::json::object*> Object(const boost::json::object& object, std::string_view key);
Result<const boost::json::array*> Array(const boost::json::object& object, std::string_view key);
Result<std::optional<std::string>> OptionalString(const boost::json::object& object,
                                                  std::string_view key);
Result<std::optional<int64_t>> OptionalInt64(const boost::json::object& object,
                                             std::string_view key);
Result<std::optional<int32_t>> OptionalInt32(const boost::json::object& object,
                                             std::string_view key);
Result<std::optional<bool>> OptionalBool(const boost::json::object& object, std::string_view key);
// Null when missing.
Result<const boost::json::object*> OptionalObject(const boost::json::object& object,
                                                  std::string_view key);
Result<const boost::json::array*> OptionalArray(const boost::json::object& object,
                                                std::string_view key);

// `value` as an object; kCorrupt names `what` when it is none.
Result<const boost::json::object*> AsObject(const boost::json::value& value, std::string_view what);
Result<std::string> AsString(const boost::json::value& value, std::string_view what);
Result<int64_t> AsInt64(const boost::json::value& value, std::string_view what);

// Bytes of the UTF-8 character that `text`, not empty, begins with; 0 when it begins with none.
size_t CharacterLength(std::string_view text);
// Whether JSON can hold `text`.
bool IsUtf8(std::string_view text);
// `text` with U+FFFD for each byte that belongs to no UTF-8 character.
std::string ReplaceInvalid(std::string_view text);

// Indented by two spaces, for people; keys in their order; strings as ReplaceInvalid leaves them.
std::string Pretty(const boost::json::value& value);

}  // namespace pk::json
