#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_primitive.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <unordered_map>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/transform_codes_internal.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;
using iceberg::Transform;
using iceberg::TransformKind;
using iceberg::Value;

constexpr int64_t kHourMicros = 3'600'000'000;
constexpr int64_t kDayMicros = 24 * kHourMicros;

int64_t FloorDivide(int64_t value, int64_t by) {
  const int64_t quotient = value / by;
  return value % by < 0 ? quotient - 1 : quotient;
}

// Gives each distinct transformed value its code.
class Coder {
 public:
  Coder(const PrimitiveType& source, const Transform& transform, int64_t rows)
      : source_(source), transform_(transform) {
    codes_.of_row.resize(static_cast<size_t>(rows));
  }

  // The code of what `value`, of the source type, becomes.
  int32_t CodeOf(const Value& value) {
    return CodeOfTransformed(iceberg::ApplyTransform(transform_, source_, value));
  }
  int32_t NullCode() {
    if (null_code_ < 0) null_code_ = CodeOfTransformed(Value());
    return null_code_;
  }
  int32_t& row(int64_t i) { return codes_.of_row[static_cast<size_t>(i)]; }
  TransformCodes Finish() && { return std::move(codes_); }

 private:
  struct Hash {
    size_t operator()(const Value& value) const {
      return std::visit(
          [](const auto& held) -> size_t {
            using T = std::remove_cvref_t<decltype(held)>;
            if constexpr (std::is_same_v<T, std::monostate>)
              return 1;
            else if constexpr (std::is_same_v<T, iceberg::Int128>)
              return std::hash<int64_t>()(static_cast<int64_t>(held)) * 31 +
                     std::hash<int64_t>()(static_cast<int64_t>(held >> 64));
            else if constexpr (std::is_floating_point_v<T>)
              return std::isnan(held) ? 7 : std::hash<T>()(held);
            else
              return std::hash<T>()(held);
          },
          value);
    }
  };
  struct Same {
    bool operator()(const Value& a, const Value& b) const { return iceberg::Compare(a, b) == 0; }
  };

  int32_t CodeOfTransformed(Value value) {
    auto [found, fresh] =
        known_.try_emplace(std::move(value), static_cast<int32_t>(codes_.values.size()));
    if (fresh) codes_.values.push_back(found->first);
    return found->second;
  }

  const PrimitiveType& source_;
  const Transform& transform_;
  TransformCodes codes_;
  std::unordered_map<Value, int32_t, Hash, Same> known_;
  int32_t null_code_ = -1;
};

// Codes already given to integers, in a table when they lie close together.
class IntegerMemo {
 public:
  IntegerMemo(int64_t low, int64_t high, int64_t rows) : low_(low) {
    const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    if (low <= high && range < static_cast<uint64_t>(std::max<int64_t>(65'536, 4 * rows)))
      table_.assign(static_cast<size_t>(range) + 1, -1);
  }
  int32_t& At(int64_t key) {
    if (!table_.empty())
      return table_[static_cast<size_t>(static_cast<uint64_t>(key) - static_cast<uint64_t>(low_))];
    return map_.try_emplace(key, -1).first->second;
  }

 private:
  int64_t low_;
  std::vector<int32_t> table_;
  std::unordered_map<int64_t, int32_t> map_;
};

// Rows are reduced to keys, of which equal ones have equal transformed values: the rows of one day,
// of one multiple of a width. `value(key)` is a value of the source type that the key stands for.
template <class Key, class ToValue>
void CodeIntegers(const arrow::Array& array, Coder& coder, Key key, ToValue value) {
  const int64_t rows = array.length();
  const bool nulls = array.null_count() > 0;
  int64_t low = std::numeric_limits<int64_t>::max();
  int64_t high = std::numeric_limits<int64_t>::min();
  std::vector<int64_t> keys(static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) {
    if (nulls && array.IsNull(i)) continue;
    const int64_t reduced = key(i);
    keys[static_cast<size_t>(i)] = reduced;
    low = std::min(low, reduced);
    high = std::max(high, reduced);
  }
  IntegerMemo memo(low, high, rows);
  for (int64_t i = 0; i < rows; ++i) {
    if (nulls && array.IsNull(i)) {
      coder.row(i) = coder.NullCode();
      continue;
    }
    int32_t& code = memo.At(keys[static_cast<size_t>(i)]);
    if (code < 0) code = coder.CodeOf(value(keys[static_cast<size_t>(i)]));
    coder.row(i) = code;
  }
}

// By how much the values of a type may be divided before a transform without changing its result.
int64_t UnitOf(PrimitiveKind kind, const Transform& transform) {
  const bool timestamp = kind == PrimitiveKind::kTimestamp || kind == PrimitiveKind::kTimestamptz;
  switch (transform.kind) {
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
      return timestamp ? kDayMicros : 1;
    case TransformKind::kHour:
      return timestamp ? kHourMicros : 1;
    case TransformKind::kTruncate:
      return kind == PrimitiveKind::kInt || kind == PrimitiveKind::kLong ? transform.parameter : 1;
    default:
      return 1;
  }
}

template <class Stored>
void CodeStored(const arrow::Array& array, PrimitiveKind kind, const Transform& transform,
                Coder& coder) {
  const Stored* values = array.data()->GetValues<Stored>(1);
  const int64_t unit = UnitOf(kind, transform);
  // The lowest multiple of a unit may lie below the type's range: then the range's end stands for
  // the same key.
  auto value = [unit](int64_t key) -> Value {
    int64_t product = 0;
    if (__builtin_mul_overflow(key, unit, &product)) product = std::numeric_limits<int64_t>::min();
    return static_cast<Stored>(std::max<int64_t>(product, std::numeric_limits<Stored>::min()));
  };
  if (unit == 1) {
    CodeIntegers(array, coder, [values](int64_t i) -> int64_t { return values[i]; }, value);
  } else {
    CodeIntegers(
        array, coder,
        [values, unit](int64_t i) { return FloorDivide(static_cast<int64_t>(values[i]), unit); },
        value);
  }
}

template <class Float, class Bits>
void CodeFloats(const arrow::Array& array, Coder& coder) {
  const Float* values = array.data()->GetValues<Float>(1);
  CodeIntegers(
      array, coder,
      [values](int64_t i) -> int64_t {
        const Float value =
            std::isnan(values[i]) ? std::numeric_limits<Float>::quiet_NaN() : values[i];
        return std::bit_cast<Bits>(value);
      },
      [](int64_t key) -> Value { return std::bit_cast<Float>(static_cast<Bits>(key)); });
}

// The part of a value on which the transform depends.
std::string_view RelevantPart(std::string_view value, const PrimitiveType& source,
                              const Transform& transform) {
  if (transform.kind != TransformKind::kTruncate) return value;
  const auto width = static_cast<size_t>(transform.parameter);
  if (source.kind != PrimitiveKind::kString) return value.substr(0, width);
  size_t end = 0;
  for (size_t characters = 0; end < value.size(); ++end) {
    const bool begins = (static_cast<uint8_t>(value[end]) & 0xC0) != 0x80;
    if (begins && ++characters > width) break;
  }
  return value.substr(0, end);
}

template <class ArrayType>
void CodeBytes(const ArrayType& array, const PrimitiveType& source, const Transform& transform,
               Coder& coder) {
  std::unordered_map<std::string_view, int32_t> memo;
  std::optional<std::string_view> last;
  int32_t last_code = -1;
  // Buckets gather so many different values that remembering them costs more than hashing.
  const bool remember = transform.kind != TransformKind::kBucket;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsNull(i)) {
      coder.row(i) = coder.NullCode();
      continue;
    }
    const std::string_view value = RelevantPart(array.GetView(i), source, transform);
    if (!last || *last != value) {
      last = value;
      int32_t fresh = -1;
      int32_t& code = remember ? memo.try_emplace(value, -1).first->second : fresh;
      if (code < 0) code = coder.CodeOf(Value(std::string(value)));
      last_code = code;
    }
    coder.row(i) = last_code;
  }
}

void CodeDecimals(const arrow::Array& array, const PrimitiveType& source, Coder& coder) {
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(array);
  if (source.precision <= 18) {
    auto key = [&](int64_t i) {
      int64_t low = 0;
      std::memcpy(&low, decimals.GetValue(i), sizeof(low));
      return low;
    };
    CodeIntegers(array, coder, key, [](int64_t value) -> Value { return iceberg::Int128(value); });
    return;
  }
  for (int64_t i = 0; i < array.length(); ++i) {
    iceberg::Int128 value = 0;
    if (array.IsValid(i)) std::memcpy(&value, decimals.GetValue(i), sizeof(value));
    coder.row(i) = array.IsValid(i) ? coder.CodeOf(Value(value)) : coder.NullCode();
  }
}

void CodeDictionary(const arrow::DictionaryArray& array, const TransformCodes& dictionary,
                    Coder& coder) {
  const auto& indices = static_cast<const arrow::Int32Array&>(*array.indices());
  const arrow::Array& values = *array.dictionary();
  // Only values that rows have may become partitions, in the order of the rows.
  std::vector<int32_t> codes(dictionary.values.size(), -1);
  const auto& typed = static_cast<const arrow::BinaryArray&>(values);
  for (int64_t i = 0; i < indices.length(); ++i) {
    const int64_t index = indices.IsNull(i) ? -1 : indices.Value(i);
    if (index < 0 || values.IsNull(index)) {
      coder.row(i) = coder.NullCode();
      continue;
    }
    int32_t& code = codes[static_cast<size_t>(dictionary.of_row[static_cast<size_t>(index)])];
    if (code < 0) code = coder.CodeOf(Value(std::string(typed.GetView(index))));
    coder.row(i) = code;
  }
}

}  // namespace

Result<TransformCodes> CodesOf(const arrow::Array& array, const PrimitiveType& source,
                               const Transform& transform) {
  PK_CHECK(transform.kind != TransformKind::kUnknown,
           Unsupported(
               fmt::format("the transform '{}' is not known to this version", transform.unknown)));
  Coder coder(source, transform, array.length());
  if (transform.kind == TransformKind::kVoid) {
    for (int64_t i = 0; i < array.length(); ++i) coder.row(i) = coder.NullCode();
    return std::move(coder).Finish();
  }
  switch (array.type_id()) {
    case arrow::Type::BOOL: {
      const auto& booleans = static_cast<const arrow::BooleanArray&>(array);
      CodeIntegers(
          array, coder, [&](int64_t i) -> int64_t { return booleans.Value(i) ? 1 : 0; },
          [](int64_t key) -> Value { return key != 0; });
      break;
    }
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      CodeStored<int32_t>(array, source.kind, transform, coder);
      break;
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      CodeStored<int64_t>(array, source.kind, transform, coder);
      break;
    case arrow::Type::FLOAT:
      CodeFloats<float, int32_t>(array, coder);
      break;
    case arrow::Type::DOUBLE:
      CodeFloats<double, int64_t>(array, coder);
      break;
    case arrow::Type::DECIMAL128:
      CodeDecimals(array, source, coder);
      break;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      CodeBytes(static_cast<const arrow::BinaryArray&>(array), source, transform, coder);
      break;
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      CodeBytes(static_cast<const arrow::BinaryViewArray&>(array), source, transform, coder);
      break;
    case arrow::Type::FIXED_SIZE_BINARY:
      CodeBytes(static_cast<const arrow::FixedSizeBinaryArray&>(array), source, transform, coder);
      break;
    case arrow::Type::DICTIONARY: {
      const auto& typed = static_cast<const arrow::DictionaryArray&>(array);
      const TransformCodes codes = PK_TRY(CodesOf(*typed.dictionary(), source, transform));
      CodeDictionary(typed, codes, coder);
      break;
    }
    default:
      return Internal(fmt::format("no values of {} are held as {}",
                                  iceberg::ToString(iceberg::Type(source)),
                                  array.type()->ToString()));
  }
  return std::move(coder).Finish();
}

}  // namespace pk::datafile
