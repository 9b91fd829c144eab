// Rows hidden by position and by key, in files that are pruned in every way.

#include "parkeeper/datafile/row_deletes.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <limits>

#include "parkeeper/datafile/parquet_reader.h"
#include "parkeeper/datafile/parquet_writer.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/matchers.h"
#include "tests/support/read_all.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using testing::ReadLines;
using Lines = std::vector<std::string>;

const MemoryCharge kFree = [](int64_t) { return Result<>(); };

iceberg::Schema SchemaOf(const std::string& text) { return iceberg::ParseSchemaText(text).value(); }

template <class Builder, class Value>
std::shared_ptr<arrow::Array> ArrayOf(const std::vector<std::optional<Value>>& values) {
  Builder builder;
  for (const auto& value : values) {
    if (!(value ? builder.Append(*value) : builder.AppendNull()).ok()) std::abort();
  }
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> Longs(const std::vector<std::optional<int64_t>>& values) {
  return ArrayOf<arrow::Int64Builder, int64_t>(values);
}
std::shared_ptr<arrow::Array> Doubles(const std::vector<std::optional<double>>& values) {
  return ArrayOf<arrow::DoubleBuilder, double>(values);
}
std::shared_ptr<arrow::Array> Strings(const std::vector<std::optional<std::string>>& values) {
  return ArrayOf<arrow::StringBuilder, std::string>(values);
}

Batch BatchOf(const iceberg::Schema& schema, arrow::ArrayVector columns) {
  const int64_t rows = columns.front()->length();
  arrow::FieldVector fields;
  for (size_t i = 0; i < columns.size(); ++i) {
    fields.push_back(ToArrowField(schema.fields()[i])->WithType(columns[i]->type()));
  }
  return {arrow::RecordBatch::Make(arrow::schema(fields), rows, std::move(columns))};
}

class Files {
 public:
  iceberg::DataFile Write(const iceberg::Schema& schema, const Batch& batch,
                          WriterOptions options = {}) {
    const std::string location = "memory://lake/" + std::to_string(next_++) + ".parquet";
    auto writer = ParquetWriter::Open(*storage_, location,
                                      std::make_shared<const iceberg::Schema>(schema), options)
                      .value();
    EXPECT_THAT(writer->Write(batch), IsOk());
    return writer->Finish().value();
  }
  storage::Storage& storage() { return *storage_; }

 private:
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory("lake");
  int next_ = 0;
};

iceberg::Schema PositionColumns() {
  return iceberg::Schema(iceberg::StructType{.fields = {{.id = kDeletePathFieldId,
                                                         .name = "file_path",
                                                         .required = true,
                                                         .type = PrimitiveKind::kString},
                                                        {.id = kDeletePositionFieldId,
                                                         .name = "pos",
                                                         .required = true,
                                                         .type = PrimitiveKind::kLong}}});
}

TEST(RowDeletes, ListThePositionsOfTheWantedFilesOnceAndInOrder) {
  Files files;
  const auto schema = PositionColumns();
  WriterOptions small;
  small.row_group_rows = 2;
  auto file = files.Write(
      schema, BatchOf(schema, {Strings({"a", "a", "b", "b", "c", "a"}), Longs({7, 3, 1, 1, 5, 7})}),
      small);
  file.content = iceberg::FileContent::kPositionDeletes;
  int64_t charged = 0;
  PK_ASSERT_OK(const auto deletes,
               PositionDeletes::Read(files.storage(), file, {"a", "b"}, [&](int64_t bytes) {
                 charged += bytes;
                 return Result<>();
               }));
  EXPECT_EQ(*deletes->Of("a"), (std::vector<int64_t>{3, 7}));
  EXPECT_EQ(*deletes->Of("b"), (std::vector<int64_t>{1}));
  EXPECT_EQ(deletes->Of("c"), nullptr) << "not wanted";
  EXPECT_EQ(charged, deletes->bytes());
  EXPECT_THAT(PositionDeletes::Read(files.storage(), file, {"a"},
                                    [](int64_t) -> Result<> { return Unsupported("too much"); }),
              IsErrorWith(ErrorCode::kUnsupported, "too much"));
}

TEST(RowDeletes, NameAFileThatHoldsNoPositions) {
  Files files;
  const auto schema = PositionColumns();
  auto negative = files.Write(schema, BatchOf(schema, {Strings({"a"}), Longs({-1})}));
  EXPECT_THAT(PositionDeletes::Read(files.storage(), negative, {"a"}, kFree),
              IsErrorWith(ErrorCode::kCorrupt, negative.location));
  const auto other = SchemaOf("id long");
  const auto rows = files.Write(other, BatchOf(other, {Longs({1})}));
  EXPECT_THAT(PositionDeletes::Read(files.storage(), rows, {"a"}, kFree),
              IsErrorWith(ErrorCode::kCorrupt, "file_path"));
  negative.format = "AVRO";
  EXPECT_THAT(PositionDeletes::Read(files.storage(), negative, {"a"}, kFree),
              IsErrorWith(ErrorCode::kUnsupported, "format AVRO"));
  negative.format = "PUFFIN";
  EXPECT_THAT(CheckDeleteFormat(negative), IsErrorWith(ErrorCode::kUnsupported, "version 3"));
}

// Which of the rows the keys hide, as zeros and ones.
std::vector<uint8_t> Found(const iceberg::Schema& schema, const Batch& keys, const Batch& rows,
                           std::vector<int32_t> ids, const std::vector<int32_t>& numbers = {1}) {
  Files files;
  const auto file = files.Write(schema, keys);
  const auto deletes = EqualityDeletes::Make(schema, std::move(ids)).value();
  EXPECT_THAT(deletes->Read(files.storage(), file, 1, {}, kFree), IsOk());
  std::vector<uint8_t> hidden(size_t(rows.num_rows()));
  EXPECT_THAT(deletes->Find(rows, numbers, hidden), IsOk());
  return hidden;
}

TEST(RowDeletes, FindKeysWithNullEqualToNullAndFloatsByTheirBits) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto schema = SchemaOf("x double");
  const auto keys = BatchOf(schema, {Doubles({nan, 0.0, std::nullopt})});
  const auto rows = BatchOf(schema, {Doubles({-nan, -0.0, 0.0, std::nullopt, 1.0})});
  EXPECT_EQ(Found(schema, keys, rows, {1}), (std::vector<uint8_t>{1, 0, 1, 1, 0}));
}

TEST(RowDeletes, FindKeysOfSeveralColumnsEachAlone) {
  const auto schema = SchemaOf("a string, b string");
  const auto keys = BatchOf(schema, {Strings({"ab", "", std::nullopt}), Strings({"c", "x", ""})});
  const auto rows = BatchOf(schema, {Strings({"ab", "a", "", std::nullopt, std::nullopt}),
                                     Strings({"c", "bc", "x", "", std::nullopt})});
  EXPECT_EQ(Found(schema, keys, rows, {1, 2}), (std::vector<uint8_t>{1, 0, 1, 1, 0}));
  EXPECT_EQ(Found(schema, keys, rows, {1, 2}, {2}), (std::vector<uint8_t>{0, 0, 0, 0, 0}))
      << "another file's keys";
}

TEST(RowDeletes, KeysOfEveryTypeAreFoundAgain) {
  const auto schema = testing::AllPrimitives();
  const Batch rows{testing::RandomRows(schema, 300, 5, {.nulls = 0.2, .odd_values = 0.3})};
  const Batch coded{
      testing::RandomRows(schema, 300, 5, {.nulls = 0.2, .odd_values = 0.3, .dictionaries = true})};
  for (const iceberg::Field& field : schema.fields()) {
    const auto one = iceberg::Select(schema, {field.name}).value();
    const int at = field.id - 1;
    for (const Batch& batch : {rows, coded}) {
      const auto column = BatchOf(one, {batch.rows->column(at)});
      const auto first = column.Slice(0, 150);
      const auto hidden = Found(one, first, column, {field.id});
      EXPECT_EQ(std::count(hidden.begin(), hidden.begin() + 150, 1), 150) << field.name;
    }
  }
}

TEST(RowDeletes, NameAKeyColumnThatIsMissing) {
  Files files;
  const auto schema = SchemaOf("a long, b long");
  const auto narrow = SchemaOf("a long");
  const auto file = files.Write(narrow, BatchOf(narrow, {Longs({1})}));
  const auto deletes = EqualityDeletes::Make(schema, {1, 2}).value();
  EXPECT_THAT(deletes->Read(files.storage(), file, 1, {}, kFree),
              IsErrorWith(ErrorCode::kCorrupt, "lacks column 'b'"));
  EXPECT_THAT(EqualityDeletes::Make(schema, {3}), IsErrorWith(ErrorCode::kUnsupported, "field 3"));
  EXPECT_THAT(EqualityDeletes::Make(SchemaOf("l list<long>"), {2}),
              IsErrorWith(ErrorCode::kUnsupported, "field 2"));
}

// Rows 0 to 999 in row groups of 100 and pages of 10.
struct Thousand {
  Files files;
  std::shared_ptr<const iceberg::Schema> schema =
      std::make_shared<const iceberg::Schema>(SchemaOf("id long, s struct<a: long>"));
  iceberg::DataFile file;

  Thousand() {
    arrow::Int64Builder ids;
    for (int64_t i = 0; i < 1000; ++i) {
      if (!ids.Append(i).ok()) std::abort();
    }
    const auto column = ids.Finish().ValueOrDie();
    const auto wrapped = arrow::StructArray::Make({column}, {"a"}).ValueOrDie();
    WriterOptions options;
    options.row_group_rows = 100;
    options.page_rows = 10;
    file = files.Write(*schema, BatchOf(*schema, {column, wrapped}), options);
  }

  std::shared_ptr<const PositionDeletes> At(std::vector<std::optional<int64_t>> positions) {
    const auto columns = PositionColumns();
    const std::vector<std::optional<std::string>> paths(positions.size(), file.location);
    const auto deletes = files.Write(columns, BatchOf(columns, {Strings(paths), Longs(positions)}));
    return PositionDeletes::Read(files.storage(), deletes, {file.location}, kFree).value();
  }

  ReaderOptions Options(const std::string& filter = "") {
    ReaderOptions options;
    options.projection =
        std::make_shared<const iceberg::Schema>(iceberg::Select(*schema, {"id"}).value());
    options.table_schema = schema;
    if (!filter.empty()) {
      const auto parsed = iceberg::ParseExpression(filter).value();
      options.filter = iceberg::Bind(parsed, *schema).value();
    }
    return options;
  }
  Result<Lines> Read(const ReaderOptions& options) {
    return ReadLines(OpenParquet(files.storage(), file, options));
  }
};

TEST(RowDeletes, CountPositionsFromTheFirstRowOfTheFile) {
  Thousand thousand;
  ReaderOptions options = thousand.Options("id >= 548 and id < 553");
  options.deletes.positions = {thousand.At({550, 3}), thousand.At({999, 551, 550})};
  EXPECT_THAT(thousand.Read(options),
              IsOkAnd(Lines{R"({"id":548})", R"({"id":549})", R"({"id":552})"}));
  // One row group of ten: its own positions, whatever lies before it.
  options.filter = iceberg::True{};
  options.begin = thousand.file.split_offsets[5];
  options.end = thousand.file.split_offsets[6];
  EXPECT_THAT(thousand.Read(options), IsOkAnd(::testing::SizeIs(98)));
}

TEST(RowDeletes, GiveOnlyTheHiddenRowsWhereThoseAreWanted) {
  Thousand thousand;
  ReadCounters counters;
  ReaderOptions options = thousand.Options();
  options.counters = &counters;
  options.only_hidden_by = RowDeletes{.positions = {thousand.At({5, 7, 850})}, .keys = {}};
  options.deletes.positions = {thousand.At({7, 8})};
  EXPECT_THAT(thousand.Read(options), IsOkAnd(Lines{R"({"id":5})", R"({"id":850})"}));
  EXPECT_LT(counters.rows_decoded, 200) << "row groups without such rows are not read";
  EXPECT_EQ(counters.rows_hidden, 1);
  options.only_hidden_by = RowDeletes{};
  EXPECT_THAT(thousand.Read(options), IsOkAnd(Lines{}));
}

TEST(RowDeletes, ReadKeysThatNobodyProjectsInStructsToo) {
  Thousand thousand;
  const auto keys = iceberg::Select(*thousand.schema, {"s.a"}).value();
  const auto column = arrow::StructArray::Make({Longs({4, 501})}, {"a"}).ValueOrDie();
  const auto file = thousand.files.Write(keys, BatchOf(keys, {column}));
  const int32_t id = thousand.schema->FindByName("s.a")->id;
  const auto deletes = EqualityDeletes::Make(*thousand.schema, {id}).value();
  ASSERT_THAT(deletes->Read(thousand.files.storage(), file, 0, {}, kFree), IsOk());
  for (const std::string filter : {"", "id >= 3 and id <= 502", "s.a >= 3 and s.a <= 502"}) {
    ReaderOptions options = thousand.Options(filter);
    options.deletes.keys = {{.deletes = deletes, .files = {0}}};
    EXPECT_THAT(thousand.Read(options), IsOkAnd(::testing::SizeIs(filter.empty() ? 998 : 498)));
  }
}

}  // namespace
}  // namespace pk::datafile
