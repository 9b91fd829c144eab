#include "parkeeper/datafile/stored_value_internal.h"

#include <cmath>
#include <cstring>
#include <string>

#include "parkeeper/datafile/column_decoder_internal.h"

namespace pk::datafile {
namespace {

using iceberg::Int128;
using iceberg::PrimitiveType;
using iceberg::Value;

template <class T>
std::optional<T> Fixed(std::string_view bytes) {
  if (bytes.size() != sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

template <class T>
std::optional<Value> FixedValue(std::string_view bytes) {
  const auto value = Fixed<T>(bytes);
  if (!value) return std::nullopt;
  return Value(*value);
}

std::optional<Value> PlainValue(std::string_view bytes, parquet::Type::type stored) {
  switch (stored) {
    case parquet::Type::BOOLEAN:
      if (bytes.size() != 1) return std::nullopt;
      return Value(bytes[0] != 0);
    case parquet::Type::INT32:
      return FixedValue<int32_t>(bytes);
    case parquet::Type::INT64:
      return FixedValue<int64_t>(bytes);
    case parquet::Type::FLOAT:
      return FixedValue<float>(bytes);
    case parquet::Type::DOUBLE:
      return FixedValue<double>(bytes);
    default:
      return std::nullopt;
  }
}

std::optional<Value> DecimalValue(std::string_view bytes, parquet::Type::type stored) {
  if (stored == parquet::Type::INT32) {
    const auto value = Fixed<int32_t>(bytes);
    return value ? std::optional<Value>(Int128{*value}) : std::nullopt;
  }
  if (stored == parquet::Type::INT64) {
    const auto value = Fixed<int64_t>(bytes);
    return value ? std::optional<Value>(Int128{*value}) : std::nullopt;
  }
  if (bytes.empty() || bytes.size() > sizeof(Int128)) return std::nullopt;
  Int128 value = static_cast<signed char>(bytes[0]) < 0 ? -1 : 0;
  for (char byte : bytes) value = value * 256 + static_cast<unsigned char>(byte);
  return Value(value);
}

std::optional<Value> MicrosValue(std::string_view bytes, parquet::Type::type stored,
                                 Conversion conversion) {
  int64_t value = 0;
  if (stored == parquet::Type::INT32) {
    const auto narrow = Fixed<int32_t>(bytes);
    if (!narrow) return std::nullopt;
    value = *narrow;
  } else {
    const auto wide = Fixed<int64_t>(bytes);
    if (!wide) return std::nullopt;
    value = *wide;
  }
  if (conversion == Conversion::kNanosToMicros) {
    return Value(value / 1000 - (value % 1000 < 0 ? 1 : 0));
  }
  int64_t micros = 0;
  if (__builtin_mul_overflow(value, int64_t{1000}, &micros)) return std::nullopt;
  return Value(micros);
}

// The hash of a decimal as it is stored; nullopt when it cannot be stored so.
std::optional<uint64_t> DecimalHash(const parquet::BloomFilter& filter,
                                    const parquet::ColumnDescriptor& column, Int128 value) {
  switch (column.physical_type()) {
    case parquet::Type::INT32:
      return filter.Hash(static_cast<int32_t>(value));
    case parquet::Type::INT64:
      return filter.Hash(static_cast<int64_t>(value));
    case parquet::Type::FIXED_LEN_BYTE_ARRAY: {
      std::string bytes(static_cast<size_t>(column.type_length()), '\0');
      for (size_t i = bytes.size(); i-- > 0; value >>= 8) bytes[i] = static_cast<char>(value & 255);
      const parquet::FLBA fixed(reinterpret_cast<const uint8_t*>(bytes.data()));
      return filter.Hash(&fixed, static_cast<uint32_t>(bytes.size()));
    }
    default:
      return std::nullopt;  // of a byte array: the length is the writer's choice
  }
}

std::optional<uint64_t> PlainHash(const parquet::BloomFilter& filter, const Value& value) {
  if (const auto* v = std::get_if<int32_t>(&value)) return filter.Hash(*v);
  if (const auto* v = std::get_if<int64_t>(&value)) return filter.Hash(*v);
  // Zeros and NaNs have several bit patterns.
  if (const auto* v = std::get_if<float>(&value)) {
    if (*v != 0 && !std::isnan(*v)) return filter.Hash(*v);
  }
  if (const auto* v = std::get_if<double>(&value)) {
    if (*v != 0 && !std::isnan(*v)) return filter.Hash(*v);
  }
  return std::nullopt;
}

bool FitsDecimal(const parquet::ColumnDescriptor& column, Int128 value) {
  if (column.physical_type() == parquet::Type::INT32) return value == static_cast<int32_t>(value);
  if (column.physical_type() == parquet::Type::INT64) return value == static_cast<int64_t>(value);
  const int bits = 8 * column.type_length();
  if (bits >= 128 || bits <= 0) return true;
  const Int128 limit = Int128{1} << (bits - 1);
  return value >= -limit && value < limit;
}

}  // namespace

std::optional<Value> StoredValue(std::string_view bytes, const parquet::ColumnDescriptor& column,
                                 const PrimitiveType& target) {
  const Conversion conversion = FindConversion(column, target);
  const parquet::Type::type stored = column.physical_type();
  switch (conversion) {
    case Conversion::kNone:
      return PlainValue(bytes, stored);
    case Conversion::kWiden: {
      const auto value = Fixed<int32_t>(bytes);
      return value ? std::optional<Value>(int64_t{*value}) : std::nullopt;
    }
    case Conversion::kWidenUnsigned: {
      const auto value = Fixed<uint32_t>(bytes);
      return value ? std::optional<Value>(int64_t{*value}) : std::nullopt;
    }
    case Conversion::kFloatToDouble: {
      const auto value = Fixed<float>(bytes);
      return value ? std::optional<Value>(double{*value}) : std::nullopt;
    }
    case Conversion::kDecimal:
      return DecimalValue(bytes, stored);
    case Conversion::kMillisToMicros:
    case Conversion::kNanosToMicros:
      return MicrosValue(bytes, stored, conversion);
    case Conversion::kBytes:
      return Value(std::string(bytes));
    case Conversion::kFixedBytes:
      if (bytes.size() != static_cast<size_t>(column.type_length())) return std::nullopt;
      return Value(std::string(bytes));
    case Conversion::kUnsigned64:
    case Conversion::kInt96ToMicros:
    case Conversion::kUnsupported:
      break;
  }
  return std::nullopt;
}

bool MayContain(const parquet::BloomFilter& filter, const parquet::ColumnDescriptor& column,
                const PrimitiveType& target, const Value& value) {
  std::optional<uint64_t> hash;
  switch (FindConversion(column, target)) {
    case Conversion::kNone:
      hash = PlainHash(filter, value);
      break;
    case Conversion::kWiden: {
      const int64_t wide = *std::get_if<int64_t>(&value);
      if (wide != static_cast<int32_t>(wide)) return false;
      hash = filter.Hash(static_cast<int32_t>(wide));
      break;
    }
    case Conversion::kDecimal: {
      const Int128 unscaled = *std::get_if<Int128>(&value);
      if (!FitsDecimal(column, unscaled)) return false;
      hash = DecimalHash(filter, column, unscaled);
      break;
    }
    case Conversion::kBytes: {
      const std::string& text = *std::get_if<std::string>(&value);
      hash = filter.Hash(std::string_view(text));
      break;
    }
    case Conversion::kFixedBytes: {
      const std::string& bytes = *std::get_if<std::string>(&value);
      if (bytes.size() != static_cast<size_t>(column.type_length())) return true;
      const parquet::FLBA fixed(reinterpret_cast<const uint8_t*>(bytes.data()));
      hash = filter.Hash(&fixed, static_cast<uint32_t>(bytes.size()));
      break;
    }
    default:
      return true;
  }
  return !hash || filter.FindHash(*hash);
}

}  // namespace pk::datafile
