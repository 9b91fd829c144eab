#include <gtest/gtest.h>

#include <limits>

#include "parkeeper/iceberg/evaluate.h"
#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

const Schema& Columns() {
  static const Schema schema = *ParseSchemaText(
      "a int, s string, x double, l long, ts timestamp, d date, price decimal(9,2), bin binary");
  return schema;
}

PartitionSpec Spec(std::string_view text) {
  auto spec = ParsePartitionText(text, Columns());
  EXPECT_TRUE(spec.ok()) << spec.error().ToString();
  return spec.ok() ? *spec : PartitionSpec{};
}

BoundExpression Filter(std::string_view text) {
  auto parsed = ParseExpression(text);
  EXPECT_TRUE(parsed.ok()) << parsed.error().ToString();
  auto bound = Bind(*parsed, Columns());
  EXPECT_TRUE(bound.ok()) << bound.error().ToString();
  return bound.ok() ? *bound : BoundExpression(False{});
}

// Projections as text over the partition struct's names.
std::string Inclusive(std::string_view spec, std::string_view filter) {
  const Schema partitions(PartitionStruct(Spec(spec), Columns()));
  return ToString(ProjectInclusive(Filter(filter), Spec(spec), Columns()), partitions);
}
std::string Strict(std::string_view spec, std::string_view filter) {
  const Schema partitions(PartitionStruct(Spec(spec), Columns()));
  return ToString(ProjectStrict(Filter(filter), Spec(spec), Columns()), partitions);
}

TEST(Projection, OfTimesRoundsOutwardsAndInwards) {
  EXPECT_EQ(Inclusive("day(ts)", "ts > '2024-01-01 12:00'"), "ts_day >= '2024-01-01'");
  EXPECT_EQ(Inclusive("day(ts)", "ts >= '2024-01-01'"), "ts_day >= '2024-01-01'");
  EXPECT_EQ(Inclusive("day(ts)", "ts < '2024-01-01'"), "ts_day <= '2023-12-31'");
  EXPECT_EQ(Inclusive("day(ts)", "ts <= '2024-01-01'"), "ts_day <= '2024-01-01'");
  EXPECT_EQ(Inclusive("day(ts)", "ts = '2024-01-01 12:00'"), "ts_day = '2024-01-01'");
  EXPECT_EQ(Inclusive("day(ts)", "ts != '2024-01-01 12:00'"), "ts_day is not null");
  EXPECT_EQ(Inclusive("day(ts)", "ts is null"), "ts_day is null");
  EXPECT_EQ(Inclusive("hour(ts)", "ts in ('1970-01-01 01:30', '1970-01-01 01:40')"), "ts_hour = 1");
  EXPECT_EQ(Inclusive("month(d)", "d >= '1970-03-15' and d < '1970-05-01'"),
            "d_month >= 2 and d_month <= 3");
  EXPECT_EQ(Strict("day(ts)", "ts > '2024-01-01 12:00'"), "ts_day > '2024-01-01'");
  EXPECT_EQ(Strict("day(ts)", "ts >= '2024-01-01'"), "ts_day > '2023-12-31'");
  EXPECT_EQ(Strict("day(ts)", "ts < '2024-01-01'"), "ts_day < '2024-01-01'");
  EXPECT_EQ(Strict("day(ts)", "ts <= '2024-01-01 12:00'"), "ts_day < '2024-01-01'");
  EXPECT_EQ(Strict("day(ts)", "ts = '2024-01-01 12:00'"), "false");
  EXPECT_EQ(Strict("day(ts)", "ts != '2024-01-01 12:00'"), "ts_day != '2024-01-01'");
  EXPECT_EQ(Strict("day(ts)", "ts is not null"), "ts_day is not null");
}

TEST(Projection, FindsTimesBefore1970ThatWereWrittenOneTooHigh) {
  EXPECT_EQ(Inclusive("year(d)", "d <= '1965-01-01'"), "d_year <= -4");
  EXPECT_EQ(Inclusive("year(d)", "d = '1965-01-01'"), "d_year in (-5, -4)");
  EXPECT_EQ(Inclusive("hour(ts)", "ts < '1970-01-01'"), "ts_hour <= 0");
  EXPECT_EQ(Inclusive("year(d)", "d >= '1965-01-01'"), "d_year >= -5");
  EXPECT_EQ(Strict("year(d)", "d > '1965-06-01'"), "d_year > -4");
  EXPECT_EQ(Strict("year(d)", "d != '1965-06-01'"), "d_year not in (-5, -4)");
  EXPECT_EQ(Inclusive("day(d)", "d = '1965-01-01'"), "d_day = '1965-01-01'");
  EXPECT_EQ(Strict("day(d)", "d = '1965-01-01'"), "d_day = '1965-01-01'");
}

TEST(Projection, OfBucketsKnowsEqualityOnly) {
  EXPECT_EQ(Inclusive("bucket(16, a)", "a = 34"), "a_bucket = 3");
  EXPECT_EQ(Inclusive("bucket(16, a)", "a > 34"), "a_bucket is not null");
  EXPECT_EQ(Inclusive("bucket(1, a)", "a in (1, 2, 3)"), "a_bucket = 0");
  EXPECT_EQ(Strict("bucket(16, a)", "a != 34"), "a_bucket != 3");
  EXPECT_EQ(Strict("bucket(16, a)", "a = 34"), "false");
  EXPECT_EQ(Strict("bucket(16, a)", "a is null"), "a_bucket is null");
}

TEST(Projection, OfTruncatedNumbersMindsTheEnds) {
  EXPECT_EQ(Inclusive("truncate(16, a)", "a < 16"), "a_trunc <= 0");
  EXPECT_EQ(Inclusive("truncate(16, a)", "a > 15"), "a_trunc >= 16");
  EXPECT_EQ(Inclusive("truncate(16, a)", "a = -1"), "a_trunc = -16");
  EXPECT_EQ(Strict("truncate(16, a)", "a <= 15"), "a_trunc < 16");
  EXPECT_EQ(Strict("truncate(16, a)", "a >= 16"), "a_trunc > 0");
  EXPECT_EQ(Inclusive("truncate(16, a)", "a < -2147483648"), "false");
  EXPECT_EQ(Inclusive("truncate(16, a)", "a > 2147483647"), "false");
  EXPECT_EQ(Strict("truncate(16, a)", "a <= 2147483647"), "a_trunc is not null");
  EXPECT_EQ(Inclusive("truncate(50, price)", "price < 10.50"), "price_trunc <= 10.00");
  EXPECT_EQ(Strict("truncate(50, price)", "price < 10.50"), "price_trunc < 10.50");
  // With a width of 10, -2147483648 wraps around to 2147483646.
  EXPECT_EQ(Inclusive("truncate(10, a)", "a < 5"), "a_trunc <= 0 or a_trunc = 2147483646");
  EXPECT_EQ(Strict("truncate(10, a)", "a > 5"), "a_trunc > 0 and a_trunc != 2147483646");
}

TEST(Projection, OfTruncatedStrings) {
  EXPECT_EQ(Inclusive("truncate(3, s)", "s < 'abcd'"), "s_trunc <= 'abc'");
  EXPECT_EQ(Inclusive("truncate(3, s)", "s < 'ab'"), "s_trunc < 'ab'");
  EXPECT_EQ(Inclusive("truncate(3, s)", "s > 'abcd'"), "s_trunc >= 'abc'");
  EXPECT_EQ(Inclusive("truncate(3, s)", "s in ('abcd', 'abce', 'x')"), "s_trunc in ('abc', 'x')");
  EXPECT_EQ(Inclusive("truncate(3, s)", "s like 'ab%'"), "s_trunc like 'ab%'");
  EXPECT_EQ(Inclusive("truncate(3, s)", "s like 'abc%'"), "s_trunc = 'abc'");
  EXPECT_EQ(Inclusive("truncate(3, s)", "s like 'abcd%'"), "s_trunc = 'abc'");
  EXPECT_EQ(Inclusive("truncate(3, s)", "s not like 'abcd%'"), "s_trunc is not null");
  EXPECT_EQ(Inclusive("truncate(3, s)", "s not like 'abc%'"), "s_trunc != 'abc'");
  EXPECT_EQ(Strict("truncate(3, s)", "s <= 'abcd'"), "s_trunc < 'abc'");
  EXPECT_EQ(Strict("truncate(3, s)", "s >= 'abc'"), "s_trunc >= 'abc'");
  EXPECT_EQ(Strict("truncate(3, s)", "s like 'ab%'"), "s_trunc like 'ab%'");
  EXPECT_EQ(Strict("truncate(3, s)", "s like 'abcd%'"), "false");
  EXPECT_EQ(Strict("truncate(3, s)", "s not like 'abcd%'"), "s_trunc != 'abc'");
  EXPECT_EQ(Inclusive("truncate(2, s)", "s like '\u00e9%'"), "s_trunc like '\u00e9%'");
  // A character cut off goes on in the partition value.
  EXPECT_EQ(Inclusive("truncate(1, s)", "s like '\xC3%'"), "s_trunc like '\xC3%'");
}

TEST(Projection, CombinesFieldsAndFilters) {
  EXPECT_EQ(Inclusive("bucket(16, a), a", "a = 34"), "a_bucket = 3 and a = 34");
  EXPECT_EQ(Strict("bucket(16, a), a", "a = 34"), "a = 34");
  EXPECT_EQ(Inclusive("a", "a = 1 or s = 'x'"), "true");
  EXPECT_EQ(Inclusive("a", "a = 1 and s = 'x'"), "a = 1");
  EXPECT_EQ(Strict("a", "a = 1 or s = 'x'"), "a = 1");
  EXPECT_EQ(Strict("a", "a = 1 and s = 'x'"), "false");
  EXPECT_EQ(Inclusive("void(a)", "a = 1"), "true");
  EXPECT_EQ(Strict("void(a)", "a = 1"), "false");
  EXPECT_EQ(Inclusive("", "a = 1"), "true");
  EXPECT_EQ(Inclusive("x", "x > 1"), "x > 1.0 or x is nan");
  PartitionSpec unknown = Spec("a");
  unknown.fields[0].transform = *ParseTransform("zorder");
  EXPECT_TRUE(ProjectInclusive(Filter("a = 1"), unknown, Columns()).is_true());
  EXPECT_TRUE(ProjectStrict(Filter("a is null"), unknown, Columns()).is_false());
}

TEST(Projection, LeavesOutWhatItCannotTypeInThisSchema) {
  const Schema without_a = *ParseSchemaText("b long");
  EXPECT_TRUE(ProjectInclusive(Filter("l = 1"), Spec("l"), without_a).is_true());
  const Schema other_type = *ParseSchemaText("a string");
  EXPECT_TRUE(ProjectInclusive(Filter("a = 1"), Spec("a"), other_type).is_true());
}

TEST(Projection, LeavesAResidual) {
  const auto residual = [](std::string_view spec, std::string_view filter, Value partition) {
    return ToString(Residual(Filter(filter), Spec(spec), Columns(), {partition}), Columns());
  };
  const Value day(int32_t(19723));  // 2024-01-01
  EXPECT_EQ(residual("day(ts)", "ts >= '2024-01-01'", day), "true");
  EXPECT_EQ(residual("day(ts)", "ts >= '2024-01-02'", day), "false");
  EXPECT_EQ(residual("day(ts)", "ts >= '2024-01-01 12:00'", day), "ts >= '2024-01-01T12:00:00'");
  EXPECT_EQ(residual("day(ts)", "ts >= '2024-01-01' and a = 1", day), "a = 1");
  EXPECT_EQ(residual("day(ts)", "ts >= '2024-01-02' or a = 1", day), "a = 1");
  EXPECT_EQ(residual("a", "a = 1", Value()), "false");
  EXPECT_EQ(residual("a", "a != 1", Value(int32_t(2))), "true");
  EXPECT_EQ(residual("a", "a is null", Value()), "true");
  EXPECT_EQ(residual("bucket(16, a)", "a = 34", Value(int32_t(3))), "a = 34");
  EXPECT_EQ(residual("bucket(16, a)", "a = 34", Value(int32_t(4))), "false");
}

}  // namespace
}  // namespace pk::iceberg
