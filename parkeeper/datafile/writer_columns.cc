#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/chunked_array.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <bit>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/convert_internal.h"
#include "parkeeper/datafile/writer_columns_internal.h"

namespace pk::datafile {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using ChunkedPtr = std::shared_ptr<arrow::ChunkedArray>;

constexpr int64_t kSampleRows = 8192;

// Arrow's own conversion of decimals costs several times as much.
template <class Integer>
Result<ArrayPtr> DecimalAsInteger(const arrow::Array& array) {
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(array);
  const int64_t length = array.length();
  std::shared_ptr<arrow::Buffer> buffer =
      PK_TRY(FromArrow(arrow::AllocateBuffer(length * static_cast<int64_t>(sizeof(Integer)))));
  auto* to = reinterpret_cast<Integer*>(buffer->mutable_data());
  const uint8_t* from = length == 0 ? nullptr : decimals.GetValue(0);
  for (int64_t i = 0; i < length; ++i) {
    // The low word holds the whole value: its digits fit the integer.
    Integer low;
    std::memcpy(&low, from + i * 16, sizeof(low));
    to[i] = low;
  }
  auto type = sizeof(Integer) == 4 ? arrow::int32() : arrow::int64();
  return arrow::MakeArray(arrow::ArrayData::Make(
      std::move(type), length, {PK_TRY(ValidityOf(array)), std::move(buffer)}, array.null_count()));
}

Result<ChunkedPtr> WrittenOut(const arrow::ArrayVector& chunks) {
  arrow::ArrayVector plain;
  for (const auto& chunk : chunks) plain.push_back(PK_TRY(InPlainForm(chunk)));
  return std::make_shared<arrow::ChunkedArray>(std::move(plain));
}

// Collects the values that dictionary chunks use into one dictionary.
class DictionaryUnion {
 public:
  explicit DictionaryUnion(std::shared_ptr<arrow::DataType> plain) : plain_(std::move(plain)) {}

  int64_t bytes() const { return builder_.value_data_length(); }
  int64_t size() const { return builder_.length(); }

  // The indices of `chunk` in the union. False when its dictionary holds nulls.
  Result<bool> Add(const arrow::DictionaryArray& chunk) {
    const auto& values = static_cast<const arrow::BinaryArray&>(*chunk.dictionary());
    if (values.null_count() > 0) return false;
    if (chunk.dictionary().get() != seen_.get()) {
      seen_ = chunk.dictionary();
      mapped_.assign(static_cast<size_t>(values.length()), -1);
    }
    const auto& indices = static_cast<const arrow::Int32Array&>(*chunk.indices());
    std::shared_ptr<arrow::Buffer> buffer = PK_TRY(
        FromArrow(arrow::AllocateBuffer(indices.length() * static_cast<int64_t>(sizeof(int32_t)))));
    auto* out = reinterpret_cast<int32_t*>(buffer->mutable_data());
    const int32_t* in = indices.raw_values();
    const bool nulls = indices.null_count() > 0;
    for (int64_t i = 0; i < indices.length(); ++i) {
      if (nulls && indices.IsNull(i)) {
        out[i] = 0;
        continue;
      }
      int32_t& to = mapped_[static_cast<size_t>(in[i])];
      if (to < 0) to = PK_TRY(Intern(values.GetView(in[i])));
      out[i] = to;
    }
    indices_.push_back(arrow::MakeArray(arrow::ArrayData::Make(
        arrow::int32(), indices.length(), {PK_TRY(ValidityOf(indices)), std::move(buffer)},
        indices.null_count())));
    return true;
  }

  Result<ChunkedPtr> Finish() {
    ArrayPtr dictionary = PK_TRY(FromArrow(PK_TRY(FromArrow(builder_.Finish()))->View(plain_)));
    auto type = arrow::dictionary(arrow::int32(), dictionary->type());
    arrow::ArrayVector chunks;
    for (auto& indices : indices_)
      chunks.push_back(
          std::make_shared<arrow::DictionaryArray>(type, std::move(indices), dictionary));
    return std::make_shared<arrow::ChunkedArray>(std::move(chunks), type);
  }

 private:
  Result<int32_t> Intern(std::string_view value) {
    auto [found, fresh] =
        positions_.try_emplace(std::string(value), static_cast<int32_t>(builder_.length()));
    if (fresh) PK_TRY(FromArrow(builder_.Append(value)));
    return found->second;
  }

  std::shared_ptr<arrow::DataType> plain_;
  arrow::BinaryBuilder builder_;
  std::unordered_map<std::string, int32_t> positions_;
  ArrayPtr seen_;                // the dictionary that `mapped_` is of
  std::vector<int32_t> mapped_;  // its positions in the union; -1 where none is known yet
  arrow::ArrayVector indices_;
};

bool ShareOneDictionary(const arrow::ArrayVector& chunks) {
  const arrow::Array* first = nullptr;
  for (const auto& chunk : chunks) {
    const auto* values = static_cast<const arrow::DictionaryArray&>(*chunk).dictionary().get();
    if (first != nullptr && first != values) return false;
    first = values;
  }
  return true;
}

Result<ChunkedPtr> UnifyDictionaries(const arrow::ArrayVector& chunks, const iceberg::Type& type,
                                     int64_t dictionary_bytes) {
  constexpr int64_t kFew = 4096;
  const auto& first = static_cast<const arrow::DictionaryArray&>(*chunks[0]);
  if (ShareOneDictionary(chunks) && first.dictionary()->length() <= kFew)
    return std::make_shared<arrow::ChunkedArray>(chunks);
  int64_t rows = 0;
  DictionaryUnion all(ToArrowType(type));
  for (const auto& chunk : chunks) {
    const bool added = PK_TRY(all.Add(static_cast<const arrow::DictionaryArray&>(*chunk)));
    rows += chunk->length();
    if (!added || all.bytes() > dictionary_bytes || (rows > kFew && all.size() > rows / 2))
      return WrittenOut(chunks);
  }
  return all.Finish();
}

// The first rows that are not null.
std::vector<int64_t> SampleIntegers(const arrow::Array& array) {
  std::vector<int64_t> sample;
  const int64_t length = std::min(array.length(), kSampleRows);
  const bool wide = arrow::bit_width(array.type_id()) == 64;
  const uint8_t* values = array.data()->GetValues<uint8_t>(1, 0);
  for (int64_t i = 0; i < length; ++i) {
    if (array.IsNull(i)) continue;
    const int64_t at = array.offset() + i;
    int64_t wide_value = 0;
    int32_t narrow_value = 0;
    if (wide) {
      std::memcpy(&wide_value, values + at * 8, 8);
    } else {
      std::memcpy(&narrow_value, values + at * 4, 4);
    }
    sample.push_back(wide ? wide_value : narrow_value);
  }
  return sample;
}

// Bits per value that delta encoding takes: deltas are packed in groups of 32.
double DeltaBits(const std::vector<int64_t>& sample) {
  constexpr size_t kGroup = 32;
  double bits = 0;
  for (size_t begin = 1; begin < sample.size(); begin += kGroup) {
    const size_t end = std::min(begin + kGroup, sample.size());
    int64_t low = INT64_MAX;
    int64_t high = INT64_MIN;
    for (size_t i = begin; i < end; ++i) {
      const auto delta = static_cast<int64_t>(static_cast<uint64_t>(sample[i]) -
                                              static_cast<uint64_t>(sample[i - 1]));
      low = std::min(low, delta);
      high = std::max(high, delta);
    }
    const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    bits += static_cast<double>(std::bit_width(range)) * static_cast<double>(end - begin);
  }
  return sample.size() < 2 ? 0 : bits / static_cast<double>(sample.size() - 1);
}

ColumnEncoding ForIntegers(const arrow::Array& array, Encodings choice) {
  const std::vector<int64_t> sample = SampleIntegers(array);
  const size_t distinct = std::unordered_set<int64_t>(sample.begin(), sample.end()).size();
  const bool repeats = distinct <= sample.size() / 4;
  if (choice == Encodings::kCompatible)
    return distinct <= sample.size() / 2 ? ColumnEncoding::kDictionary : ColumnEncoding::kPlain;
  if (repeats && std::bit_width(distinct) <= DeltaBits(sample)) return ColumnEncoding::kDictionary;
  return ColumnEncoding::kDelta;
}

ColumnEncoding ForBytes(const arrow::Array& array, Encodings choice) {
  std::unordered_set<std::string_view> distinct;
  const int64_t length = std::min(array.length(), kSampleRows);
  int64_t values = 0;
  auto count = [&](const auto& typed) {
    for (int64_t i = 0; i < length; ++i) {
      if (typed.IsNull(i)) continue;
      ++values;
      distinct.insert(typed.GetView(i));
    }
  };
  bool variable = true;
  if (array.type_id() == arrow::Type::STRING || array.type_id() == arrow::Type::BINARY) {
    count(static_cast<const arrow::BinaryArray&>(array));
  } else if (arrow::is_binary_view_like(array.type_id())) {
    count(static_cast<const arrow::BinaryViewArray&>(array));
  } else {
    variable = false;
    count(static_cast<const arrow::FixedSizeBinaryArray&>(array));
  }
  if (static_cast<int64_t>(distinct.size()) <= values / 2) return ColumnEncoding::kDictionary;
  return choice == Encodings::kAll && variable ? ColumnEncoding::kDeltaLength
                                               : ColumnEncoding::kPlain;
}

ColumnEncoding ForFloats(const arrow::Array& array, Encodings choice) {
  const std::vector<int64_t> bits = SampleIntegers(array);
  const size_t distinct = std::unordered_set<int64_t>(bits.begin(), bits.end()).size();
  if (distinct <= bits.size() / 4) return ColumnEncoding::kDictionary;
  return choice == Encodings::kAll ? ColumnEncoding::kByteStreamSplit : ColumnEncoding::kPlain;
}

}  // namespace

Result<ChunkedPtr> PrepareColumn(const arrow::ArrayVector& chunks, const iceberg::Type& type,
                                 int64_t dictionary_bytes) {
  const iceberg::PrimitiveType* primitive = type.primitive();
  if (primitive != nullptr && primitive->kind == iceberg::PrimitiveKind::kDecimal &&
      primitive->precision <= 18) {
    arrow::ArrayVector integers;
    for (const auto& chunk : chunks)
      integers.push_back(primitive->precision <= 9 ? PK_TRY(DecimalAsInteger<int32_t>(*chunk))
                                                   : PK_TRY(DecimalAsInteger<int64_t>(*chunk)));
    return std::make_shared<arrow::ChunkedArray>(std::move(integers));
  }
  // Parquet counts the values of a dictionary in null structs as present, so nested columns are
  // written out.
  if (primitive == nullptr) return WrittenOut(chunks);
  bool all_same = true;
  for (const auto& chunk : chunks) all_same &= chunk->type()->Equals(*chunks[0]->type());
  if (!all_same) return WrittenOut(chunks);
  if (chunks[0]->type_id() == arrow::Type::DICTIONARY)
    return UnifyDictionaries(chunks, type, dictionary_bytes);
  return std::make_shared<arrow::ChunkedArray>(chunks);
}

ColumnEncoding ChooseEncoding(const arrow::ChunkedArray& column, Encodings choice,
                              int64_t dictionary_bytes) {
  using T = arrow::Type;
  if (column.num_chunks() == 0 || column.length() == 0) return ColumnEncoding::kDictionary;
  const arrow::Array& array = *column.chunk(0);
  auto chosen = ColumnEncoding::kDictionary;
  switch (array.type_id()) {
    case T::BOOL:
      return ColumnEncoding::kPlain;
    case T::INT32:
    case T::INT64:
    case T::DATE32:
    case T::TIME64:
    case T::TIMESTAMP:
      chosen = ForIntegers(array, choice);
      break;
    case T::FLOAT:
    case T::DOUBLE:
      chosen = ForFloats(array, choice);
      break;
    case T::STRING:
    case T::BINARY:
    case T::STRING_VIEW:
    case T::BINARY_VIEW:
    case T::FIXED_SIZE_BINARY:
    case T::DECIMAL128:
      chosen = ForBytes(array, choice);
      break;
    default:
      break;
  }
  if (chosen == ColumnEncoding::kDictionary && dictionary_bytes == 0) return ColumnEncoding::kPlain;
  return chosen;
}

}  // namespace pk::datafile
