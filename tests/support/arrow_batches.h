#pragma once

// Random rows of any Iceberg schema as Arrow, from a seed, odd values included: nulls, NaN, both
// zeros, the ends of each range, empty strings and lists. Includes Arrow: only for tests of layers
// that link it.

#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>

#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::testing {

struct RowShape {
  double nulls = 0.1;         // odds of a null in an optional column
  double odd_values = 0.1;    // odds of a value from the ends of the range, NaN among them
  bool dictionaries = false;  // strings and binaries as dictionaries
};

class RandomColumns {
 public:
  RandomColumns(uint64_t seed, RowShape shape) : engine_(seed), shape_(shape) {}

  std::shared_ptr<arrow::Array> Column(const iceberg::Type& type, bool required, int64_t rows) {
    const double nulls = required ? 0 : shape_.nulls;
    if (type.is_primitive()) return Primitive(*type.primitive(), nulls, rows);
    auto validity = Validity(nulls, rows);
    auto arrow_type = datafile::ToArrowType(type);
    if (const auto* members = type.struct_type()) {
      arrow::ArrayVector arrays;
      arrow::FieldVector fields;
      for (size_t i = 0; i < members->fields.size(); ++i) {
        arrays.push_back(Column(members->fields[i].type, members->fields[i].required, rows));
        fields.push_back(arrow_type->field(static_cast<int>(i))->WithType(arrays.back()->type()));
      }
      return std::make_shared<arrow::StructArray>(arrow::struct_(fields), rows, arrays, validity);
    }
    auto offsets = Offsets(validity.get(), rows);
    const int64_t values =
        reinterpret_cast<const int32_t*>(offsets->data())[static_cast<size_t>(rows)];
    if (const auto* list = type.list()) {
      auto elements = Column(list->element, list->element_required, values);
      return std::make_shared<arrow::ListArray>(
          arrow::list(arrow_type->field(0)->WithType(elements->type())), rows, offsets, elements,
          validity);
    }
    const auto& map = static_cast<const arrow::MapType&>(*arrow_type);
    auto keys = Column(type.map()->key, true, values);
    auto items = Column(type.map()->value, type.map()->value_required, values);
    return std::make_shared<arrow::MapArray>(
        std::make_shared<arrow::MapType>(map.key_field()->WithType(keys->type()),
                                         map.item_field()->WithType(items->type())),
        rows, offsets, keys, items, validity);
  }

 private:
  bool Chance(double odds) { return std::uniform_real_distribution<>(0, 1)(engine_) < odds; }
  int64_t Between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  int64_t Integer(int64_t low, int64_t high) {
    if (Chance(shape_.odd_values)) return Chance(0.5) ? low : high;
    return Chance(0.5) ? std::clamp<int64_t>(Between(-1000, 1000), low, high) : Between(low, high);
  }
  template <class Float>
  Float Real() {
    using Limits = std::numeric_limits<Float>;
    static constexpr Float kOdd[] = {
        Float(0),         -Float(0),          Limits::quiet_NaN(), Limits::max(),
        Limits::lowest(), Limits::infinity(), -Limits::infinity(), Limits::denorm_min()};
    if (Chance(shape_.odd_values)) return kOdd[Between(0, 7)];
    return static_cast<Float>(std::normal_distribution<>(0, 1000)(engine_));
  }
  std::string Bytes(int64_t length, bool text) {
    static const std::string kLetters[] = {
        "a", "b", "z", "A", " ", "0", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    std::string bytes;
    for (int64_t i = 0; i < length; ++i)
      bytes += text ? kLetters[Between(0, 8)] : std::string(1, static_cast<char>(Between(0, 255)));
    return bytes;
  }
  arrow::Decimal128 Digits(int32_t precision) {
    std::string digits;
    const int64_t count = Chance(shape_.odd_values) ? precision : Between(1, precision);
    for (int64_t i = 0; i < count; ++i)
      digits += static_cast<char>('0' + (Chance(0.3) ? 9 : Between(0, 9)));
    auto value = arrow::Decimal128::FromString(digits).ValueOrDie();
    return Chance(0.5) ? value : arrow::Decimal128(value).Negate();
  }

  std::shared_ptr<arrow::Buffer> Validity(double nulls, int64_t rows) {
    if (nulls == 0) return nullptr;
    auto bits = arrow::AllocateBitmap(rows).ValueOrDie();
    std::fill_n(bits->mutable_data(), bits->size(), uint8_t{0});
    for (int64_t i = 0; i < rows; ++i)
      if (!Chance(nulls)) arrow::bit_util::SetBit(bits->mutable_data(), i);
    return bits;
  }
  std::shared_ptr<arrow::Buffer> Offsets(const arrow::Buffer* validity, int64_t rows) {
    std::shared_ptr<arrow::Buffer> buffer =
        arrow::AllocateBuffer((rows + 1) * static_cast<int64_t>(sizeof(int32_t))).ValueOrDie();
    auto* offsets = reinterpret_cast<int32_t*>(buffer->mutable_data());
    offsets[0] = 0;
    for (int64_t i = 0; i < rows; ++i) {
      const bool valid = validity == nullptr || arrow::bit_util::GetBit(validity->data(), i);
      offsets[i + 1] = offsets[i] + (valid ? static_cast<int32_t>(Between(0, 3)) : 0);
    }
    return buffer;
  }

  template <class Builder, class Make>
  std::shared_ptr<arrow::Array> Build(const std::shared_ptr<arrow::DataType>& type, double nulls,
                                      int64_t rows, Make make) {
    Builder builder(type, arrow::default_memory_pool());
    for (int64_t i = 0; i < rows; ++i)
      if (!(Chance(nulls) ? builder.AppendNull() : builder.Append(make())).ok()) std::abort();
    return builder.Finish().ValueOrDie();
  }

  template <class Builder>
  std::shared_ptr<arrow::Array> Strings(const std::shared_ptr<arrow::DataType>& type, double nulls,
                                        int64_t rows) {
    const bool text = type->id() == arrow::Type::STRING;
    if (!shape_.dictionaries)
      return Build<Builder>(type, nulls, rows, [&] { return Bytes(Between(0, 40), text); });
    const int64_t values = rows / 4 + 1;
    auto dictionary = Build<Builder>(type, 0, values, [&] { return Bytes(Between(0, 40), text); });
    auto indices = Build<arrow::Int32Builder>(
        arrow::int32(), nulls, rows, [&] { return static_cast<int32_t>(Between(0, values - 1)); });
    return std::make_shared<arrow::DictionaryArray>(arrow::dictionary(arrow::int32(), type),
                                                    indices, dictionary);
  }

  std::shared_ptr<arrow::Array> Primitive(const iceberg::PrimitiveType& type, double nulls,
                                          int64_t rows) {
    using Kind = iceberg::PrimitiveKind;
    constexpr int64_t kInt32Min = std::numeric_limits<int32_t>::min();
    constexpr int64_t kInt32Max = std::numeric_limits<int32_t>::max();
    constexpr int64_t kInt64Min = std::numeric_limits<int64_t>::min();
    constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();
    const auto to = datafile::ToArrowType(type);
    auto int32 = [&] { return static_cast<int32_t>(Integer(kInt32Min, kInt32Max)); };
    auto int64 = [&] { return Integer(kInt64Min, kInt64Max); };
    switch (type.kind) {
      case Kind::kBoolean:
        return Build<arrow::BooleanBuilder>(to, nulls, rows, [&] { return Chance(0.5); });
      case Kind::kInt:
        return Build<arrow::Int32Builder>(to, nulls, rows, int32);
      case Kind::kLong:
        return Build<arrow::Int64Builder>(to, nulls, rows, int64);
      case Kind::kFloat:
        return Build<arrow::FloatBuilder>(to, nulls, rows, [&] { return Real<float>(); });
      case Kind::kDouble:
        return Build<arrow::DoubleBuilder>(to, nulls, rows, [&] { return Real<double>(); });
      case Kind::kDecimal:
        return Build<arrow::Decimal128Builder>(to, nulls, rows,
                                               [&] { return Digits(type.precision); });
      case Kind::kDate:
        return Build<arrow::Date32Builder>(
            to, nulls, rows, [&] { return static_cast<int32_t>(Integer(-200'000, 200'000)); });
      case Kind::kTime:
        return Build<arrow::Time64Builder>(to, nulls, rows,
                                           [&] { return Integer(0, 86'399'999'999); });
      case Kind::kTimestamp:
      case Kind::kTimestamptz:
        return Build<arrow::TimestampBuilder>(to, nulls, rows, [&] {
          return Integer(-9'000'000'000'000'000, 9'000'000'000'000'000);
        });
      case Kind::kString:
        return Strings<arrow::StringBuilder>(to, nulls, rows);
      case Kind::kBinary:
        return Strings<arrow::BinaryBuilder>(to, nulls, rows);
      case Kind::kUuid:
      case Kind::kFixed: {
        const int64_t width = type.kind == Kind::kUuid ? 16 : type.length;
        return Build<arrow::FixedSizeBinaryBuilder>(to, nulls, rows,
                                                    [&] { return Bytes(width, false); });
      }
    }
    return nullptr;
  }

  std::mt19937_64 engine_;
  RowShape shape_;
};

// `rows` rows with the columns of `schema`; the same for the same seed.
inline std::shared_ptr<arrow::RecordBatch> RandomRows(const iceberg::Schema& schema, int64_t rows,
                                                      uint64_t seed, RowShape shape = {}) {
  RandomColumns random(seed, shape);
  arrow::ArrayVector columns;
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    columns.push_back(random.Column(field.type, field.required, rows));
    fields.push_back(datafile::ToArrowField(field)->WithType(columns.back()->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), rows, columns);
}

// A column of every primitive type, required and optional ones, named as its type ("decimal_9"),
// ids from 1 on.
inline iceberg::Schema AllPrimitives() {
  using Kind = iceberg::PrimitiveKind;
  std::vector<iceberg::Field> fields;
  auto add = [&](std::string name, iceberg::Type type, bool required = false) {
    const auto id = static_cast<int32_t>(fields.size() + 1);
    fields.push_back({.id = id,
                      .name = std::move(name),
                      .required = required,
                      .type = std::move(type),
                      .doc = std::nullopt});
  };
  add("id", Kind::kLong, true);
  add("boolean", Kind::kBoolean);
  add("int", Kind::kInt);
  add("long", Kind::kLong);
  add("float", Kind::kFloat);
  add("double", Kind::kDouble);
  add("decimal_9", iceberg::Decimal(9, 2));
  add("decimal_18", iceberg::Decimal(18, 0));
  add("decimal_38", iceberg::Decimal(38, 10));
  add("date", Kind::kDate);
  add("time", Kind::kTime);
  add("timestamp", Kind::kTimestamp);
  add("timestamptz", Kind::kTimestamptz);
  add("string", Kind::kString);
  add("uuid", Kind::kUuid);
  add("fixed", iceberg::Fixed(5));
  add("binary", Kind::kBinary);
  add("required_string", Kind::kString, true);
  return iceberg::Schema(iceberg::StructType{std::move(fields)});
}

// Structs, lists and maps, within each other; ids from 1 on.
inline iceberg::Schema NestedTypes() {
  using Kind = iceberg::PrimitiveKind;
  auto field = [](int32_t id, std::string name, bool required, iceberg::Type type) {
    return iceberg::Field{.id = id,
                          .name = std::move(name),
                          .required = required,
                          .type = std::move(type),
                          .doc = std::nullopt};
  };
  iceberg::StructType point{{field(5, "x", true, Kind::kDouble), field(6, "y", false, Kind::kFloat),
                             field(7, "label", false, Kind::kString)}};
  iceberg::ListType tags{.element_id = 8, .element_required = false, .element = Kind::kString};
  iceberg::MapType prices{.key_id = 9,
                          .key = Kind::kString,
                          .value_id = 10,
                          .value_required = false,
                          .value = iceberg::Decimal(20, 3)};
  iceberg::StructType item{
      {field(12, "sku", true, Kind::kInt),
       field(
           13, "sizes", false,
           iceberg::ListType{.element_id = 14, .element_required = true, .element = Kind::kLong})}};
  iceberg::ListType items{.element_id = 11, .element_required = true, .element = item};
  return iceberg::Schema(
      iceberg::StructType{{field(1, "point", false, point), field(2, "tags", false, tags),
                           field(3, "prices", true, prices), field(4, "items", false, items)}});
}

}  // namespace pk::testing
