#include "parkeeper/manifest/avro_decoder.h"

#include <gtest/gtest.h>

#include <limits>

#include "parkeeper/manifest/avro_encoder.h"
#include "tests/support/matchers.h"

namespace pk::manifest::avro {
namespace {

using pk::testing::IsErrorWith;
using ::testing::HasSubstr;

std::string Encoded(int64_t value) {
  Encoder out;
  out.Long(value);
  return out.bytes();
}

TEST(AvroDecoder, ReadsNumbersAsTheSpecificationWritesThem) {
  EXPECT_EQ(Encoded(0), std::string("\0", 1));
  EXPECT_EQ(Encoded(-1), "\x01");
  EXPECT_EQ(Encoded(1), "\x02");
  EXPECT_EQ(Encoded(-64), "\x7f");
  EXPECT_EQ(Encoded(64), "\x80\x01");
  for (const int64_t value :
       {int64_t(0), int64_t(-1), int64_t(63), int64_t(64), int64_t(-65), int64_t(1) << 40,
        std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    const std::string bytes = Encoded(value);
    Decoder in(bytes);
    EXPECT_EQ(in.Long(), value);
    EXPECT_TRUE(in.ok() && in.at_end());
    Decoder skip(bytes);
    skip.SkipNumber();
    EXPECT_TRUE(skip.ok() && skip.at_end());
  }
}

TEST(AvroDecoder, ReadsTheOtherPrimitives) {
  Encoder out;
  out.Boolean(true);
  out.Boolean(false);
  out.Float(1.5f);
  out.Double(-2.25);
  out.Bytes("text");
  out.Fixed("abc");
  Decoder in(out.bytes());
  EXPECT_TRUE(in.Boolean());
  EXPECT_FALSE(in.Boolean());
  EXPECT_EQ(in.Float(), 1.5f);
  EXPECT_EQ(in.Double(), -2.25);
  EXPECT_EQ(in.Bytes(), "text");
  EXPECT_EQ(in.Fixed(3), "abc");
  EXPECT_TRUE(in.ok() && in.at_end());
}

TEST(AvroDecoder, KeepsTheFirstErrorAndItsByte) {
  Decoder in(std::string_view("\x02\x07", 2));
  EXPECT_EQ(in.Long(), 1);
  EXPECT_FALSE(in.Boolean());
  EXPECT_EQ(in.Long(), 0);
  EXPECT_EQ(in.Bytes(), "");
  EXPECT_FALSE(in.ok());
  EXPECT_THAT(in.error().message(), HasSubstr("boolean"));
  EXPECT_THAT(in.error().message(), HasSubstr("at byte 2"));
}

TEST(AvroDecoder, RefusesNumbersThatAreTooLongOrCutOff) {
  const std::string endless(11, '\xff');
  Decoder in(endless);
  in.Long();
  EXPECT_THAT(in.error().message(), HasSubstr("64 bits"));
  Decoder skip(endless);
  skip.SkipNumber();
  EXPECT_FALSE(skip.ok());
  Decoder cut(std::string_view("\x80", 1));
  cut.Long();
  EXPECT_THAT(cut.error().message(), HasSubstr("end within a number"));
  const std::string wide = Encoded(int64_t(1) << 31);
  Decoder narrow(wide);
  narrow.Int();
  EXPECT_THAT(narrow.error().message(), HasSubstr("32 bits"));
}

TEST(AvroDecoder, RefusesLengthsBeyondTheEndOrBelowZero) {
  for (const int64_t length : {int64_t(-1), int64_t(3), std::numeric_limits<int64_t>::max()}) {
    const std::string bytes = Encoded(length) + "ab";
    Decoder in(bytes);
    EXPECT_EQ(in.Bytes(), "");
    EXPECT_THAT(in.error().message(), HasSubstr("length"));
  }
}

TEST(AvroDecoder, RefusesBlockCountsThatTheBytesCannotHold) {
  const std::string huge = Encoded(int64_t(1) << 60);
  Decoder in(huge);
  EXPECT_EQ(in.NextBlock(1).count, 0);
  EXPECT_THAT(in.error().message(), HasSubstr("count"));
  const std::string least = Encoded(std::numeric_limits<int64_t>::min()) + Encoded(0);
  Decoder negative(least);
  EXPECT_EQ(negative.NextBlock(0).count, 0);
  EXPECT_FALSE(negative.ok());
  const std::string long_block = Encoded(-1) + Encoded(100);
  Decoder beyond(long_block);
  beyond.NextBlock(1);
  EXPECT_THAT(beyond.error().message(), HasSubstr("length"));
}

TEST(AvroDecoder, ReadsBothFormsOfBlocks) {
  const std::string bytes = Encoded(2) + Encoded(-3) + Encoded(3) + "abc" + Encoded(0);
  Decoder in(bytes);
  const Decoder::Block first = in.NextBlock(0);
  EXPECT_EQ(first.count, 2);
  EXPECT_EQ(first.bytes, -1);
  const Decoder::Block second = in.NextBlock(1);
  EXPECT_EQ(second.count, 3);
  EXPECT_EQ(second.bytes, 3);
  EXPECT_EQ(in.Fixed(3), "abc");
  EXPECT_EQ(in.NextBlock(1).count, 0);
  EXPECT_TRUE(in.ok() && in.at_end());
}

TEST(AvroDecoder, SkipsEveryType) {
  PK_ASSERT_OK(const Schema schema, Schema::Parse(R"({"type": "record", "name": "r", "fields": [
    {"name": "a", "type": "null"}, {"name": "b", "type": "boolean"}, {"name": "c", "type": "int"},
    {"name": "d", "type": "long"}, {"name": "e", "type": "float"}, {"name": "f", "type": "double"},
    {"name": "g", "type": "bytes"}, {"name": "h", "type": "string"},
    {"name": "i", "type": {"type": "enum", "name": "en", "symbols": ["A"]}},
    {"name": "j", "type": {"type": "fixed", "name": "fi", "size": 5}},
    {"name": "k", "type": ["null", "string", "r"]},
    {"name": "l", "type": {"type": "array", "items": "string"}},
    {"name": "m", "type": {"type": "map", "values": "int"}}]})"));
  Encoder out;
  out.Boolean(true);
  out.Int(-70000);
  out.Long(5);
  out.Float(1);
  out.Double(2);
  out.Bytes("bytes");
  out.Bytes("string");
  out.Int(0);
  out.Fixed("fixed");
  out.Int(1);
  out.Bytes("of the union");
  out.Long(1);
  out.Bytes("item");
  out.Long(-2);
  out.Long(4);
  out.Bytes("x");
  out.Bytes("y");
  out.Long(0);
  out.Long(1);
  out.Bytes("key");
  out.Int(3);
  out.Long(0);
  out.Fixed("after");
  Decoder in(out.bytes());
  in.Skip(schema.root());
  EXPECT_EQ(in.Fixed(5), "after");
  EXPECT_TRUE(in.ok());
}

TEST(AvroDecoder, SkipsAnyNumberOfEmptyValuesAtOnce) {
  PK_ASSERT_OK(const Schema schema, Schema::Parse(R"({"type": "array", "items": "null"})"));
  const std::string bytes = Encoded(std::numeric_limits<int64_t>::max()) + Encoded(0);
  Decoder in(bytes);
  in.Skip(schema.root());
  EXPECT_TRUE(in.ok() && in.at_end());
}

TEST(AvroDecoder, RefusesValuesNestedTooDeep) {
  PK_ASSERT_OK(const Schema schema, Schema::Parse(R"({"type": "record", "name": "node", "fields": [
    {"name": "next", "type": ["null", "node"]}]})"));
  const std::string bytes(100000, '\x02');
  Decoder in(bytes);
  in.Skip(schema.root());
  EXPECT_THAT(in.error().message(), HasSubstr("too deep"));
}

}  // namespace
}  // namespace pk::manifest::avro
