#include "parkeeper/datafile/row_mask_internal.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string_view>

#include "parkeeper/datafile/arrow_adapter_internal.h"

namespace pk::datafile {
namespace {

using iceberg::BoundExpression;
using iceberg::BoundPredicate;
using iceberg::Int128;
using iceberg::Operator;
using Bytes = std::vector<uint8_t>;

// out[i] = test(value_at(i)) for all rows; inlined for each pair of column form and operator.
template <class ValueAt, class Test>
void Each(int64_t rows, const ValueAt& value_at, uint8_t* out, const Test& test) {
  for (int64_t i = 0; i < rows; ++i) out[i] = test(value_at(i)) ? 1 : 0;
}

template <class T, class ValueAt>
void EvaluateIn(int64_t rows, const ValueAt& value_at, const std::vector<T>& set, bool wanted,
                uint8_t* out) {
  if (set.size() <= 8) {
    Each(rows, value_at, out, [&](const T& value) {
      bool found = false;
      for (const T& member : set) found |= value == member;
      return found == wanted;
    });
    return;
  }
  Each(rows, value_at, out, [&](const T& value) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(value)) return !wanted;  // a search would find it equal to anything
    }
    return std::binary_search(set.begin(), set.end(), value) == wanted;
  });
}

bool StartsWith(std::string_view value, std::string_view prefix) {
  return value.substr(0, prefix.size()) == prefix;
}

// `literals` are the predicate's values; sorted for In.
template <class T, class ValueAt>
void EvaluateValues(Operator op, int64_t rows, const ValueAt& value_at,
                    const std::vector<T>& literals, uint8_t* out) {
  const T literal = literals.empty() ? T{} : literals.front();
  switch (op) {
    case Operator::kLess:
      return Each(rows, value_at, out, [&](const T& v) { return v < literal; });
    case Operator::kLessOrEqual:
      return Each(rows, value_at, out, [&](const T& v) { return v <= literal; });
    case Operator::kGreater:
      return Each(rows, value_at, out, [&](const T& v) { return v > literal; });
    case Operator::kGreaterOrEqual:
      return Each(rows, value_at, out, [&](const T& v) { return v >= literal; });
    case Operator::kEqual:
      return Each(rows, value_at, out, [&](const T& v) { return v == literal; });
    case Operator::kNotEqual:
      return Each(rows, value_at, out, [&](const T& v) { return v != literal; });
    case Operator::kIn:
      return EvaluateIn(rows, value_at, literals, true, out);
    case Operator::kNotIn:
      return EvaluateIn(rows, value_at, literals, false, out);
    case Operator::kIsNan:
    case Operator::kNotNan:
      if constexpr (std::is_floating_point_v<T>) {
        const bool wanted = op == Operator::kIsNan;
        return Each(rows, value_at, out, [&](T v) { return std::isnan(v) == wanted; });
      }
      break;
    case Operator::kStartsWith:
    case Operator::kNotStartsWith:
      if constexpr (std::is_same_v<T, std::string_view>) {
        const bool wanted = op == Operator::kStartsWith;
        return Each(rows, value_at, out,
                    [&](std::string_view v) { return StartsWith(v, literal) == wanted; });
      }
      break;
    default:
      break;
  }
  // NaN tests of what is never NaN; all else Bind refuses.
  std::memset(out, op == Operator::kNotNan ? 1 : 0, static_cast<size_t>(rows));
}

template <class T>
std::vector<T> LiteralsAs(const BoundPredicate& predicate) {
  std::vector<T> out;
  for (const auto& value : predicate.values) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      out.push_back(*std::get_if<std::string>(&value));
    } else {
      out.push_back(*std::get_if<T>(&value));
    }
  }
  return out;
}

template <class T, class ValueAt>
void Run(const BoundPredicate& predicate, int64_t rows, const ValueAt& value_at, uint8_t* out) {
  EvaluateValues<T>(predicate.op, rows, value_at, LiteralsAs<T>(predicate), out);
}

template <class T>
void RunFixed(const BoundPredicate& predicate, const arrow::ArrayData& data, uint8_t* out) {
  const T* values = data.GetValues<T>(1);
  Run<T>(predicate, data.length, [values](int64_t i) { return values[i]; }, out);
}

void RunDecimal(const BoundPredicate& predicate, const arrow::ArrayData& data, uint8_t* out) {
  const uint8_t* values = data.buffers[1]->data() + data.offset * 16;
  auto value_at = [values](int64_t i) {
    Int128 value;
    std::memcpy(&value, values + i * 16, 16);
    return value;
  };
  Run<Int128>(predicate, data.length, value_at, out);
}

template <class ArrayType>
void RunStrings(const BoundPredicate& predicate, const arrow::Array& array, uint8_t* out) {
  const auto& typed = static_cast<const ArrayType&>(array);
  Run<std::string_view>(
      predicate, array.length(), [&](int64_t i) { return typed.GetView(i); }, out);
}

// Without regard to nulls.
Result<> RunPredicate(const BoundPredicate& predicate, const arrow::Array& array, uint8_t* out);

Result<> RunDictionary(const BoundPredicate& predicate, const arrow::Array& array, uint8_t* out) {
  const auto& typed = static_cast<const arrow::DictionaryArray&>(array);
  const auto& dictionary = *typed.dictionary();
  Bytes word_passes(static_cast<size_t>(dictionary.length()) + 1, 0);  // the last for nulls
  PK_TRY(RunPredicate(predicate, dictionary, word_passes.data()));
  const auto last = static_cast<uint32_t>(dictionary.length());
  const int32_t* indices = typed.indices()->data()->GetValues<int32_t>(1);
  for (int64_t i = 0; i < array.length(); ++i) {
    out[i] = word_passes[std::min(static_cast<uint32_t>(indices[i]), last)];
  }
  return {};
}

Result<> RunPredicate(const BoundPredicate& predicate, const arrow::Array& array, uint8_t* out) {
  const arrow::ArrayData& data = *array.data();
  switch (array.type_id()) {
    case arrow::Type::BOOL: {
      const auto& typed = static_cast<const arrow::BooleanArray&>(array);
      Run<bool>(predicate, array.length(), [&](int64_t i) { return typed.Value(i); }, out);
      return {};
    }
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return RunFixed<int32_t>(predicate, data, out), Result<>();
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      return RunFixed<int64_t>(predicate, data, out), Result<>();
    case arrow::Type::FLOAT:
      return RunFixed<float>(predicate, data, out), Result<>();
    case arrow::Type::DOUBLE:
      return RunFixed<double>(predicate, data, out), Result<>();
    case arrow::Type::DECIMAL128:
      return RunDecimal(predicate, data, out), Result<>();
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return RunStrings<arrow::BinaryArray>(predicate, array, out), Result<>();
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return RunStrings<arrow::BinaryViewArray>(predicate, array, out), Result<>();
    case arrow::Type::FIXED_SIZE_BINARY:
      return RunStrings<arrow::FixedSizeBinaryArray>(predicate, array, out), Result<>();
    case arrow::Type::DICTIONARY:
      return RunDictionary(predicate, array, out);
    default:
      return Internal(
          fmt::format("a filter over a column of Arrow type {}", array.type()->ToString()));
  }
}

void ValidBytes(const arrow::Array& array, bool wanted, uint8_t* out) {
  const auto rows = static_cast<size_t>(array.length());
  if (array.null_count() == 0) {
    std::memset(out, wanted ? 1 : 0, rows);
    return;
  }
  for (size_t i = 0; i < rows; ++i) {
    out[i] = array.IsValid(static_cast<int64_t>(i)) == wanted ? 1 : 0;
  }
}

// With negations pushed down to the predicates, "unknown" and "false" come to the same, so a byte
// per row is enough.
class Evaluation {
 public:
  Evaluation(int64_t rows, const ColumnSource& columns) : rows_(rows), columns_(columns) {}

  Result<Bytes> Evaluate(const BoundExpression& filter, bool negated) const {
    if (filter.is_true() || filter.is_false()) return Bytes(Size(), filter.is_true() != negated);
    if (const auto* predicate = std::get_if<BoundPredicate>(&filter.node)) {
      return One(*predicate, negated);
    }
    if (const auto* conjunction = std::get_if<BoundExpression::And>(&filter.node)) {
      return Combine(conjunction->of, !negated, negated);
    }
    if (const auto* disjunction = std::get_if<BoundExpression::Or>(&filter.node)) {
      return Combine(disjunction->of, negated, negated);
    }
    return Evaluate(std::get_if<BoundExpression::Not>(&filter.node)->of.front(), !negated);
  }

 private:
  size_t Size() const { return static_cast<size_t>(rows_); }

  Result<Bytes> Combine(const std::vector<BoundExpression>& of, bool conjunction,
                        bool negated) const {
    Bytes total(Size(), conjunction);
    for (const auto& part : of) {
      const Bytes bytes = PK_TRY(Evaluate(part, negated));
      if (conjunction) {
        std::transform(total.begin(), total.end(), bytes.begin(), total.begin(), std::bit_and<>());
        // Nothing more to be lost, which spares the rest.
        if (std::memchr(total.data(), 1, total.size()) == nullptr) break;
      } else {
        std::transform(total.begin(), total.end(), bytes.begin(), total.begin(), std::bit_or<>());
      }
    }
    return total;
  }

  // Where the column is null the outcome is unknown, negated or not.
  Result<Bytes> One(const BoundPredicate& predicate, bool negated) const {
    Bytes out(Size());
    const std::shared_ptr<arrow::Array> array = PK_TRY(columns_(predicate.field_id));
    PK_CHECK(array->length() == rows_, Internal("a filter over columns of different lengths"));
    if (predicate.op == Operator::kIsNull || predicate.op == Operator::kNotNull) {
      ValidBytes(*array, (predicate.op == Operator::kNotNull) != negated, out.data());
      return out;
    }
    PK_TRY(RunPredicate(predicate, *array, out.data()));
    if (negated) {
      for (uint8_t& passes : out) passes ^= 1;
    }
    if (array->null_count() > 0) {
      for (size_t i = 0; i < out.size(); ++i) {
        if (array->IsNull(static_cast<int64_t>(i))) out[i] = 0;
      }
    }
    return out;
  }

  int64_t rows_;
  const ColumnSource& columns_;
};

}  // namespace

Result<RowMask> EvaluateRows(const BoundExpression& filter, int64_t rows,
                             const ColumnSource& columns) {
  RowMask mask;
  mask.passes = PK_TRY(Evaluation(rows, columns).Evaluate(filter, false));
  for (uint8_t passes : mask.passes) mask.count += passes;
  return mask;
}

Result<std::shared_ptr<arrow::Array>> SelectionOf(const RowMask& mask) {
  const auto rows = static_cast<int64_t>(mask.passes.size());
  std::shared_ptr<arrow::Buffer> bits =
      PK_TRY(FromArrow(arrow::AllocateBuffer(arrow::bit_util::BytesForBits(rows))));
  uint8_t* out = bits->mutable_data();
  const uint8_t* passes = mask.passes.data();
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, passes + i, 8);
    // Gathers the lowest bits of eight bytes in the highest byte.
    out[i / 8] = static_cast<uint8_t>((eight * 0x0102040810204080) >> 56);
  }
  if (i < rows) out[i / 8] = 0;
  for (; i < rows; ++i) arrow::bit_util::SetBitTo(out, i, passes[i] != 0);
  return std::make_shared<arrow::BooleanArray>(rows, std::move(bits));
}

Result<std::shared_ptr<arrow::Array>> Apply(const std::shared_ptr<arrow::Array>& selection,
                                            const std::shared_ptr<arrow::Array>& array) {
  RegisterKernels();
  return PK_TRY(FromArrow(arrow::compute::Filter(array, selection))).make_array();
}

Result<std::shared_ptr<arrow::Array>> ColumnById(const arrow::RecordBatch& batch,
                                                 const iceberg::Schema& schema, int32_t field_id) {
  const std::vector<int32_t> path = schema.PathTo(field_id);
  const std::vector<iceberg::Field>* fields = &schema.fields();
  std::shared_ptr<arrow::Array> array;
  for (int32_t id : path) {
    const auto at = std::find_if(fields->begin(), fields->end(),
                                 [id](const iceberg::Field& field) { return field.id == id; });
    PK_CHECK(at != fields->end(), Internal("a filter over a repeated column"));
    const auto index = static_cast<int>(at - fields->begin());
    if (array == nullptr) {
      array = batch.column(index);
    } else {
      const auto& parent = static_cast<const arrow::StructArray&>(*array);
      array = PK_TRY(FromArrow(parent.GetFlattenedField(index)));
    }
    if (const auto* members = at->type.struct_type()) fields = &members->fields;
  }
  PK_CHECK(array != nullptr,
           Internal(fmt::format("no column with field id {} to filter by", field_id)));
  return array;
}

}  // namespace pk::datafile
