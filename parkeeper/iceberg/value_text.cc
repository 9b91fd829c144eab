// Values as text: for people, as people write them, and as JSON single values.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/json.h"
#include "parkeeper/iceberg/calendar_internal.h"
#include "parkeeper/iceberg/number_internal.h"
#include "parkeeper/iceberg/utf8_internal.h"
#include "parkeeper/iceberg/value.h"

namespace pk::iceberg {
namespace {

constexpr size_t kUuidBytes = 16;

std::string HexText(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<std::string> ParseHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const auto high = HexDigit(text[i]);
    const auto low = HexDigit(text[i + 1]);
    if (!high || !low) return std::nullopt;
    bytes += char(*high << 4 | *low);
  }
  return bytes;
}

std::string UuidText(const std::string& bytes) {
  if (bytes.size() != kUuidBytes) return HexText(bytes);
  Uuid uuid;
  std::copy(bytes.begin(), bytes.end(), uuid.bytes.begin());
  return uuid.ToString();
}

// The shortest text that reads back as the same number, always with a point or an exponent.
template <class T>
std::string FloatText(T number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? char(a + ('a' - 'A')) : a) == b;
  });
}

Error NoSuchValue(std::string_view text, const PrimitiveType& type, std::string_view why = "") {
  constexpr size_t kShown = 80;
  const std::string_view ellipsis = text.size() > kShown ? "..." : "";
  return InvalidArgument(fmt::format("text is not a value of type {}{}: '{}{}'", ToString(type),
                                     why, text.substr(0, kShown), ellipsis));
}

template <class T>
Result<Value> ParseInteger(std::string_view text, const PrimitiveType& type) {
  const auto number = ParseNumber(text);
  if (!number) return NoSuchValue(text, type);
  const ScaledFloor whole = FloorAtScale(*number, 0);
  PK_CHECK(whole.exact, NoSuchValue(text, type, " (it has a fraction)"));
  PK_CHECK(whole.range == ScaledFloor::Range::kWithin &&
               whole.floor >= Int128(std::numeric_limits<T>::min()) &&
               whole.floor <= Int128(std::numeric_limits<T>::max()),
           NoSuchValue(text, type, " (out of range)"));
  return Value(T(whole.floor));
}

Result<Value> ParseDecimal(std::string_view text, const PrimitiveType& type) {
  const auto number = ParseNumber(text);
  if (!number) return NoSuchValue(text, type);
  const ScaledFloor scaled = FloorAtScale(*number, type.scale);
  PK_CHECK(scaled.exact, NoSuchValue(text, type, " (more digits after the point)"));
  const Int128 limit = PowerOfTen(type.precision);
  PK_CHECK(
      scaled.range == ScaledFloor::Range::kWithin && scaled.floor > -limit && scaled.floor < limit,
      NoSuchValue(text, type, " (out of range)"));
  return Value(scaled.floor);
}

template <class T>
Result<Value> ParseFloat(std::string_view text, const PrimitiveType& type) {
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest.front() == '-';
  if (negative || (!rest.empty() && rest.front() == '+')) rest.remove_prefix(1);
  if (!rest.empty() && (rest.front() == '+' || rest.front() == '-')) return NoSuchValue(text, type);
  using Limits = std::numeric_limits<T>;
  const auto number = ParseNumber(rest);
  if (!number) {
    if (EqualsIgnoringCase(rest, "nan")) return Value(Limits::quiet_NaN());
    if (EqualsIgnoringCase(rest, "infinity") || EqualsIgnoringCase(rest, "inf"))
      return Value(negative ? -Limits::infinity() : Limits::infinity());
    return NoSuchValue(text, type);
  }
  T parsed{};
  const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), parsed);
  if (code == std::errc::result_out_of_range) {
    const bool tiny = number->exponent + int64_t(number->digits.size()) <= 0;
    PK_CHECK(tiny, NoSuchValue(text, type, " (out of range)"));
    parsed = 0;
  } else if (code != std::errc() || end != rest.data() + rest.size()) {
    return NoSuchValue(text, type);
  }
  return Value(negative ? -parsed : parsed);
}

Result<Value> ParseBytes(std::string_view text, const PrimitiveType& type) {
  auto bytes = ParseHex(text);
  PK_CHECK(bytes, NoSuchValue(text, type, " (hexadecimal is wanted)"));
  PK_CHECK(type.kind != PrimitiveKind::kFixed || bytes->size() == size_t(type.length),
           NoSuchValue(text, type, " (another length)"));
  return Value(*std::move(bytes));
}

Result<Value> ParseUuid(std::string_view text, const PrimitiveType& type) {
  const auto uuid = Uuid::Parse(text);
  PK_CHECK(uuid.ok(), NoSuchValue(text, type));
  return Value(std::string(uuid->bytes.begin(), uuid->bytes.end()));
}

template <class T>
Result<Value> OrNoSuchValue(const std::optional<T>& parsed, std::string_view text,
                            const PrimitiveType& type, std::string_view wanted) {
  if (!parsed) return NoSuchValue(text, type, wanted);
  return Value(*parsed);
}

// JSON has no bytes that are not UTF-8.
std::string ValidUtf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, CharacterLength(text));
    const bool good = DecodeCharacter(character).has_value();
    valid += good ? character : std::string_view("\xEF\xBF\xBD");  // U+FFFD
    text.remove_prefix(good ? character.size() : 1);
  }
  return valid;
}

bool IsJsonNumber(PrimitiveKind kind) {
  return kind == PrimitiveKind::kInt || kind == PrimitiveKind::kLong ||
         kind == PrimitiveKind::kFloat || kind == PrimitiveKind::kDouble;
}

std::string_view Trimmed(std::string_view json) {
  const size_t first = json.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return json.substr(first, json.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

std::string ToString(const Value& value, const PrimitiveType& type) {
  if (IsNull(value)) return "null";
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      return std::get<bool>(value) ? "true" : "false";
    case PrimitiveKind::kInt:
      return fmt::format("{}", std::get<int32_t>(value));
    case PrimitiveKind::kLong:
      return fmt::format("{}", std::get<int64_t>(value));
    case PrimitiveKind::kFloat:
      return FloatText(std::get<float>(value));
    case PrimitiveKind::kDouble:
      return FloatText(std::get<double>(value));
    case PrimitiveKind::kDecimal:
      return DecimalText(std::get<Int128>(value), type.scale);
    case PrimitiveKind::kDate:
      return DateText(std::get<int32_t>(value));
    case PrimitiveKind::kTime:
      return TimeText(std::get<int64_t>(value));
    case PrimitiveKind::kTimestamp:
      return TimestampText(std::get<int64_t>(value));
    case PrimitiveKind::kTimestamptz:
      return TimestampText(std::get<int64_t>(value)) + "+00:00";
    case PrimitiveKind::kString:
      return std::get<std::string>(value);
    case PrimitiveKind::kUuid:
      return UuidText(std::get<std::string>(value));
    case PrimitiveKind::kFixed:
    case PrimitiveKind::kBinary:
      return HexText(std::get<std::string>(value));
  }
  return {};
}

Result<Value> ParseValue(std::string_view text, const PrimitiveType& type) {
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      if (EqualsIgnoringCase(text, "true")) return Value(true);
      if (EqualsIgnoringCase(text, "false")) return Value(false);
      return NoSuchValue(text, type, " (true or false is wanted)");
    case PrimitiveKind::kInt:
      return ParseInteger<int32_t>(text, type);
    case PrimitiveKind::kLong:
      return ParseInteger<int64_t>(text, type);
    case PrimitiveKind::kFloat:
      return ParseFloat<float>(text, type);
    case PrimitiveKind::kDouble:
      return ParseFloat<double>(text, type);
    case PrimitiveKind::kDecimal:
      return ParseDecimal(text, type);
    case PrimitiveKind::kDate:
      return OrNoSuchValue(ParseDate(text), text, type, " (like 2017-11-16)");
    case PrimitiveKind::kTime:
      return OrNoSuchValue(ParseTime(text), text, type, " (like 22:31:08.5)");
    case PrimitiveKind::kTimestamp:
      return OrNoSuchValue(ParseTimestamp(text, false), text, type,
                           " (like 2017-11-16T22:31:08.5, no zone)");
    case PrimitiveKind::kTimestamptz:
      return OrNoSuchValue(ParseTimestamp(text, true), text, type,
                           " (like 2017-11-16T22:31:08.5+01:00)");
    case PrimitiveKind::kString:
      return Value(std::string(text));
    case PrimitiveKind::kUuid:
      return ParseUuid(text, type);
    case PrimitiveKind::kFixed:
    case PrimitiveKind::kBinary:
      return ParseBytes(text, type);
  }
  return NoSuchValue(text, type);
}

std::string ToJsonText(const Value& value, const PrimitiveType& type) {
  std::string text = ToString(value, type);
  if (IsNull(value) || type.kind == PrimitiveKind::kBoolean) return text;
  if (IsJsonNumber(type.kind) && text.find_first_of("NI") == std::string::npos) return text;
  if (type.kind == PrimitiveKind::kString) text = ValidUtf8(text);
  return boost::json::serialize(boost::json::value(boost::json::string(text)));
}

Result<Value> FromJsonText(std::string_view json, const PrimitiveType& type) {
  const boost::json::value parsed = PK_TRY(json::Parse(json));
  if (parsed.is_null()) return Value();
  const boost::json::string* string = parsed.if_string();
  // A number is read from its text: JSON's own doubles would round it twice.
  const std::string_view text = string != nullptr ? std::string_view(*string) : Trimmed(json);
  const bool kind_fits = type.kind == PrimitiveKind::kBoolean ? parsed.is_bool()
                         : IsJsonNumber(type.kind) ? parsed.is_number() || string != nullptr
                                                   : string != nullptr;
  PK_CHECK(kind_fits, Corrupt(fmt::format("JSON value is of another kind than type {}: {}",
                                          ToString(type), text.substr(0, 80))));
  Result<Value> value = ParseValue(text, type);
  if (!value.ok()) return Corrupt(value.error().message());
  return value;
}

}  // namespace pk::iceberg
