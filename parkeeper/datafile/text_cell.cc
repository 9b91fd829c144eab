#include "parkeeper/datafile/text_cell_internal.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/json_cursor_internal.h"
#include "parkeeper/iceberg/value.h"

namespace pk::datafile {
namespace {

using iceberg::Field;
using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;
using iceberg::Value;
using Kind = JsonCursor::Kind;

template <class Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "2017-11-16"; nullopt for all other forms, which may be dates nevertheless.
std::optional<int32_t> ParsePlainDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  int parts[3] = {0, 0, 0};
  for (size_t i = 0, part = 0; i < 10; ++i) {
    if (i == 4 || i == 7) {
      ++part;
      continue;
    }
    if (!IsDigit(text[i])) return std::nullopt;
    parts[part] = parts[part] * 10 + (text[i] - '0');
  }
  const std::chrono::year_month_day date{std::chrono::year(parts[0]),
                                         std::chrono::month(static_cast<unsigned>(parts[1])),
                                         std::chrono::day(static_cast<unsigned>(parts[2]))};
  if (!date.ok()) return std::nullopt;
  return static_cast<int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
}

// Up to 18 digits, no exponent; nullopt for all other forms.
std::optional<int64_t> ParsePlainDecimal(std::string_view text, const PrimitiveType& type) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 18) return std::nullopt;
  int64_t value = 0;
  int32_t digits = 0;
  int32_t fraction = -1;
  for (char c : text) {
    if (c == '.' && fraction < 0) {
      fraction = 0;
      continue;
    }
    if (!IsDigit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
    if (fraction >= 0) ++fraction;
    if (value > 0) ++digits;
  }
  const int32_t missing = type.scale - std::max(fraction, 0);
  if (missing < 0 || digits + missing > std::min(type.precision, 18)) return std::nullopt;
  if (!IsDigit(text.front()) || !IsDigit(text.back())) return std::nullopt;
  for (int32_t i = 0; i < missing; ++i) value *= 10;
  return negative ? -value : value;
}

template <class Builder, class... Arguments>
bool Put(arrow::ArrayBuilder& builder, Arguments... arguments) {
  return static_cast<Builder&>(builder).Append(arguments...).ok();
}

bool PutDecimal(arrow::ArrayBuilder& builder, iceberg::Int128 unscaled) {
  uint8_t bytes[16];
  std::memcpy(bytes, &unscaled, 16);
  return Put<arrow::Decimal128Builder>(builder, arrow::Decimal128(bytes));
}

bool PutValue(const Value& value, const PrimitiveType& type, arrow::ArrayBuilder& builder) {
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      return Put<arrow::BooleanBuilder>(builder, *std::get_if<bool>(&value));
    case PrimitiveKind::kInt:
      return Put<arrow::Int32Builder>(builder, *std::get_if<int32_t>(&value));
    case PrimitiveKind::kDate:
      return Put<arrow::Date32Builder>(builder, *std::get_if<int32_t>(&value));
    case PrimitiveKind::kLong:
      return Put<arrow::Int64Builder>(builder, *std::get_if<int64_t>(&value));
    case PrimitiveKind::kTime:
      return Put<arrow::Time64Builder>(builder, *std::get_if<int64_t>(&value));
    case PrimitiveKind::kTimestamp:
    case PrimitiveKind::kTimestamptz:
      return Put<arrow::TimestampBuilder>(builder, *std::get_if<int64_t>(&value));
    case PrimitiveKind::kFloat:
      return Put<arrow::FloatBuilder>(builder, *std::get_if<float>(&value));
    case PrimitiveKind::kDouble:
      return Put<arrow::DoubleBuilder>(builder, *std::get_if<double>(&value));
    case PrimitiveKind::kDecimal:
      return PutDecimal(builder, *std::get_if<iceberg::Int128>(&value));
    case PrimitiveKind::kString:
    case PrimitiveKind::kBinary:
      return Put<arrow::BinaryBuilder>(builder,
                                       std::string_view(*std::get_if<std::string>(&value)));
    case PrimitiveKind::kUuid:
    case PrimitiveKind::kFixed:
      return Put<arrow::FixedSizeBinaryBuilder>(
          builder, std::string_view(*std::get_if<std::string>(&value)));
  }
  return false;
}

// The forms that nearly all cells have; nullopt sends the rest to ParseValue.
std::optional<bool> AppendPlain(std::string_view text, const PrimitiveType& type,
                                arrow::ArrayBuilder& builder) {
  switch (type.kind) {
    case PrimitiveKind::kInt:
      if (auto value = ParseNumber<int32_t>(text)) return Put<arrow::Int32Builder>(builder, *value);
      break;
    case PrimitiveKind::kLong:
      if (auto value = ParseNumber<int64_t>(text)) return Put<arrow::Int64Builder>(builder, *value);
      break;
    case PrimitiveKind::kFloat:
      if (auto value = ParseNumber<float>(text)) return Put<arrow::FloatBuilder>(builder, *value);
      break;
    case PrimitiveKind::kDouble:
      if (auto value = ParseNumber<double>(text)) return Put<arrow::DoubleBuilder>(builder, *value);
      break;
    case PrimitiveKind::kDate:
      if (auto days = ParsePlainDate(text)) return Put<arrow::Date32Builder>(builder, *days);
      break;
    case PrimitiveKind::kDecimal:
      if (auto unscaled = ParsePlainDecimal(text, type)) return PutDecimal(builder, *unscaled);
      break;
    case PrimitiveKind::kString:
      if (!arrow::util::ValidateUTF8(text)) return false;
      return Put<arrow::StringBuilder>(builder, text);
    default:
      break;
  }
  return std::nullopt;
}

// A value of a JSON text as the schema wants it.
class JsonAppender {
 public:
  explicit JsonAppender(JsonCursor& cursor) : cursor_(cursor) {}

  Result<> Append(const iceberg::Type& type, bool required, const std::string& path,
                  arrow::ArrayBuilder& builder) {
    const Kind kind = PK_TRY(cursor_.Peek());
    if (kind == Kind::kNull) {
      PK_CHECK(!required, InvalidArgument(fmt::format("'{}' is required and is null", path)));
      PK_TRY(cursor_.Null());
      return FromArrow(builder.AppendNull());
    }
    if (const PrimitiveType* primitive = type.primitive()) {
      return AppendPrimitive(kind, *primitive, path, builder);
    }
    if (const auto* members = type.struct_type()) {
      if (kind != Kind::kObject) return Mismatch(type, path);
      auto& typed = static_cast<arrow::StructBuilder&>(builder);
      PK_TRY(FromArrow(typed.Append()));
      return AppendMembers(members->fields, path + ".", [&](size_t i) -> arrow::ArrayBuilder& {
        return *typed.field_builder(static_cast<int>(i));
      });
    }
    if (const auto* list = type.list()) {
      if (kind != Kind::kArray) return Mismatch(type, path);
      return AppendList(*list, path, static_cast<arrow::ListBuilder&>(builder));
    }
    return AppendMap(kind, type, path, static_cast<arrow::MapBuilder&>(builder));
  }

  template <class BuilderOf>
  Result<> AppendMembers(const std::vector<Field>& fields, const std::string& prefix,
                         const BuilderOf& builder_of) {
    std::vector<bool> seen(fields.size(), false);
    PK_TRY(cursor_.Enter('{'));
    for (bool first = true; PK_TRY(cursor_.Next('}', first)); first = false) {
      const std::string key = PK_TRY(cursor_.Key());
      const auto at = std::find_if(fields.begin(), fields.end(),
                                   [&](const Field& field) { return field.name == key; });
      PK_CHECK(at != fields.end(),
               InvalidArgument(fmt::format("there is no column '{}{}'", prefix, key)));
      const auto i = static_cast<size_t>(at - fields.begin());
      PK_CHECK(!seen[i], InvalidArgument(fmt::format("'{}{}' comes twice", prefix, key)));
      seen[i] = true;
      PK_TRY(Append(at->type, at->required, prefix + key, builder_of(i)));
    }
    for (size_t i = 0; i < fields.size(); ++i) {
      if (seen[i]) continue;
      PK_CHECK(!fields[i].required, InvalidArgument(fmt::format("'{}{}' is required and missing",
                                                                prefix, fields[i].name)));
      PK_TRY(FromArrow(builder_of(i).AppendNull()));
    }
    return {};
  }

 private:
  Error Mismatch(const iceberg::Type& type, const std::string& path) {
    auto text = cursor_.Skip();
    if (!text.ok()) return std::move(text).error();
    return InvalidArgument(fmt::format("'{}': {}", path, IsNot(*text, type)));
  }

  Result<> AppendPrimitive(Kind kind, const PrimitiveType& type, const std::string& path,
                           arrow::ArrayBuilder& builder) {
    const bool is_text = type.kind == PrimitiveKind::kString;
    const bool is_boolean = type.kind == PrimitiveKind::kBoolean;
    if (kind == Kind::kBoolean && is_boolean) {
      const bool value = PK_TRY(cursor_.Boolean());
      return FromArrow(static_cast<arrow::BooleanBuilder&>(builder).Append(value));
    }
    const bool number = kind == Kind::kNumber && !is_text && !is_boolean && IsNumber(type.kind);
    const bool string = kind == Kind::kString && !is_boolean;
    if (!number && !string) return Mismatch(type, path);
    const std::string_view text = number ? PK_TRY(cursor_.Number()) : PK_TRY(cursor_.String());
    PK_CHECK(PK_TRY(AppendText(text, type, builder)),
             InvalidArgument(fmt::format("'{}': {}", path, IsNot(text, type))));
    return {};
  }

  static bool IsNumber(PrimitiveKind kind) {
    return kind == PrimitiveKind::kInt || kind == PrimitiveKind::kLong ||
           kind == PrimitiveKind::kFloat || kind == PrimitiveKind::kDouble ||
           kind == PrimitiveKind::kDecimal;
  }

  Result<> AppendList(const iceberg::ListType& type, const std::string& path,
                      arrow::ListBuilder& builder) {
    PK_TRY(FromArrow(builder.Append()));
    PK_TRY(cursor_.Enter('['));
    for (bool first = true; PK_TRY(cursor_.Next(']', first)); first = false) {
      PK_TRY(
          Append(type.element, type.element_required, path + ".element", *builder.value_builder()));
    }
    return {};
  }

  Result<> AppendMap(Kind kind, const iceberg::Type& type, const std::string& path,
                     arrow::MapBuilder& builder) {
    const auto& map = *type.map();
    const bool keyed_by_text =
        map.key.is_primitive() && map.key.primitive()->kind == PrimitiveKind::kString;
    if (kind == Kind::kObject && keyed_by_text) {
      PK_TRY(FromArrow(builder.Append()));
      PK_TRY(cursor_.Enter('{'));
      for (bool first = true; PK_TRY(cursor_.Next('}', first)); first = false) {
        const std::string key = PK_TRY(cursor_.Key());
        PK_CHECK(PK_TRY(AppendText(key, *map.key.primitive(), *builder.key_builder())),
                 InvalidArgument(fmt::format("'{}.key': {}", path, IsNot(key, map.key))));
        PK_TRY(Append(map.value, map.value_required, path + ".value", *builder.item_builder()));
      }
      return {};
    }
    if (kind != Kind::kArray) return Mismatch(type, path);
    PK_TRY(FromArrow(builder.Append()));
    PK_TRY(cursor_.Enter('['));
    for (bool first = true; PK_TRY(cursor_.Next(']', first)); first = false) {
      PK_TRY(AppendEntry(map, path, builder));
    }
    return {};
  }

  Result<> AppendEntry(const iceberg::MapType& map, const std::string& path,
                       arrow::MapBuilder& builder) {
    const Error no_pair = InvalidArgument(fmt::format("'{}': an entry is no [key, value]", path));
    PK_TRY(cursor_.Enter('['));
    PK_CHECK(PK_TRY(cursor_.Next(']', true)), no_pair);
    PK_TRY(Append(map.key, true, path + ".key", *builder.key_builder()));
    PK_CHECK(PK_TRY(cursor_.Next(']', false)), no_pair);
    PK_TRY(Append(map.value, map.value_required, path + ".value", *builder.item_builder()));
    PK_CHECK(!PK_TRY(cursor_.Next(']', false)), no_pair);
    return {};
  }

  JsonCursor& cursor_;
};

}  // namespace

std::string IsNot(std::string_view text, const iceberg::Type& type) {
  constexpr size_t kShown = 60;
  std::string shown(text.substr(0, kShown));
  // Not in the middle of a character.
  while (text.size() > kShown && !shown.empty() && (text[shown.size()] & 0xC0) == 0x80) {
    shown.pop_back();
  }
  if (text.size() > kShown) shown += "...";
  if (!arrow::util::ValidateUTF8(shown)) shown = "text that is not UTF-8";
  const std::string name = iceberg::ToString(type);
  const bool vowel = std::string_view("aeio").find(name.front()) != std::string_view::npos;
  return fmt::format("'{}' is not {} {}", shown, vowel ? "an" : "a", name);
}

Result<bool> AppendText(std::string_view text, const PrimitiveType& type,
                        arrow::ArrayBuilder& builder) {
  if (const auto done = AppendPlain(text, type, builder)) return *done;
  auto value = iceberg::ParseValue(text, type);
  if (!value.ok()) return false;
  PK_CHECK(PutValue(*value, type, builder), Unavailable("not enough memory for a batch of text"));
  return true;
}

Result<> AppendJson(std::string_view json, const Field& field, const std::string& path,
                    arrow::ArrayBuilder& builder) {
  JsonCursor cursor(json);
  PK_TRY(JsonAppender(cursor).Append(field.type, field.required, path, builder));
  return cursor.End();
}

Result<RowBuilder> RowBuilder::Make(std::shared_ptr<const iceberg::Schema> schema) {
  arrow::util::InitializeUTF8();
  RowBuilder out;
  for (const Field& field : schema->fields()) {
    out.builders_.push_back(PK_TRY(FromArrow(arrow::MakeBuilder(ToArrowType(field.type)))));
  }
  out.schema_ = std::move(schema);
  return out;
}

Result<> RowBuilder::AppendObject(std::string_view line) {
  JsonCursor cursor(line);
  PK_CHECK(PK_TRY(cursor.Peek()) == Kind::kObject, InvalidArgument("the line is no JSON object"));
  PK_TRY(JsonAppender(cursor).AppendMembers(
      schema_->fields(), "", [&](size_t i) -> arrow::ArrayBuilder& { return *builders_[i]; }));
  return cursor.End();
}

Result<std::shared_ptr<arrow::RecordBatch>> RowBuilder::Finish() {
  arrow::ArrayVector columns;
  for (auto& builder : builders_) {
    std::shared_ptr<arrow::Array> column;
    PK_TRY(FromArrow(builder->Finish(&column)));
    columns.push_back(std::move(column));
  }
  const int64_t rows = columns.empty() ? 0 : columns.front()->length();
  return arrow::RecordBatch::Make(ToArrowSchema(*schema_), rows, std::move(columns));
}

}  // namespace pk::datafile
