#include "parkeeper/iceberg/transform.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOkAnd;
using ::testing::Eq;
using enum PrimitiveKind;

constexpr PrimitiveType Of(PrimitiveKind kind) { return {.kind = kind}; }
Transform Make(std::string_view text) {
  auto transform = ParseTransform(text);
  EXPECT_TRUE(transform.ok()) << transform.error().ToString();
  return transform.ok() ? *transform : Transform{};
}
Value Parsed(std::string_view text, const PrimitiveType& type) {
  auto value = ParseValue(text, type);
  EXPECT_TRUE(value.ok()) << value.error().ToString();
  return value.ok() ? *value : Value();
}
Value Apply(std::string_view transform, const PrimitiveType& type, std::string_view value) {
  return ApplyTransform(Make(transform), type, Parsed(value, type));
}
std::string Human(std::string_view transform, const PrimitiveType& type, std::string_view value) {
  return ToHumanString(Make(transform), type, Apply(transform, type, value));
}

TEST(Transform, HashesAsAppendixBSays) {
  const auto hash = [](std::string_view text, const PrimitiveType& type) {
    return BucketHash(Parsed(text, type), type);
  };
  EXPECT_EQ(hash("34", Of(kInt)), 2017239379);
  EXPECT_EQ(hash("34", Of(kLong)), 2017239379);
  EXPECT_EQ(hash("14.20", Decimal(9, 2)), -500754589);
  EXPECT_EQ(hash("2017-11-16", Of(kDate)), -653330422);
  EXPECT_EQ(hash("22:31:08", Of(kTime)), -662762989);
  EXPECT_EQ(hash("2017-11-16T22:31:08", Of(kTimestamp)), -2047944441);
  EXPECT_EQ(hash("2017-11-16T22:31:08.000001", Of(kTimestamp)), -1207196810);
  EXPECT_EQ(hash("2017-11-16T14:31:08-08:00", Of(kTimestamptz)), -2047944441);
  EXPECT_EQ(hash("2017-11-16T14:31:08.000001-08:00", Of(kTimestamptz)), -1207196810);
  EXPECT_EQ(hash("iceberg", Of(kString)), 1210000089);
  EXPECT_EQ(hash("f79c3e09-677c-4bbd-a479-3f349cb785e7", Of(kUuid)), 1488055340);
  EXPECT_EQ(hash("00010203", Fixed(4)), -188683207);
  EXPECT_EQ(hash("00010203", Of(kBinary)), -188683207);
  EXPECT_EQ(hash("true", Of(kBoolean)), 1392991556);
  EXPECT_EQ(hash("1", Of(kFloat)), -142385009);
  EXPECT_EQ(hash("1", Of(kDouble)), -142385009);
  EXPECT_EQ(hash("0", Of(kFloat)), 1669671676);
  EXPECT_EQ(hash("-0", Of(kFloat)), 1669671676);
  EXPECT_EQ(hash("-0", Of(kDouble)), 1669671676);
}

TEST(Transform, BucketDropsTheSignOfTheHash) {
  EXPECT_EQ(Apply("bucket[16]", Of(kInt), "34"), Value(int32_t(2017239379 % 16)));
  EXPECT_EQ(Apply("bucket[16]", Of(kDate), "2017-11-16"),
            Value(int32_t((-653330422 & 0x7FFFFFFF) % 16)));
  EXPECT_EQ(ApplyTransform(Make("bucket[16]"), Of(kInt), Value()), Value());
}

TEST(Transform, TruncatesAsTheSpecificationSays) {
  EXPECT_EQ(Apply("truncate[10]", Of(kInt), "1"), Value(int32_t(0)));
  EXPECT_EQ(Apply("truncate[10]", Of(kInt), "-1"), Value(int32_t(-10)));
  EXPECT_EQ(Apply("truncate[10]", Of(kInt), "-10"), Value(int32_t(-10)));
  EXPECT_EQ(Apply("truncate[10]", Of(kLong), "-11"), Value(int64_t(-20)));
  EXPECT_EQ(Apply("truncate[50]", Decimal(9, 2), "10.65"), Value(Int128(1050)));
  EXPECT_EQ(Apply("truncate[50]", Decimal(9, 2), "-10.65"), Value(Int128(-1100)));
  EXPECT_EQ(Apply("truncate[3]", Of(kString), "iceberg"), Value(std::string("ice")));
  EXPECT_EQ(Apply("truncate[3]", Of(kString), "ab"), Value(std::string("ab")));
  EXPECT_EQ(Apply("truncate[3]", Of(kBinary), "0102030405"), Value(std::string("\1\2\3")));
  EXPECT_EQ(ApplyTransform(Make("truncate[3]"), Of(kString), Value()), Value());
}

TEST(Transform, TruncatesStringsByCodePoints) {
  EXPECT_EQ(Apply("truncate[2]", Of(kString), "\u00e9\U0001F9CAx"),
            Value(std::string("\u00e9\U0001F9CA")));
  EXPECT_EQ(Apply("truncate[1]", Of(kString), "\xFFzz"), Value(std::string("\xFF")));
  EXPECT_EQ(Apply("truncate[5]", Of(kString), "\xE2\x82"), Value(std::string("\xE2\x82")));
}

TEST(Transform, TruncateWrapsBelowTheLeastNumber) {
  EXPECT_EQ(Apply("truncate[10]", Of(kInt), "-2147483648"), Value(int32_t(2147483646)));
  EXPECT_EQ(Apply("truncate[2147483647]", Of(kInt), "2147483647"), Value(int32_t(2147483647)));
}

TEST(Transform, TimesRoundTowardsThePast) {
  EXPECT_EQ(Apply("year", Of(kDate), "2017-11-16"), Value(int32_t(47)));
  EXPECT_EQ(Apply("month", Of(kDate), "2017-11-16"), Value(int32_t(574)));
  EXPECT_EQ(Apply("day", Of(kDate), "2017-11-16"), Value(int32_t(17486)));
  const char* ts = "2017-11-16T22:31:08";
  EXPECT_EQ(Apply("year", Of(kTimestamp), ts), Value(int32_t(47)));
  EXPECT_EQ(Apply("month", Of(kTimestamp), ts), Value(int32_t(574)));
  EXPECT_EQ(Apply("day", Of(kTimestamp), ts), Value(int32_t(17486)));
  EXPECT_EQ(Apply("hour", Of(kTimestamptz), ts), Value(int32_t(17486 * 24 + 22)));
  for (const char* transform : {"year", "month", "day", "hour"}) {
    EXPECT_EQ(Apply(transform, Of(kTimestamp), "1969-12-31T23:59:59.999999"), Value(int32_t(-1)));
    EXPECT_EQ(Apply(transform, Of(kTimestamp), "1970-01-01"), Value(int32_t(0)));
  }
  EXPECT_EQ(Apply("year", Of(kDate), "1969-01-01"), Value(int32_t(-1)));
  EXPECT_EQ(Apply("year", Of(kDate), "1968-12-31"), Value(int32_t(-2)));
  EXPECT_EQ(Apply("month", Of(kDate), "1969-12-01"), Value(int32_t(-1)));
  EXPECT_EQ(Apply("month", Of(kDate), "1969-11-30"), Value(int32_t(-2)));
  EXPECT_EQ(Apply("day", Of(kTimestamp), "1969-12-30T12:00"), Value(int32_t(-2)));
}

TEST(Transform, WritesPeoplesStringsAsTheReferenceDoes) {
  EXPECT_EQ(Human("year", Of(kDate), "2017-11-16"), "2017");
  EXPECT_EQ(Human("year", Of(kDate), "0099-11-16"), "0099");
  EXPECT_EQ(Human("month", Of(kDate), "2017-11-16"), "2017-11");
  EXPECT_EQ(Human("month", Of(kDate), "1969-12-16"), "1969-12");
  EXPECT_EQ(Human("day", Of(kTimestamp), "1969-12-30T12:00"), "1969-12-30");
  EXPECT_EQ(Human("hour", Of(kTimestamp), "2017-11-16T22:31:08"), "2017-11-16-22");
  EXPECT_EQ(Human("hour", Of(kTimestamp), "1969-12-31T22:31:08"), "1969-12-31-22");
  EXPECT_EQ(Human("bucket[16]", Of(kInt), "34"), "3");
  EXPECT_EQ(Human("identity", Of(kDate), "2017-11-16"), "2017-11-16");
  EXPECT_EQ(Human("identity", Of(kTime), "22:31"), "22:31");
  EXPECT_EQ(Human("identity", Of(kTime), "22:31:08"), "22:31:08");
  EXPECT_EQ(Human("identity", Of(kTime), "22:31:08.5"), "22:31:08.500");
  EXPECT_EQ(Human("identity", Of(kTime), "22:31:00.000005"), "22:31:00.000005");
  EXPECT_EQ(Human("identity", Of(kTimestamptz), "2017-11-16T22:31:08.5"),
            "2017-11-16T22:31:08.5+00:00");
  EXPECT_EQ(Human("identity", Of(kBinary), "00010203"), "AAECAw==");
  EXPECT_EQ(Human("identity", Of(kBinary), "000102"), "AAEC");
  EXPECT_EQ(Human("truncate[50]", Decimal(9, 2), "10.65"), "10.50");
  EXPECT_EQ(Human("void", Of(kInt), "1"), "null");
  EXPECT_EQ(ToHumanString(Make("day"), Of(kDate), Value()), "null");
}

TEST(Transform, IsReadFromTextAndBack) {
  for (const char* text : {"identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour",
                           "void", "zorder", "bucket", "bucket[16", "hilbert[3]", ""})
    EXPECT_EQ(ToString(Make(text)), text);
  EXPECT_EQ(Make("zorder").kind, TransformKind::kUnknown);
  for (const char* text : {"bucket[0]", "bucket[-1]", "bucket[x]", "bucket[]", "truncate[4 ]",
                           "truncate[99999999999]"})
    EXPECT_THAT(ParseTransform(text), IsErrorWith(ErrorCode::kInvalidArgument, text));
}

TEST(Transform, HasAResultTypeOrRefusesTheSource) {
  EXPECT_THAT(ResultType(Make("identity"), Of(kUuid)), IsOkAnd(Eq(Of(kUuid))));
  EXPECT_THAT(ResultType(Make("bucket[4]"), Of(kUuid)), IsOkAnd(Eq(Of(kInt))));
  EXPECT_THAT(ResultType(Make("truncate[4]"), Decimal(9, 2)), IsOkAnd(Eq(Decimal(9, 2))));
  EXPECT_THAT(ResultType(Make("day"), Of(kTimestamptz)), IsOkAnd(Eq(Of(kDate))));
  EXPECT_THAT(ResultType(Make("hour"), Of(kTimestamptz)), IsOkAnd(Eq(Of(kInt))));
  EXPECT_THAT(ResultType(Make("void"), Of(kFloat)), IsOkAnd(Eq(Of(kFloat))));
  EXPECT_THAT(ResultType(Make("zorder"), Of(kFloat)), IsOkAnd(Eq(Of(kString))));
  EXPECT_THAT(ResultType(Make("hour"), Of(kDate)),
              IsErrorWith(ErrorCode::kInvalidArgument, "hour does not take type date"));
  EXPECT_THAT(ResultType(Make("bucket[4]"), Of(kDouble)), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ResultType(Make("truncate[4]"), Fixed(4)), IsError(ErrorCode::kInvalidArgument));
}

TEST(Transform, PreservesTheOrderItSaysItDoes) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 4000; ++i) {
    const auto low = int64_t(random()) >> (random() % 60);
    const auto high = int64_t(random()) >> (random() % 60);
    for (const char* text : {"year", "month", "day", "hour", "identity"}) {
      const Transform transform = Make(text);
      ASSERT_TRUE(PreservesOrder(transform));
      const int order = Compare(ApplyTransform(transform, Of(kTimestamp), Value(low)),
                                ApplyTransform(transform, Of(kTimestamp), Value(high)));
      ASSERT_LE(low <= high ? order : -order, 0) << text << ' ' << low << ' ' << high;
    }
    std::string left, right;
    for (auto* bytes : {&left, &right})
      for (size_t n = random() % 6; n > 0; --n) *bytes += char("ab\xE2\x82\xAC\xFF"[random() % 6]);
    const int order = Compare(ApplyTransform(Make("truncate[2]"), Of(kString), Value(left)),
                              ApplyTransform(Make("truncate[2]"), Of(kString), Value(right)));
    ASSERT_LE(left <= right ? order : -order, 0);
  }
  EXPECT_FALSE(PreservesOrder(Make("bucket[4]")));
  EXPECT_FALSE(PreservesOrder(Make("void")));
}

}  // namespace
}  // namespace pk::iceberg
