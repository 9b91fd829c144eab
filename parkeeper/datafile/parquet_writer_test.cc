#include "parkeeper/datafile/parquet_writer.h"

#include <arrow/array/concatenate.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/bloom_filter.h>
#include <parquet/bloom_filter_reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>
#include <parquet/schema.h>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/convert_internal.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/matchers.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using testing::AllPrimitives;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::NestedTypes;
using testing::RandomRows;

struct Written {
  std::unique_ptr<storage::Storage> storage = storage::MakeMemory();
  iceberg::DataFile file;
  std::shared_ptr<arrow::Buffer> bytes;

  std::unique_ptr<parquet::ParquetFileReader> Reader() const {
    return parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(bytes));
  }
};

Result<Written> WriteFile(const iceberg::Schema& schema, const std::vector<Batch>& batches,
                          WriterOptions options = {}) {
  Written written;
  const std::string location = written.storage->root() + "/a.parquet";
  auto writer = PK_TRY(ParquetWriter::Open(*written.storage, location,
                                           std::make_shared<iceberg::Schema>(schema), options));
  for (const auto& batch : batches) PK_TRY(writer->Write(batch));
  written.file = PK_TRY(writer->Finish());
  written.bytes = arrow::Buffer::FromString(PK_TRY(storage::ReadAll(*written.storage, location)));
  return written;
}

// All rows of a file in plain form, by Arrow's own reader.
Result<std::shared_ptr<arrow::RecordBatch>> ReadBack(const Written& written,
                                                     const iceberg::Schema& schema) {
  auto reader = PK_TRY(Guarded(ErrorCode::kCorrupt, [&] {
    parquet::arrow::FileReaderBuilder builder;
    parquet::ArrowReaderProperties properties;
    EXPECT_TRUE(builder.Open(std::make_shared<arrow::io::BufferReader>(written.bytes)).ok());
    return builder.properties(properties)->Build();
  }));
  auto table = PK_TRY(Guarded(ErrorCode::kCorrupt, [&] { return reader->ReadTable(); }));
  auto rows = PK_TRY(FromArrow(table->CombineChunksToBatch()));
  return Normalise(rows, schema);
}

std::shared_ptr<arrow::RecordBatch> Plain(const Batch& batch, const iceberg::Schema& schema) {
  arrow::ArrayVector columns;
  for (size_t i = 0; i < schema.fields().size(); ++i)
    columns.push_back(InPlainForm(batch.rows->column(static_cast<int>(i))).value());
  return arrow::RecordBatch::Make(ToArrowSchema(schema), batch.num_rows(), columns);
}

void ExpectSameRows(const iceberg::Schema& schema, const std::vector<Batch>& batches,
                    const Written& written) {
  PK_ASSERT_OK(auto rows, ReadBack(written, schema));
  std::vector<std::shared_ptr<arrow::RecordBatch>> plain;
  for (const auto& batch : batches) plain.push_back(Plain(batch, schema));
  auto table = arrow::Table::FromRecordBatches(ToArrowSchema(schema), plain).ValueOrDie();
  auto expected = table->CombineChunksToBatch().ValueOrDie();
  ASSERT_EQ(rows->num_rows(), expected->num_rows());
  const auto equal = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
  for (int i = 0; i < expected->num_columns(); ++i)
    EXPECT_TRUE(rows->column(i)->Equals(*expected->column(i), equal))
        << schema.fields()[static_cast<size_t>(i)].name;
}

TEST(ParquetWriter, WritesEveryTypeAsArrowsReaderReadsIt) {
  for (const auto& schema : {AllPrimitives(), NestedTypes()}) {
    for (uint64_t seed = 0; seed < 4; ++seed) {
      const bool dictionaries = seed % 2 == 1;
      std::vector<Batch> batches;
      for (uint64_t i = 0; i < 3; ++i)
        batches.push_back(
            Batch{RandomRows(schema, 500, seed * 10 + i, {.dictionaries = dictionaries})});
      batches[1] = batches[1].Slice(13, 401);
      const auto encodings =
          std::array{Encodings::kCompatible, Encodings::kDefault, Encodings::kAll}[seed % 3];
      PK_ASSERT_OK(auto written,
                   WriteFile(schema, batches, {.row_group_rows = 600, .encodings = encodings}));
      EXPECT_EQ(written.file.record_count, 1401);
      EXPECT_EQ(written.file.file_size, written.bytes->size());
      EXPECT_EQ(written.file.split_offsets.size(), 3U);
      ExpectSameRows(schema, batches, written);
    }
  }
}

TEST(ParquetWriter, MixesBatchesWhoseStringsComeInDifferentForms) {
  const auto schema = AllPrimitives();
  std::vector<Batch> batches{Batch{RandomRows(schema, 50, 1)},
                             Batch{RandomRows(schema, 50, 2, {.dictionaries = true})}};
  PK_ASSERT_OK(auto written, WriteFile(schema, batches));
  ExpectSameRows(schema, batches, written);
}

TEST(ParquetWriter, WritesEveryCodec) {
  const auto schema = AllPrimitives();
  const std::vector<Batch> batches{Batch{RandomRows(schema, 300, 5)}};
  const std::tuple<Compression, std::optional<int32_t>, parquet::Compression::type> cases[] = {
      {Compression::kUncompressed, {}, parquet::Compression::UNCOMPRESSED},
      {Compression::kSnappy, {}, parquet::Compression::SNAPPY},
      {Compression::kGzip, 9, parquet::Compression::GZIP},
      {Compression::kBrotli, 2, parquet::Compression::BROTLI},
      {Compression::kLz4, {}, parquet::Compression::LZ4},
      {Compression::kZstd, 19, parquet::Compression::ZSTD}};
  for (const auto& [codec, level, expected] : cases) {
    PK_ASSERT_OK(auto written, WriteFile(schema, batches, {.compression = codec, .level = level}));
    EXPECT_EQ(written.Reader()->metadata()->RowGroup(0)->ColumnChunk(0)->compression(), expected);
    ExpectSameRows(schema, batches, written);
  }
}

TEST(ParquetWriter, FootersHoldFieldIdsAndTheTypesOfTheSpecification) {
  PK_ASSERT_OK(auto written, WriteFile(AllPrimitives(), {}));
  const auto reader = written.Reader();
  const auto* schema = reader->metadata()->schema();
  const std::tuple<std::string, parquet::Type::type, std::string> expected[] = {
      {"id", parquet::Type::INT64, "None"},
      {"boolean", parquet::Type::BOOLEAN, "None"},
      {"int", parquet::Type::INT32, "None"},
      {"long", parquet::Type::INT64, "None"},
      {"float", parquet::Type::FLOAT, "None"},
      {"double", parquet::Type::DOUBLE, "None"},
      {"decimal_9", parquet::Type::INT32, "Decimal(precision=9, scale=2)"},
      {"decimal_18", parquet::Type::INT64, "Decimal(precision=18, scale=0)"},
      {"decimal_38", parquet::Type::FIXED_LEN_BYTE_ARRAY, "Decimal(precision=38, scale=10)"},
      {"date", parquet::Type::INT32, "Date"},
      {"time", parquet::Type::INT64, "Time(isAdjustedToUTC=false, timeUnit=microseconds)"},
      {"timestamp", parquet::Type::INT64, "isAdjustedToUTC=false, timeUnit=microseconds"},
      {"timestamptz", parquet::Type::INT64, "isAdjustedToUTC=true, timeUnit=microseconds"},
      {"string", parquet::Type::BYTE_ARRAY, "String"},
      {"uuid", parquet::Type::FIXED_LEN_BYTE_ARRAY, "UUID"},
      {"fixed", parquet::Type::FIXED_LEN_BYTE_ARRAY, "None"},
      {"binary", parquet::Type::BYTE_ARRAY, "None"},
      {"required_string", parquet::Type::BYTE_ARRAY, "String"}};
  ASSERT_EQ(schema->num_columns(), static_cast<int>(std::size(expected)));
  for (int i = 0; i < schema->num_columns(); ++i) {
    const auto& [name, type, logical] = expected[i];
    const auto* column = schema->Column(i);
    EXPECT_EQ(column->name(), name);
    EXPECT_EQ(column->schema_node()->field_id(), i + 1) << name;
    EXPECT_EQ(column->physical_type(), type) << name;
    EXPECT_NE(column->logical_type()->ToString().find(logical), std::string::npos)
        << name << " " << column->logical_type()->ToString();
    EXPECT_EQ(column->schema_node()->is_required(), name == "id" || name == "required_string");
  }
  EXPECT_EQ(schema->Column(8)->type_length(), 16);
}

TEST(ParquetWriter, WritesListsAndMapsInThreeLevels) {
  PK_ASSERT_OK(auto written, WriteFile(NestedTypes(), {}));
  const auto reader = written.Reader();
  const auto* schema = reader->metadata()->schema();
  std::map<std::string, int> paths;
  for (int i = 0; i < schema->num_columns(); ++i)
    paths[schema->Column(i)->path()->ToDotString()] = schema->Column(i)->schema_node()->field_id();
  const std::map<std::string, int> expected{{"point.x", 5},
                                            {"point.y", 6},
                                            {"point.label", 7},
                                            {"tags.list.element", 8},
                                            {"prices.key_value.key", 9},
                                            {"prices.key_value.value", 10},
                                            {"items.list.element.sku", 12},
                                            {"items.list.element.sizes.list.element", 14}};
  EXPECT_EQ(paths, expected);
  EXPECT_EQ(schema->group_node()->field(1)->field_id(), 2);
}

TEST(ParquetWriter, WritesAFileWithoutRows) {
  const auto schema = AllPrimitives();
  for (const std::vector<Batch>& batches :
       {std::vector<Batch>{}, std::vector<Batch>{Batch{RandomRows(schema, 0, 1)}}}) {
    PK_ASSERT_OK(auto written, WriteFile(schema, batches));
    EXPECT_EQ(written.file.record_count, 0);
    EXPECT_TRUE(written.file.split_offsets.empty());
    EXPECT_TRUE(written.file.lower_bounds.empty());
    ExpectSameRows(schema, batches, written);
  }
}

TEST(ParquetWriter, ClosesRowGroupsByRowsAndByBytes) {
  const auto schema = AllPrimitives();
  const Batch batch{RandomRows(schema, 1000, 1)};
  PK_ASSERT_OK(auto by_rows, WriteFile(schema, {batch, batch}, {.row_group_rows = 300}));
  const auto reader = by_rows.Reader();
  ASSERT_EQ(reader->metadata()->num_row_groups(), 7);
  EXPECT_EQ(reader->metadata()->RowGroup(0)->num_rows(), 300);
  EXPECT_EQ(reader->metadata()->RowGroup(6)->num_rows(), 200);
  PK_ASSERT_OK(auto by_bytes,
               WriteFile(schema, {batch, batch}, {.row_group_bytes = batch.bytes() / 2}));
  EXPECT_GE(by_bytes.Reader()->metadata()->num_row_groups(), 4);
  EXPECT_LE(by_bytes.Reader()->metadata()->num_row_groups(), 5);
  for (size_t i = 0; i < by_rows.file.split_offsets.size(); ++i) {
    const auto group = reader->metadata()->RowGroup(static_cast<int>(i));
    const auto chunk = group->ColumnChunk(0);
    EXPECT_EQ(by_rows.file.split_offsets[i], chunk->has_dictionary_page()
                                                 ? chunk->dictionary_page_offset()
                                                 : chunk->data_page_offset());
  }
}

TEST(ParquetWriter, KeepsDictionariesOverBatchesThatEachHaveTheirOwn) {
  const iceberg::Schema schema(iceberg::StructType{
      {{.id = 1, .name = "s", .required = false, .type = PrimitiveKind::kString, .doc = {}}}});
  std::vector<Batch> batches;
  for (uint64_t i = 0; i < 5; ++i) {
    auto rows = RandomRows(schema, 40, i, {.dictionaries = true});
    std::vector<std::shared_ptr<arrow::RecordBatch>> often(20, rows);
    auto table = arrow::Table::FromRecordBatches(often).ValueOrDie();
    batches.push_back(Batch{table->CombineChunksToBatch().ValueOrDie()});
  }
  PK_ASSERT_OK(auto written, WriteFile(schema, batches));
  const auto chunk = written.Reader()->metadata()->RowGroup(0)->ColumnChunk(0);
  EXPECT_TRUE(chunk->has_dictionary_page());
  for (const auto& pages : chunk->encoding_stats())
    EXPECT_TRUE(pages.page_type == parquet::PageType::DICTIONARY_PAGE ||
                pages.encoding == parquet::Encoding::RLE_DICTIONARY);
  ExpectSameRows(schema, batches, written);
}

TEST(ParquetWriter, RefusesANullInARequiredColumnNamingTheRow) {
  const auto schema = NestedTypes();
  iceberg::StructType stricter = schema.type();
  stricter.fields[1].required = true;
  const Batch batch{RandomRows(schema, 100, 3, {.nulls = 0.5})};
  int64_t row = 0;
  while (batch.rows->column(1)->IsValid(row)) ++row;
  EXPECT_THAT(WriteFile(iceberg::Schema(stricter), {batch}),
              IsErrorWith(ErrorCode::kInvalidArgument,
                          "row " + std::to_string(row) + ": column 'tags': null"));
}

TEST(ParquetWriter, RefusesColumnsOfAnotherTypeOrNumber) {
  const auto schema = AllPrimitives();
  const Batch batch{RandomRows(schema, 3, 1)};
  const Batch other{RandomRows(NestedTypes(), 3, 1)};
  EXPECT_THAT(WriteFile(schema, {other}), IsErrorWith(ErrorCode::kInvalidArgument, "columns"));
  iceberg::StructType swapped = schema.type();
  std::swap(swapped.fields[2].type, swapped.fields[3].type);
  EXPECT_THAT(WriteFile(iceberg::Schema(swapped), {batch}),
              IsErrorWith(ErrorCode::kInvalidArgument, "column 'int' is int32 where long"));
}

TEST(ParquetWriter, LeavesNoFileWithoutFinish) {
  auto storage = storage::MakeMemory();
  const std::string location = storage->root() + "/a.parquet";
  const auto schema = std::make_shared<iceberg::Schema>(AllPrimitives());
  {
    PK_ASSERT_OK(auto writer,
                 ParquetWriter::Open(*storage, location, schema, {.row_group_rows = 100}));
    ASSERT_THAT(writer->Write(Batch{RandomRows(*schema, 250, 1)}), IsOk());
    EXPECT_GT(writer->size(), 10'000);
  }
  EXPECT_THAT(storage->Stat(location), IsError(ErrorCode::kNotFound));
}

TEST(ParquetWriter, WritesBloomFiltersOfTheColumnsAskedFor) {
  const auto schema = AllPrimitives();
  const Batch batch{RandomRows(schema, 500, 1)};
  const Batch dictionary{RandomRows(schema, 500, 1, {.dictionaries = true})};
  for (const Batch& rows : {batch, dictionary}) {
    WriterOptions options;
    options.bloom_filters = {{1, 0.01}, {8, 0.01}, {14, 0.01}, {15, 0.01}};
    PK_ASSERT_OK(auto written, WriteFile(schema, {rows}, options));
    const auto reader = written.Reader();
    auto group = reader->GetBloomFilterReader().RowGroup(0);
    ASSERT_NE(group, nullptr);
    EXPECT_EQ(group->GetColumnBloomFilter(1), nullptr);
    for (int column : {0, 7, 13, 14}) ASSERT_NE(group->GetColumnBloomFilter(column), nullptr);
    const auto ids = group->GetColumnBloomFilter(0);
    const auto& column = static_cast<const arrow::Int64Array&>(*rows.rows->column(0));
    for (int64_t i = 0; i < column.length(); ++i)
      EXPECT_TRUE(ids->FindHash(ids->Hash(column.Value(i))));
    const auto strings = group->GetColumnBloomFilter(13);
    const auto plain = Plain(rows, schema);
    const auto& texts = static_cast<const arrow::StringArray&>(*plain->column(13));
    for (int64_t i = 0; i < texts.length(); ++i) {
      if (texts.IsNull(i)) continue;
      const parquet::ByteArray value(texts.GetView(i));
      EXPECT_TRUE(strings->FindHash(strings->Hash(&value)));
    }
    const parquet::ByteArray absent("no such text anywhere");
    EXPECT_FALSE(strings->FindHash(strings->Hash(&absent)));
  }
}

TEST(ParquetWriter, WritesThePageIndexUnlessToldNotTo) {
  const auto schema = AllPrimitives();
  const std::vector<Batch> batches{Batch{RandomRows(schema, 1000, 1)}};
  PK_ASSERT_OK(auto with, WriteFile(schema, batches, {.page_rows = 100}));
  const auto reader = with.Reader();
  auto index = reader->GetPageIndexReader()->RowGroup(0);
  ASSERT_NE(index, nullptr);
  EXPECT_EQ(index->GetOffsetIndex(0)->page_locations().size(), 10U);
  EXPECT_NE(index->GetColumnIndex(0), nullptr);
  PK_ASSERT_OK(auto without, WriteFile(schema, batches, {.page_index = false}));
  EXPECT_FALSE(without.Reader()->metadata()->RowGroup(0)->ColumnChunk(0)->GetOffsetIndexLocation());
}

}  // namespace
}  // namespace pk::datafile
