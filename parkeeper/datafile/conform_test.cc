#include <arrow/array/array_base.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/convert_internal.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/matchers.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using testing::IsErrorWith;
using testing::IsOk;

constexpr auto kBad = ErrorCode::kInvalidArgument;

std::shared_ptr<arrow::Array> Array(const std::shared_ptr<arrow::DataType>& type,
                                    const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

iceberg::Schema One(iceberg::Type type, bool required = false, std::string name = "qty") {
  return iceberg::Schema(iceberg::StructType{{{.id = 1,
                                               .name = std::move(name),
                                               .required = required,
                                               .type = std::move(type),
                                               .doc = std::nullopt}}});
}

// `json` as a column of `from`, conformed to `to`.
Result<std::shared_ptr<arrow::Array>> Conformed(const iceberg::Type& from, const std::string& json,
                                                const iceberg::Type& to, bool required = false) {
  const auto column = Array(ToArrowType(from), json);
  const Batch batch{arrow::RecordBatch::Make(ToArrowSchema(One(from)), column->length(), {column})};
  auto result = PK_TRY(Conform(batch, One(from), One(to, required)));
  EXPECT_TRUE(result.rows->ValidateFull().ok());
  return result.rows->column(0);
}

void ExpectConforms(const iceberg::Type& from, const std::string& json, const iceberg::Type& to,
                    const std::string& expected) {
  PK_ASSERT_OK(auto array, Conformed(from, json, to));
  EXPECT_TRUE(array->Equals(Array(ToArrowType(to), expected))) << array->ToString();
  EXPECT_THAT(CheckConforms(One(from), One(to)), IsOk());
}

TEST(Conform, WidensAndNarrowsExactly) {
  ExpectConforms(PrimitiveKind::kInt, "[1, null, -3]", PrimitiveKind::kLong, "[1, null, -3]");
  ExpectConforms(PrimitiveKind::kLong, "[1, null, -3]", PrimitiveKind::kInt, "[1, null, -3]");
  ExpectConforms(PrimitiveKind::kFloat, "[1.5]", PrimitiveKind::kDouble, "[1.5]");
  ExpectConforms(PrimitiveKind::kLong, "[7]", PrimitiveKind::kDouble, "[7.0]");
  ExpectConforms(PrimitiveKind::kInt, "[7]", iceberg::Decimal(9, 2), R"(["7.00"])");
  ExpectConforms(iceberg::Decimal(9, 2), R"(["7.25"])", iceberg::Decimal(20, 4), R"(["7.2500"])");
  ExpectConforms(iceberg::Decimal(20, 2), R"(["7.00"])", PrimitiveKind::kInt, "[7]");
  ExpectConforms(PrimitiveKind::kBinary, R"(["ab"])", PrimitiveKind::kString, R"(["ab"])");
  ExpectConforms(PrimitiveKind::kDate, "[1]", PrimitiveKind::kTimestamp, "[86400000000]");
}

TEST(Conform, NamesRowColumnAndValueThatDoesNotFit) {
  std::string json = "[1";
  for (int i = 1; i < 40; ++i) json += i == 17 || i == 30 ? ", 3000000000" : ", 5";
  EXPECT_THAT(Conformed(PrimitiveKind::kLong, json + "]", PrimitiveKind::kInt),
              IsErrorWith(kBad, "row 17: column 'qty': 3000000000 does not fit int"));
  EXPECT_THAT(Conformed(iceberg::Decimal(9, 2), R"(["1.00", "1.25"])", iceberg::Decimal(9, 1)),
              IsErrorWith(kBad, "row 1: column 'qty': 1.25 does not fit decimal(9"));
  EXPECT_THAT(Conformed(PrimitiveKind::kLong, "[1, 9007199254740993]", PrimitiveKind::kDouble),
              IsErrorWith(kBad, "row 1: column 'qty': 9007199254740993 does not fit double"));
  EXPECT_THAT(Conformed(PrimitiveKind::kInt, "[1, 1000]", iceberg::Decimal(4, 2)),
              IsErrorWith(kBad, "row 1: column 'qty': 1000 does not fit"));
  EXPECT_THAT(Conformed(PrimitiveKind::kInt, "[1, 2, null]", PrimitiveKind::kInt, true),
              IsErrorWith(kBad, "row 2: column 'qty': null, but the column is required"));
}

TEST(Conform, NamesAValueThatIsNoUtf8) {
  arrow::BinaryBuilder builder;
  for (const std::string text : {"a", "b", "\xff"}) ASSERT_TRUE(builder.Append(text).ok());
  const auto from = One(PrimitiveKind::kBinary);
  const Batch batch{
      arrow::RecordBatch::Make(ToArrowSchema(from), 3, {builder.Finish().ValueOrDie()})};
  EXPECT_THAT(Conform(batch, from, One(PrimitiveKind::kString)),
              IsErrorWith(kBad, "row 2: column 'qty': a value that is not valid UTF-8"));
}

TEST(Conform, RefusesTypesThatNeverFitBeforeAnyRow) {
  const std::pair<iceberg::Type, iceberg::Type> cases[] = {
      {PrimitiveKind::kString, PrimitiveKind::kInt},
      {PrimitiveKind::kDouble, PrimitiveKind::kFloat},
      {PrimitiveKind::kTimestamp, PrimitiveKind::kTimestamptz},
      {PrimitiveKind::kInt, PrimitiveKind::kString},
      {PrimitiveKind::kInt, iceberg::ListType{1, false, PrimitiveKind::kInt}}};
  for (const auto& [from, to] : cases)
    EXPECT_THAT(CheckConforms(One(from), One(to)),
                IsErrorWith(kBad, "column 'qty': " + iceberg::ToString(from)));
  EXPECT_THAT(CheckConforms(One(PrimitiveKind::kInt, false, "other"), One(PrimitiveKind::kInt)),
              IsErrorWith(kBad, "column 'other' is not in the table"));
  EXPECT_THAT(CheckConforms(iceberg::Schema(), One(PrimitiveKind::kInt, true)),
              IsErrorWith(kBad, "column 'qty' is required and missing"));
}

TEST(Conform, OrdersColumnsByNameAndFillsMissingOnesWithNull) {
  auto schema = testing::AllPrimitives();
  iceberg::StructType reversed = schema.type();
  std::reverse(reversed.fields.begin(), reversed.fields.end());
  iceberg::StructType wider = schema.type();
  wider.fields.push_back({.id = 99,
                          .name = "extra",
                          .required = false,
                          .type = iceberg::ListType{100, false, PrimitiveKind::kInt},
                          .doc = std::nullopt});
  const auto rows = testing::RandomRows(iceberg::Schema(reversed), 30, 4, {.dictionaries = true});
  PK_ASSERT_OK(auto batch, Conform(Batch{rows}, iceberg::Schema(reversed), iceberg::Schema(wider)));
  ASSERT_TRUE(batch.rows->ValidateFull().ok());
  const int last = rows->num_columns() - 1;
  for (int i = 0; i <= last; ++i)
    EXPECT_EQ(batch.rows->column(i).get(), rows->column(last - i).get());  // not copied
  EXPECT_EQ(batch.rows->column(last + 1)->null_count(), 30);
}

TEST(Conform, ReadsTextAsUuidsAndBytesAsFixeds) {
  const std::string text = R"(["00112233-4455-6677-8899-AABBCCDDEEFF", null])";
  const iceberg::Type fixed = iceberg::Fixed(2);
  PK_ASSERT_OK(auto uuids, Conformed(PrimitiveKind::kString, text, PrimitiveKind::kUuid));
  const auto& bytes = static_cast<const arrow::FixedSizeBinaryArray&>(*uuids);
  EXPECT_EQ(bytes.GetView(0), std::string_view("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb"
                                               "\xcc\xdd\xee\xff",
                                               16));
  EXPECT_TRUE(bytes.IsNull(1));
  ExpectConforms(PrimitiveKind::kBinary, R"(["ab", null, "cd"])", fixed, R"(["ab", null, "cd"])");
  ExpectConforms(iceberg::ListType{1, false, PrimitiveKind::kBinary}, R"([["ab"], null])",
                 iceberg::ListType{1, false, fixed}, R"([["ab"], null])");
  EXPECT_THAT(Conformed(PrimitiveKind::kString, R"([null, "0011"])", PrimitiveKind::kUuid),
              IsErrorWith(kBad, "row 1: column 'qty': 0011 does not fit uuid"));
  EXPECT_THAT(Conformed(PrimitiveKind::kBinary, R"(["ab", "abc"])", fixed),
              IsErrorWith(kBad, "row 1: column 'qty': 3 bytes do not fit fixed[2]"));
  // Strings may be dictionaries.
  const auto from = One(PrimitiveKind::kString);
  const auto dictionary = Array(arrow::dictionary(arrow::int32(), arrow::utf8()),
                                R"(["00112233-4455-6677-8899-aabbccddeeff", null])");
  PK_ASSERT_OK(
      auto batch,
      Conform({arrow::RecordBatch::Make(arrow::schema({arrow::field("qty", dictionary->type())}), 2,
                                        {dictionary})},
              from, One(PrimitiveKind::kUuid)));
  EXPECT_TRUE(batch.rows->column(0)->Equals(uuids));
}

iceberg::Schema Columns(const std::vector<std::string>& names) {
  iceberg::StructType columns;
  for (const std::string& name : names) {
    columns.fields.push_back({.id = int32_t(columns.fields.size() + 1),
                              .name = name,
                              .required = false,
                              .type = PrimitiveKind::kInt});
  }
  return iceberg::Schema(columns);
}

TEST(Conform, FindsColumnsAndMembersInAnyCase) {
  const auto rows = testing::RandomRows(Columns({"QTY", "b", "A", "a"}), 10, 4, {});
  PK_ASSERT_OK(auto batch, Conform(Batch{rows}, Columns({"QTY", "b", "A", "a"}),
                                   Columns({"a", "A", "B", "new", "qty"})));
  EXPECT_EQ(batch.rows->column(0).get(), rows->column(3).get());
  EXPECT_EQ(batch.rows->column(1).get(), rows->column(2).get());
  EXPECT_EQ(batch.rows->column(2).get(), rows->column(1).get());
  EXPECT_EQ(batch.rows->column(3)->null_count(), 10);
  EXPECT_EQ(batch.rows->column(4).get(), rows->column(0).get());
  // Only one column may have the name, and only one may want it.
  EXPECT_THAT(CheckConforms(Columns({"qTy", "Qty"}), Columns({"qty"})),
              IsErrorWith(kBad, "is not in the table"));
  EXPECT_THAT(CheckConforms(Columns({"qty", "Qty"}), Columns({"qty"})),
              IsErrorWith(kBad, "column 'Qty' is not in the table"));
  EXPECT_THAT(CheckConforms(Columns({"AB"}), Columns({"Ab", "aB"})),
              IsErrorWith(kBad, "column 'AB' is not in the table"));
  EXPECT_THAT(CheckConforms(Columns({"Ä"}), Columns({"ä"})),
              IsErrorWith(kBad, "column 'Ä' is not in the table"));
  ExpectConforms(Columns({"X", "y"}).type(), R"([{"X": 1, "y": 2}])", Columns({"Y", "x"}).type(),
                 R"([{"Y": 2, "x": 1}])");
}

TEST(Conform, TakesASourceWhoseRowsItCounts) {
  const auto from = One(PrimitiveKind::kLong);
  const auto batch = [&](const std::string& json) {
    const auto column = Array(arrow::int64(), json);
    return Batch{arrow::RecordBatch::Make(ToArrowSchema(from), column->length(), {column})};
  };
  const auto to = std::make_shared<const iceberg::Schema>(One(PrimitiveKind::kInt, false, "Qty"));
  PK_ASSERT_OK(
      auto source,
      ConformTo(SourceOf(from, {batch("[1, 2]"), batch("[3]"), batch("[4, 3000000000]")}), to));
  EXPECT_EQ(source->schema().type(), to->type());
  PK_ASSERT_OK(auto first, source->Next());
  EXPECT_TRUE(first->rows->column(0)->Equals(Array(arrow::int32(), "[1, 2]")));
  EXPECT_THAT(source->Next(), IsOk());
  EXPECT_THAT(source->Next(),
              IsErrorWith(kBad, "behind row 3: row 1: column 'Qty': 3000000000 does not fit int"));
  EXPECT_THAT(ConformTo(SourceOf(from, {}),
                        std::make_shared<const iceberg::Schema>(One(PrimitiveKind::kString))),
              IsErrorWith(kBad, "column 'qty': long does not convert to string"));
}

TEST(Conform, ReachesIntoStructsListsAndMaps) {
  iceberg::StructType inner{
      {{.id = 2, .name = "b", .required = false, .type = PrimitiveKind::kLong, .doc = {}},
       {.id = 3, .name = "a", .required = false, .type = PrimitiveKind::kInt, .doc = {}}}};
  iceberg::StructType wanted{
      {{.id = 7, .name = "a", .required = false, .type = PrimitiveKind::kLong, .doc = {}},
       {.id = 8, .name = "b", .required = false, .type = PrimitiveKind::kInt, .doc = {}},
       {.id = 9, .name = "c", .required = false, .type = PrimitiveKind::kString, .doc = {}}}};
  const iceberg::ListType from{4, false, inner};
  const iceberg::ListType to{14, false, wanted};
  ExpectConforms(from, R"([[{"b": 1, "a": 2}, null], null, [], [{"b": 3, "a": null}]])", to,
                 R"([[{"a": 2, "b": 1, "c": null}, null], null, [],
                     [{"a": null, "b": 3, "c": null}]])");
  EXPECT_THAT(Conformed(from, R"([[{"b": 1}], [{"b": 2}, {"b": 3000000000}]])", to),
              IsErrorWith(kBad, "row 1: column 'qty': element: member 'b': 3000000000 does not"));
  const iceberg::MapType prices{4, PrimitiveKind::kString, 5, false, PrimitiveKind::kInt};
  const iceberg::MapType wider{4, PrimitiveKind::kString, 5, true, PrimitiveKind::kLong};
  ExpectConforms(prices, R"([[["x", 1], ["y", 2]], null, []])", wider,
                 R"([[["x", 1], ["y", 2]], null, []])");
  EXPECT_THAT(Conformed(prices, R"([[["x", 1]], [["x", null]]])", wider),
              IsErrorWith(kBad, "row 1: column 'qty': value: null"));
}

Result<Batch> Imported(const std::shared_ptr<arrow::Array>& column) {
  auto schema = arrow::schema({arrow::field("c", column->type())});
  auto batch = arrow::RecordBatch::Make(schema, column->length(), {column});
  auto reader = arrow::RecordBatchReader::Make({batch}).ValueOrDie();
  ArrowArrayStream stream;
  EXPECT_TRUE(arrow::ExportRecordBatchReader(reader, &stream).ok());
  auto source = PK_TRY(ImportStream(&stream));
  return *PK_TRY(source->Next());
}

TEST(Import, BringsForeignFormsIntoOurs) {
  const std::tuple<std::shared_ptr<arrow::DataType>, std::string, std::shared_ptr<arrow::DataType>,
                   std::string>
      cases[] = {
          {arrow::uint8(), "[1, null]", arrow::int32(), "[1, null]"},
          {arrow::uint64(), "[1, 9]", arrow::int64(), "[1, 9]"},
          {arrow::large_utf8(), R"(["a", null])", arrow::utf8(), R"(["a", null])"},
          {arrow::dictionary(arrow::int8(), arrow::int64()), "[5, 5]", arrow::int64(), "[5, 5]"},
          {arrow::dictionary(arrow::uint8(), arrow::utf8()), R"(["a", "a"])",
           arrow::dictionary(arrow::int32(), arrow::utf8()), R"(["a", "a"])"},
          {arrow::timestamp(arrow::TimeUnit::NANO), "[5000]",
           arrow::timestamp(arrow::TimeUnit::MICRO), "[5]"},
          {arrow::timestamp(arrow::TimeUnit::SECOND, "Europe/Berlin"), "[5]",
           arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[5000000]"},
          {arrow::date64(), "[86400000]", arrow::date32(), "[1]"},
          {arrow::time32(arrow::TimeUnit::SECOND), "[1]", arrow::time64(arrow::TimeUnit::MICRO),
           "[1000000]"},
          {arrow::decimal256(10, 2), R"(["1.25"])", arrow::decimal128(10, 2), R"(["1.25"])"},
          {arrow::large_list(arrow::int16()), "[[1, 2], null]", arrow::list(arrow::int32()),
           "[[1, 2], null]"},
          {arrow::fixed_size_list(arrow::int8(), 2), "[[1, 2], null]", arrow::list(arrow::int32()),
           "[[1, 2], null]"},
          {arrow::list_view(arrow::int8()), "[[1, 2], null]", arrow::list(arrow::int32()),
           "[[1, 2], null]"}};
  for (const auto& [type, json, wanted, expected] : cases) {
    SCOPED_TRACE(type->ToString());
    PK_ASSERT_OK(auto batch, Imported(Array(type, json)));
    ASSERT_TRUE(batch.rows->ValidateFull().ok());
    const auto& column = batch.rows->column(0);
    if (wanted->id() != arrow::Type::LIST) {
      EXPECT_TRUE(column->type()->Equals(*wanted));
    }
    EXPECT_EQ(column->ToString(), Array(wanted, expected)->ToString());
  }
}

TEST(Import, NamesTheRowOfAValueThatWouldBeChanged) {
  EXPECT_THAT(Imported(Array(arrow::uint64(), "[1, 18446744073709551615]")),
              IsErrorWith(kBad, "row 1: column 'c': 18446744073709551615 does not fit long"));
  EXPECT_THAT(Imported(Array(arrow::timestamp(arrow::TimeUnit::NANO), "[1000, 2000, 1]")),
              IsErrorWith(kBad, "row 2: column 'c'"));
}

}  // namespace
}  // namespace pk::datafile
