#include <arrow/array/array_binary.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/extension_type.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/bitmap_ops.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "parkeeper/base/ids.h"
#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/convert_internal.h"

namespace pk::datafile {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;

constexpr ErrorCode kBadValue = ErrorCode::kInvalidArgument;

bool IsInteger(PrimitiveKind kind) {
  return kind == PrimitiveKind::kInt || kind == PrimitiveKind::kLong;
}

bool PrimitiveConverts(const PrimitiveType& from, const PrimitiveType& to) {
  if (from == to) return true;
  switch (to.kind) {
    case PrimitiveKind::kInt:
    case PrimitiveKind::kLong:
      return IsInteger(from.kind) || from.kind == PrimitiveKind::kDecimal;
    case PrimitiveKind::kFloat:
      return IsInteger(from.kind);
    case PrimitiveKind::kDouble:
      return IsInteger(from.kind) || from.kind == PrimitiveKind::kFloat;
    case PrimitiveKind::kDecimal:
      return IsInteger(from.kind) || from.kind == PrimitiveKind::kDecimal;
    case PrimitiveKind::kTimestamp:
      return from.kind == PrimitiveKind::kDate;
    case PrimitiveKind::kString:
      return from.kind == PrimitiveKind::kBinary;
    case PrimitiveKind::kBinary:
      return from.kind == PrimitiveKind::kString;
    case PrimitiveKind::kUuid:
      return from.kind == PrimitiveKind::kString ||
             (from.kind == PrimitiveKind::kFixed && from.length == 16);
    case PrimitiveKind::kFixed:
      return from.kind == PrimitiveKind::kBinary ||
             (from.kind == PrimitiveKind::kUuid && to.length == 16);
    default:
      return false;
  }
}

std::string Folded(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c;
  return out;
}

Result<> CheckStruct(const iceberg::StructType& from, const iceberg::StructType& to) {
  const std::vector<int> places = PK_TRY(MatchNames(from.fields, to.fields, "member"));
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] < 0) continue;
    PK_TRY(CheckConverts(from.fields[size_t(places[i])].type, to.fields[i].type)
               .With(fmt::format("member '{}'", to.fields[i].name)));
  }
  return {};
}

// The first of `length` elements that fails, where `fails(begin, length)` says whether one of a
// range does and the whole does. Looks at about as many elements as there are.
int64_t FirstFailure(int64_t length, const std::function<bool(int64_t, int64_t)>& fails) {
  int64_t begin = 0;
  while (length > 1) {
    const int64_t half = length / 2;
    if (fails(begin, half)) {
      length = half;
    } else {
      begin += half;
      length -= half;
    }
  }
  return begin;
}

std::string TextOf(const arrow::Array& array, int64_t index) {
  auto scalar = array.GetScalar(index);
  std::string text = scalar.ok() ? (*scalar)->ToString() : "a value";
  constexpr size_t kLongest = 60;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

Error Unfit(const arrow::Array& array, int64_t index, const PrimitiveType& to) {
  using T = arrow::Type;
  const T::type id = array.type_id();
  if (to.kind == PrimitiveKind::kString) return InvalidArgument("a value that is not valid UTF-8");
  const bool temporal = id == T::TIMESTAMP || id == T::TIME32 || id == T::TIME64;
  return InvalidArgument(fmt::format("{} does not fit {}{}", TextOf(array, index),
                                     iceberg::ToString(iceberg::Type(to)),
                                     temporal ? ", which has microseconds and 64 bits" : ""));
}

arrow::Result<ArrayPtr> Cast(const ArrayPtr& array, const std::shared_ptr<arrow::DataType>& type) {
  return arrow::compute::Cast(*array, type, arrow::compute::CastOptions::Safe());
}

// The array without extension and run-end encoding, and without a dictionary unless it is one of
// strings or binaries.
Result<ArrayPtr> Unwrap(ArrayPtr array) {
  for (;;) {
    if (array->type_id() == arrow::Type::EXTENSION) {
      array = static_cast<const arrow::ExtensionArray&>(*array).storage();
    } else if (array->type_id() == arrow::Type::RUN_END_ENCODED) {
      array = PK_TRY(FromArrow(arrow::compute::RunEndDecode(array))).make_array();
    } else if (array->type_id() == arrow::Type::DICTIONARY) {
      const auto& type = static_cast<const arrow::DictionaryType&>(*array->type());
      if (arrow::is_base_binary_like(type.value_type()->id())) return array;
      array = PK_TRY(FromArrow(Cast(array, type.value_type()), kBadValue));
    } else {
      return array;
    }
  }
}

Result<ArrayPtr> CastValues(const ArrayPtr& array, const PrimitiveType& to) {
  const auto type = ToArrowType(to);
  const bool decimal = to.kind == PrimitiveKind::kDecimal;
  auto attempt = [&](const ArrayPtr& values) -> arrow::Result<ArrayPtr> {
    // Arrow wants room for every possible integer; what counts here is the values that there are.
    if (decimal && arrow::is_integer(values->type_id())) {
      ARROW_ASSIGN_OR_RAISE(auto wide, Cast(values, arrow::decimal128(38, 0)));
      return Cast(wide, type);
    }
    return Cast(values, type);
  };
  auto result = attempt(array);
  if (result.ok()) return *result;
  if (!result.status().IsInvalid()) return ErrorFrom(result.status(), kBadValue);
  const int64_t row = FirstFailure(array->length(), [&](int64_t begin, int64_t length) {
    return !attempt(array->Slice(begin, length)).ok();
  });
  return Unfit(*array, row, to);
}

// A dictionary of plain strings or binaries with int32 indices.
Result<ArrayPtr> CastDictionary(const ArrayPtr& array, const PrimitiveType& to) {
  const auto& dictionary = static_cast<const arrow::DictionaryArray&>(*array);
  ArrayPtr values = dictionary.dictionary();
  const auto plain = ToArrowType(to);
  if (!values->type()->Equals(*plain)) values = PK_TRY(CastValues(values, to));
  ArrayPtr indices = PK_TRY(FromArrow(Cast(dictionary.indices(), arrow::int32()), kBadValue));
  return FromArrow(
      arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::int32(), plain), indices, values),
      kBadValue);
}

// Texts as UUIDs, and bytes as fixeds of their very length.
Result<ArrayPtr> ToFixed(ArrayPtr array, const PrimitiveType& to) {
  const bool is_text = to.kind == PrimitiveKind::kUuid;
  array = PK_TRY(FromArrow(Cast(array, is_text ? arrow::utf8() : arrow::binary()), kBadValue));
  const auto& values = static_cast<const arrow::BinaryArray&>(*array);
  arrow::FixedSizeBinaryBuilder builder(ToArrowType(to));
  PK_TRY(FromArrow(builder.Reserve(values.length())));
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsNull(i)) {
      builder.UnsafeAppendNull();
    } else if (is_text) {
      const auto uuid = Uuid::Parse(values.GetView(i));
      PK_CHECK(uuid.ok(), Unfit(values, i, to));
      builder.UnsafeAppend(uuid->bytes.data());
    } else {
      const std::string_view bytes = values.GetView(i);
      PK_CHECK(int64_t(bytes.size()) == int64_t(to.length),
               InvalidArgument(fmt::format("{} bytes do not fit {}", bytes.size(),
                                           iceberg::ToString(iceberg::Type(to)))));
      builder.UnsafeAppend(bytes.data());
    }
  }
  return FromArrow(builder.Finish());
}

Result<ArrayPtr> ConvertPrimitive(const ArrayPtr& given, const PrimitiveType& from,
                                  const PrimitiveType& to) {
  if (IsHeldAs(*given->type(), to)) return given;
  PK_CHECK(PrimitiveConverts(from, to),
           InvalidArgument(fmt::format("{} does not convert to {}",
                                       iceberg::ToString(iceberg::Type(from)),
                                       iceberg::ToString(iceberg::Type(to)))));
  ArrayPtr array = PK_TRY(Unwrap(given));
  if (IsHeldAs(*array->type(), to)) return array;
  if ((to.kind == PrimitiveKind::kUuid && from.kind == PrimitiveKind::kString) ||
      (to.kind == PrimitiveKind::kFixed && from.kind == PrimitiveKind::kBinary)) {
    return ToFixed(std::move(array), to);
  }
  if (array->type_id() == arrow::Type::DICTIONARY) return CastDictionary(array, to);
  return CastValues(array, to);
}

Result<> CheckNoNull(const arrow::Array& array, const arrow::Array* parent) {
  if (array.null_count() == 0) return {};
  // A member of a null struct is no null of its own.
  for (int64_t i = 0; i < array.length(); ++i)
    PK_CHECK(array.IsValid(i) || (parent != nullptr && parent->IsNull(i)),
             InvalidArgument("null, but the column is required"));
  return {};
}

Result<ArrayPtr> Convert(const ArrayPtr& array, const iceberg::Type& from, const iceberg::Type& to);

Result<ArrayPtr> ConvertStruct(const ArrayPtr& array, const iceberg::StructType& from,
                               const iceberg::StructType& to) {
  PK_CHECK(array->type_id() == arrow::Type::STRUCT &&
               array->num_fields() == static_cast<int>(from.fields.size()),
           InvalidArgument("the column is no struct of the members stated"));
  const auto& rows = static_cast<const arrow::StructArray&>(*array);
  const std::vector<int> places = PK_TRY(MatchNames(from.fields, to.fields, "member"));
  arrow::ArrayVector members;
  arrow::FieldVector fields;
  for (size_t i = 0; i < places.size(); ++i) {
    const iceberg::Field& field = to.fields[i];
    ArrayPtr member;
    if (places[i] < 0) {
      member = PK_TRY(FromArrow(arrow::MakeArrayOfNull(ToArrowType(field.type), array->length())));
    } else {
      const std::string trail = fmt::format("member '{}'", field.name);
      member =
          PK_TRY(Convert(rows.field(places[i]), from.fields[size_t(places[i])].type, field.type)
                     .With(trail));
      if (field.required) PK_TRY(CheckNoNull(*member, array.get()).With(trail));
    }
    fields.push_back(ToArrowField(field)->WithType(member->type()));
    members.push_back(std::move(member));
  }
  auto validity = PK_TRY(ValidityOf(*array));
  return ArrayPtr(std::make_shared<arrow::StructArray>(arrow::struct_(fields), array->length(),
                                                       std::move(members), std::move(validity),
                                                       array->null_count()));
}

// The offsets of a list or map array from 0 on, as if null rows were empty.
Result<std::shared_ptr<arrow::Buffer>> PlainOffsets(const arrow::ListArray& lists) {
  std::shared_ptr<arrow::Buffer> buffer = PK_TRY(FromArrow(
      arrow::AllocateBuffer((lists.length() + 1) * static_cast<int64_t>(sizeof(int32_t)))));
  auto* offsets = reinterpret_cast<int32_t*>(buffer->mutable_data());
  offsets[0] = 0;
  for (int64_t i = 0; i < lists.length(); ++i)
    offsets[i + 1] = offsets[i] + (lists.IsNull(i) ? 0 : lists.value_length(i));
  return buffer;
}

// The values that the rows of a list or map array hold, without those of null rows.
Result<ArrayPtr> PlainValues(const arrow::ListArray& lists) {
  if (lists.null_count() > 0) return FromArrow(lists.Flatten(arrow::default_memory_pool()));
  if (lists.length() == 0) return lists.values()->Slice(0, 0);
  const int64_t first = lists.value_offset(0);
  return lists.values()->Slice(first, lists.value_offset(lists.length()) - first);
}

Result<ArrayPtr> ConvertList(const ArrayPtr& given, const iceberg::ListType& from,
                             const iceberg::ListType& to) {
  ArrayPtr array = given;
  if (array->type_id() != arrow::Type::LIST) {
    PK_CHECK(arrow::is_list_like(array->type_id()) || arrow::is_list_view(array->type_id()),
             InvalidArgument("the column is no list"));
    array = PK_TRY(FromArrow(Cast(array, arrow::list(array->type()->field(0))), kBadValue));
  }
  const auto& lists = static_cast<const arrow::ListArray&>(*array);
  ArrayPtr values = PK_TRY(PlainValues(lists));
  values = PK_TRY(Convert(values, from.element, to.element).With("element"));
  if (to.element_required) PK_TRY(CheckNoNull(*values, nullptr).With("element"));
  auto type = arrow::list(ToArrowType(iceberg::Type(to))->field(0)->WithType(values->type()));
  return ArrayPtr(std::make_shared<arrow::ListArray>(
      std::move(type), array->length(), PK_TRY(PlainOffsets(lists)), values,
      PK_TRY(ValidityOf(*array)), array->null_count()));
}

Result<ArrayPtr> ConvertMap(const ArrayPtr& array, const iceberg::MapType& from,
                            const iceberg::MapType& to) {
  PK_CHECK(array->type_id() == arrow::Type::MAP, InvalidArgument("the column is no map"));
  const auto& lists = static_cast<const arrow::MapArray&>(*array);
  ArrayPtr values = PK_TRY(PlainValues(lists));
  const auto& entries = static_cast<const arrow::StructArray&>(*values);
  ArrayPtr keys = PK_TRY(Convert(entries.field(0), from.key, to.key).With("key"));
  PK_TRY(CheckNoNull(*keys, nullptr).With("key"));
  ArrayPtr items = PK_TRY(Convert(entries.field(1), from.value, to.value).With("value"));
  if (to.value_required) PK_TRY(CheckNoNull(*items, nullptr).With("value"));
  const auto plain = ToArrowType(iceberg::Type(to));
  const auto& map = static_cast<const arrow::MapType&>(*plain);
  auto type = std::make_shared<arrow::MapType>(map.key_field()->WithType(keys->type()),
                                               map.item_field()->WithType(items->type()));
  return ArrayPtr(std::make_shared<arrow::MapArray>(
      std::move(type), array->length(), PK_TRY(PlainOffsets(lists)), keys, items,
      PK_TRY(ValidityOf(*array)), array->null_count()));
}

Result<ArrayPtr> Convert(const ArrayPtr& given, const iceberg::Type& from,
                         const iceberg::Type& to) {
  if (from.is_primitive() && to.is_primitive())
    return ConvertPrimitive(given, *from.primitive(), *to.primitive());
  PK_TRY(CheckConverts(from, to));
  ArrayPtr array = PK_TRY(Unwrap(given));
  if (to.list() != nullptr) return ConvertList(array, *from.list(), *to.list());
  if (to.map() != nullptr) return ConvertMap(array, *from.map(), *to.map());
  return ConvertStruct(array, *from.struct_type(), *to.struct_type());
}

Result<ArrayPtr> ConvertRows(const ArrayPtr& array, const iceberg::Field& from,
                             const iceberg::Field& to) {
  ArrayPtr result = PK_TRY(Convert(array, from.type, to.type));
  if (to.required) PK_TRY(CheckNoNull(*result, nullptr));
  return result;
}

// Nested columns are rebuilt only when something in them is to be done.
bool IsAsWanted(const arrow::Array& array, const iceberg::Field& from, const iceberg::Field& to) {
  if (!from.type.is_primitive() && !(from.type == to.type)) return false;
  return IsHeldAs(*array.type(), to.type) && (!to.required || array.null_count() == 0);
}

Result<> CheckRequiredInside(const arrow::Array& array, const iceberg::Type& type);

Result<> CheckRequiredIn(const arrow::Array& array, const iceberg::Field& field,
                         const arrow::Array* parent) {
  if (field.required) PK_TRY(CheckNoNull(array, parent));
  return CheckRequiredInside(array, field.type);
}

Result<> CheckRequiredInside(const arrow::Array& array, const iceberg::Type& type) {
  if (const auto* members = type.struct_type()) {
    const auto& rows = static_cast<const arrow::StructArray&>(array);
    for (size_t i = 0; i < members->fields.size(); ++i) {
      const iceberg::Field& member = members->fields[i];
      // With the nulls of the struct, so that what is inside a null struct counts as null in it.
      const ArrayPtr values = PK_TRY(FromArrow(rows.GetFlattenedField(static_cast<int>(i))));
      PK_TRY(
          CheckRequiredIn(*values, member, &array).With(fmt::format("member '{}'", member.name)));
    }
  } else if (const auto* list = type.list()) {
    const auto values = PK_TRY(PlainValues(static_cast<const arrow::ListArray&>(array)));
    if (list->element_required) PK_TRY(CheckNoNull(*values, nullptr).With("element"));
    PK_TRY(CheckRequiredInside(*values, list->element).With("element"));
  } else if (const auto* map = type.map()) {
    const auto values = PK_TRY(PlainValues(static_cast<const arrow::MapArray&>(array)));
    const auto& entries = static_cast<const arrow::StructArray&>(*values);
    PK_TRY(CheckNoNull(*entries.field(0), nullptr).With("key"));
    if (map->value_required) PK_TRY(CheckNoNull(*entries.field(1), nullptr).With("value"));
    PK_TRY(CheckRequiredInside(*entries.field(1), map->value).With("value"));
  }
  return {};
}

// `type` without dictionaries and views, its fields' names kept.
std::shared_ptr<arrow::DataType> PlainType(const std::shared_ptr<arrow::DataType>& type) {
  auto plain = [](const std::shared_ptr<arrow::Field>& field) {
    return field->WithType(PlainType(field->type()));
  };
  switch (type->id()) {
    case arrow::Type::DICTIONARY:
      return static_cast<const arrow::DictionaryType&>(*type).value_type();
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::BINARY_VIEW:
      return arrow::binary();
    case arrow::Type::LIST:
      return arrow::list(plain(type->field(0)));
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      return std::make_shared<arrow::MapType>(plain(map.key_field()), plain(map.item_field()));
    }
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) fields.push_back(plain(field));
      return arrow::struct_(fields);
    }
    default:
      return type;
  }
}

}  // namespace

Result<std::vector<int>> MatchNames(const std::vector<iceberg::Field>& from,
                                    const std::vector<iceberg::Field>& to, std::string_view what) {
  std::map<std::string, int, std::less<>> exact, folded;  // places not taken yet
  for (size_t i = 0; i < from.size(); ++i) exact.emplace(from[i].name, int(i));
  std::vector<int> places(to.size(), -1);
  std::map<std::string, int> wanted;  // how often, by folded name
  for (size_t i = 0; i < to.size(); ++i) {
    if (const auto found = exact.find(to[i].name); found != exact.end()) {
      places[i] = found->second;
      exact.erase(found);
    }
    ++wanted[Folded(to[i].name)];
  }
  for (const auto& [name, place] : exact) folded.emplace(Folded(name), place);
  for (size_t i = 0; i < to.size(); ++i) {
    const auto found = folded.find(Folded(to[i].name));
    // Where names differ by their case only, the case counts.
    if (places[i] < 0 && found != folded.end() && wanted[found->first] == 1) {
      places[i] = found->second;
    }
    PK_CHECK(places[i] >= 0 || !to[i].required,
             InvalidArgument(fmt::format("{} '{}' is required and missing", what, to[i].name)));
  }
  for (size_t i = 0; i < from.size(); ++i) {
    PK_CHECK(std::ranges::find(places, int(i)) != places.end(),
             InvalidArgument(fmt::format("{} '{}' is not in the table", what, from[i].name)));
  }
  return places;
}

Result<> CheckConverts(const iceberg::Type& from, const iceberg::Type& to) {
  if (from.is_primitive() && to.is_primitive()) {
    PK_CHECK(PrimitiveConverts(*from.primitive(), *to.primitive()),
             InvalidArgument(fmt::format("{} does not convert to {}", iceberg::ToString(from),
                                         iceberg::ToString(to))));
    return {};
  }
  if (from.list() != nullptr && to.list() != nullptr)
    return CheckConverts(from.list()->element, to.list()->element).With("element");
  if (from.map() != nullptr && to.map() != nullptr) {
    PK_TRY(CheckConverts(from.map()->key, to.map()->key).With("key"));
    return CheckConverts(from.map()->value, to.map()->value).With("value");
  }
  if (from.struct_type() != nullptr && to.struct_type() != nullptr)
    return CheckStruct(*from.struct_type(), *to.struct_type());
  return InvalidArgument(
      fmt::format("{} does not convert to {}", iceberg::ToString(from), iceberg::ToString(to)));
}

Result<ArrayPtr> ConvertColumn(const ArrayPtr& array, const iceberg::Field& from,
                               const iceberg::Field& to) {
  if (IsAsWanted(*array, from, to)) return array;
  RegisterKernels();
  auto result = ConvertRows(array, from, to);
  if (result.ok()) return result;
  const std::string column = fmt::format("column '{}'", to.name);
  if (result.error().code() != kBadValue || array->length() == 0 ||
      !CheckConverts(from.type, to.type).ok())
    return std::move(result).With(column);
  const int64_t row = FirstFailure(array->length(), [&](int64_t begin, int64_t length) {
    return !ConvertRows(array->Slice(begin, length), from, to).ok();
  });
  return ConvertRows(array->Slice(row, 1), from, to).With(column).With(fmt::format("row {}", row));
}

Result<std::shared_ptr<arrow::RecordBatch>> Normalise(
    const std::shared_ptr<arrow::RecordBatch>& batch, const iceberg::Schema& schema) {
  const auto& fields = schema.fields();
  PK_CHECK(batch->num_columns() == static_cast<int>(fields.size()),
           InvalidArgument(fmt::format("a batch has {} columns where its schema has {}",
                                       batch->num_columns(), fields.size())));
  arrow::ArrayVector columns;
  arrow::FieldVector held;
  for (size_t i = 0; i < fields.size(); ++i) {
    columns.push_back(
        PK_TRY(ConvertColumn(batch->column(static_cast<int>(i)), fields[i], fields[i])));
    held.push_back(ToArrowField(fields[i])->WithType(columns.back()->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(held)), batch->num_rows(),
                                  std::move(columns));
}

Result<std::shared_ptr<arrow::Buffer>> ValidityOf(const arrow::Array& array) {
  if (array.null_count() == 0 || array.null_bitmap_data() == nullptr)
    return std::shared_ptr<arrow::Buffer>();
  return FromArrow(arrow::internal::CopyBitmap(
      arrow::default_memory_pool(), array.null_bitmap_data(), array.offset(), array.length()));
}

Result<ArrayPtr> InPlainForm(const ArrayPtr& array) {
  const auto plain = PlainType(array->type());
  if (array->type()->Equals(*plain)) return array;
  RegisterKernels();
  return FromArrow(Cast(array, plain), kBadValue);
}

Result<> CheckRequired(const arrow::Array& array, const iceberg::Field& field) {
  auto checked = CheckRequiredIn(array, field, nullptr);
  if (checked.ok()) return checked;
  const int64_t row = FirstFailure(array.length(), [&](int64_t begin, int64_t length) {
    return !CheckRequiredIn(*array.Slice(begin, length), field, nullptr).ok();
  });
  return std::move(checked)
      .With(fmt::format("column '{}'", field.name))
      .With(fmt::format("row {}", row));
}

}  // namespace pk::datafile
