#include "parkeeper/manifest/manifest_list.h"

#include <gtest/gtest.h>

#include <random>

#include "parkeeper/manifest/avro_container.h"
#include "tests/support/matchers.h"

namespace pk::manifest {
namespace {

using iceberg::ManifestContent;
using iceberg::ManifestFile;
using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using pk::testing::IsOkAnd;
using ::testing::Eq;

ManifestFile Sample(int number) {
  ManifestFile manifest;
  manifest.location = "s3://bucket/metadata/" + std::to_string(number) + "-m0.avro";
  manifest.length = 7000 + number;
  manifest.spec_id = number % 3;
  manifest.content = number % 2 == 1 ? ManifestContent::kDeletes : ManifestContent::kData;
  manifest.sequence_number = 10 + number;
  manifest.min_sequence_number = number;
  manifest.added_snapshot_id = -8744736658442914487 + number;
  manifest.added_files = number;
  manifest.existing_files = 0;
  manifest.deleted_files = 1;
  manifest.added_rows = 100000000000 + number;
  manifest.existing_rows = 0;
  manifest.deleted_rows = 5;
  if (number % 4 != 0) {
    manifest.partitions = {{.contains_null = true,
                            .contains_nan = false,
                            .lower = std::string("\0\xff", 2),
                            .upper = ""},
                           {.contains_null = false,
                            .contains_nan = std::nullopt,
                            .lower = std::nullopt,
                            .upper = std::nullopt}};
  }
  if (number % 5 == 1) manifest.key_metadata = "key";
  return manifest;
}

std::vector<ManifestFile> Samples(int count) {
  std::vector<ManifestFile> manifests;
  for (int i = 0; i < count; ++i) manifests.push_back(Sample(i));
  return manifests;
}

ManifestFile AsV1(ManifestFile manifest) {
  manifest.content = ManifestContent::kData;
  manifest.sequence_number = 0;
  manifest.min_sequence_number = 0;
  return manifest;
}

TEST(ManifestList, GivesBackWhatWasWrittenInEveryCodec) {
  for (const Codec codec : {Codec::kNull, Codec::kDeflate, Codec::kZstd, Codec::kSnappy}) {
    PK_ASSERT_OK(const std::string bytes, WriteManifestList({.codec = codec}, Samples(100)));
    EXPECT_THAT(ReadManifestList(bytes), IsOkAnd(Eq(Samples(100))));
  }
}

TEST(ManifestList, MayBeEmpty) {
  PK_ASSERT_OK(const std::string bytes, WriteManifestList({}, {}));
  EXPECT_THAT(ReadManifestList(bytes), IsOkAnd(Eq(std::vector<ManifestFile>())));
}

TEST(ManifestList, OfVersion1HasNoSequenceNumbers) {
  std::vector<ManifestFile> manifests;
  std::vector<ManifestFile> expected;
  for (int i = 0; i < 10; i += 2) {
    manifests.push_back(Sample(i));
    expected.push_back(AsV1(Sample(i)));
  }
  manifests[1].added_files = expected[1].added_files = std::nullopt;
  manifests[1].deleted_rows = expected[1].deleted_rows = std::nullopt;
  PK_ASSERT_OK(const std::string bytes, WriteManifestList({.format_version = 1}, manifests));
  EXPECT_THAT(ReadManifestList(bytes), IsOkAnd(Eq(expected)));
}

TEST(ManifestList, OfVersion1TakesNoDeletes) {
  EXPECT_THAT(WriteManifestList({.format_version = 1}, {Sample(1)}),
              IsErrorWith(ErrorCode::kInvalidArgument, "1-m0.avro"));
}

TEST(ManifestList, OfVersion2NeedsCounts) {
  ManifestFile manifest = Sample(0);
  manifest.existing_rows = std::nullopt;
  EXPECT_THAT(WriteManifestList({}, {manifest}),
              IsErrorWith(ErrorCode::kInvalidArgument, "counts"));
}

TEST(ManifestList, OfAnUnknownVersionIsNotWritten) {
  EXPECT_THAT(WriteManifestList({.format_version = 3}, {}), IsError(ErrorCode::kUnsupported));
}

TEST(ManifestList, AssignsTheSnapshotsSequenceNumber) {
  ManifestFile manifest = Sample(2);
  manifest.sequence_number = -1;
  manifest.min_sequence_number = -1;
  const ManifestListOptions options{.snapshot_id = manifest.added_snapshot_id,
                                    .sequence_number = 34};
  PK_ASSERT_OK(const std::string bytes, WriteManifestList(options, {manifest}));
  PK_ASSERT_OK(const auto read, ReadManifestList(bytes));
  EXPECT_EQ(read.at(0).sequence_number, 34);
  EXPECT_EQ(read.at(0).min_sequence_number, 34);
  manifest.added_snapshot_id = 5;
  EXPECT_THAT(WriteManifestList(options, {manifest}),
              IsErrorWith(ErrorCode::kInvalidArgument, "snapshot 5"));
}

TEST(ManifestList, SaysInItsHeaderWhatItIs) {
  PK_ASSERT_OK(
      const std::string bytes,
      WriteManifestList({.snapshot_id = 7, .parent_snapshot_id = 6, .sequence_number = 3}, {}));
  PK_ASSERT_OK(const auto reader, avro::ContainerReader::Open(bytes));
  EXPECT_EQ(reader.metadata().at("format-version"), "2");
  EXPECT_EQ(reader.metadata().at("snapshot-id"), "7");
  EXPECT_EQ(reader.metadata().at("parent-snapshot-id"), "6");
  EXPECT_EQ(reader.metadata().at("sequence-number"), "3");
}

// Fields in another order, with older names, unknown ones between, and unions the other way round.
TEST(ManifestList, IsReadByTheWritersSchema) {
  avro::ContainerWriter writer(R"({"type": "record", "name": "m", "fields": [
    {"name": "partitions", "field-id": 507, "type": [{"type": "array", "items": {
       "type": "record", "name": "s", "fields": [
         {"name": "upper_bound", "field-id": 511, "type": ["bytes", "null"]},
         {"name": "extra", "type": "double"},
         {"name": "contains_null", "field-id": 509, "type": "boolean"}]}}, "null"]},
    {"name": "added_data_files_count", "field-id": 504, "type": ["int", "null"]},
    {"name": "unknown", "field-id": 9999, "type": {"type": "map", "values": "long"}},
    {"name": "added_snapshot_id", "field-id": 503, "type": ["long", "null"]},
    {"name": "partition_spec_id", "field-id": 502, "type": "int"},
    {"name": "manifest_length", "field-id": 501, "type": "int"},
    {"name": "no_id", "type": "string"},
    {"name": "path", "field-id": 500, "type": "string"}]})",
                               {}, Codec::kNull);
  avro::Encoder& out = writer.value();
  out.Int(0);
  out.Long(1);
  out.Int(0);
  out.Bytes("up");
  out.Double(1);
  out.Boolean(true);
  out.Long(0);
  out.Int(0);
  out.Int(42);
  out.Long(1);
  out.Bytes("k");
  out.Long(3);
  out.Long(0);
  out.Int(0);
  out.Long(77);
  out.Int(4);
  out.Int(1234);
  out.Bytes("ignored");
  out.Bytes("file:/m.avro");
  ASSERT_THAT(writer.EndValue(), IsOk());
  PK_ASSERT_OK(const std::string bytes, std::move(writer).Finish());
  PK_ASSERT_OK(const auto read, ReadManifestList(bytes));
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].location, "file:/m.avro");
  EXPECT_EQ(read[0].length, 1234);
  EXPECT_EQ(read[0].spec_id, 4);
  EXPECT_EQ(read[0].added_snapshot_id, 77);
  EXPECT_EQ(read[0].added_files, 42);
  EXPECT_EQ(read[0].existing_files, std::nullopt);
  EXPECT_EQ(read[0].sequence_number, 0);
  ASSERT_EQ(read[0].partitions.size(), 1u);
  EXPECT_EQ(read[0].partitions[0].upper, "up");
  EXPECT_TRUE(read[0].partitions[0].contains_null);
}

TEST(ManifestList, NamesAMissingField) {
  const avro::ContainerWriter writer(
      R"({"type": "record", "name": "m", "fields": [
          {"name": "manifest_path", "field-id": 500, "type": "string"}]})",
      {}, Codec::kNull);
  PK_ASSERT_OK(const std::string bytes, avro::ContainerWriter(writer).Finish());
  EXPECT_THAT(ReadManifestList(bytes), IsErrorWith(ErrorCode::kCorrupt, "manifest_length"));
}

TEST(ManifestList, IsCorruptWhenCutOffAnywhere) {
  PK_ASSERT_OK(const std::string bytes, WriteManifestList({.codec = Codec::kNull}, Samples(2)));
  PK_ASSERT_OK(const std::string empty, WriteManifestList({.codec = Codec::kNull}, {}));
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size == empty.size()) continue;
    EXPECT_THAT(ReadManifestList(bytes.substr(0, size)), IsError(ErrorCode::kCorrupt)) << size;
  }
}

TEST(ManifestList, SurvivesBitFlips) {
  std::mt19937 random(3);
  for (const Codec codec : {Codec::kNull, Codec::kDeflate}) {
    PK_ASSERT_OK(const std::string bytes, WriteManifestList({.codec = codec}, Samples(5)));
    for (int round = 0; round < 3000; ++round) {
      std::string damaged = bytes;
      damaged[random() % damaged.size()] ^= char(1 << random() % 8);
      const auto read = ReadManifestList(damaged);
      if (!read.ok()) {
        const ErrorCode code = read.error().code();
        EXPECT_TRUE(code == ErrorCode::kCorrupt || code == ErrorCode::kUnsupported);
      }
    }
  }
}

}  // namespace
}  // namespace pk::manifest
