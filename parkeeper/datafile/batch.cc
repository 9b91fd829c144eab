#include "parkeeper/datafile/batch.h"

#include <arrow/array/array_base.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/c/bridge.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/convert_internal.h"

namespace pk::datafile {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

// `type`, the plain Arrow type of a column with its names and ids, with the forms that `held` has
// for strings and binaries.
TypePtr ExportedType(const TypePtr& type, const arrow::DataType& held) {
  if (type->id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(*type);
    const auto& actual = static_cast<const arrow::MapType&>(held);
    return std::make_shared<arrow::MapType>(
        map.key_field()->WithType(ExportedType(map.key_type(), *actual.key_type())),
        map.item_field()->WithType(ExportedType(map.item_type(), *actual.item_type())));
  }
  if (type->id() == arrow::Type::LIST)
    return arrow::list(
        type->field(0)->WithType(ExportedType(type->field(0)->type(), *held.field(0)->type())));
  if (type->id() == arrow::Type::STRUCT) {
    arrow::FieldVector fields;
    for (int i = 0; i < type->num_fields(); ++i)
      fields.push_back(
          type->field(i)->WithType(ExportedType(type->field(i)->type(), *held.field(i)->type())));
    return arrow::struct_(fields);
  }
  if (held.id() == arrow::Type::DICTIONARY) return arrow::dictionary(arrow::int32(), type);
  if (held.id() == arrow::Type::STRING_VIEW) return arrow::utf8_view();
  if (held.id() == arrow::Type::BINARY_VIEW) return arrow::binary_view();
  return type;
}

// `array`, in some form of a column, in the form that the stream promised.
arrow::Result<ArrayPtr> BringTo(const ArrayPtr& array, const TypePtr& type) {
  if (array->type()->Equals(*type)) return array;
  RegisterKernels();
  if (type->id() == arrow::Type::DICTIONARY && array->type_id() != arrow::Type::DICTIONARY) {
    const auto& values = static_cast<const arrow::DictionaryType&>(*type).value_type();
    ARROW_ASSIGN_OR_RAISE(auto plain, BringTo(array, values));
    ARROW_ASSIGN_OR_RAISE(auto encoded, arrow::compute::DictionaryEncode(plain));
    return encoded.make_array();
  }
  return arrow::compute::Cast(*array, type, arrow::compute::CastOptions::Safe());
}

class ReaderOverSource : public arrow::RecordBatchReader {
 public:
  // `first` is the source's first batch when it has one: its forms become those of the stream.
  ReaderOverSource(std::unique_ptr<BatchSource> source, std::optional<Batch> first)
      : source_(std::move(source)),
        next_(std::move(first)),
        schema_(ToArrowSchema(source_->schema())) {
    if (!next_) return;
    arrow::FieldVector fields;
    for (int i = 0; i < schema_->num_fields(); ++i) {
      const auto& field = schema_->field(i);
      fields.push_back(
          field->WithType(ExportedType(field->type(), *next_->rows->column(i)->type())));
    }
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    out->reset();
    if (source_ == nullptr) return arrow::Status::OK();
    std::optional<Batch> batch = std::exchange(next_, std::nullopt);
    if (!batch) {
      auto next = source_->Next();
      if (!next.ok()) return ToArrow(std::move(next).error());
      batch = std::move(*next);
    }
    if (!batch) {
      source_.reset();
      return arrow::Status::OK();
    }
    arrow::ArrayVector columns;
    for (int i = 0; i < schema_->num_fields(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto column,
                            BringTo(batch->rows->column(i), schema_->field(i)->type()));
      columns.push_back(std::move(column));
    }
    *out = arrow::RecordBatch::Make(schema_, batch->num_rows(), std::move(columns));
    return arrow::Status::OK();
  }

 private:
  std::unique_ptr<BatchSource> source_;
  std::optional<Batch> next_;
  std::shared_ptr<arrow::Schema> schema_;
};

class SourceOverReader : public BatchSource {
 public:
  SourceOverReader(std::shared_ptr<arrow::RecordBatchReader> reader, iceberg::Schema schema)
      : reader_(std::move(reader)), schema_(std::move(schema)) {}

  const iceberg::Schema& schema() const override { return schema_; }

  Result<std::optional<Batch>> Next() override {
    constexpr ErrorCode kBad = ErrorCode::kInvalidArgument;
    std::shared_ptr<arrow::RecordBatch> batch;
    PK_TRY(FromArrow(reader_->ReadNext(&batch), kBad).With("read an Arrow stream"));
    if (batch == nullptr) return std::optional<Batch>();
    PK_TRY(FromArrow(batch->Validate(), kBad).With("read an Arrow stream"));
    const int64_t rows = batch->num_rows();
    auto normal = Normalise(batch, schema_);
    PK_CHECK(normal.ok(), std::move(normal).error().With(fmt::format(
                              "in the batch after row {} of the stream", rows_before_)));
    rows_before_ += rows;
    return std::optional<Batch>(Batch{std::move(*normal)});
  }

 private:
  std::shared_ptr<arrow::RecordBatchReader> reader_;
  iceberg::Schema schema_;
  int64_t rows_before_ = 0;
};

class SourceOverBatches : public BatchSource {
 public:
  SourceOverBatches(iceberg::Schema schema, std::vector<Batch> batches)
      : schema_(std::move(schema)), batches_(std::move(batches)) {}

  const iceberg::Schema& schema() const override { return schema_; }

  Result<std::optional<Batch>> Next() override {
    if (next_ == batches_.size()) return std::optional<Batch>();
    return std::optional<Batch>(std::move(batches_[next_++]));
  }

 private:
  iceberg::Schema schema_;
  std::vector<Batch> batches_;
  size_t next_ = 0;
};

// Bytes of the rows that `data` shows, children included. A dictionary counts for no more than its
// rows would take written out, as slices share it.
int64_t BytesOf(const arrow::ArrayData& data) {
  if (data.type->id() == arrow::Type::DICTIONARY && data.dictionary != nullptr) {
    const int64_t values = std::max<int64_t>(data.dictionary->length, 1);
    const int64_t dictionary = BytesOf(*data.dictionary);
    return data.length * 4 + std::min(dictionary, dictionary / values * data.length + 1);
  }
  auto bytes = arrow::util::ReferencedBufferSize(*arrow::MakeArray(data.Copy()));
  return bytes.ok() ? *bytes : arrow::util::TotalBufferSize(data);
}

}  // namespace

int64_t Batch::num_rows() const { return rows->num_rows(); }

int64_t Batch::bytes() const {
  int64_t bytes = 0;
  for (const auto& column : rows->columns()) bytes += BytesOf(*column->data());
  return bytes;
}

Batch Batch::Slice(int64_t offset, int64_t length) const {
  return Batch{rows->Slice(offset, length)};
}

Result<> ExportStream(std::unique_ptr<BatchSource> source, ArrowArrayStream* out) {
  std::optional<Batch> first = PK_TRY(source->Next());
  auto reader = std::make_shared<ReaderOverSource>(std::move(source), std::move(first));
  return FromArrow(arrow::ExportRecordBatchReader(std::move(reader), out));
}

Result<std::unique_ptr<BatchSource>> ImportStream(ArrowArrayStream* stream) {
  constexpr ErrorCode kBad = ErrorCode::kInvalidArgument;
  std::shared_ptr<arrow::RecordBatchReader> reader =
      PK_TRY(FromArrow(arrow::ImportRecordBatchReader(stream), kBad).With("take an Arrow stream"));
  iceberg::Schema schema = PK_TRY(FromArrowSchema(*reader->schema()));
  return std::make_unique<SourceOverReader>(std::move(reader), std::move(schema));
}

std::unique_ptr<BatchSource> SourceOf(iceberg::Schema schema, std::vector<Batch> batches) {
  return std::make_unique<SourceOverBatches>(std::move(schema), std::move(batches));
}

}  // namespace pk::datafile
