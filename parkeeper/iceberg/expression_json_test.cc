#include <gtest/gtest.h>

#include "parkeeper/iceberg/expression.h"
#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;

Expression Filter(std::string_view text) {
  auto filter = ParseExpression(text);
  EXPECT_THAT(filter, IsOk());
  return filter.ok() ? *filter : Expression();
}

std::string Reread(std::string_view text) {
  const auto read = ParseExpressionJson(ToJson(Filter(text)));
  EXPECT_THAT(read, IsOk());
  return read.ok() ? ToString(*read) : "";
}

TEST(ExpressionJson, HasTheShapeOfTheRestSpecification) {
  EXPECT_EQ(ToJson(Filter("a < 5 and not (b is null)")),
            R"({"type":"and","left":{"type":"lt","term":"a","value":5},)"
            R"("right":{"type":"not","child":{"type":"is-null","term":"b"}}})");
  EXPECT_EQ(ToJson(Filter("a in (1.5, 2) or s like 'x%'")),
            R"({"type":"or","left":{"type":"in","term":"a","values":[1.5,2]},)"
            R"("right":{"type":"starts-with","term":"s","value":"x"}})");
  EXPECT_EQ(ToJson(Expression(True{})), R"({"type":"true"})");
  EXPECT_EQ(ToJson(Expression(Expression::Or{})), R"({"type":"false"})");
}

TEST(ExpressionJson, ReadsBackWhatItWrote) {
  for (const char* text : {"a < 5",
                           "a <= 5",
                           "a > -5",
                           "a >= 5",
                           "a = 'it''s'",
                           "a != true",
                           "a is null",
                           "a is not null",
                           "a is nan",
                           "a is not nan",
                           "a in (1, 2)",
                           "a not in ('x')",
                           "a in ()",
                           "s like 'a\\%%'",
                           "s not like 'b%'",
                           "h = x'00ff'",
                           "not (a = 1 or b = 2)",
                           "true",
                           "false",
                           "a = 1 and b = 2 and c = 3 and d = 4 and e = 5",
                           "\"odd name\" = 9223372036854775807",
                           "a = 1 and (b = 2 or c = 3)",
                           "x < 0.1"}) {
    EXPECT_EQ(Reread(text), ToString(Filter(text))) << text;
  }
}

TEST(ExpressionJson, LetsNoNumberBeRounded) {
  const Schema schema = ParseSchemaText("price decimal(30, 10), big long").value();
  for (const char* text : {"price = 12345678901234567890.1234567890", "price < 1.10", "price > 1e3",
                           "big = 9223372036854775807", "big < -9223372036854775808"}) {
    const auto written = Filter(text);
    PK_ASSERT_OK(const Expression read, ParseExpressionJson(ToJson(written)));
    PK_ASSERT_OK(const BoundExpression before, Bind(written, schema));
    PK_ASSERT_OK(const BoundExpression after, Bind(read, schema));
    EXPECT_EQ(after, before) << ToJson(written);
  }
}

// JSON is read to 100 levels.
TEST(ExpressionJson, IsNotDeepForALongList) {
  Expression::Or any;
  for (int i = 0; i < 5'000; ++i) any.of.push_back(Filter("a = " + std::to_string(i)));
  const Expression filter(any);
  PK_ASSERT_OK(const Expression read, ParseExpressionJson(ToJson(filter)));
  EXPECT_EQ(read, filter);
}

TEST(ExpressionJson, ReadsTrueAndFalseAsOtherWritersPutThem) {
  EXPECT_EQ(*ParseExpressionJson("true"), Expression(True{}));
  EXPECT_EQ(*ParseExpressionJson("false"), Expression(False{}));
}

TEST(ExpressionJson, NamesWhatIsWrong) {
  EXPECT_THAT(ParseExpressionJson("["), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(ParseExpressionJson("5"), IsErrorWith(ErrorCode::kCorrupt, "expression"));
  EXPECT_THAT(ParseExpressionJson("{}"), IsErrorWith(ErrorCode::kCorrupt, "type"));
  EXPECT_THAT(ParseExpressionJson(R"({"type": "and", "left": true})"),
              IsErrorWith(ErrorCode::kCorrupt, "right"));
  EXPECT_THAT(ParseExpressionJson(R"({"type": "lt", "term": "a"})"),
              IsErrorWith(ErrorCode::kCorrupt, "value"));
  EXPECT_THAT(ParseExpressionJson(R"({"type": "lt", "term": "a", "value": null})"),
              IsErrorWith(ErrorCode::kCorrupt, "literal"));
  EXPECT_THAT(ParseExpressionJson(R"({"type": "in", "term": "a", "values": [[]]})"),
              IsErrorWith(ErrorCode::kCorrupt, "literal"));
  EXPECT_THAT(ParseExpressionJson(R"({"type": "not", "child": {"type": "near"}})"),
              IsErrorWith(ErrorCode::kUnsupported, "near"));
  EXPECT_THAT(
      ParseExpressionJson(
          R"({"type": "eq", "term": {"type": "transform", "transform": "day"}, "value": 1})"),
      IsErrorWith(ErrorCode::kUnsupported, "transformed"));
}

}  // namespace
}  // namespace pk::iceberg
