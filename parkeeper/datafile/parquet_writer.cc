#include "parkeeper/datafile/parquet_writer.h"

#include <arrow/chunked_array.h>
#include <arrow/extension/uuid.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_writer.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <cmath>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_output_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/convert_internal.h"
#include "parkeeper/datafile/writer_columns_internal.h"
#include "parkeeper/datafile/writer_metrics_internal.h"

namespace pk::datafile {
namespace {

using PropertiesBuilder = parquet::WriterProperties::Builder;

// The Arrow type with which parquet gives uuids their logical type.
std::shared_ptr<arrow::Field> WithUuids(const std::shared_ptr<arrow::Field>& field,
                                        const iceberg::Type& type) {
  if (const auto* primitive = type.primitive())
    return primitive->kind == iceberg::PrimitiveKind::kUuid
               ? field->WithType(arrow::extension::uuid())
               : field;
  const auto& arrow_type = field->type();
  if (const auto* list = type.list())
    return field->WithType(arrow::list(WithUuids(arrow_type->field(0), list->element)));
  if (const auto* map = type.map()) {
    const auto& held = static_cast<const arrow::MapType&>(*arrow_type);
    return field->WithType(std::make_shared<arrow::MapType>(
        WithUuids(held.key_field(), map->key), WithUuids(held.item_field(), map->value)));
  }
  arrow::FieldVector members;
  const auto& fields = type.struct_type()->fields;
  for (size_t i = 0; i < fields.size(); ++i)
    members.push_back(WithUuids(arrow_type->field(static_cast<int>(i)), fields[i].type));
  return field->WithType(arrow::struct_(members));
}

std::shared_ptr<arrow::Schema> FileSchema(const iceberg::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields())
    fields.push_back(WithUuids(ToArrowField(field), field.type));
  return arrow::schema(std::move(fields));
}

parquet::Compression::type CodecOf(Compression compression) {
  switch (compression) {
    case Compression::kUncompressed:
      return parquet::Compression::UNCOMPRESSED;
    case Compression::kSnappy:
      return parquet::Compression::SNAPPY;
    case Compression::kGzip:
      return parquet::Compression::GZIP;
    case Compression::kBrotli:
      return parquet::Compression::BROTLI;
    case Compression::kLz4:
      return parquet::Compression::LZ4;  // written as LZ4_RAW
    case Compression::kZstd:
      return parquet::Compression::ZSTD;
  }
  return parquet::Compression::UNCOMPRESSED;
}

// How many distinct values a bloom filter of so many bytes serves at this rate.
int64_t BloomValues(int64_t bytes, double rate) {
  const double bits_per_value = -8.0 / std::log(1 - std::pow(rate, 1.0 / 8));
  return std::max<int64_t>(1,
                           static_cast<int64_t>(static_cast<double>(bytes) * 8 / bits_per_value));
}

void SetEncoding(PropertiesBuilder& builder, const std::string& path, ColumnEncoding encoding) {
  if (encoding == ColumnEncoding::kDictionary) {
    builder.enable_dictionary(path);
    return;
  }
  builder.disable_dictionary(path);
  switch (encoding) {
    case ColumnEncoding::kDelta:
      builder.encoding(path, parquet::Encoding::DELTA_BINARY_PACKED);
      break;
    case ColumnEncoding::kByteStreamSplit:
      builder.encoding(path, parquet::Encoding::BYTE_STREAM_SPLIT);
      break;
    case ColumnEncoding::kDeltaLength:
      builder.encoding(path, parquet::Encoding::DELTA_LENGTH_BYTE_ARRAY);
      break;
    default:
      builder.encoding(path, parquet::Encoding::PLAIN);
  }
}

PropertiesBuilder GeneralProperties(const WriterOptions& options) {
  PropertiesBuilder builder;
  builder.version(parquet::ParquetVersion::PARQUET_2_6);
  builder.enable_store_decimal_as_integer();
  builder.compression(CodecOf(options.compression));
  if (options.level) builder.compression_level(*options.level);
  builder.data_pagesize(options.page_bytes);
  builder.max_rows_per_page(options.page_rows);
  builder.dictionary_pagesize_limit(options.dictionary_bytes);
  if (options.dictionary_bytes == 0) builder.disable_dictionary();
  if (options.encodings == Encodings::kAll)
    builder.data_page_version(parquet::ParquetDataPageVersion::V2);
  if (options.page_index) {
    builder.enable_write_page_index();
  } else {
    builder.disable_write_page_index();
  }
  // Bits that storage flips are found by every reader that looks, ours always does.
  builder.enable_page_checksum();
  builder.set_size_statistics_level(parquet::SizeStatisticsLevel::ColumnChunk);
  return builder;
}

class RowGroupWriter : public ParquetWriter {
 public:
  RowGroupWriter(std::unique_ptr<storage::FileWriter> file, std::string location,
                 std::shared_ptr<const iceberg::Schema> schema, WriterOptions options)
      : file_(std::move(file)),
        location_(std::move(location)),
        schema_(std::move(schema)),
        options_(std::move(options)),
        output_(std::make_shared<StorageOutput>(file_.get())),
        columns_(schema_->fields().size()) {}

  ~RowGroupWriter() override { output_->Abandon(); }

  Result<> Write(const Batch& batch) override {
    PK_TRY(Check(batch).With(location_));
    const int64_t row_bytes =
        std::max<int64_t>(1, batch.bytes() / std::max<int64_t>(1, batch.num_rows()));
    for (int64_t begin = 0; begin < batch.num_rows();) {
      const int64_t room = std::min(options_.row_group_rows - pending_rows_,
                                    (options_.row_group_bytes - pending_bytes_) / row_bytes);
      const int64_t rows = std::clamp<int64_t>(room, 1, batch.num_rows() - begin);
      PK_TRY(Take(batch, begin, rows).With(location_));
      pending_rows_ += rows;
      pending_bytes_ += rows * row_bytes;
      begin += rows;
      if (pending_rows_ >= options_.row_group_rows ||
          pending_bytes_ + row_bytes > options_.row_group_bytes)
        PK_TRY(FlushRowGroup().With(location_));
    }
    return {};
  }

  Result<> Flush() override { return FlushRowGroup().With(location_); }

  int64_t size() const override {
    const int64_t written = output_->Tell().ValueOr(0);
    constexpr double kGuess = 0.25;  // of Arrow's bytes, before there is anything to go by
    const double ratio = flushed_bytes_ == 0
                             ? kGuess
                             : static_cast<double>(written) / static_cast<double>(flushed_bytes_);
    return written + static_cast<int64_t>(static_cast<double>(pending_bytes_) * ratio);
  }

  Result<iceberg::DataFile> Finish() override { return FinishFile().With(location_); }

 private:
  Result<> Check(const Batch& batch) const {
    const auto& fields = schema_->fields();
    PK_CHECK(batch.rows->num_columns() == static_cast<int>(fields.size()),
             InvalidArgument(fmt::format("a batch has {} columns where its schema has {}",
                                         batch.rows->num_columns(), fields.size())));
    for (size_t i = 0; i < fields.size(); ++i) {
      const arrow::Array& column = *batch.rows->column(static_cast<int>(i));
      PK_CHECK(IsHeldAs(*column.type(), fields[i].type),
               InvalidArgument(fmt::format("column '{}' is {} where {} is wanted", fields[i].name,
                                           column.type()->ToString(),
                                           iceberg::ToString(fields[i].type))));
      PK_TRY(CheckRequired(column, fields[i]));
    }
    return {};
  }

  Result<> Take(const Batch& batch, int64_t begin, int64_t rows) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      auto column = batch.rows->column(static_cast<int>(i));
      if (rows < column->length()) column = column->Slice(begin, rows);
      PK_TRY(CountNans(*column, schema_->fields()[i], nan_counts_));
      columns_[i].push_back(std::move(column));
    }
    return {};
  }

  Result<> FlushRowGroup() {
    if (pending_rows_ == 0) return {};
    std::vector<std::shared_ptr<arrow::ChunkedArray>> prepared;
    for (size_t i = 0; i < columns_.size(); ++i) {
      prepared.push_back(
          PK_TRY(PrepareColumn(columns_[i], schema_->fields()[i].type, options_.dictionary_bytes)));
      columns_[i].clear();
    }
    if (writer_ == nullptr) PK_TRY(Begin(prepared));
    PK_TRY(Guarded(ErrorCode::kInternal, [&] { return writer_->NewRowGroup(); }));
    for (auto& column : prepared) {
      PK_TRY(Guarded(ErrorCode::kInternal, [&] { return writer_->WriteColumnChunk(column); }));
      column.reset();
    }
    flushed_bytes_ += pending_bytes_;
    pending_rows_ = 0;
    pending_bytes_ = 0;
    return {};
  }

  // Opens the file; `first` is its first row group or nothing.
  Result<> Begin(const std::vector<std::shared_ptr<arrow::ChunkedArray>>& first) {
    return Guarded(ErrorCode::kInternal, [&]() -> arrow::Status {
      const auto arrow_properties = parquet::ArrowWriterProperties::Builder().build();
      PropertiesBuilder builder = GeneralProperties(options_);
      std::shared_ptr<parquet::SchemaDescriptor> descriptor;
      ARROW_RETURN_NOT_OK(parquet::arrow::ToParquetSchema(
          FileSchema(*schema_).get(), *builder.build(), *arrow_properties, &descriptor));
      for (size_t i = 0; i < first.size(); ++i) {
        const iceberg::Field& field = schema_->fields()[i];
        if (!field.type.is_primitive()) continue;
        SetEncoding(builder, field.name,
                    ChooseEncoding(*first[i], options_.encodings, options_.dictionary_bytes));
      }
      SetBloomFilters(*descriptor, builder);
      auto root = std::static_pointer_cast<parquet::schema::GroupNode>(descriptor->schema_root());
      auto file = parquet::ParquetFileWriter::Open(output_, std::move(root), builder.build());
      return parquet::arrow::FileWriter::Make(arrow::default_memory_pool(), std::move(file),
                                              ToArrowSchema(*schema_), arrow_properties, &writer_);
    });
  }

  void SetBloomFilters(const parquet::SchemaDescriptor& descriptor,
                       PropertiesBuilder& builder) const {
    for (int i = 0; i < descriptor.num_columns(); ++i) {
      const auto* column = descriptor.Column(i);
      const auto wanted = options_.bloom_filters.find(column->schema_node()->field_id());
      if (wanted == options_.bloom_filters.end()) continue;
      parquet::BloomFilterOptions bloom;
      bloom.fpp = wanted->second;
      bloom.ndv = std::min(options_.row_group_rows,
                           BloomValues(options_.bloom_filter_max_bytes, wanted->second));
      builder.enable_bloom_filter(column->path()->ToDotString(), bloom);
    }
  }

  Result<iceberg::DataFile> FinishFile() {
    PK_TRY(FlushRowGroup());
    if (writer_ == nullptr) PK_TRY(Begin({}));
    PK_TRY(Guarded(ErrorCode::kInternal, [&] { return writer_->Close(); }));
    PK_TRY(FromArrow(output_->Close()));
    iceberg::DataFile file;
    file.location = location_;
    file.file_size = file_->size();
    PK_TRY(Guarded(ErrorCode::kInternal, [&] {
      FillMetrics(*writer_->metadata(), *schema_, MetricsPlan(*schema_, options_), nan_counts_,
                  file);
    }));
    PK_TRY(file_->Finish());
    return file;
  }

  std::unique_ptr<storage::FileWriter> file_;
  std::string location_;
  std::shared_ptr<const iceberg::Schema> schema_;
  WriterOptions options_;
  std::shared_ptr<StorageOutput> output_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;  // opened by the first row group

  std::vector<arrow::ArrayVector> columns_;  // of the row group on its way
  int64_t pending_rows_ = 0;
  int64_t pending_bytes_ = 0;
  int64_t flushed_bytes_ = 0;  // what the row groups written took in memory
  std::map<int32_t, int64_t> nan_counts_;
};

}  // namespace

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::Open(
    storage::Storage& storage, std::string location, std::shared_ptr<const iceberg::Schema> schema,
    WriterOptions options) {
  auto file = PK_TRY(storage.Create(location));
  return std::make_unique<RowGroupWriter>(std::move(file), std::move(location), std::move(schema),
                                          std::move(options));
}

}  // namespace pk::datafile
