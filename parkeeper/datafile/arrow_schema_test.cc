#include <arrow/extension/uuid.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>

#include "parkeeper/datafile/arrow_schema_internal.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/matchers.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using testing::IsErrorWith;
using testing::IsOk;

Result<iceberg::Type> Imported(std::shared_ptr<arrow::DataType> type) {
  auto schema = PK_TRY(FromArrowSchema(*arrow::schema({arrow::field("c", std::move(type))})));
  return schema.fields()[0].type;
}

TEST(ArrowSchema, ReturnsUnchangedWithIdsNamesAndNullability) {
  for (const auto& schema : {testing::AllPrimitives(), testing::NestedTypes()}) {
    PK_ASSERT_OK(auto returned, FromArrowSchema(*ToArrowSchema(schema)));
    EXPECT_TRUE(returned.SameColumns(schema));
    for (const auto& field : schema.fields())
      EXPECT_TRUE(IsHeldAs(*ToArrowType(field.type), field.type)) << field.name;
  }
}

TEST(ArrowSchema, PromotesTheTypesThatIcebergLacks) {
  const std::pair<std::shared_ptr<arrow::DataType>, iceberg::Type> cases[] = {
      {arrow::int8(), PrimitiveKind::kInt},
      {arrow::uint16(), PrimitiveKind::kInt},
      {arrow::uint32(), PrimitiveKind::kLong},
      {arrow::uint64(), PrimitiveKind::kLong},
      {arrow::float16(), PrimitiveKind::kFloat},
      {arrow::large_utf8(), PrimitiveKind::kString},
      {arrow::utf8_view(), PrimitiveKind::kString},
      {arrow::dictionary(arrow::int8(), arrow::large_utf8()), PrimitiveKind::kString},
      {arrow::run_end_encoded(arrow::int32(), arrow::int8()), PrimitiveKind::kInt},
      {arrow::binary_view(), PrimitiveKind::kBinary},
      {arrow::date64(), PrimitiveKind::kDate},
      {arrow::time32(arrow::TimeUnit::SECOND), PrimitiveKind::kTime},
      {arrow::timestamp(arrow::TimeUnit::NANO), PrimitiveKind::kTimestamp},
      {arrow::timestamp(arrow::TimeUnit::MILLI, "Europe/Berlin"), PrimitiveKind::kTimestamptz},
      {arrow::decimal256(38, 4), iceberg::Decimal(38, 4)},
      {arrow::smallest_decimal(7, 2), iceberg::Decimal(7, 2)},
      {arrow::extension::uuid(), PrimitiveKind::kUuid},
      {arrow::fixed_size_binary(16), iceberg::Fixed(16)},
  };
  for (const auto& [type, expected] : cases)
    EXPECT_THAT(Imported(type), testing::IsOkAnd(expected)) << type->ToString();
}

TEST(ArrowSchema, RefusesWhatHasNoCounterpartNamingTheColumn) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  EXPECT_THAT(Imported(arrow::null()), IsErrorWith(kBad, "column 'c': it holds only nulls"));
  EXPECT_THAT(Imported(arrow::duration(arrow::TimeUnit::SECOND)),
              IsErrorWith(kBad, "column 'c': Arrow's type duration[s]"));
  EXPECT_THAT(Imported(arrow::decimal256(50, 4)), IsErrorWith(kBad, "more than 38 digits"));
  EXPECT_THAT(Imported(arrow::decimal128(5, -2)), IsErrorWith(kBad, "scale"));
  EXPECT_THAT(Imported(arrow::struct_({arrow::field("m", arrow::month_interval())})),
              IsErrorWith(kBad, "column 'c.m'"));
  EXPECT_THAT(FromArrowSchema(*arrow::schema(
                  {arrow::field("a", arrow::int32()), arrow::field("a", arrow::int32())})),
              IsErrorWith(kBad, "a"));
}

TEST(ArrowSchema, NumbersFieldsWhenOneHasNoId) {
  auto with = [](std::string name, std::string id) {
    return arrow::field(std::move(name), arrow::int32(), true,
                        arrow::key_value_metadata({"PARQUET:field_id"}, {std::move(id)}));
  };
  PK_ASSERT_OK(auto own, FromArrowSchema(*arrow::schema({with("a", "7"), with("b", "9")})));
  EXPECT_EQ(own.fields()[1].id, 9);
  PK_ASSERT_OK(auto counted, FromArrowSchema(*arrow::schema({with("a", "7"), with("b", "x")})));
  EXPECT_EQ(counted.fields()[0].id, 1);
  EXPECT_EQ(counted.fields()[1].id, 2);
}

// A position delete file is read by no schema, but it can be described.
TEST(ArrowSchema, NumbersFieldsWhenOneHasAReservedId) {
  const auto path =
      arrow::field("file_path", arrow::utf8(), false,
                   arrow::key_value_metadata({"PARQUET:field_id"}, {std::string("2147483546")}));
  PK_ASSERT_OK(auto counted, FromArrowSchema(*arrow::schema({path})));
  EXPECT_EQ(counted.fields()[0].id, 1);
}

TEST(ArrowSchema, RefusesATypeThatNestsTooDeep) {
  std::shared_ptr<arrow::DataType> type = arrow::int32();
  for (int i = 0; i < 1000; ++i) type = arrow::list(type);
  EXPECT_THAT(Imported(type), IsErrorWith(ErrorCode::kInvalidArgument, "nested too deep"));
}

TEST(ArrowSchema, HoldsStringsPlainAsViewsAndAsDictionaries) {
  const iceberg::Type string = PrimitiveKind::kString;
  EXPECT_TRUE(IsHeldAs(*arrow::utf8(), string));
  EXPECT_TRUE(IsHeldAs(*arrow::utf8_view(), string));
  EXPECT_TRUE(IsHeldAs(*arrow::dictionary(arrow::int32(), arrow::utf8()), string));
  EXPECT_FALSE(IsHeldAs(*arrow::dictionary(arrow::int8(), arrow::utf8()), string));
  EXPECT_FALSE(IsHeldAs(*arrow::large_utf8(), string));
  EXPECT_FALSE(IsHeldAs(*arrow::binary(), string));
  EXPECT_FALSE(IsHeldAs(*arrow::timestamp(arrow::TimeUnit::NANO), PrimitiveKind::kTimestamp));
}

}  // namespace
}  // namespace pk::datafile
