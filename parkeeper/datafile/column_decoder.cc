#include "parkeeper/datafile/column_decoder_internal.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"

namespace pk::datafile {
namespace {

std::shared_ptr<arrow::Buffer> Allocate(int64_t bytes) {
  PARQUET_ASSIGN_OR_THROW(std::unique_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes));
  return buffer;
}

// Rows still to be left out, shared with the page filter: pages that lie in them whole are never
// decompressed.
struct Gap {
  int64_t rows = 0;
  int64_t left_in_page = 0;  // rows of the current page that are not read yet
};

// The page readers of a row group, each with a filter over `gap`.
class FilteredPages : public parquet::RowGroupReader::Contents {
 public:
  FilteredPages(parquet::RowGroupReader& group, const parquet::ReaderProperties& properties,
                Gap* gap)
      : group_(group), properties_(properties), gap_(gap) {}

  std::unique_ptr<parquet::PageReader> GetColumnPageReader(int column) override {
    auto pages = group_.GetColumnPageReader(column);
    pages->set_data_page_filter([gap = gap_](const parquet::DataPageStats& page) {
      // One value per row: the column is not repeated.
      if (page.num_values >= 0 && page.num_values <= gap->rows) {
        gap->rows -= page.num_values;
        return true;
      }
      gap->left_in_page = page.num_values;
      return false;
    });
    return pages;
  }
  const parquet::RowGroupMetaData* metadata() const override { return group_.metadata(); }
  const parquet::ReaderProperties* properties() const override { return &properties_; }

 private:
  parquet::RowGroupReader& group_;
  const parquet::ReaderProperties& properties_;
  Gap* gap_;
};

// Reads values densely, piece by piece, each from one page.
template <class Physical>
class Pieces {
 public:
  using T = typename Physical::c_type;

  Pieces(parquet::RowGroupReader& group, int column, bool dictionary)
      : gap_(std::make_unique<Gap>()),
        pages_(std::make_unique<FilteredPages>(group, properties_, gap_.get())) {
    reader_ = std::static_pointer_cast<parquet::TypedColumnReader<Physical>>(
        pages_.ColumnWithExposeEncoding(column, dictionary
                                                    ? parquet::ExposedEncoding::DICTIONARY
                                                    : parquet::ExposedEncoding::NO_ENCODING));
    nullable_ = reader_->descr()->max_definition_level() > 0;
    exposes_dictionary_ =
        dictionary && reader_->GetExposedEncoding() == parquet::ExposedEncoding::DICTIONARY;
  }

  bool nullable() const { return nullable_; }
  bool exposes_dictionary() const { return exposes_dictionary_; }
  void Skip(int64_t rows) { pending_ += rows; }

  struct Piece {
    int64_t rows = 0;
    int64_t values = 0;               // of them not null
    const int16_t* levels = nullptr;  // per row, 1 where not null; null when no row is
  };
  // The values of at most `rows` rows into `out`, at least one row.
  Piece Read(int64_t rows, T* out) {
    Settle();
    Piece piece;
    ReserveLevels(rows);
    piece.rows = reader_->ReadBatch(rows, levels(), nullptr, out, &piece.values);
    return Checked(piece, rows);
  }
  // The same as indices; `dictionary` is set when there is one.
  Piece ReadIndices(int64_t rows, int32_t* out, const T** dictionary, int32_t* length) {
    Settle();
    Piece piece;
    ReserveLevels(rows);
    piece.rows = reader_->ReadBatchWithDictionary(rows, levels(), nullptr, out, &piece.values,
                                                  dictionary, length);
    return Checked(piece, rows);
  }

 private:
  int16_t* levels() { return nullable_ ? levels_.data() : nullptr; }
  void ReserveLevels(int64_t rows) {
    if (nullable_ && static_cast<int64_t>(levels_.size()) < rows) {
      levels_.resize(static_cast<size_t>(rows));
    }
  }
  Piece Checked(Piece piece, int64_t rows) {
    if (piece.rows <= 0 || piece.rows > rows || piece.values > piece.rows ||
        (!nullable_ && piece.values != piece.rows)) {
      throw parquet::ParquetException("the column holds fewer values than the row group has rows");
    }
    gap_->left_in_page -= piece.rows;
    if (piece.values < piece.rows) piece.levels = levels_.data();
    return piece;
  }
  // Goes to the next row that is wanted.
  void Settle() {
    if (pending_ == 0) return;
    const int64_t here = std::min(pending_, std::max<int64_t>(0, gap_->left_in_page));
    Leave(here);
    pending_ -= here;
    if (pending_ == 0) return;
    // At the end of a page: the filter passes over whole pages, then a part of the next is left.
    gap_->rows = pending_;
    pending_ = 0;
    const bool more = reader_->HasNext();
    const int64_t rest = gap_->rows;
    gap_->rows = 0;
    if (!more) throw parquet::ParquetException("the column ends before the row group does");
    Leave(rest);
  }
  void Leave(int64_t rows) {
    if (rows == 0) return;
    if (reader_->Skip(rows) != rows) {
      throw parquet::ParquetException("the column ends before the row group does");
    }
    gap_->left_in_page -= rows;
  }

  parquet::ReaderProperties properties_;
  std::unique_ptr<Gap> gap_;
  parquet::RowGroupReader pages_;
  std::shared_ptr<parquet::TypedColumnReader<Physical>> reader_;
  bool nullable_ = false;
  bool exposes_dictionary_ = false;
  int64_t pending_ = 0;
  std::vector<int16_t> levels_;
};

// Bitmap of the rows that are not null, made at the first null.
class Validity {
 public:
  explicit Validity(int64_t rows) : rows_(rows) {}

  void Append(int64_t at, int64_t rows, int64_t values, const int16_t* levels) {
    if (levels == nullptr && bits_ == nullptr) return;
    if (bits_ == nullptr) {
      bits_ = Allocate(arrow::bit_util::BytesForBits(rows_));
      std::memset(bits_->mutable_data(), 0, static_cast<size_t>(bits_->size()));
      arrow::bit_util::SetBitsTo(bits_->mutable_data(), 0, at, true);
    }
    nulls_ += rows - values;
    if (levels == nullptr) {
      arrow::bit_util::SetBitsTo(bits_->mutable_data(), at, rows, true);
      return;
    }
    uint8_t* bits = bits_->mutable_data();
    for (int64_t i = 0; i < rows; ++i) {
      if (levels[i] != 0) arrow::bit_util::SetBit(bits, at + i);
    }
  }
  std::shared_ptr<arrow::Buffer> bits() const { return bits_; }
  int64_t nulls() const { return nulls_; }

 private:
  int64_t rows_;
  int64_t nulls_ = 0;
  std::shared_ptr<arrow::Buffer> bits_;
};

std::shared_ptr<arrow::Array> MakeArray(std::shared_ptr<arrow::DataType> type, int64_t rows,
                                        const Validity& validity,
                                        std::vector<std::shared_ptr<arrow::Buffer>> rest) {
  std::vector<std::shared_ptr<arrow::Buffer>> buffers{validity.bits()};
  for (auto& buffer : rest) buffers.push_back(std::move(buffer));
  return arrow::MakeArray(
      arrow::ArrayData::Make(std::move(type), rows, std::move(buffers), validity.nulls()));
}

// Moves `values` dense values at the start of `out` to their rows, from the last on; null rows
// become zero.
template <class T>
void Spread(T* out, int64_t rows, int64_t values, const int16_t* levels) {
  for (int64_t row = rows - 1; row >= 0; --row) {
    if (levels[row] != 0) {
      out[row] = out[--values];
    } else {
      out[row] = T{};
    }
  }
}

int64_t FloorDivide(int64_t value, int64_t by) {
  int64_t quotient = value / by;
  return quotient - (value % by < 0 ? 1 : 0);
}

int64_t MicrosFromMillis(int64_t millis) {
  int64_t micros = 0;
  if (__builtin_mul_overflow(millis, int64_t{1000}, &micros)) {
    throw parquet::ParquetException("a timestamp in milliseconds is out of range");
  }
  return micros;
}

int64_t MicrosFromNanos(int64_t nanos, bool exact) {
  if (exact && nanos % 1000 != 0) {
    throw parquet::ParquetException(
        "nanoseconds would be lost, for tables hold microseconds: convert the column first, as in "
        "pyarrow's table.cast or SQL's cast(ts as timestamp)");
  }
  return FloorDivide(nanos, 1000);
}

int64_t MicrosFromInt96(const parquet::Int96& value, bool exact) {
  constexpr int64_t kJulianEpoch = 2'440'588;
  constexpr int64_t kMicrosPerDay = 86'400'000'000;
  uint64_t nanos = 0;
  std::memcpy(&nanos, value.value.data(), sizeof(nanos));
  const int64_t days = static_cast<int64_t>(value.value[2]) - kJulianEpoch;
  int64_t micros = 0;
  if (__builtin_mul_overflow(days, kMicrosPerDay, &micros) ||
      __builtin_add_overflow(micros, MicrosFromNanos(static_cast<int64_t>(nanos), exact),
                             &micros)) {
    throw parquet::ParquetException("an INT96 timestamp is out of range");
  }
  return micros;
}

arrow::Decimal128 DecimalFromBytes(const uint8_t* bytes, int64_t length) {
  if (length < 1) throw parquet::ParquetException("a decimal of no bytes");
  PARQUET_ASSIGN_OR_THROW(auto value,
                          arrow::Decimal128::FromBigEndian(bytes, static_cast<int32_t>(length)));
  return value;
}

// Fixed-width values that are stored as they are wanted: decoded in place.
template <class Physical>
class PlainDecoder : public ColumnDecoder {
 public:
  PlainDecoder(parquet::RowGroupReader& group, const DecoderOptions& options)
      : pieces_(group, options.column, false), type_(ToArrowType(options.target)) {}

  void Skip(int64_t rows) override { pieces_.Skip(rows); }
  Result<std::shared_ptr<arrow::Array>> Read(int64_t rows) override {
    return Guarded(ErrorCode::kCorrupt, [&]() -> std::shared_ptr<arrow::Array> {
      using T = typename Physical::c_type;
      auto buffer = Allocate(rows * static_cast<int64_t>(sizeof(T)));
      T* out = reinterpret_cast<T*>(buffer->mutable_data());
      Validity validity(rows);
      for (int64_t at = 0; at < rows;) {
        auto piece = pieces_.Read(rows - at, out + at);
        if (piece.levels != nullptr) Spread(out + at, piece.rows, piece.values, piece.levels);
        validity.Append(at, piece.rows, piece.values, piece.levels);
        at += piece.rows;
      }
      return MakeArray(type_, rows, validity, {std::move(buffer)});
    });
  }

 private:
  Pieces<Physical> pieces_;
  std::shared_ptr<arrow::DataType> type_;
};

class BooleanDecoder : public ColumnDecoder {
 public:
  BooleanDecoder(parquet::RowGroupReader& group, const DecoderOptions& options)
      : pieces_(group, options.column, false) {}

  void Skip(int64_t rows) override { pieces_.Skip(rows); }
  Result<std::shared_ptr<arrow::Array>> Read(int64_t rows) override {
    return Guarded(ErrorCode::kCorrupt, [&]() -> std::shared_ptr<arrow::Array> {
      auto buffer = Allocate(arrow::bit_util::BytesForBits(rows));
      std::memset(buffer->mutable_data(), 0, static_cast<size_t>(buffer->size()));
      auto values = std::make_unique<bool[]>(static_cast<size_t>(rows));
      Validity validity(rows);
      for (int64_t at = 0; at < rows;) {
        auto piece = pieces_.Read(rows - at, values.get());
        if (piece.levels != nullptr) Spread(values.get(), piece.rows, piece.values, piece.levels);
        for (int64_t i = 0; i < piece.rows; ++i) {
          if (values[static_cast<size_t>(i)]) {
            arrow::bit_util::SetBit(buffer->mutable_data(), at + i);
          }
        }
        validity.Append(at, piece.rows, piece.values, piece.levels);
        at += piece.rows;
      }
      return MakeArray(arrow::boolean(), rows, validity, {std::move(buffer)});
    });
  }

 private:
  Pieces<parquet::BooleanType> pieces_;
};

// Fixed-width values that are stored otherwise: each is converted by Convert(stored, out).
template <class Physical, class Out, class Convert>
class ConvertingDecoder : public ColumnDecoder {
 public:
  ConvertingDecoder(parquet::RowGroupReader& group, const DecoderOptions& options, Convert convert)
      : pieces_(group, options.column, false),
        type_(ToArrowType(options.target)),
        convert_(convert) {}

  void Skip(int64_t rows) override { pieces_.Skip(rows); }
  Result<std::shared_ptr<arrow::Array>> Read(int64_t rows) override {
    return Guarded(ErrorCode::kCorrupt, [&]() -> std::shared_ptr<arrow::Array> {
      constexpr int64_t kPiece = 4096;  // stays in the first-level cache
      stored_.resize(static_cast<size_t>(std::min(rows, kPiece)));
      auto buffer = Allocate(rows * static_cast<int64_t>(sizeof(Out)));
      Out* out = reinterpret_cast<Out*>(buffer->mutable_data());
      Validity validity(rows);
      for (int64_t at = 0; at < rows;) {
        auto piece = pieces_.Read(std::min(rows - at, kPiece), stored_.data());
        const auto* stored = stored_.data();
        if (piece.levels == nullptr) {
          for (int64_t i = 0; i < piece.rows; ++i) convert_(stored[i], out + at + i);
        } else {
          for (int64_t i = 0; i < piece.rows; ++i) {
            if (piece.levels[i] != 0) {
              convert_(*stored++, out + at + i);
            } else {
              std::memset(static_cast<void*>(out + at + i), 0, sizeof(Out));
            }
          }
        }
        validity.Append(at, piece.rows, piece.values, piece.levels);
        at += piece.rows;
      }
      return MakeArray(type_, rows, validity, {std::move(buffer)});
    });
  }

 private:
  Pieces<Physical> pieces_;
  std::shared_ptr<arrow::DataType> type_;
  Convert convert_;
  std::vector<typename Physical::c_type> stored_;
};

template <class Physical, class Out, class Convert>
std::unique_ptr<ColumnDecoder> MakeConverting(parquet::RowGroupReader& group,
                                              const DecoderOptions& options, Convert convert) {
  return std::make_unique<ConvertingDecoder<Physical, Out, Convert>>(group, options, convert);
}

class FixedBytesDecoder : public ColumnDecoder {
 public:
  FixedBytesDecoder(parquet::RowGroupReader& group, const DecoderOptions& options)
      : pieces_(group, options.column, false),
        type_(ToArrowType(options.target)),
        width_(group.metadata()->schema()->Column(options.column)->type_length()) {}

  void Skip(int64_t rows) override { pieces_.Skip(rows); }
  Result<std::shared_ptr<arrow::Array>> Read(int64_t rows) override {
    return Guarded(ErrorCode::kCorrupt, [&]() -> std::shared_ptr<arrow::Array> {
      constexpr int64_t kPiece = 4096;
      stored_.resize(static_cast<size_t>(std::min(rows, kPiece)));
      auto buffer = Allocate(rows * width_);
      const auto width = static_cast<size_t>(width_);
      Validity validity(rows);
      for (int64_t at = 0; at < rows;) {
        auto piece = pieces_.Read(std::min(rows - at, kPiece), stored_.data());
        const parquet::FixedLenByteArray* stored = stored_.data();
        uint8_t* out = buffer->mutable_data() + at * width_;
        for (int64_t i = 0; i < piece.rows; ++i, out += width) {
          if (piece.levels == nullptr || piece.levels[i] != 0) {
            std::memcpy(out, (stored++)->ptr, width);
          } else {
            std::memset(out, 0, width);
          }
        }
        validity.Append(at, piece.rows, piece.values, piece.levels);
        at += piece.rows;
      }
      return MakeArray(type_, rows, validity, {std::move(buffer)});
    });
  }

 private:
  Pieces<parquet::FLBAType> pieces_;
  std::shared_ptr<arrow::DataType> type_;
  int64_t width_;
  std::vector<parquet::FixedLenByteArray> stored_;
};

// Offsets and bytes of an Arrow string array on the way.
class StringsOnTheWay {
 public:
  explicit StringsOnTheWay(int64_t rows)
      : offsets_(Allocate((rows + 1) * static_cast<int64_t>(sizeof(int32_t)))) {
    PARQUET_ASSIGN_OR_THROW(bytes_, arrow::AllocateResizableBuffer(0));
    offsets()[0] = 0;
  }

  void Append(int64_t at, const parquet::ByteArray* values, int64_t rows, const int16_t* levels) {
    int64_t total = size_;
    int32_t* ends = offsets() + at + 1;
    const parquet::ByteArray* value = values;
    for (int64_t i = 0; i < rows; ++i) {
      if (levels == nullptr || levels[i] != 0) total += (value++)->len;
      if (total > INT32_MAX) {
        throw parquet::ParquetException("more than 2 GB of strings in one batch");
      }
      ends[i] = static_cast<int32_t>(total);
    }
    Reserve(total);
    uint8_t* out = bytes_->mutable_data() + size_;
    for (const parquet::ByteArray* end = value; values != end; ++values) {
      if (values->len != 0) std::memcpy(out, values->ptr, values->len);
      out += values->len;
    }
    size_ = total;
  }
  std::vector<std::shared_ptr<arrow::Buffer>> Finish() {
    PARQUET_THROW_NOT_OK(bytes_->Resize(size_, /*shrink_to_fit=*/false));
    return {offsets_, std::shared_ptr<arrow::Buffer>(std::move(bytes_))};
  }

 private:
  int32_t* offsets() { return reinterpret_cast<int32_t*>(offsets_->mutable_data()); }
  void Reserve(int64_t bytes) {
    if (bytes <= bytes_->capacity()) return;
    PARQUET_THROW_NOT_OK(bytes_->Reserve(std::max(bytes, bytes_->capacity() * 2)));
  }

  std::shared_ptr<arrow::Buffer> offsets_;
  std::unique_ptr<arrow::ResizableBuffer> bytes_;
  int64_t size_ = 0;
};

class BytesDecoder : public ColumnDecoder {
 public:
  BytesDecoder(parquet::RowGroupReader& group, const DecoderOptions& options)
      : pieces_(group, options.column, false), type_(ToArrowType(options.target)) {}

  void Skip(int64_t rows) override { pieces_.Skip(rows); }
  Result<std::shared_ptr<arrow::Array>> Read(int64_t rows) override {
    return Guarded(ErrorCode::kCorrupt, [&]() -> std::shared_ptr<arrow::Array> {
      constexpr int64_t kPiece = 4096;
      stored_.resize(static_cast<size_t>(std::min(rows, kPiece)));
      StringsOnTheWay strings(rows);
      Validity validity(rows);
      for (int64_t at = 0; at < rows;) {
        auto piece = pieces_.Read(std::min(rows - at, kPiece), stored_.data());
        strings.Append(at, stored_.data(), piece.rows, piece.levels);
        validity.Append(at, piece.rows, piece.values, piece.levels);
        at += piece.rows;
      }
      return MakeArray(type_, rows, validity, strings.Finish());
    });
  }

 private:
  Pieces<parquet::ByteArrayType> pieces_;
  std::shared_ptr<arrow::DataType> type_;
  std::vector<parquet::ByteArray> stored_;
};

// All arrays of one chunk share the dictionary.
class DictionaryDecoder : public ColumnDecoder {
 public:
  DictionaryDecoder(parquet::RowGroupReader& group, const DecoderOptions& options)
      : pieces_(group, options.column, true), value_type_(ToArrowType(options.target)) {
    if (!pieces_.exposes_dictionary()) {
      throw parquet::ParquetException("the column chunk is not dictionary-encoded throughout");
    }
  }

  void Skip(int64_t rows) override { pieces_.Skip(rows); }
  Result<std::shared_ptr<arrow::Array>> Read(int64_t rows) override {
    return Guarded(ErrorCode::kCorrupt, [&]() -> std::shared_ptr<arrow::Array> {
      auto buffer = Allocate(rows * static_cast<int64_t>(sizeof(int32_t)));
      auto* out = reinterpret_cast<int32_t*>(buffer->mutable_data());
      Validity validity(rows);
      for (int64_t at = 0; at < rows;) {
        const parquet::ByteArray* words = nullptr;
        int32_t length = 0;
        auto piece = pieces_.ReadIndices(rows - at, out + at, &words, &length);
        if (words != nullptr && dictionary_ == nullptr) Take(words, length);
        Check(out + at, piece.values);
        if (piece.levels != nullptr) Spread(out + at, piece.rows, piece.values, piece.levels);
        validity.Append(at, piece.rows, piece.values, piece.levels);
        at += piece.rows;
      }
      if (dictionary_ == nullptr) Take(nullptr, 0);
      auto data = arrow::ArrayData::Make(arrow::dictionary(arrow::int32(), value_type_), rows,
                                         {validity.bits(), std::move(buffer)}, validity.nulls());
      data->dictionary = dictionary_->data();
      return arrow::MakeArray(data);
    });
  }

 private:
  void Take(const parquet::ByteArray* words, int32_t length) {
    StringsOnTheWay strings(length);
    if (length > 0) strings.Append(0, words, length, nullptr);
    dictionary_ = MakeArray(value_type_, length, Validity(length), strings.Finish());
  }
  void Check(const int32_t* indices, int64_t count) const {
    uint32_t highest = 0;
    for (int64_t i = 0; i < count; ++i) {
      highest = std::max(highest, static_cast<uint32_t>(indices[i]));
    }
    const int64_t length = dictionary_ == nullptr ? 0 : dictionary_->length();
    if (count > 0 && highest >= length) {
      throw parquet::ParquetException("an index lies beyond the dictionary");
    }
  }

  Pieces<parquet::ByteArrayType> pieces_;
  std::shared_ptr<arrow::DataType> value_type_;
  std::shared_ptr<arrow::Array> dictionary_;
};

std::unique_ptr<ColumnDecoder> OpenPlain(parquet::RowGroupReader& group,
                                         const DecoderOptions& options,
                                         parquet::Type::type stored) {
  switch (stored) {
    case parquet::Type::BOOLEAN:
      return std::make_unique<BooleanDecoder>(group, options);
    case parquet::Type::INT32:
      return std::make_unique<PlainDecoder<parquet::Int32Type>>(group, options);
    case parquet::Type::INT64:
      return std::make_unique<PlainDecoder<parquet::Int64Type>>(group, options);
    case parquet::Type::FLOAT:
      return std::make_unique<PlainDecoder<parquet::FloatType>>(group, options);
    default:
      return std::make_unique<PlainDecoder<parquet::DoubleType>>(group, options);
  }
}

std::unique_ptr<ColumnDecoder> OpenDecimal(parquet::RowGroupReader& group,
                                           const DecoderOptions& options,
                                           parquet::Type::type stored, int32_t width) {
  using Out = arrow::Decimal128;
  switch (stored) {
    case parquet::Type::INT32:
      return MakeConverting<parquet::Int32Type, Out>(
          group, options, [](int32_t value, Out* out) { *out = Out(value); });
    case parquet::Type::INT64:
      return MakeConverting<parquet::Int64Type, Out>(
          group, options, [](int64_t value, Out* out) { *out = Out(value); });
    case parquet::Type::FIXED_LEN_BYTE_ARRAY:
      return MakeConverting<parquet::FLBAType, Out>(
          group, options, [width](const parquet::FixedLenByteArray& value, Out* out) {
            *out = DecimalFromBytes(value.ptr, width);
          });
    default:
      return MakeConverting<parquet::ByteArrayType, Out>(
          group, options, [](const parquet::ByteArray& value, Out* out) {
            *out = DecimalFromBytes(value.ptr, value.len);
          });
  }
}

std::unique_ptr<ColumnDecoder> OpenMillis(parquet::RowGroupReader& group,
                                          const DecoderOptions& options,
                                          parquet::Type::type stored) {
  if (stored == parquet::Type::INT32) {
    return MakeConverting<parquet::Int32Type, int64_t>(
        group, options, [](int32_t value, int64_t* out) { *out = int64_t{value} * 1000; });
  }
  return MakeConverting<parquet::Int64Type, int64_t>(
      group, options, [](int64_t value, int64_t* out) { *out = MicrosFromMillis(value); });
}

std::unique_ptr<ColumnDecoder> OpenAny(parquet::RowGroupReader& group,
                                       const DecoderOptions& options) {
  const parquet::ColumnDescriptor& column = *group.metadata()->schema()->Column(options.column);
  const parquet::Type::type stored = column.physical_type();
  switch (options.conversion) {
    case Conversion::kNone:
      return OpenPlain(group, options, stored);
    case Conversion::kWiden:
      return MakeConverting<parquet::Int32Type, int64_t>(
          group, options, [](int32_t value, int64_t* out) { *out = value; });
    case Conversion::kWidenUnsigned:
      return MakeConverting<parquet::Int32Type, int64_t>(
          group, options, [](int32_t value, int64_t* out) { *out = static_cast<uint32_t>(value); });
    case Conversion::kUnsigned64:
      return MakeConverting<parquet::Int64Type, int64_t>(
          group, options, [](int64_t value, int64_t* out) {
            if (value < 0) throw parquet::ParquetException("an unsigned number is out of range");
            *out = value;
          });
    case Conversion::kFloatToDouble:
      return MakeConverting<parquet::FloatType, double>(
          group, options, [](float value, double* out) { *out = value; });
    case Conversion::kDecimal:
      return OpenDecimal(group, options, stored, column.type_length());
    case Conversion::kMillisToMicros:
      return OpenMillis(group, options, stored);
    case Conversion::kNanosToMicros:
      return MakeConverting<parquet::Int64Type, int64_t>(
          group, options, [exact = options.exact](int64_t value, int64_t* out) {
            *out = MicrosFromNanos(value, exact);
          });
    case Conversion::kInt96ToMicros:
      return MakeConverting<parquet::Int96Type, int64_t>(
          group, options, [exact = options.exact](const parquet::Int96& value, int64_t* out) {
            *out = MicrosFromInt96(value, exact);
          });
    case Conversion::kBytes:
      if (options.dictionary) return std::make_unique<DictionaryDecoder>(group, options);
      return std::make_unique<BytesDecoder>(group, options);
    case Conversion::kFixedBytes:
      return std::make_unique<FixedBytesDecoder>(group, options);
    case Conversion::kUnsupported:
      break;
  }
  throw parquet::ParquetException("a column of another type");
}

}  // namespace

Result<std::unique_ptr<ColumnDecoder>> ColumnDecoder::Open(parquet::RowGroupReader& group,
                                                           const DecoderOptions& options) {
  return Guarded(ErrorCode::kCorrupt, [&] { return OpenAny(group, options); });
}

}  // namespace pk::datafile
