#include "parkeeper/iceberg/value.h"

#include <fmt/format.h>

#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>

#include "parkeeper/iceberg/number_internal.h"

namespace pk::iceberg {
namespace {

static_assert(std::endian::native == std::endian::little,
              "single values are copied as they lie in memory");

template <class T>
int Order(const T& left, const T& right) {
  return left < right ? -1 : right < left ? 1 : 0;
}

template <class T>
int OrderFloats(T left, T right) {
  if (std::isnan(left) || std::isnan(right)) return int(std::isnan(left)) - int(std::isnan(right));
  if (left != right) return left < right ? -1 : 1;
  return int(std::signbit(right)) - int(std::signbit(left));
}

template <class T>
std::string RawBytes(T number) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &number, sizeof(T));
  return bytes;
}

template <class T>
T FromRaw(std::string_view bytes) {
  T number;
  std::memcpy(&number, bytes.data(), sizeof(T));
  return number;
}

// Two's complement, big-endian, in as few bytes as hold the value.
std::string DecimalBytes(Int128 unscaled) {
  std::string bytes;
  Int128 rest = unscaled;
  do {
    bytes.insert(bytes.begin(), char(rest & 0xFF));
    rest >>= 8;
  } while (
      !((rest == 0 && (bytes.front() & 0x80) == 0) || (rest == -1 && (bytes.front() & 0x80) != 0)));
  return bytes;
}

Error BadLength(std::string_view bytes, const PrimitiveType& type) {
  return Corrupt(
      fmt::format("single value has a wrong length: {} in {} bytes", ToString(type), bytes.size()));
}

Result<Value> DecimalFromBytes(std::string_view bytes, const PrimitiveType& type) {
  if (bytes.empty() || bytes.size() > sizeof(Int128)) return BadLength(bytes, type);
  __extension__ using Unsigned128 = unsigned __int128;
  Unsigned128 bits = (bytes.front() & 0x80) != 0 ? ~Unsigned128(0) : Unsigned128(0);
  for (const char c : bytes) bits = bits << 8 | static_cast<unsigned char>(c);
  const auto unscaled = static_cast<Int128>(bits);
  const Int128 limit = PowerOfTen(type.precision);
  PK_CHECK(unscaled > -limit && unscaled < limit,
           Corrupt(fmt::format("single value has more digits than its type {}: {}", ToString(type),
                               DecimalText(unscaled, type.scale))));
  return Value(unscaled);
}

}  // namespace

bool IsNan(const Value& value) {
  if (const double* number = std::get_if<double>(&value)) return std::isnan(*number);
  if (const float* number = std::get_if<float>(&value)) return std::isnan(*number);
  return false;
}

bool Represents(const Value& value, const PrimitiveType& type) {
  if (IsNull(value)) return true;
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      return std::holds_alternative<bool>(value);
    case PrimitiveKind::kInt:
    case PrimitiveKind::kDate:
      return std::holds_alternative<int32_t>(value);
    case PrimitiveKind::kLong:
    case PrimitiveKind::kTime:
    case PrimitiveKind::kTimestamp:
    case PrimitiveKind::kTimestamptz:
      return std::holds_alternative<int64_t>(value);
    case PrimitiveKind::kFloat:
      return std::holds_alternative<float>(value);
    case PrimitiveKind::kDouble:
      return std::holds_alternative<double>(value);
    case PrimitiveKind::kDecimal:
      return std::holds_alternative<Int128>(value);
    case PrimitiveKind::kString:
    case PrimitiveKind::kUuid:
    case PrimitiveKind::kFixed:
    case PrimitiveKind::kBinary:
      return std::holds_alternative<std::string>(value);
  }
  return false;
}

int Compare(const Value& left, const Value& right) {
  if (left.index() != right.index()) {
    assert(IsNull(left) || IsNull(right));
    return left.index() < right.index() ? -1 : 1;
  }
  switch (left.index()) {
    case 0:
      return 0;
    case 1:
      return Order(*std::get_if<bool>(&left), *std::get_if<bool>(&right));
    case 2:
      return Order(*std::get_if<int32_t>(&left), *std::get_if<int32_t>(&right));
    case 3:
      return Order(*std::get_if<int64_t>(&left), *std::get_if<int64_t>(&right));
    case 4:
      return OrderFloats(*std::get_if<float>(&left), *std::get_if<float>(&right));
    case 5:
      return OrderFloats(*std::get_if<double>(&left), *std::get_if<double>(&right));
    case 6:
      return Order(*std::get_if<Int128>(&left), *std::get_if<Int128>(&right));
    default:  // char_traits compares as unsigned bytes
      return std::get_if<std::string>(&left)->compare(*std::get_if<std::string>(&right));
  }
}

std::string ToBytes(const Value& value, const PrimitiveType& type) {
  assert(!IsNull(value) && Represents(value, type));
  (void)type;
  switch (value.index()) {
    case 1:
      return std::string(1, *std::get_if<bool>(&value) ? '\1' : '\0');
    case 2:
      return RawBytes(*std::get_if<int32_t>(&value));
    case 3:
      return RawBytes(*std::get_if<int64_t>(&value));
    case 4:
      return RawBytes(*std::get_if<float>(&value));
    case 5:
      return RawBytes(*std::get_if<double>(&value));
    case 6:
      return DecimalBytes(*std::get_if<Int128>(&value));
    case 7:
      return *std::get_if<std::string>(&value);
    default:
      return {};
  }
}

Result<Value> FromBytes(std::string_view bytes, const PrimitiveType& type) {
  const size_t size = bytes.size();
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      if (size == 1) return Value(bytes.front() != 0);
      break;
    case PrimitiveKind::kInt:
    case PrimitiveKind::kDate:
      if (size == 4) return Value(FromRaw<int32_t>(bytes));
      break;
    case PrimitiveKind::kLong:
      if (size == 4) return Value(int64_t(FromRaw<int32_t>(bytes)));
      [[fallthrough]];
    case PrimitiveKind::kTime:
    case PrimitiveKind::kTimestamp:
    case PrimitiveKind::kTimestamptz:
      if (size == 8) return Value(FromRaw<int64_t>(bytes));
      break;
    case PrimitiveKind::kFloat:
      if (size == 4) return Value(FromRaw<float>(bytes));
      break;
    case PrimitiveKind::kDouble:
      if (size == 4) return Value(double(FromRaw<float>(bytes)));
      if (size == 8) return Value(FromRaw<double>(bytes));
      break;
    case PrimitiveKind::kDecimal:
      return DecimalFromBytes(bytes, type);
    case PrimitiveKind::kUuid:
      if (size == 16) return Value(std::string(bytes));
      break;
    case PrimitiveKind::kFixed:
      if (size <= size_t(type.length)) return Value(std::string(bytes));
      break;
    case PrimitiveKind::kString:
    case PrimitiveKind::kBinary:
      return Value(std::string(bytes));
  }
  return BadLength(bytes, type);
}

Value Promote(const Value& value, const PrimitiveType& from, const PrimitiveType& to) {
  assert(Represents(value, from));
  (void)from;
  if (to.kind == PrimitiveKind::kLong) {
    if (const int32_t* number = std::get_if<int32_t>(&value)) return int64_t(*number);
  } else if (to.kind == PrimitiveKind::kDouble) {
    if (const float* number = std::get_if<float>(&value)) return double(*number);
  }
  return value;
}

}  // namespace pk::iceberg
