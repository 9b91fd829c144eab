#include "parkeeper/iceberg/value.h"

#include <gtest/gtest.h>

#include <cmath>
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
std::string Bytes(std::initializer_list<int> bytes) {
  std::string out;
  for (const int byte : bytes) out += char(byte);
  return out;
}
Value Parsed(std::string_view text, const PrimitiveType& type) {
  auto value = ParseValue(text, type);
  EXPECT_TRUE(value.ok()) << value.error().ToString();
  return value.ok() ? *value : Value();
}

TEST(Value, OrdersNumbersWithNegativeZeroBelowZeroAndNanAboveAll) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<Value> ascending = {Value(),    Value(-infinity), Value(-1.5),     Value(-0.0),
                                        Value(0.0), Value(2.5),       Value(infinity), Value(nan)};
  for (size_t i = 0; i < ascending.size(); ++i)
    for (size_t k = 0; k < ascending.size(); ++k) {
      const int order = Compare(ascending[i], ascending[k]);
      EXPECT_EQ(order < 0, i < k) << i << ' ' << k;
      EXPECT_EQ(order == 0, i == k) << i << ' ' << k;
    }
  EXPECT_EQ(Compare(Value(std::nanf("1")), Value(std::nanf("2"))), 0);
  EXPECT_TRUE(IsNan(Value(std::nanf(""))));
  EXPECT_FALSE(IsNan(Value(1.0)));
}

TEST(Value, OrdersStringsByUnsignedBytes) {
  EXPECT_LT(Compare(Value(std::string("z")), Value(std::string("\xC3\xA9"))), 0);
  EXPECT_LT(Compare(Value(std::string("ab")), Value(std::string("abc"))), 0);
  EXPECT_LT(Compare(Value(false), Value(true)), 0);
  EXPECT_LT(Compare(Value(Int128(-5)), Value(Int128(3))), 0);
}

TEST(Value, KnowsWhichRepresentationATypeHas) {
  EXPECT_TRUE(Represents(Value(), Of(kInt)));
  EXPECT_TRUE(Represents(Value(int32_t(1)), Of(kDate)));
  EXPECT_FALSE(Represents(Value(int32_t(1)), Of(kLong)));
  EXPECT_TRUE(Represents(Value(Int128(1)), Decimal(9, 2)));
  EXPECT_TRUE(Represents(Value(std::string(16, 'x')), Of(kUuid)));
}

struct Serialized {
  PrimitiveType type;
  Value value;
  std::string bytes;
};
// Appendix D of the specification.
std::vector<Serialized> Serializations() {
  return {
      {Of(kBoolean), true, Bytes({1})},
      {Of(kBoolean), false, Bytes({0})},
      {Of(kInt), int32_t(34), Bytes({34, 0, 0, 0})},
      {Of(kInt), int32_t(-2), Bytes({0xFE, 0xFF, 0xFF, 0xFF})},
      {Of(kLong), int64_t(34), Bytes({34, 0, 0, 0, 0, 0, 0, 0})},
      {Of(kFloat), 1.0f, Bytes({0, 0, 0x80, 0x3F})},
      {Of(kDouble), 1.0, Bytes({0, 0, 0, 0, 0, 0, 0xF0, 0x3F})},
      {Of(kDate), int32_t(17486), Bytes({0x4E, 0x44, 0, 0})},
      {Of(kTime), int64_t(1), Bytes({1, 0, 0, 0, 0, 0, 0, 0})},
      {Of(kTimestamp), int64_t(-1), Bytes({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})},
      {Of(kString), std::string("iceberg"), "iceberg"},
      {Of(kString), std::string(), ""},
      {Fixed(4), Bytes({0, 1, 2, 3}), Bytes({0, 1, 2, 3})},
      {Of(kBinary), Bytes({0, 1, 2, 3}), Bytes({0, 1, 2, 3})},
      {Decimal(9, 2), Int128(1420), Bytes({0x05, 0x8C})},
      {Decimal(9, 2), Int128(0), Bytes({0})},
      {Decimal(9, 2), Int128(127), Bytes({0x7F})},
      {Decimal(9, 2), Int128(128), Bytes({0x00, 0x80})},
      {Decimal(9, 2), Int128(-128), Bytes({0x80})},
      {Decimal(9, 2), Int128(-129), Bytes({0xFF, 0x7F})},
      {Decimal(9, 2), Int128(-1), Bytes({0xFF})},
  };
}

TEST(Value, IsSerialisedAsTheSpecificationSaysAndBack) {
  for (const Serialized& expected : Serializations()) {
    EXPECT_EQ(ToBytes(expected.value, expected.type), expected.bytes) << ToString(expected.type);
    EXPECT_THAT(FromBytes(expected.bytes, expected.type), IsOkAnd(Eq(expected.value)));
  }
  const Value most = Parsed(std::string(38, '9'), Decimal(38, 0));
  EXPECT_EQ(ToBytes(most, Decimal(38, 0)).size(), 16u);
  EXPECT_THAT(FromBytes(ToBytes(most, Decimal(38, 0)), Decimal(38, 0)), IsOkAnd(Eq(most)));
}

TEST(Value, IsReadFromBytesWrittenBeforeAPromotion) {
  EXPECT_THAT(FromBytes(Bytes({0xFE, 0xFF, 0xFF, 0xFF}), Of(kLong)),
              IsOkAnd(Eq(Value(int64_t(-2)))));
  EXPECT_THAT(FromBytes(Bytes({0, 0, 0x80, 0x3F}), Of(kDouble)), IsOkAnd(Eq(Value(1.0))));
  EXPECT_THAT(FromBytes("ab", Fixed(4)), IsOkAnd(Eq(Value(std::string("ab")))));
  EXPECT_EQ(Promote(Value(int32_t(-7)), Of(kInt), Of(kLong)), Value(int64_t(-7)));
  EXPECT_EQ(Promote(Value(1.5f), Of(kFloat), Of(kDouble)), Value(1.5));
  EXPECT_EQ(Promote(Value(Int128(1)), Decimal(4, 2), Decimal(9, 2)), Value(Int128(1)));
  EXPECT_EQ(Promote(Value(), Of(kInt), Of(kLong)), Value());
}

TEST(Value, RefusesBytesOfAWrongLength) {
  EXPECT_THAT(FromBytes("abc", Of(kInt)), IsErrorWith(ErrorCode::kCorrupt, "int in 3 bytes"));
  for (const PrimitiveType& type :
       {Of(kBoolean), Of(kInt), Of(kLong), Of(kFloat), Of(kDouble), Of(kDate), Of(kTime),
        Of(kTimestamp), Of(kTimestamptz), Of(kUuid), Decimal(9, 2)}) {
    EXPECT_THAT(FromBytes("", type), IsError(ErrorCode::kCorrupt)) << ToString(type);
    EXPECT_THAT(FromBytes(std::string(17, 'x'), type), IsError(ErrorCode::kCorrupt));
  }
  EXPECT_THAT(FromBytes("abcde", Fixed(4)), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(FromBytes(Bytes({0x7F, 0xFF}), Decimal(2, 0)), IsError(ErrorCode::kCorrupt));
}

TEST(Value, DatesAreExactOverTenThousandYears) {
  EXPECT_EQ(Parsed("1970-01-01", Of(kDate)), Value(int32_t(0)));
  EXPECT_EQ(Parsed("2017-11-16", Of(kDate)), Value(int32_t(17486)));
  EXPECT_EQ(Parsed("1969-12-31", Of(kDate)), Value(int32_t(-1)));
  EXPECT_EQ(Parsed("0001-01-01", Of(kDate)), Value(int32_t(-719162)));
  EXPECT_EQ(Parsed("9999-12-31", Of(kDate)), Value(int32_t(2932896)));
  EXPECT_EQ(Parsed("1900-03-01", Of(kDate)), Value(int32_t(-25508)));
  for (int64_t day = -719162; day <= 2932896; day += 97) {
    const std::string text = ToString(Value(int32_t(day)), Of(kDate));
    ASSERT_EQ(text.size(), 10u) << text;
    ASSERT_EQ(Parsed(text, Of(kDate)), Value(int32_t(day))) << text;
  }
  for (const int32_t extreme :
       {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()})
    EXPECT_EQ(Parsed(ToString(Value(extreme), Of(kDate)), Of(kDate)), Value(extreme));
}

TEST(Value, RefusesDatesAndTimesThatDoNotExist) {
  for (const char* text : {"2017-02-29", "1900-02-29", "2017-13-01", "2017-00-01", "2017-01-00",
                           "2017-1-1", "17-01-01", "2017-01-01x", "", "-", "2017",
                           "2017-01-01T00:00", "+9999999-01-01", "2017/01/01", " 2017-01-01"})
    EXPECT_THAT(ParseValue(text, Of(kDate)), IsErrorWith(ErrorCode::kInvalidArgument, "date"))
        << text;
  EXPECT_THAT(ParseValue("2000-02-29", Of(kDate)), pk::testing::IsOk());
  for (const char* text :
       {"24:00:00", "23:60", "23:59:60", "1:00", "12", "12:00:00.", "12:00:00.1234567"})
    EXPECT_THAT(ParseValue(text, Of(kTime)), IsError(ErrorCode::kInvalidArgument)) << text;
  for (const char* text : {"2017-11-16T22:31:08+00:00", "2017-11-16T22:31:08Z", "2017-11-16T",
                           "2017-11-16  22:31", "2017-11-16T22:31:08 ", "+999999-01-01T00:00"})
    EXPECT_THAT(ParseValue(text, Of(kTimestamp)), IsError(ErrorCode::kInvalidArgument)) << text;
  for (const char* text :
       {"2017-11-16T22:31:08+1", "2017-11-16T22:31:08+01:", "2017-11-16T22:31:08+99",
        "2017-11-16T22:31:08+01:60", "2017-11-16T22:31:08+01:00x"})
    EXPECT_THAT(ParseValue(text, Of(kTimestamptz)), IsError(ErrorCode::kInvalidArgument)) << text;
}

TEST(Value, TimestampsHaveFractionsAndZones) {
  const int64_t micros = 1510871468000000;
  EXPECT_EQ(Parsed("2017-11-16T22:31:08", Of(kTimestamp)), Value(micros));
  EXPECT_EQ(Parsed("2017-11-16 22:31:08.5", Of(kTimestamp)), Value(micros + 500'000));
  EXPECT_EQ(Parsed("2017-11-16T22:31:08.000001000", Of(kTimestamp)), Value(micros + 1));
  EXPECT_EQ(Parsed("2017-11-16T14:31:08-08:00", Of(kTimestamptz)), Value(micros));
  EXPECT_EQ(Parsed("2017-11-17T04:01:08+0530", Of(kTimestamptz)), Value(micros));
  EXPECT_EQ(Parsed("2017-11-17T00:31:08+02", Of(kTimestamptz)), Value(micros));
  EXPECT_EQ(Parsed("2017-11-16T22:31:08Z", Of(kTimestamptz)), Value(micros));
  EXPECT_EQ(Parsed("2017-11-16T22:31:08", Of(kTimestamptz)), Value(micros));
  EXPECT_EQ(Parsed("1970-01-02", Of(kTimestamp)), Value(int64_t(86'400'000'000)));
  EXPECT_EQ(Parsed("1969-12-31T23:59:59.999999", Of(kTimestamp)), Value(int64_t(-1)));
  EXPECT_EQ(ToString(Value(int64_t(-1)), Of(kTimestamp)), "1969-12-31T23:59:59.999999");
  EXPECT_EQ(ToString(Value(micros), Of(kTimestamp)), "2017-11-16T22:31:08");
  EXPECT_EQ(ToString(Value(micros + 500'000), Of(kTimestamptz)), "2017-11-16T22:31:08.5+00:00");
  EXPECT_EQ(ToString(Parsed("00:00:00.25", Of(kTime)), Of(kTime)), "00:00:00.25");
  for (const int64_t extreme :
       {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    const std::string text = ToString(Value(extreme), Of(kTimestamp));
    EXPECT_EQ(Parsed(text, Of(kTimestamp)), Value(extreme)) << text;
  }
}

TEST(Value, DecimalsAreExactAndHeldToTheirType) {
  EXPECT_EQ(Parsed("14.20", Decimal(9, 2)), Value(Int128(1420)));
  EXPECT_EQ(Parsed("14.2", Decimal(9, 2)), Value(Int128(1420)));
  EXPECT_EQ(Parsed("-.05", Decimal(9, 2)), Value(Int128(-5)));
  EXPECT_EQ(Parsed("1e3", Decimal(9, 2)), Value(Int128(100000)));
  EXPECT_EQ(ToString(Value(Int128(-5)), Decimal(9, 2)), "-0.05");
  EXPECT_EQ(ToString(Value(Int128(1420)), Decimal(9, 2)), "14.20");
  EXPECT_EQ(ToString(Value(Int128(0)), Decimal(9, 0)), "0");
  EXPECT_THAT(ParseValue("14.205", Decimal(9, 2)),
              IsErrorWith(ErrorCode::kInvalidArgument, "digits after the point"));
  EXPECT_THAT(ParseValue("10000000.00", Decimal(9, 2)),
              IsErrorWith(ErrorCode::kInvalidArgument, "out of range"));
  const std::string nines(38, '9');
  EXPECT_EQ(ToString(Parsed("-" + nines, Decimal(38, 0)), Decimal(38, 0)), "-" + nines);
  EXPECT_THAT(ParseValue("1" + std::string(38, '0'), Decimal(38, 0)),
              IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ParseValue("1e999999999999", Decimal(38, 0)), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ParseValue("1e-999999999999", Decimal(38, 0)), IsError(ErrorCode::kInvalidArgument));
  EXPECT_EQ(Parsed("0e999999999999", Decimal(38, 38)), Value(Int128(0)));
}

TEST(Value, IntegersRefuseWhatDoesNotFit) {
  EXPECT_EQ(Parsed("-2147483648", Of(kInt)), Value(std::numeric_limits<int32_t>::min()));
  EXPECT_EQ(Parsed("9223372036854775807", Of(kLong)), Value(std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(Parsed("5.0", Of(kInt)), Value(int32_t(5)));
  for (const char* text :
       {"2147483648", "1.5", "", "-", "1e", "0x10", "1 ", "nan", "1.2.3", "+-1", "--1"})
    EXPECT_THAT(ParseValue(text, Of(kInt)), IsErrorWith(ErrorCode::kInvalidArgument, text)) << text;
  EXPECT_THAT(ParseValue("9223372036854775808", Of(kLong)), IsError(ErrorCode::kInvalidArgument));
}

TEST(Value, FloatsTakeTheNearestNumberAndKeepTheirDigits) {
  EXPECT_EQ(Parsed("0.1", Of(kDouble)), Value(0.1));
  EXPECT_EQ(Parsed("0.1", Of(kFloat)), Value(0.1f));
  EXPECT_EQ(Parsed("+1.", Of(kDouble)), Value(1.0));
  EXPECT_EQ(Parsed("-Infinity", Of(kDouble)), Value(-std::numeric_limits<double>::infinity()));
  EXPECT_TRUE(IsNan(Parsed("NaN", Of(kFloat))));
  EXPECT_EQ(Parsed("1e-400", Of(kDouble)), Value(0.0));
  EXPECT_TRUE(std::signbit(std::get<double>(Parsed("-0", Of(kDouble)))));
  EXPECT_THAT(ParseValue("1e39", Of(kFloat)), IsErrorWith(ErrorCode::kInvalidArgument, "range"));
  EXPECT_THAT(ParseValue("1e400", Of(kDouble)), IsError(ErrorCode::kInvalidArgument));
  for (const char* text : {"", "-", "+-1", "--1", "1e", "x", "1x", "0x1p3", "-+inf"})
    EXPECT_THAT(ParseValue(text, Of(kDouble)), IsError(ErrorCode::kInvalidArgument)) << text;
  EXPECT_EQ(ToString(Value(1.0), Of(kDouble)), "1.0");
  EXPECT_EQ(ToString(Value(0.1f), Of(kFloat)), "0.1");
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const Value value(std::bit_cast<double>(random()));
    if (IsNan(value)) continue;
    ASSERT_EQ(Parsed(ToString(value, Of(kDouble)), Of(kDouble)), value);
  }
}

TEST(Value, UuidAndBytesAreHexadecimal) {
  const char* text = "f79c3e09-677c-4bbd-a479-3f349cb785e7";
  const Value uuid = Parsed(text, Of(kUuid));
  EXPECT_EQ(ToBytes(uuid, Of(kUuid)), Bytes({0xF7, 0x9C, 0x3E, 0x09, 0x67, 0x7C, 0x4B, 0xBD, 0xA4,
                                             0x79, 0x3F, 0x34, 0x9C, 0xB7, 0x85, 0xE7}));
  EXPECT_EQ(ToString(uuid, Of(kUuid)), text);
  EXPECT_EQ(Parsed("F79C3E09-677C-4BBD-A479-3F349CB785E7", Of(kUuid)), uuid);
  EXPECT_THAT(ParseValue("f79c3e09", Of(kUuid)), IsError(ErrorCode::kInvalidArgument));
  EXPECT_EQ(Parsed("000102fF", Of(kBinary)), Value(Bytes({0, 1, 2, 0xFF})));
  EXPECT_EQ(ToString(Value(Bytes({0, 1, 2, 0xFF})), Of(kBinary)), "000102ff");
  EXPECT_THAT(ParseValue("0", Of(kBinary)), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ParseValue("0g", Of(kBinary)), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ParseValue("0001", Fixed(4)), IsError(ErrorCode::kInvalidArgument));
}

TEST(Value, IsWrittenAsJsonAsTheSpecificationSaysAndBack) {
  struct Case {
    PrimitiveType type;
    const char* json;
  };
  for (const Case& expected :
       std::vector<Case>{{Of(kBoolean), "true"},
                         {Of(kInt), "34"},
                         {Of(kLong), "-9223372036854775808"},
                         {Of(kFloat), "1.0"},
                         {Of(kDouble), "0.1"},
                         {Of(kDouble), "\"NaN\""},
                         {Of(kDouble), "\"-Infinity\""},
                         {Decimal(9, 2), "\"14.20\""},
                         {Of(kDate), "\"2017-11-16\""},
                         {Of(kTime), "\"22:31:08.123456\""},
                         {Of(kTimestamp), "\"2017-11-16T22:31:08.123456\""},
                         {Of(kTimestamptz), "\"2017-11-16T22:31:08.123456+00:00\""},
                         {Of(kString), "\"ice \\\"berg\\\"\""},
                         {Of(kUuid), "\"f79c3e09-677c-4bbd-a479-3f349cb785e7\""},
                         {Fixed(4), "\"000102ff\""},
                         {Of(kBinary), "\"000102ff\""},
                         {Of(kInt), "null"}}) {
    PK_ASSERT_OK(const Value value, FromJsonText(expected.json, expected.type));
    EXPECT_EQ(ToJsonText(value, expected.type), expected.json);
  }
  EXPECT_EQ(ToJsonText(Value(std::string("a\xFF"
                                         "b")),
                       Of(kString)),
            "\"a\xEF\xBF\xBD"
            "b\"");
  EXPECT_THAT(FromJsonText(" 34\n", Of(kInt)), IsOkAnd(Eq(Value(int32_t(34)))));
}

TEST(Value, RefusesJsonOfAnotherKind) {
  for (const char* json : {"\"x\"", "true", "1.5", "[]", "{}", "", "3000000000", "34 34"})
    EXPECT_THAT(FromJsonText(json, Of(kInt)), IsError(ErrorCode::kCorrupt)) << json;
  EXPECT_THAT(FromJsonText("14.20", Decimal(9, 2)),
              IsErrorWith(ErrorCode::kCorrupt, "another kind"));
  EXPECT_THAT(FromJsonText("\"2017-02-30\"", Of(kDate)), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(FromJsonText("1", Of(kBoolean)), IsError(ErrorCode::kCorrupt));
}

}  // namespace
}  // namespace pk::iceberg
