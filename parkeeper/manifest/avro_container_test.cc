#include "parkeeper/manifest/avro_container.h"

#include <gtest/gtest.h>

#include <random>

#include "parkeeper/manifest/avro_decoder.h"
#include "tests/support/matchers.h"

namespace pk::manifest::avro {
namespace {

using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using pk::testing::IsOkAnd;
using ::testing::ElementsAre;

constexpr Codec kCodecs[] = {Codec::kNull, Codec::kDeflate, Codec::kZstd, Codec::kSnappy};

std::string FileOf(const std::vector<std::string>& values, Codec codec) {
  ContainerWriter writer(R"("string")", {{"note", "a value"}}, codec);
  for (const std::string& value : values) {
    writer.value().Bytes(value);
    EXPECT_THAT(writer.EndValue(), IsOk());
  }
  auto file = std::move(writer).Finish();
  EXPECT_THAT(file, IsOk());
  return std::move(file).value();
}

Result<std::vector<std::string>> ValuesOf(std::string_view file) {
  ContainerReader reader = PK_TRY(ContainerReader::Open(file));
  std::vector<std::string> values;
  while (const auto block = PK_TRY(reader.Next())) {
    Decoder in(block->bytes);
    for (int64_t i = 0; i < block->count && in.ok(); ++i) values.emplace_back(in.Bytes());
    if (!in.ok()) return in.error();
  }
  return values;
}

TEST(AvroContainer, GivesBackValuesAndMetadata) {
  for (const Codec codec : kCodecs) {
    const std::string file = FileOf({"one", "", "three"}, codec);
    EXPECT_THAT(ValuesOf(file), IsOkAnd(ElementsAre("one", "", "three")));
    PK_ASSERT_OK(const ContainerReader reader, ContainerReader::Open(file));
    EXPECT_EQ(reader.metadata().at("note"), "a value");
    EXPECT_EQ(reader.codec(), codec);
    EXPECT_EQ(reader.schema().root().kind, Kind::kString);
  }
}

TEST(AvroContainer, MayBeEmpty) {
  EXPECT_THAT(ValuesOf(FileOf({}, Codec::kDeflate)), IsOkAnd(ElementsAre()));
}

TEST(AvroContainer, SpansBlocks) {
  std::vector<std::string> values(1000, std::string(1000, 'x'));
  values[999] = "last";
  const std::string file = FileOf(values, Codec::kNull);
  EXPECT_THAT(ValuesOf(file), IsOkAnd(::testing::Eq(values)));
  PK_ASSERT_OK(ContainerReader reader, ContainerReader::Open(file));
  int blocks = 0;
  while (true) {
    PK_ASSERT_OK(const auto block, reader.Next());
    if (!block) break;
    ++blocks;
    EXPECT_LE(block->bytes.size(), 70000u);
  }
  EXPECT_GT(blocks, 10);
}

TEST(AvroContainer, IsTheSameFileForTheSameInput) {
  EXPECT_EQ(FileOf({"a", "b"}, Codec::kDeflate), FileOf({"a", "b"}, Codec::kDeflate));
}

TEST(AvroContainer, ReadsMetadataInAnyBlockForm) {
  Encoder item;
  item.Bytes("avro.schema");
  item.Bytes(R"("int")");
  Encoder file;
  file.Fixed(std::string_view("Obj\x01", 4));
  file.Long(-1);
  file.Long(int64_t(item.size()));
  file.Fixed(item.bytes());
  file.Long(1);
  file.Bytes("other");
  file.Bytes("x");
  file.Long(0);
  file.Fixed("0123456789abcdef");
  PK_ASSERT_OK(ContainerReader reader, ContainerReader::Open(file.bytes()));
  EXPECT_EQ(reader.codec(), Codec::kNull);
  EXPECT_EQ(reader.metadata().at("other"), "x");
  EXPECT_THAT(reader.Next(), IsOkAnd(::testing::Eq(std::nullopt)));
}

TEST(AvroContainer, RefusesOtherFiles) {
  EXPECT_THAT(ValuesOf(""), IsErrorWith(ErrorCode::kCorrupt, "not an Avro file"));
  EXPECT_THAT(ValuesOf("PAR1 and more"), IsErrorWith(ErrorCode::kCorrupt, "not an Avro file"));
}

TEST(AvroContainer, RefusesACodecThatItDoesNotKnow) {
  std::string file = FileOf({"a"}, Codec::kDeflate);
  file.replace(file.find("deflate"), 7, "lzmalzm");
  EXPECT_THAT(ValuesOf(file), IsErrorWith(ErrorCode::kUnsupported, "lzmalzm"));
}

TEST(AvroContainer, FindsADamagedSyncMarkerAndNamesTheBlock) {
  std::string file = FileOf({"one"}, Codec::kNull);
  const size_t block = file.size() - kSyncBytes - 6;  // count, size, length of the string, 3 bytes
  file[file.size() - 3] ^= 1;
  EXPECT_THAT(ValuesOf(file),
              IsErrorWith(ErrorCode::kCorrupt, "block at byte " + std::to_string(block)));
  EXPECT_THAT(ValuesOf(file), IsErrorWith(ErrorCode::kCorrupt, "sync marker"));
}

TEST(AvroContainer, FindsATruncationAtEveryByte) {
  for (const Codec codec : kCodecs) {
    const std::string file = FileOf({"one", "two", "three"}, codec);
    const size_t header = FileOf({}, codec).size();
    for (size_t size = 0; size < file.size(); ++size) {
      if (size == header) continue;  // a file without blocks
      EXPECT_THAT(ValuesOf(file.substr(0, size)), IsError(ErrorCode::kCorrupt)) << size;
    }
  }
}

TEST(AvroContainer, RefusesCountsThatTheBytesCannotHold) {
  for (const int64_t count : {int64_t(100), int64_t(1) << 62, int64_t(-1)}) {
    std::string file = FileOf({}, Codec::kNull);
    const std::string sync = file.substr(file.size() - kSyncBytes);
    Encoder block;
    block.Long(count);
    block.Bytes("\x02x");
    file += block.bytes() + sync;
    EXPECT_THAT(ValuesOf(file), IsErrorWith(ErrorCode::kCorrupt, "values")) << count;
  }
}

TEST(AvroContainer, SurvivesBitFlips) {
  std::mt19937 random(11);
  for (const Codec codec : kCodecs) {
    const std::string file = FileOf({"one", "two", std::string(500, 'z')}, codec);
    for (int round = 0; round < 3000; ++round) {
      std::string damaged = file;
      damaged[random() % damaged.size()] ^= char(1 << random() % 8);
      const auto values = ValuesOf(damaged);
      if (!values.ok()) {
        const ErrorCode code = values.error().code();
        EXPECT_TRUE(code == ErrorCode::kCorrupt || code == ErrorCode::kUnsupported);
      }
    }
  }
}

}  // namespace
}  // namespace pk::manifest::avro
