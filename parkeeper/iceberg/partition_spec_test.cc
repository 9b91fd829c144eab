#include "parkeeper/iceberg/partition_spec.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using enum PrimitiveKind;

Schema Events() {
  return *ParseSchemaText(
      "ts timestamptz, id long not null, category string, name string, price decimal(9,2), "
      "score double, point struct<x: int, y: int>, tags list<string>, \"odd name\" string, d date");
}

PartitionSpec Spec(std::string_view text) {
  auto spec = ParsePartitionText(text, Events());
  EXPECT_TRUE(spec.ok()) << spec.error().ToString();
  return spec.ok() ? *spec : PartitionSpec{};
}

TEST(PartitionSpec, IsReadFromTextWithTheNamesThatTheReferenceDerives) {
  const PartitionSpec spec =
      Spec("day(ts), bucket(16, id), category, truncate(4, name), identity(point.x), void(score)");
  ASSERT_EQ(spec.fields.size(), 6u);
  const char* names[] = {"ts_day", "id_bucket", "category", "name_trunc", "point.x", "score_null"};
  const char* transforms[] = {"day", "bucket[16]", "identity", "truncate[4]", "identity", "void"};
  const char* sources[] = {"ts", "id", "category", "name", "point.x", "score"};
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    EXPECT_EQ(spec.fields[i].name, names[i]);
    EXPECT_EQ(ToString(spec.fields[i].transform), transforms[i]);
    EXPECT_EQ(spec.fields[i].source_id, Events().FindByName(sources[i])->id);
    EXPECT_EQ(spec.fields[i].field_id, kFirstPartitionFieldId + int32_t(i));
  }
  EXPECT_TRUE(Spec("  ").unpartitioned());
}

TEST(PartitionSpec, IsReadFromSparksForms) {
  EXPECT_EQ(Spec("days(ts), bucket(id, 16)"), Spec("DAY(ts), Bucket(16, id)"));
  EXPECT_EQ(Spec("\"odd name\"").fields[0].name, "odd name");
  EXPECT_EQ(Spec("truncate(2, name) as prefix").fields[0].name, "prefix");
  EXPECT_EQ(Spec("bucket(4, id), bucket(8, id) as finer").fields[1].name, "finer");
}

TEST(PartitionSpec, NamesPositionAndColumnOfWhatIsWrong) {
  const auto refused = [](std::string_view text, std::string_view message) {
    EXPECT_THAT(ParsePartitionText(text, Events()),
                IsErrorWith(ErrorCode::kInvalidArgument, std::string(message)))
        << text;
  };
  refused("day(tz)", "position 5: there is no column 'tz'");
  refused("categori", "did you mean 'category'");
  refused("id,", "expected a column name at the end of the text");
  refused("id id", "expected ',' or the end at position 4, found 'id'");
  refused("week(ts)", "expected a transform");
  refused("bucket(0, id)", "expected a whole number");
  refused("bucket(id)", "expected ','");
  refused("bucket(1.5, id)", "expected a whole number");
  refused("bucket(99999999999, id)", "expected a whole number");
  refused("day(ts", "expected ')' at the end");
  refused("id, hour(d)", "column 'd' at position 5: transform hour does not take type date");
  refused("bucket(4, score)", "does not take type double");
  refused("point", "column 'point' at position 1 is nested");
  refused("tags.element", "is nested");
  refused("day(ts), hour(ts)", "redundant");
  refused("id, identity(id)", "redundant");
  refused("bucket(4, id), bucket(8, id)", "needs another name than 'id_bucket'");
  refused("day(ts) as name", "a column has the same name");
  refused("\"id", "quoted text does not end: it begins at position 1");
  refused("id; drop", "cannot be read as anything at position 3");
}

TEST(PartitionSpec, NeverCrashesOnGarbage) {
  std::mt19937_64 random(5);
  const std::string_view pieces[] = {"id",   "(",    ")",    ",",   "bucket", "16", "\"",
                                     "'",    " ",    ".",    "day", "ts",     "as", "nulls",
                                     "desc", "\xFF", "last", "1e",  "x'"};
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (size_t n = random() % 10; n > 0; --n) text += pieces[random() % std::size(pieces)];
    for (size_t n = random() % 3; n > 0; --n) text += char(random());
    (void)ParsePartitionText(text, Events()).ok();
    (void)ParseSortText(text, Events()).ok();
  }
}

TEST(PartitionSpec, IsHeldAgainstItsSchema) {
  const Schema schema = Events();
  const PartitionSpec good = Spec("day(ts), id");
  EXPECT_THAT(Validate(good, schema), IsOk());
  EXPECT_THAT(Validate(PartitionSpec{}, schema), IsOk());
  PartitionSpec bad = good;
  bad.fields[1].field_id = bad.fields[0].field_id;
  EXPECT_THAT(Validate(bad, schema), IsErrorWith(ErrorCode::kInvalidArgument, "same id 1000"));
  bad = good;
  bad.fields[1].name = "ts_day";
  EXPECT_THAT(Validate(bad, schema), IsErrorWith(ErrorCode::kInvalidArgument, "same name"));
  bad = good;
  bad.fields[0].name = "ts";
  EXPECT_THAT(Validate(bad, schema), IsErrorWith(ErrorCode::kInvalidArgument, "a column"));
  bad = good;
  bad.fields[0].name = "";
  EXPECT_THAT(Validate(bad, schema), IsErrorWith(ErrorCode::kInvalidArgument, "no name"));
  bad = good;
  bad.fields[0].source_id = 999;
  EXPECT_THAT(Validate(bad, schema), IsErrorWith(ErrorCode::kInvalidArgument, "id 999"));
  bad.fields[0].transform.kind = TransformKind::kVoid;
  EXPECT_THAT(Validate(bad, schema), IsOk());
  bad = good;
  bad.fields[0].transform = *ParseTransform("hilbert[3]");
  EXPECT_THAT(Validate(bad, schema), IsOk());
}

TEST(PartitionSpec, HasTheTypesOfItsTransforms) {
  PartitionSpec spec = Spec("day(ts), bucket(16, id), truncate(50, price), category");
  spec.fields.push_back(
      {.source_id = 2, .field_id = 1004, .name = "z", .transform = *ParseTransform("zorder")});
  spec.fields.push_back({.source_id = 999, .field_id = 1005, .name = "gone", .transform = {}});
  spec.fields.push_back({.source_id = 999,
                         .field_id = 1006,
                         .name = "gone_day",
                         .transform = *ParseTransform("day")});
  const auto of = [](PrimitiveKind kind) { return PrimitiveType{.kind = kind}; };
  EXPECT_EQ(PartitionTypes(spec, Events()),
            (std::vector{of(kDate), of(kInt), Decimal(9, 2), of(kString), of(kString), of(kString),
                         of(kDate)}));
  const StructType type = PartitionStruct(spec, Events());
  ASSERT_EQ(type.fields.size(), 7u);
  EXPECT_EQ(type.fields[1].id, 1001);
  EXPECT_EQ(type.fields[1].name, "id_bucket");
  EXPECT_FALSE(type.fields[1].required);
  EXPECT_EQ(type.fields[1].type, Type(kInt));
}

TEST(PartitionSpec, NamesFoldersAsTheReferenceDoes) {
  EXPECT_EQ(PartitionPath(Spec("day(ts), bucket(16, id)"), Events(),
                          {Value(int32_t(17486)), Value(int32_t(3))}),
            "ts_day=2017-11-16/id_bucket=3");
  EXPECT_EQ(PartitionPath(Spec("category, \"odd name\""), Events(),
                          {Value(std::string("a/b=c d%\u00e9*~")), Value()}),
            "category=a%2Fb%3Dc+d%25%C3%A9*%7E/odd+name=null");
  EXPECT_EQ(PartitionPath(Spec("identity(ts), truncate(50, price)"), Events(),
                          {Value(int64_t(500'000)), Value(Int128(1050))}),
            "ts=1970-01-01T00%3A00%3A00.5%2B00%3A00/price_trunc=10.50");
  EXPECT_EQ(PartitionPath(PartitionSpec{}, Events(), {}), "");
}

TEST(SortOrder, IsReadFromText) {
  PK_ASSERT_OK(const SortOrder order,
               ParseSortText("ts desc, bucket(16, id) nulls last, category ASC, name desc nulls "
                             "first",
                             Events()));
  ASSERT_EQ(order.fields.size(), 4u);
  EXPECT_EQ(order.order_id, 1);
  const bool descending[] = {true, false, false, true};
  const bool nulls_first[] = {false, false, true, true};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(order.fields[i].descending, descending[i]) << i;
    EXPECT_EQ(order.fields[i].nulls_first, nulls_first[i]) << i;
  }
  EXPECT_EQ(ToString(order.fields[1].transform), "bucket[16]");
  EXPECT_THAT(Validate(order, Events()), IsOk());
  PK_ASSERT_OK(const SortOrder none, ParseSortText("", Events()));
  EXPECT_TRUE(none.unsorted());
  EXPECT_EQ(none.order_id, 0);
}

TEST(SortOrder, RefusesWhatItCannotSortBy) {
  EXPECT_THAT(ParseSortText("ts nulls", Events()),
              IsErrorWith(ErrorCode::kInvalidArgument, "expected 'first' or 'last'"));
  EXPECT_THAT(ParseSortText("ts down", Events()),
              IsErrorWith(ErrorCode::kInvalidArgument, "found 'down'"));
  EXPECT_THAT(ParseSortText("tags.element", Events()), IsError(ErrorCode::kInvalidArgument));
  SortOrder order{.order_id = 0, .fields = {SortField{.source_id = 2, .transform = {}}}};
  EXPECT_THAT(Validate(order, Events()), IsErrorWith(ErrorCode::kInvalidArgument, "unsorted"));
  order.order_id = 1;
  EXPECT_THAT(Validate(order, Events()), IsOk());
  order.fields[0].source_id = 999;
  EXPECT_THAT(Validate(order, Events()), IsErrorWith(ErrorCode::kInvalidArgument, "id 999"));
  EXPECT_THAT(Validate(SortOrder{.order_id = 1, .fields = {}}, Events()),
              IsError(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace pk::iceberg
