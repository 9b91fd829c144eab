#include "parkeeper/iceberg/json_internal.h"

#include <algorithm>

namespace pk::iceberg {

namespace bj = boost::json;

UnknownMembers UnknownIn(const bj::object& object, std::span<const std::string_view> known) {
  UnknownMembers unknown;
  for (const auto& member : object) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::ranges::find(known, key) == known.end())
      unknown.emplace(key, bj::serialize(member.value()));
  }
  return unknown;
}

Error AsCorrupt(Error error) {
  if (error.code() != ErrorCode::kInvalidArgument) return error;
  return Corrupt(error.message());
}

Result<std::vector<std::string>> ReadStrings(const bj::object& object, std::string_view key) {
  std::vector<std::string> strings;
  for (const bj::value& value : *PK_TRY(json::Array(object, key)))
    strings.push_back(PK_TRY(json::AsString(value, key)));
  return strings;
}

Result<std::map<std::string, std::string>> ReadStringMap(const bj::object& object,
                                                         std::string_view key) {
  std::map<std::string, std::string> map;
  for (const auto& member : *PK_TRY(json::Object(object, key))) {
    Result<std::string> value = json::AsString(member.value(), std::string_view(member.key()));
    if (!value.ok()) return std::move(value).error().With(key);
    map.emplace(std::string_view(member.key()), *std::move(value));
  }
  return map;
}

Result<std::vector<int32_t>> ReadInt32s(const bj::object& object, std::string_view key) {
  std::vector<int32_t> numbers;
  for (const int64_t number : PK_TRY(ReadInt64s(object, key))) {
    PK_CHECK(number == int32_t(number),
             Corrupt(fmt::format("field '{}' must hold 32-bit integers, found {}", key, number)));
    numbers.push_back(int32_t(number));
  }
  return numbers;
}

Result<std::vector<int64_t>> ReadInt64s(const bj::object& object, std::string_view key) {
  std::vector<int64_t> numbers;
  for (const bj::value& value : *PK_TRY(json::Array(object, key)))
    numbers.push_back(PK_TRY(json::AsInt64(value, key)));
  return numbers;
}

}  // namespace pk::iceberg
