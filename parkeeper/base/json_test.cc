#include "parkeeper/base/json.h"

#include <bit>
#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "parkeeper/base/ids.h"
#include "tests/support/matchers.h"

namespace pk::json {
namespace {

using ::testing::Eq;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;

constexpr auto kCorrupt = ErrorCode::kCorrupt;

const boost::json::object& Sample() {
  static const auto* sample = new boost::json::value(*Parse(R"({
      "text": "caf\u00e9", "empty": "", "none": null, "yes": true, "no": false,
      "small": -7, "wide": 9007199254740993, "wider": 9223372036854775807,
      "unsigned": 9223372036854775808, "huge": 123456789012345678901234567890, "real": 1.5,
      "object": {"a": 1}, "array": [1, 2]})"));
  return sample->as_object();
}

TEST(Json, ReadsEachKindByItsKey) {
  EXPECT_THAT(String(Sample(), "text"), IsOkAnd(Eq("caf\xC3\xA9")));
  EXPECT_THAT(String(Sample(), "empty"), IsOkAnd(Eq("")));
  EXPECT_THAT(Bool(Sample(), "yes"), IsOkAnd(true));
  EXPECT_THAT(Bool(Sample(), "no"), IsOkAnd(false));
  EXPECT_THAT(Int32(Sample(), "small"), IsOkAnd(-7));
  EXPECT_THAT(Int64(Sample(), "wide"), IsOkAnd(9'007'199'254'740'993));
  EXPECT_THAT(Int64(Sample(), "wider"), IsOkAnd(std::numeric_limits<int64_t>::max()));
  PK_ASSERT_OK(const auto* object, Object(Sample(), "object"));
  EXPECT_EQ(object->size(), 1u);
  PK_ASSERT_OK(const auto* array, Array(Sample(), "array"));
  EXPECT_EQ(array->size(), 2u);
}

TEST(Json, NamesTheKeyThatIsMissingOrNull) {
  for (const char* key : {"absent", "none"}) {
    EXPECT_THAT(String(Sample(), key), IsErrorWith(kCorrupt, key));
    EXPECT_THAT(Int64(Sample(), key), IsErrorWith(kCorrupt, key));
    EXPECT_THAT(Int32(Sample(), key), IsErrorWith(kCorrupt, key));
    EXPECT_THAT(Bool(Sample(), key), IsErrorWith(kCorrupt, key));
    EXPECT_THAT(Object(Sample(), key), IsErrorWith(kCorrupt, key));
    EXPECT_THAT(Array(Sample(), key), IsErrorWith(kCorrupt, key));
  }
}

TEST(Json, GivesNothingForOptionalKeysThatAreMissingOrNull) {
  for (const char* key : {"absent", "none"}) {
    EXPECT_THAT(OptionalString(Sample(), key), IsOkAnd(Eq(std::nullopt)));
    EXPECT_THAT(OptionalInt64(Sample(), key), IsOkAnd(Eq(std::nullopt)));
    EXPECT_THAT(OptionalInt32(Sample(), key), IsOkAnd(Eq(std::nullopt)));
    EXPECT_THAT(OptionalBool(Sample(), key), IsOkAnd(Eq(std::nullopt)));
    EXPECT_THAT(OptionalObject(Sample(), key), IsOkAnd(::testing::IsNull()));
    EXPECT_THAT(OptionalArray(Sample(), key), IsOkAnd(::testing::IsNull()));
  }
  EXPECT_THAT(OptionalString(Sample(), "text"), IsOkAnd(::testing::Optional(Eq("caf\xC3\xA9"))));
  EXPECT_THAT(OptionalInt64(Sample(), "wide"), IsOkAnd(::testing::Optional(9'007'199'254'740'993)));
  EXPECT_THAT(OptionalInt32(Sample(), "small"), IsOkAnd(::testing::Optional(-7)));
  EXPECT_THAT(OptionalBool(Sample(), "no"), IsOkAnd(::testing::Optional(false)));
  EXPECT_THAT(OptionalObject(Sample(), "object"), IsOkAnd(::testing::NotNull()));
  EXPECT_THAT(OptionalArray(Sample(), "array"), IsOkAnd(::testing::NotNull()));
}

TEST(Json, NamesTheKeyAndShowsTheValueOfAnotherKind) {
  EXPECT_THAT(String(Sample(), "small"), IsErrorWith(kCorrupt, "'small' must be a string"));
  EXPECT_THAT(String(Sample(), "small"), IsErrorWith(kCorrupt, "-7"));
  EXPECT_THAT(Int64(Sample(), "text"), IsErrorWith(kCorrupt, "'text' must be a 64-bit integer"));
  EXPECT_THAT(Bool(Sample(), "array"), IsErrorWith(kCorrupt, "true or false"));
  EXPECT_THAT(Object(Sample(), "array"), IsErrorWith(kCorrupt, "an object"));
  EXPECT_THAT(Array(Sample(), "object"), IsErrorWith(kCorrupt, "an array"));
  EXPECT_THAT(OptionalInt64(Sample(), "yes"), IsError(kCorrupt));
  EXPECT_THAT(OptionalString(Sample(), "yes"), IsError(kCorrupt));
  EXPECT_THAT(OptionalObject(Sample(), "yes"), IsError(kCorrupt));
  EXPECT_THAT(OptionalArray(Sample(), "yes"), IsError(kCorrupt));
}

TEST(Json, ShowsNoMoreThanTheBeginningOfALongValue) {
  boost::json::object object{{"key", std::string(100'000, 'x')}};
  const auto number = Int64(object, "key");
  ASSERT_THAT(number, IsError(kCorrupt));
  EXPECT_LT(number.error().message().size(), 200u);
}

TEST(Json, TakesNoIntegerThatDoesNotFit) {
  EXPECT_THAT(Int32(Sample(), "wide"), IsErrorWith(kCorrupt, "32-bit"));
  EXPECT_THAT(Int64(Sample(), "unsigned"), IsError(kCorrupt));
  EXPECT_THAT(Int64(Sample(), "huge"), IsError(kCorrupt));
  EXPECT_THAT(Int64(Sample(), "real"), IsError(kCorrupt));
}

TEST(Json, NamesWhatAnElementIs) {
  const boost::json::value number = 5;
  EXPECT_THAT(AsInt64(number, "id"), IsOkAnd(5));
  EXPECT_THAT(AsString(number, "name"), IsErrorWith(kCorrupt, "name"));
  EXPECT_THAT(AsObject(number, "schema"), IsErrorWith(kCorrupt, "schema"));
}

TEST(Json, TellsWhereTextIsBad) {
  EXPECT_THAT(Parse(R"({"a": tru})"), IsErrorWith(kCorrupt, "at byte 6"));
  EXPECT_THAT(Parse("[1, 2] x"), IsErrorWith(kCorrupt, "at byte 7"));
  EXPECT_THAT(Parse("[1,]"), IsErrorWith(kCorrupt, "at byte 3"));
  EXPECT_THAT(Parse(""), IsErrorWith(kCorrupt, "at byte 0"));
}

TEST(Json, RefusesEveryTruncation) {
  const std::string text = R"({"a": [1, true, null, "x\u00e9"], "b": {"c": 1.5e3}})";
  ASSERT_THAT(Parse(text), IsOk());
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_THAT(Parse(text.substr(0, size)), IsErrorWith(kCorrupt, "byte " + std::to_string(size)))
        << size;
}

TEST(Json, RefusesTextThatIsNotUtf8OrHoldsSurrogateHalves) {
  EXPECT_THAT(Parse("\"\xFF\""), IsError(kCorrupt));
  EXPECT_THAT(Parse(R"("\ud800")"), IsError(kCorrupt));
  EXPECT_THAT(Parse(std::string_view("\"a\0b\"", 5)), IsError(kCorrupt));
}

TEST(Json, TakesTheLastOfMembersWithOneKey) {
  PK_ASSERT_OK(const auto value, Parse(R"({"a": 1, "a": 2})"));
  EXPECT_THAT(Int64(value.as_object(), "a"), IsOkAnd(2));
}

TEST(Json, IsLimitedInDepth) {
  const auto nested = [](size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  EXPECT_THAT(Parse(nested(100)), IsOk());
  EXPECT_THAT(Parse(nested(101)), IsErrorWith(kCorrupt, "byte"));
  EXPECT_THAT(Parse(std::string(1'000'000, '[')), IsError(kCorrupt));
}

TEST(Json, KeepsDoublesToTheLastBit) {
  SeededIds ids(11);
  for (int i = 0; i < 2'000; ++i) {
    const double number = std::bit_cast<double>(ids.Random64());
    if (!std::isfinite(number)) continue;
    PK_ASSERT_OK(const auto read, Parse(boost::json::serialize(boost::json::value(number))));
    ASSERT_EQ(read.as_double(), number);
  }
}

TEST(Json, ReadsDoublesAsTheStandardLibraryDoes) {
  for (const char* text : {"0.1", "-0.0", "1e23", "8.5e-310", "5e-324", "2.2250738585072011e-308",
                           "0.30000000000000004", "123456789012345678901234567890",
                           "9007199254740993.0", "1E+2", "179769313486231570000000000.5"}) {
    PK_ASSERT_OK(const auto read, Parse(text));
    EXPECT_EQ(read.as_double(), std::strtod(text, nullptr)) << text;
  }
}

TEST(Json, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(ReplaceInvalid("a\xFF\xC3\xA9\xF0\x9F\x98\x80\xED\xA0\x80"),
            "a\uFFFD\xC3\xA9\xF0\x9F\x98\x80\uFFFD\uFFFD\uFFFD");
  for (const char* bad :
       {"\xC3", "\xC0\x80", "\xE0\x80\x80", "\xF4\x90\x80\x80", "\x80", "\xF0\x9F"}) {
    EXPECT_FALSE(IsUtf8(bad));
    EXPECT_TRUE(IsUtf8(ReplaceInvalid(bad)));
  }
  EXPECT_THAT(Parse(Pretty(boost::json::value("a\xFF"))), IsOk());
}

TEST(Json, PrintsForPeopleWhatItReadsAgain) {
  PK_ASSERT_OK(const auto value, Parse(R"({"b":[1,{"c":"\"\n"}],"a":{},"d":[]})"));
  const std::string pretty = Pretty(value);
  EXPECT_EQ(pretty,
            "{\n  \"b\": [\n    1,\n    {\n      \"c\": \"\\\"\\n\"\n    }\n  ],\n"
            "  \"a\": {},\n  \"d\": []\n}");
  EXPECT_THAT(Parse(pretty), IsOkAnd(Eq(value)));
}

}  // namespace
}  // namespace pk::json
