#include "parkeeper/iceberg/transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "parkeeper/iceberg/calendar_internal.h"
#include "parkeeper/iceberg/utf8_internal.h"

namespace pk::iceberg {
namespace {

uint32_t Murmur3(std::string_view bytes) {
  constexpr uint32_t kFirst = 0xCC9E2D51;
  constexpr uint32_t kSecond = 0x1B873593;
  const auto scramble = [](uint32_t block) { return std::rotl(block * kFirst, 15) * kSecond; };
  const auto length = uint32_t(bytes.size());
  uint32_t hash = 0;
  for (; bytes.size() >= 4; bytes.remove_prefix(4)) {
    uint32_t block;
    std::memcpy(&block, bytes.data(), 4);
    hash = std::rotl(hash ^ scramble(block), 13) * 5 + 0xE6546B64;
  }
  uint32_t tail = 0;
  for (size_t i = bytes.size(); i-- > 0;) tail = tail << 8 | static_cast<unsigned char>(bytes[i]);
  hash ^= scramble(tail);
  hash ^= length;
  hash = (hash ^ hash >> 16) * 0x85EBCA6B;
  hash = (hash ^ hash >> 13) * 0xC2B2AE35;
  return hash ^ hash >> 16;
}

int32_t HashLong(int64_t number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  return int32_t(Murmur3({bytes, sizeof bytes}));
}

int32_t HashDouble(double number) {
  if (std::isnan(number)) number = std::numeric_limits<double>::quiet_NaN();
  if (number == 0) number = 0;
  return HashLong(std::bit_cast<int64_t>(number));
}

bool IsTimestamp(PrimitiveKind kind) {
  return kind == PrimitiveKind::kTimestamp || kind == PrimitiveKind::kTimestamptz;
}

bool Takes(TransformKind transform, PrimitiveKind source) {
  switch (transform) {
    case TransformKind::kBucket:
      return source != PrimitiveKind::kBoolean && source != PrimitiveKind::kFloat &&
             source != PrimitiveKind::kDouble;
    case TransformKind::kTruncate:
      return source == PrimitiveKind::kInt || source == PrimitiveKind::kLong ||
             source == PrimitiveKind::kDecimal || source == PrimitiveKind::kString ||
             source == PrimitiveKind::kBinary;
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
      return source == PrimitiveKind::kDate || IsTimestamp(source);
    case TransformKind::kHour:
      return IsTimestamp(source);
    case TransformKind::kIdentity:
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      return true;
  }
  return false;
}

template <class T>
T TruncateNumber(T number, int32_t width) {
  const T remainder = number % width;
  return number - (remainder < 0 ? remainder + width : remainder);
}

// Below the least value of the type it wraps around, as the reference implementation does.
Value Truncate(const Value& value, int32_t width, PrimitiveKind source) {
  if (const int32_t* number = std::get_if<int32_t>(&value))
    return int32_t(TruncateNumber(int64_t(*number), width));
  if (const int64_t* number = std::get_if<int64_t>(&value))
    return int64_t(TruncateNumber(Int128(*number), width));
  if (const Int128* number = std::get_if<Int128>(&value)) return TruncateNumber(*number, width);
  const std::string& bytes = std::get<std::string>(value);
  if (source == PrimitiveKind::kString) return std::string(FirstCharacters(bytes, width));
  return bytes.substr(0, size_t(width));
}

int64_t DayOf(const Value& value) {
  if (const int32_t* days = std::get_if<int32_t>(&value)) return *days;
  return FloorDiv(std::get<int64_t>(value), kMicrosPerDay);
}

int32_t HourOf(const Value& value) {
  const int64_t hour = FloorDiv(std::get<int64_t>(value), kMicrosPerHour);
  return int32_t(std::clamp(hour, int64_t(std::numeric_limits<int32_t>::min()),
                            int64_t(std::numeric_limits<int32_t>::max())));
}

// "bucket[16]" as its name and number; nullopt when it has not this form.
struct Call {
  std::string_view name;
  std::string_view argument;
};
std::optional<Call> SplitCall(std::string_view text) {
  const size_t open = text.find('[');
  if (open == std::string_view::npos || text.back() != ']') return std::nullopt;
  return Call{text.substr(0, open), text.substr(open + 1, text.size() - open - 2)};
}

std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

// The reference implementation leaves out seconds that are zero and writes 3 or 6 decimals.
std::string HumanTime(int64_t micros_of_day) {
  std::string text = TimeText(micros_of_day);
  if (micros_of_day % (60 * kMicrosPerSecond) == 0) return text.substr(0, 5);
  if (micros_of_day % kMicrosPerSecond == 0) return text;
  const size_t decimals = micros_of_day % 1000 == 0 ? 3 : 6;
  text.resize(9 + decimals, '0');
  return text;
}

std::string HumanDay(int64_t days) {
  const CivilDate date = CivilFromDays(days);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string HumanIdentity(const PrimitiveType& type, const Value& value) {
  switch (type.kind) {
    case PrimitiveKind::kDate:
      return HumanDay(std::get<int32_t>(value));
    case PrimitiveKind::kTime:
      return HumanTime(std::get<int64_t>(value));
    case PrimitiveKind::kFixed:
    case PrimitiveKind::kBinary:
      return Base64(std::get<std::string>(value));
    default:
      return ToString(value, type);
  }
}

}  // namespace

std::string ToString(const Transform& transform) {
  switch (transform.kind) {
    case TransformKind::kIdentity:
      return "identity";
    case TransformKind::kBucket:
      return fmt::format("bucket[{}]", transform.parameter);
    case TransformKind::kTruncate:
      return fmt::format("truncate[{}]", transform.parameter);
    case TransformKind::kYear:
      return "year";
    case TransformKind::kMonth:
      return "month";
    case TransformKind::kDay:
      return "day";
    case TransformKind::kHour:
      return "hour";
    case TransformKind::kVoid:
      return "void";
    case TransformKind::kUnknown:
      return transform.unknown;
  }
  return {};
}

Result<Transform> ParseTransform(std::string_view text) {
  for (const TransformKind kind :
       {TransformKind::kIdentity, TransformKind::kYear, TransformKind::kMonth, TransformKind::kDay,
        TransformKind::kHour, TransformKind::kVoid}) {
    if (Transform known{.kind = kind}; text == ToString(known)) return known;
  }
  const auto call = SplitCall(text);
  const bool bucket = call && call->name == "bucket";
  if (!bucket && !(call && call->name == "truncate"))
    return Transform{.kind = TransformKind::kUnknown, .unknown = std::string(text)};
  int32_t parameter = 0;
  const char* const end = call->argument.data() + call->argument.size();
  const auto [stop, code] = std::from_chars(call->argument.data(), end, parameter);
  PK_CHECK(code == std::errc() && stop == end && parameter >= 1,
           InvalidArgument(
               fmt::format("transform needs a whole number from 1 to 2147483647: '{}'", text)));
  return Transform{.kind = bucket ? TransformKind::kBucket : TransformKind::kTruncate,
                   .parameter = parameter};
}

Result<PrimitiveType> ResultType(const Transform& transform, const PrimitiveType& source) {
  PK_CHECK(Takes(transform.kind, source.kind),
           InvalidArgument(fmt::format("transform {} does not take type {}", ToString(transform),
                                       ToString(Type(source)))));
  switch (transform.kind) {
    case TransformKind::kIdentity:
    case TransformKind::kTruncate:
    case TransformKind::kVoid:
      return source;
    case TransformKind::kBucket:
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kHour:
      return PrimitiveType{.kind = PrimitiveKind::kInt};
    case TransformKind::kDay:
      return PrimitiveType{.kind = PrimitiveKind::kDate};
    case TransformKind::kUnknown:
      return PrimitiveType{.kind = PrimitiveKind::kString};
  }
  return Internal("transform of no kind");
}

Value ApplyTransform(const Transform& transform, const PrimitiveType& source, const Value& value) {
  assert(Takes(transform.kind, source.kind) && Represents(value, source));
  if (IsNull(value)) return {};
  switch (transform.kind) {
    case TransformKind::kIdentity:
      return value;
    case TransformKind::kBucket:
      return (BucketHash(value, source) & std::numeric_limits<int32_t>::max()) %
             transform.parameter;
    case TransformKind::kTruncate:
      return Truncate(value, transform.parameter, source.kind);
    case TransformKind::kYear:
      return int32_t(CivilFromDays(DayOf(value)).year - 1970);
    case TransformKind::kMonth: {
      const CivilDate date = CivilFromDays(DayOf(value));
      return int32_t((date.year - 1970) * 12 + date.month - 1);
    }
    case TransformKind::kDay:
      return int32_t(DayOf(value));
    case TransformKind::kHour:
      return HourOf(value);
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      return {};
  }
  return {};
}

bool PreservesOrder(const Transform& transform) {
  switch (transform.kind) {
    case TransformKind::kIdentity:
    case TransformKind::kTruncate:
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
    case TransformKind::kHour:
      return true;
    case TransformKind::kBucket:
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      return false;
  }
  return false;
}

std::string ToHumanString(const Transform& transform, const PrimitiveType& source,
                          const Value& transformed) {
  if (IsNull(transformed)) return "null";
  switch (transform.kind) {
    case TransformKind::kIdentity:
    case TransformKind::kTruncate:
      return HumanIdentity(source, transformed);
    case TransformKind::kYear:
      return fmt::format("{:04}", 1970 + int64_t(std::get<int32_t>(transformed)));
    case TransformKind::kMonth: {
      const int64_t month = std::get<int32_t>(transformed);
      return fmt::format("{:04}-{:02}", 1970 + FloorDiv(month, 12), 1 + FloorMod(month, 12));
    }
    case TransformKind::kDay:
      return HumanDay(std::get<int32_t>(transformed));
    case TransformKind::kHour: {
      const int64_t hour = std::get<int32_t>(transformed);
      return fmt::format("{}-{:02}", HumanDay(FloorDiv(hour, 24)), FloorMod(hour, 24));
    }
    case TransformKind::kBucket:
      return ToString(transformed, PrimitiveType{.kind = PrimitiveKind::kInt});
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      return "null";
  }
  return {};
}

int32_t BucketHash(const Value& value, const PrimitiveType& type) {
  assert(!IsNull(value) && Represents(value, type));
  switch (value.index()) {
    case 1:
      return HashLong(std::get<bool>(value) ? 1 : 0);
    case 2:
      return HashLong(std::get<int32_t>(value));
    case 3:
      return HashLong(std::get<int64_t>(value));
    case 4:
      return HashDouble(double(std::get<float>(value)));
    case 5:
      return HashDouble(std::get<double>(value));
    default:  // decimals, too, hash the bytes of their single-value serialization
      return int32_t(Murmur3(ToBytes(value, type)));
  }
}

}  // namespace pk::iceberg
