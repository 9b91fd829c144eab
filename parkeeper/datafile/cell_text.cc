#include "parkeeper/datafile/cell_text_internal.h"

#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <iterator>
#include <string_view>

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;
using iceberg::Value;

template <class Array>
auto At(const arrow::Array& array, int64_t row) {
  return static_cast<const Array&>(array).Value(row);
}

// Of strings, binaries, uuids and fixeds, in whatever form.
std::string_view BytesAt(const arrow::Array& array, int64_t row) {
  switch (array.type_id()) {
    case arrow::Type::DICTIONARY: {
      const auto& typed = static_cast<const arrow::DictionaryArray&>(array);
      return BytesAt(*typed.dictionary(), typed.GetValueIndex(row));
    }
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return static_cast<const arrow::BinaryViewArray&>(array).GetView(row);
    case arrow::Type::FIXED_SIZE_BINARY:
      return static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row);
    default:
      return static_cast<const arrow::BinaryArray&>(array).GetView(row);
  }
}

template <class Float>
void AppendJsonFloat(Float value, const PrimitiveType& type, std::string& out) {
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(out), "{}", value);
  } else {
    AppendJsonString(iceberg::ToString(Value(value), type), out);
  }
}

void AppendJsonPrimitive(const arrow::Array& array, int64_t row, const PrimitiveType& type,
                         std::string& out) {
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      out += At<arrow::BooleanArray>(array, row) ? "true" : "false";
      return;
    case PrimitiveKind::kInt:
    case PrimitiveKind::kLong:
      return AppendPlainText(array, row, type, out);
    case PrimitiveKind::kFloat:
      return AppendJsonFloat(At<arrow::FloatArray>(array, row), type, out);
    case PrimitiveKind::kDouble:
      return AppendJsonFloat(At<arrow::DoubleArray>(array, row), type, out);
    case PrimitiveKind::kString:
      return AppendJsonString(BytesAt(array, row), out);
    default:
      return AppendJsonString(iceberg::ToString(ValueAt(array, row, type), type), out);
  }
}

void AppendJsonMap(const arrow::MapArray& array, int64_t row, const iceberg::MapType& type,
                   std::string& out) {
  const bool is_object =
      type.key.is_primitive() && type.key.primitive()->kind == PrimitiveKind::kString;
  out += is_object ? '{' : '[';
  for (int64_t i = array.value_offset(row); i < array.value_offset(row + 1); ++i) {
    if (i > array.value_offset(row)) out += ',';
    if (!is_object) out += '[';
    AppendJsonText(*array.keys(), i, type.key, out);
    out += is_object ? ':' : ',';
    AppendJsonText(*array.items(), i, type.value, out);
    if (!is_object) out += ']';
  }
  out += is_object ? '}' : ']';
}

}  // namespace

Value ValueAt(const arrow::Array& array, int64_t row, const PrimitiveType& type) {
  if (array.IsNull(row)) return {};
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      return At<arrow::BooleanArray>(array, row);
    case PrimitiveKind::kInt:
      return At<arrow::Int32Array>(array, row);
    case PrimitiveKind::kDate:
      return At<arrow::Date32Array>(array, row);
    case PrimitiveKind::kLong:
      return At<arrow::Int64Array>(array, row);
    case PrimitiveKind::kTime:
      return At<arrow::Time64Array>(array, row);
    case PrimitiveKind::kTimestamp:
    case PrimitiveKind::kTimestamptz:
      return At<arrow::TimestampArray>(array, row);
    case PrimitiveKind::kFloat:
      return At<arrow::FloatArray>(array, row);
    case PrimitiveKind::kDouble:
      return At<arrow::DoubleArray>(array, row);
    case PrimitiveKind::kDecimal: {
      iceberg::Int128 value;
      const auto& typed = static_cast<const arrow::Decimal128Array&>(array);
      std::memcpy(&value, typed.GetValue(row), sizeof(value));
      return value;
    }
    case PrimitiveKind::kString:
    case PrimitiveKind::kUuid:
    case PrimitiveKind::kFixed:
    case PrimitiveKind::kBinary:
      return std::string(BytesAt(array, row));
  }
  return {};
}

void AppendPlainText(const arrow::Array& array, int64_t row, const iceberg::Type& type,
                     std::string& out) {
  const PrimitiveType* primitive = type.primitive();
  if (primitive == nullptr) return AppendJsonText(array, row, type, out);
  switch (primitive->kind) {
    case PrimitiveKind::kInt:
      fmt::format_to(std::back_inserter(out), "{}", At<arrow::Int32Array>(array, row));
      return;
    case PrimitiveKind::kLong:
      fmt::format_to(std::back_inserter(out), "{}", At<arrow::Int64Array>(array, row));
      return;
    case PrimitiveKind::kString:
      out += BytesAt(array, row);
      return;
    default:
      out += iceberg::ToString(ValueAt(array, row, *primitive), *primitive);
  }
}

void AppendJsonString(std::string_view text, std::string& out) {
  arrow::util::InitializeUTF8();
  if (!arrow::util::ValidateUTF8(text)) {
    std::string mended;  // JSON is UTF-8: each bad byte becomes the replacement character
    for (size_t i = 0; i < text.size();) {
      size_t length = 1;
      while (length < 4 && i + length < text.size() &&
             !arrow::util::ValidateUTF8(text.substr(i, length))) {
        ++length;
      }
      const bool good = arrow::util::ValidateUTF8(text.substr(i, length));
      mended += good ? text.substr(i, length) : std::string_view("\xEF\xBF\xBD");
      i += good ? length : 1;
    }
    return AppendJsonString(mended, out);
  }
  out += '"';
  for (char c : text) {
    const size_t special = std::string_view("\"\\\n\r\t").find(c);
    if (special != std::string_view::npos) {
      out += '\\';
      out += "\"\\nrt"[special];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

void AppendJsonText(const arrow::Array& array, int64_t row, const iceberg::Type& type,
                    std::string& out) {
  if (array.IsNull(row)) {
    out += "null";
    return;
  }
  if (const PrimitiveType* primitive = type.primitive()) {
    return AppendJsonPrimitive(array, row, *primitive, out);
  }
  if (const auto* members = type.struct_type()) {
    const auto& typed = static_cast<const arrow::StructArray&>(array);
    out += '{';
    for (size_t i = 0; i < members->fields.size(); ++i) {
      if (i > 0) out += ',';
      AppendJsonString(members->fields[i].name, out);
      out += ':';
      AppendJsonText(*typed.field(static_cast<int>(i)), row, members->fields[i].type, out);
    }
    out += '}';
    return;
  }
  if (const auto* list = type.list()) {
    const auto& typed = static_cast<const arrow::ListArray&>(array);
    out += '[';
    for (int64_t i = typed.value_offset(row); i < typed.value_offset(row + 1); ++i) {
      if (i > typed.value_offset(row)) out += ',';
      AppendJsonText(*typed.values(), i, list->element, out);
    }
    out += ']';
    return;
  }
  AppendJsonMap(static_cast<const arrow::MapArray&>(array), row, *type.map(), out);
}

}  // namespace pk::datafile
