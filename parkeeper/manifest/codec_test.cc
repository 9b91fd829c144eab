#include "parkeeper/manifest/codec.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/matchers.h"

namespace pk::manifest {
namespace {

using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOkAnd;
using ::testing::Eq;
using ::testing::HasSubstr;

constexpr Codec kCodecs[] = {Codec::kNull, Codec::kDeflate, Codec::kZstd, Codec::kSnappy};
constexpr size_t kLimit = 1 << 20;

std::string Text(size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += std::to_string(i * i) + ",";
  text.resize(size);
  return text;
}

TEST(Codec, HasAvrosNames) {
  for (const Codec codec : kCodecs) EXPECT_THAT(ParseCodec(CodecName(codec)), IsOkAnd(Eq(codec)));
}

TEST(Codec, TakesTheNamesOfTheTableProperty) {
  EXPECT_THAT(ParseCodec("gzip"), IsOkAnd(Eq(Codec::kDeflate)));
  EXPECT_THAT(ParseCodec("ZSTD"), IsOkAnd(Eq(Codec::kZstd)));
  EXPECT_THAT(ParseCodec("uncompressed"), IsOkAnd(Eq(Codec::kNull)));
  EXPECT_THAT(ParseCodec("bzip2"), IsErrorWith(ErrorCode::kUnsupported, "bzip2"));
}

TEST(Codec, GivesBackWhatWasCompressed) {
  for (const Codec codec : kCodecs) {
    for (const size_t size : {0, 1, 100, 100000}) {
      const std::string text = Text(size);
      PK_ASSERT_OK(const std::string compressed, Compress(codec, text));
      PK_ASSERT_OK(const std::string back, Decompress(codec, compressed, kLimit));
      EXPECT_TRUE(back == text) << CodecName(codec) << " " << size;
      PK_ASSERT_OK(const std::string just_enough, Decompress(codec, compressed, size));
      EXPECT_TRUE(just_enough == text) << CodecName(codec) << " " << size;
    }
  }
}

TEST(Codec, RefusesToGrowBeyondTheLimit) {
  for (const Codec codec : kCodecs) {
    PK_ASSERT_OK(const std::string compressed, Compress(codec, Text(10000)));
    EXPECT_THAT(Decompress(codec, compressed, 9999), IsErrorWith(ErrorCode::kCorrupt, "limit"));
  }
}

TEST(Codec, FindsATruncationAtEveryByte) {
  for (const Codec codec : {Codec::kDeflate, Codec::kZstd, Codec::kSnappy}) {
    PK_ASSERT_OK(const std::string compressed, Compress(codec, Text(1000)));
    for (size_t size = 0; size < compressed.size(); ++size) {
      EXPECT_THAT(Decompress(codec, compressed.substr(0, size), kLimit),
                  IsError(ErrorCode::kCorrupt))
          << CodecName(codec) << " " << size;
    }
  }
}

TEST(Codec, SnappyHoldsTheChecksumAgainstTheBytes) {
  PK_ASSERT_OK(std::string compressed, Compress(Codec::kSnappy, "a text"));
  compressed.back() ^= 1;
  EXPECT_THAT(Decompress(Codec::kSnappy, compressed, kLimit),
              IsErrorWith(ErrorCode::kCorrupt, "checksum"));
}

TEST(Codec, SnappyChecksumIsBigEndian) {
  PK_ASSERT_OK(const std::string compressed, Compress(Codec::kSnappy, "123456789"));
  EXPECT_EQ(compressed.substr(compressed.size() - 4), "\xCB\xF4\x39\x26");  // CRC-32's check value
}

TEST(Codec, TakesNoMemoryForALengthThatSnappyOnlyClaims) {
  const std::string claim = std::string("\xff\xff\xff\x7f", 4) + "\x04yy" + "1234";
  EXPECT_THAT(Decompress(Codec::kSnappy, claim, size_t(1) << 31),
              IsErrorWith(ErrorCode::kCorrupt, "claims"));
}

// PyIceberg leaves three bytes of zlib's checksum.
TEST(Codec, DeflateDoesNotMindBytesAfterTheEnd) {
  PK_ASSERT_OK(const std::string compressed, Compress(Codec::kDeflate, "a text"));
  EXPECT_THAT(Decompress(Codec::kDeflate, compressed + "xyz", kLimit), IsOkAnd(Eq("a text")));
}

TEST(Codec, ReadsZstdInSeveralFrames) {
  PK_ASSERT_OK(const std::string first, Compress(Codec::kZstd, "one "));
  PK_ASSERT_OK(const std::string second, Compress(Codec::kZstd, "two"));
  EXPECT_THAT(Decompress(Codec::kZstd, first + second, kLimit), IsOkAnd(Eq("one two")));
}

TEST(Decompressor, WorksForManyBlocksEvenAfterABrokenOne) {
  for (const Codec codec : kCodecs) {
    Decompressor decompressor(codec);
    for (const size_t size : {50000, 10, 0, 70000}) {
      PK_ASSERT_OK(const std::string compressed, Compress(codec, Text(size)));
      if (codec != Codec::kNull) {
        EXPECT_FALSE(decompressor.Decompress(compressed.substr(1), kLimit).ok() &&
                     decompressor.Decompress(compressed.substr(0, 1), kLimit).ok());
      }
      PK_ASSERT_OK(const std::string_view back, decompressor.Decompress(compressed, kLimit));
      EXPECT_TRUE(back == Text(size)) << CodecName(codec) << " " << size;
    }
  }
}

TEST(Codec, SurvivesRandomDamage) {
  std::mt19937 random(7);
  for (const Codec codec : {Codec::kDeflate, Codec::kZstd, Codec::kSnappy}) {
    PK_ASSERT_OK(const std::string compressed, Compress(codec, Text(3000)));
    for (int round = 0; round < 2000; ++round) {
      std::string damaged = compressed;
      damaged[random() % damaged.size()] ^= char(1 << random() % 8);
      const auto result = Decompress(codec, damaged, kLimit);
      EXPECT_TRUE(result.ok() || result.error().code() == ErrorCode::kCorrupt);
    }
  }
}

}  // namespace
}  // namespace pk::manifest
