#include "parkeeper/iceberg/evaluate.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using enum PrimitiveKind;

const Schema& Columns() {
  static const Schema schema = *ParseSchemaText(
      "a int, s string, x double, l long, ts timestamp, d date, price decimal(9,2), bin binary, "
      "f float");
  return schema;
}

BoundExpression Filter(std::string_view text) {
  auto parsed = ParseExpression(text);
  EXPECT_TRUE(parsed.ok()) << parsed.error().ToString();
  auto bound = Bind(*parsed, Columns());
  EXPECT_TRUE(bound.ok()) << bound.error().ToString();
  return bound.ok() ? *bound : BoundExpression(False{});
}

// "might", "must", "cannot" for a filter over one column of these statistics.
std::string Verdict(std::string_view text, const ColumnStatistics& statistics) {
  const auto source = [&](int32_t) -> const ColumnStatistics& { return statistics; };
  const BoundExpression filter = Filter(text);
  if (MustMatch(filter, source)) {
    EXPECT_TRUE(MightMatch(filter, source)) << text;
    return "must";
  }
  return MightMatch(filter, source) ? "might" : "cannot";
}

ColumnStatistics Range(Value lower, Value upper) {
  return {.value_count = 10, .null_count = 0, .nan_count = 0, .lower = lower, .upper = upper};
}
ColumnStatistics Ints(int32_t lower, int32_t upper) { return Range(lower, upper); }
ColumnStatistics Strings(std::string lower, std::string upper) {
  return Range(std::move(lower), std::move(upper));
}

TEST(Evaluate, ComparesWithBounds) {
  const ColumnStatistics stats = Ints(10, 20);
  const std::pair<const char*, const char*> cases[] = {{"a < 10", "cannot"},
                                                       {"a < 11", "might"},
                                                       {"a < 20", "might"},
                                                       {"a < 21", "must"},
                                                       {"a <= 9", "cannot"},
                                                       {"a <= 10", "might"},
                                                       {"a <= 20", "must"},
                                                       {"a > 20", "cannot"},
                                                       {"a > 19", "might"},
                                                       {"a > 9", "must"},
                                                       {"a >= 21", "cannot"},
                                                       {"a >= 20", "might"},
                                                       {"a >= 10", "must"},
                                                       {"a = 9", "cannot"},
                                                       {"a = 10", "might"},
                                                       {"a = 20", "might"},
                                                       {"a = 21", "cannot"},
                                                       {"a != 9", "must"},
                                                       {"a != 10", "might"},
                                                       {"a != 21", "must"},
                                                       {"a in (1, 30)", "cannot"},
                                                       {"a in (1, 15)", "might"},
                                                       {"a in (1, 2)", "cannot"},
                                                       {"a in (21, 22)", "cannot"},
                                                       {"a not in (1, 30)", "must"},
                                                       {"a not in (1, 15)", "might"},
                                                       {"a is null", "cannot"},
                                                       {"a is not null", "must"},
                                                       {"a < 21 and a = 9", "cannot"},
                                                       {"a < 21 or a = 9", "must"},
                                                       {"a < 11 and a > 9", "might"},
                                                       {"true", "must"},
                                                       {"false", "cannot"}};
  for (const auto& [text, verdict] : cases) EXPECT_EQ(Verdict(text, stats), verdict) << text;
}

TEST(Evaluate, KnowsTheOnlyValueOfASet) {
  const ColumnStatistics stats = Ints(5, 5);
  EXPECT_EQ(Verdict("a = 5", stats), "must");
  EXPECT_EQ(Verdict("a != 5", stats), "cannot");
  EXPECT_EQ(Verdict("a in (4, 5)", stats), "must");
  EXPECT_EQ(Verdict("a not in (4, 5)", stats), "cannot");
}

TEST(Evaluate, KnowsNothingWithoutStatistics) {
  for (const char* text :
       {"a < 5", "a = 5", "a != 5", "a in (1, 2)", "a not in (1, 2)", "a is null", "a is not null",
        "x is nan", "x is not nan", "s like 'x%'", "s not like 'x%'"})
    EXPECT_EQ(Verdict(text, {}), "might") << text;
  ColumnStatistics half = Ints(10, 20);
  half.upper.reset();
  EXPECT_EQ(Verdict("a < 10", half), "cannot");
  EXPECT_EQ(Verdict("a > 30", half), "might");
  EXPECT_EQ(Verdict("a in (1, 2)", half), "cannot");
  EXPECT_EQ(Verdict("a in (1, 12)", half), "might");
  half = Ints(10, 20);
  half.null_count.reset();
  EXPECT_EQ(Verdict("a > 5", half), "might");
  EXPECT_EQ(Verdict("a > 30", half), "cannot");
}

TEST(Evaluate, KeepsNullsOut) {
  ColumnStatistics stats = Ints(10, 20);
  stats.null_count = 3;
  EXPECT_EQ(Verdict("a > 5", stats), "might");
  EXPECT_EQ(Verdict("a != 5", stats), "might");
  EXPECT_EQ(Verdict("a is null", stats), "might");
  stats = {.value_count = 10, .null_count = 10, .nan_count = {}, .lower = {}, .upper = {}};
  for (const char* text :
       {"a < 5", "a = 5", "a != 5", "a in (1, 2)", "a not in (1, 2)", "a is not null"})
    EXPECT_EQ(Verdict(text, stats), "cannot") << text;
  EXPECT_EQ(Verdict("s not like 'x%'", stats), "cannot");
  EXPECT_EQ(Verdict("a is null", stats), "must");
  // A manifest's summary says only that there are some.
  stats = {.value_count = {}, .null_count = 1, .nan_count = {}, .lower = {}, .upper = {}};
  EXPECT_EQ(Verdict("a is null", stats), "might");
  EXPECT_EQ(Verdict("a is not null", stats), "might");
}

TEST(Evaluate, ReckonsWithNan) {
  ColumnStatistics stats = Range(1.0, 2.0);
  EXPECT_EQ(Verdict("x < 3", stats), "must");
  EXPECT_EQ(Verdict("x > 3", stats), "cannot");
  EXPECT_EQ(Verdict("x is nan", stats), "cannot");
  EXPECT_EQ(Verdict("x is not nan", stats), "must");
  stats.nan_count = 2;
  EXPECT_EQ(Verdict("x < 3", stats), "might");
  EXPECT_EQ(Verdict("x < 0", stats), "cannot");
  EXPECT_EQ(Verdict("x > 3", stats), "might");  // for engines that order NaN above all
  EXPECT_EQ(Verdict("x != 3", stats), "must");
  EXPECT_EQ(Verdict("x is nan", stats), "might");
  EXPECT_EQ(Verdict("not (x < 3)", stats), "might");
  stats.nan_count.reset();
  EXPECT_EQ(Verdict("x < 3", stats), "might");
  EXPECT_EQ(Verdict("x > 3", stats), "cannot");
  ColumnStatistics only = {
      .value_count = 10, .null_count = 0, .nan_count = 10, .lower = {}, .upper = {}};
  EXPECT_EQ(Verdict("x < 3", only), "cannot");
  EXPECT_EQ(Verdict("x = 3", only), "cannot");
  EXPECT_EQ(Verdict("x != 3", only), "must");
  EXPECT_EQ(Verdict("x is nan", only), "must");
  EXPECT_EQ(Verdict("x is not nan", only), "cannot");
  only.null_count = 4;
  only.nan_count = 6;
  EXPECT_EQ(Verdict("x < 3", only), "cannot");
  EXPECT_EQ(Verdict("x != 3", only), "might");
  ColumnStatistics one = Range(5.0, 5.0);
  one.nan_count = 1;
  EXPECT_EQ(Verdict("x != 5", one), "might");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Verdict("x < 3", Range(nan, nan)), "might");
}

TEST(Evaluate, TakesNegativeZeroForZero) {
  EXPECT_EQ(Verdict("x = 0", Range(-0.0, -0.0)), "must");
  EXPECT_EQ(Verdict("x >= 0", Range(-1.0, -0.0)), "might");
  EXPECT_EQ(Verdict("x in (0, 1)", Range(-0.0, -0.0)), "must");
  EXPECT_EQ(Verdict("x != 0", Range(-0.0, 0.0)), "cannot");
  EXPECT_EQ(Evaluate(std::get<BoundPredicate>(Filter("x = 0").node), Value(-0.0)), Truth::kTrue);
}

TEST(Evaluate, ComparesPrefixesWithTruncatedBounds) {
  const ColumnStatistics stats = Strings("abc", "abg");
  EXPECT_EQ(Verdict("s like 'a%'", stats), "must");
  EXPECT_EQ(Verdict("s like 'ab%'", stats), "must");
  EXPECT_EQ(Verdict("s like 'abd%'", stats), "might");
  EXPECT_EQ(Verdict("s like 'abcx%'", stats), "might");
  EXPECT_EQ(Verdict("s like 'abgx%'", stats), "cannot");
  EXPECT_EQ(Verdict("s like 'abb%'", stats), "cannot");
  EXPECT_EQ(Verdict("s like 'b%'", stats), "cannot");
  EXPECT_EQ(Verdict("s not like 'ab%'", stats), "cannot");
  EXPECT_EQ(Verdict("s not like 'abd%'", stats), "might");
  EXPECT_EQ(Verdict("s not like 'b%'", stats), "must");
  EXPECT_EQ(Verdict("s not like 'abh%'", stats), "must");
  EXPECT_EQ(Verdict("s = 'abd'", stats), "might");
}

TEST(Evaluate, ReadsBoundsFromBeforeAPromotion) {
  EXPECT_EQ(Verdict("l > 20", Ints(10, 20)), "cannot");
  EXPECT_EQ(Verdict("l > 9", Ints(10, 20)), "must");
  EXPECT_EQ(Verdict("x > 2", Range(1.0f, 2.0f)), "cannot");
  // Bounds of a type that cannot become the column's say nothing.
  EXPECT_EQ(Verdict("a > 20", Range(int64_t(1), int64_t(2))), "might");
  EXPECT_EQ(Verdict("s > 'x'", Ints(1, 2)), "might");
  EXPECT_EQ(Verdict("l in (1, 2)", Strings("x", "y")), "might");
}

TEST(Evaluate, FollowsThreeValuedLogicRowByRow) {
  const auto truth = [](std::string_view text, Value value) {
    const auto row = [&](int32_t) -> const Value& { return value; };
    return Evaluate(Filter(text), row);
  };
  EXPECT_EQ(truth("a = 1", int32_t(1)), Truth::kTrue);
  EXPECT_EQ(truth("a = 1", Value()), Truth::kUnknown);
  EXPECT_EQ(truth("a != 1", Value()), Truth::kUnknown);
  EXPECT_EQ(truth("not (a = 1)", Value()), Truth::kUnknown);
  EXPECT_EQ(truth("a not in (1, 2)", Value()), Truth::kUnknown);
  EXPECT_EQ(truth("x is nan", Value()), Truth::kUnknown);
  EXPECT_EQ(truth("a = 1 or a is null", Value()), Truth::kTrue);
  EXPECT_EQ(truth("a = 1 and a is not null", Value()), Truth::kFalse);
  EXPECT_EQ(truth("s like 'ab%'", std::string("abc")), Truth::kTrue);
  EXPECT_EQ(truth("s not like 'ab%'", std::string("abc")), Truth::kFalse);
  EXPECT_EQ(truth("l = 7", int32_t(7)), Truth::kTrue);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(truth("x > 1", nan), Truth::kFalse);
  EXPECT_EQ(truth("x != 1", nan), Truth::kTrue);
  EXPECT_EQ(truth("not (x > 1)", nan), Truth::kTrue);
  std::vector<BoundExpression> inner;
  inner.push_back(Filter("a = 1"));
  const BoundExpression inverse(BoundExpression::Not{inner});
  EXPECT_FALSE(Matches(inverse, [](int32_t) { return Value(); }));
  EXPECT_TRUE(Matches(inverse, [](int32_t) { return Value(int32_t(2)); }));
  const auto stats = [](int32_t) { return Ints(1, 1); };
  EXPECT_FALSE(MightMatch(inverse, stats));
  EXPECT_FALSE(MustMatch(inverse, stats));
}

TEST(Evaluate, TakesStandardFunctionsToo) {
  const StatisticsSource statistics = [](int32_t) { return Ints(1, 1); };
  const ValueSource row = [](int32_t) { return Value(int32_t(1)); };
  EXPECT_TRUE(MightMatch(Filter("a = 1"), statistics));
  EXPECT_TRUE(MustMatch(Filter("a = 1"), statistics));
  EXPECT_TRUE(Matches(Filter("a = 1"), row));
}

std::string Upper(std::string value, int32_t length, PrimitiveKind kind = kString) {
  const auto upper = TruncateUpper(Value(std::move(value)), PrimitiveType{.kind = kind}, length);
  return upper ? std::get<std::string>(*upper) : "(none)";
}

TEST(Truncation, GivesBoundsOfStringsByCodePoints) {
  const PrimitiveType string{.kind = kString};
  EXPECT_EQ(TruncateLower(Value(std::string("h\u00e9llo")), string, 2),
            Value(std::string("h\u00e9")));
  EXPECT_EQ(TruncateLower(Value(std::string("ab")), string, 2), Value(std::string("ab")));
  EXPECT_EQ(Upper("ab", 2), "ab");
  EXPECT_EQ(Upper("abc", 2), "ac");
  EXPECT_EQ(Upper("a\x7Fz", 2), "a\u0080");
  EXPECT_EQ(Upper("a\u07FFz", 2), "a\u0800");
  EXPECT_EQ(Upper("a\uFFFFz", 2), "a\U00010000");
  EXPECT_EQ(Upper("a\uD7FFz", 2), "a\uE000");
  EXPECT_EQ(Upper("a\U0010FFFFz", 2), "b");
  EXPECT_EQ(Upper("\U0010FFFF\U0010FFFFz", 2), "(none)");
  EXPECT_EQ(Upper("a\xFFz", 2), "b");
  EXPECT_EQ(Upper("\xFF\xFFz", 2), "(none)");
  EXPECT_EQ(Upper("a\xED\xA0\x80z", 2), "b");  // a surrogate is no character
  EXPECT_EQ(Upper("abc", 0), "(none)");
}

TEST(Truncation, GivesBoundsOfBytes) {
  EXPECT_EQ(Upper("abc", 2, kBinary), "ac");
  EXPECT_EQ(Upper("a\xFF\x01", 2, kBinary), "b");
  EXPECT_EQ(Upper("\xFF\xFF\x01", 2, kBinary), "(none)");
  EXPECT_EQ(Upper("\x7F\x01", 1, kFixed), "\x80");
  EXPECT_EQ(TruncateLower(Value(std::string("abc")), PrimitiveType{.kind = kBinary}, 2),
            Value(std::string("ab")));
}

TEST(Truncation, LeavesOtherTypesAlone) {
  EXPECT_EQ(TruncateLower(Value(int32_t(5)), PrimitiveType{.kind = kInt}, 1), Value(int32_t(5)));
  EXPECT_EQ(TruncateUpper(Value(int32_t(5)), PrimitiveType{.kind = kInt}, 1), Value(int32_t(5)));
  EXPECT_EQ(TruncateUpper(Value(), PrimitiveType{.kind = kString}, 1), Value());
  const Value uuid(std::string(16, 'x'));
  EXPECT_EQ(TruncateUpper(uuid, PrimitiveType{.kind = kUuid}, 4), uuid);
}

}  // namespace
}  // namespace pk::iceberg
