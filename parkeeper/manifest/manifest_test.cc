#include <gtest/gtest.h>

#include "parkeeper/manifest/avro_container.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/manifest/manifest_schema_internal.h"
#include "parkeeper/manifest/manifest_writer.h"
#include "tests/support/manifest_samples.h"
#include "tests/support/matchers.h"

namespace pk::manifest {
namespace {

using iceberg::Compare;
using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::PartitionSpec;
using pk::testing::Inherited;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using pk::testing::kSampleSnapshot;
using pk::testing::SampleEntry;
using pk::testing::SampleSchema;
using pk::testing::SampleSpec;
using ::testing::ElementsAre;

constexpr int64_t kSequenceNumber = 34;

Result<ManifestWriter::Written> Write(const std::vector<ManifestEntry>& entries,
                                      ManifestOptions options = {},
                                      const PartitionSpec& spec = SampleSpec()) {
  options.snapshot_id = kSampleSnapshot;
  ManifestWriter writer(SampleSchema(), spec, options);
  for (const ManifestEntry& entry : entries) PK_TRY(writer.Add(entry));
  auto written = PK_TRY(std::move(writer).Finish());
  written.file.sequence_number = options.format_version == 1 ? 0 : kSequenceNumber;
  return written;
}

std::vector<ManifestEntry> Entries(int count, const PartitionSpec& spec = SampleSpec()) {
  std::vector<ManifestEntry> entries;
  for (int i = 0; i < count; ++i) entries.push_back(SampleEntry(i, spec));
  return entries;
}

Result<std::vector<ManifestEntry>> Read(const ManifestWriter::Written& written,
                                        const PartitionSpec& spec = SampleSpec()) {
  return ReadEntries(written.bytes, written.file, spec, *SampleSchema());
}

// NaN is no value equal to itself, so entries are compared by what they would be written as.
void ExpectSame(const ManifestEntry& found, const ManifestEntry& expected) {
  EXPECT_EQ(found.status, expected.status);
  EXPECT_EQ(found.snapshot_id, expected.snapshot_id);
  EXPECT_EQ(found.sequence_number, expected.sequence_number);
  EXPECT_EQ(found.file_sequence_number, expected.file_sequence_number);
  DataFile left = found.file;
  DataFile right = expected.file;
  ASSERT_EQ(left.partition.size(), right.partition.size());
  for (size_t i = 0; i < left.partition.size(); ++i) {
    EXPECT_EQ(left.partition[i].index(), right.partition[i].index()) << i;
    EXPECT_EQ(Compare(left.partition[i], right.partition[i]), 0) << i;
  }
  left.partition.clear();
  right.partition.clear();
  EXPECT_TRUE(left == right) << expected.file.location;
}

TEST(Manifest, GivesBackEveryEntryInEveryCodec) {
  for (const Codec codec : {Codec::kNull, Codec::kDeflate, Codec::kZstd, Codec::kSnappy}) {
    const auto entries = Entries(50);
    PK_ASSERT_OK(const auto written, Write(entries, {.codec = codec}));
    PK_ASSERT_OK(const auto read, Read(written));
    ASSERT_EQ(read.size(), entries.size());
    for (size_t i = 0; i < read.size(); ++i)
      ExpectSame(read[i], Inherited(entries[i], kSequenceNumber));
  }
}

TEST(Manifest, GivesBackTenThousandEntries) {
  const PartitionSpec unpartitioned{.spec_id = 0, .fields = {}};
  const auto entries = Entries(10000, unpartitioned);
  PK_ASSERT_OK(const auto written, Write(entries, {}, unpartitioned));
  EXPECT_EQ(written.file.added_files, 5000);
  EXPECT_EQ(written.file.existing_files, 3333);
  EXPECT_EQ(written.file.deleted_files, 1667);
  EXPECT_TRUE(written.file.partitions.empty());
  PK_ASSERT_OK(const auto read, Read(written, unpartitioned));
  ASSERT_EQ(read.size(), entries.size());
  for (size_t i = 0; i < read.size(); i += 101)
    ExpectSame(read[i], Inherited(entries[i], kSequenceNumber));
}

TEST(Manifest, MayBeEmpty) {
  PK_ASSERT_OK(const auto written, Write({}));
  EXPECT_THAT(Read(written), pk::testing::IsOkAnd(ElementsAre()));
}

TEST(Manifest, OfVersion1HasNoSequenceNumbers) {
  auto entries = Entries(12);
  PK_ASSERT_OK(const auto written, Write(entries, {.format_version = 1}));
  PK_ASSERT_OK(const auto read, Read(written));
  ASSERT_EQ(read.size(), entries.size());
  for (size_t i = 0; i < read.size(); ++i) {
    ManifestEntry expected = entries[i];
    expected.sequence_number = 0;
    expected.file_sequence_number = 0;
    ExpectSame(read[i], Inherited(expected, 0));
  }
}

TEST(Manifest, OfDeletesHoldsEqualityIdsAndReferences) {
  ManifestEntry equality = SampleEntry(0, SampleSpec());
  equality.file.content = FileContent::kEqualityDeletes;
  equality.file.equality_ids = {1, 7};
  ManifestEntry position = SampleEntry(1, SampleSpec());
  position.file.content = FileContent::kPositionDeletes;
  position.file.referenced_data_file = "s3://bucket/t/data/1.parquet";
  PK_ASSERT_OK(const auto written,
               Write({equality, position}, {.content = ManifestContent::kDeletes}));
  EXPECT_EQ(written.file.content, ManifestContent::kDeletes);
  PK_ASSERT_OK(const auto read, Read(written));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_THAT(read[0].file.equality_ids, ElementsAre(1, 7));
  EXPECT_EQ(read[1].file.referenced_data_file, position.file.referenced_data_file);
  PK_ASSERT_OK(const auto container, avro::ContainerReader::Open(written.bytes));
  EXPECT_EQ(container.metadata().at("content"), "deletes");
}

TEST(Manifest, SaysInItsHeaderWhatItIs) {
  PK_ASSERT_OK(const auto written, Write({}));
  PK_ASSERT_OK(const auto container, avro::ContainerReader::Open(written.bytes));
  const avro::Metadata& metadata = container.metadata();
  EXPECT_EQ(metadata.at("format-version"), "2");
  EXPECT_EQ(metadata.at("content"), "data");
  EXPECT_EQ(metadata.at("schema-id"), "3");
  EXPECT_EQ(metadata.at("partition-spec-id"), "2");
  EXPECT_EQ(metadata.at("partition-spec").front(), '[');
  EXPECT_THAT(metadata.at("partition-spec"), ::testing::HasSubstr("hour of c10"));
  EXPECT_THAT(metadata.at("schema"), ::testing::HasSubstr("timestamptz"));
}

TEST(Manifest, IsTheSameFileForTheSameEntries) {
  PK_ASSERT_OK(const auto first, Write(Entries(20)));
  PK_ASSERT_OK(const auto second, Write(Entries(20)));
  EXPECT_TRUE(first.bytes == second.bytes);
}

TEST(ManifestWriter, SumsUpPartitionsForTheList) {
  PartitionSpec spec{.spec_id = 5, .fields = {}};
  spec.fields.push_back({.source_id = 2, .field_id = 1000, .name = "c2", .transform = {}});
  spec.fields.push_back({.source_id = 5, .field_id = 1001, .name = "c5", .transform = {}});
  std::vector<ManifestEntry> entries(4);
  entries[0].file.partition = {int32_t(7), 1.5};
  entries[1].file.partition = {int32_t(-3), std::nan("")};
  entries[2].file.partition = {int32_t(200), -0.0};
  entries[3].file.partition = {std::monostate(), 0.0};
  for (auto& entry : entries) entry.file.record_count = 10;
  PK_ASSERT_OK(const auto written, Write(entries, {}, spec));
  const ManifestFile& file = written.file;
  EXPECT_EQ(file.spec_id, 5);
  EXPECT_EQ(file.added_rows, 40);
  EXPECT_EQ(file.existing_rows, 0);
  EXPECT_EQ(file.length, int64_t(written.bytes.size()));
  EXPECT_EQ(file.added_snapshot_id, kSampleSnapshot);
  EXPECT_EQ(file.min_sequence_number, -1);
  ASSERT_EQ(file.partitions.size(), 2u);
  EXPECT_TRUE(file.partitions[0].contains_null);
  EXPECT_EQ(file.partitions[0].contains_nan, false);
  EXPECT_EQ(file.partitions[0].lower, std::string("\xfd\xff\xff\xff"));
  EXPECT_EQ(file.partitions[0].upper, std::string("\xc8\0\0\0", 4));
  EXPECT_FALSE(file.partitions[1].contains_null);
  EXPECT_EQ(file.partitions[1].contains_nan, true);
  EXPECT_EQ(file.partitions[1].lower, std::string("\0\0\0\0\0\0\0\x80", 8));
}

TEST(ManifestWriter, KnowsTheLeastSequenceNumberThatLives) {
  auto entries = Entries(6);
  entries[2].sequence_number = 9;
  entries[3].sequence_number = 1;  // deleted
  entries[5].sequence_number = 8;
  PK_ASSERT_OK(const auto written, Write(entries));
  EXPECT_EQ(written.file.min_sequence_number, 8);
}

TEST(ManifestWriter, GrowsAsEntriesCome) {
  ManifestWriter writer(SampleSchema(), SampleSpec(), {});
  const int64_t header = writer.size();
  EXPECT_THAT(writer.Add(SampleEntry(0, SampleSpec())), IsOk());
  EXPECT_GT(writer.size(), header + 100);
}

TEST(ManifestWriter, RefusesWhatTheSpecificationDoes) {
  const auto refuses = [](ManifestEntry entry, std::string text, ManifestOptions options = {}) {
    EXPECT_THAT(Write({entry}, options), IsErrorWith(ErrorCode::kInvalidArgument, text)) << text;
    EXPECT_THAT(Write({entry}, options),
                IsErrorWith(ErrorCode::kInvalidArgument, entry.file.location));
  };
  const ManifestEntry good = SampleEntry(0, SampleSpec());
  ManifestEntry entry = good;
  entry.file.partition.pop_back();
  refuses(entry, "18 partition values, the spec has 19 fields");
  entry = good;
  entry.file.partition[1] = std::string("text");
  refuses(entry, "'c2' is no int");
  entry = good;
  entry.file.partition[5] = iceberg::Int128(1000000000);
  refuses(entry, "'c6' is no decimal(9,2)");
  entry = good;
  entry.file.partition[13] = std::string("four");
  refuses(entry, "'c14' is no fixed[5]");
  entry = good;
  entry.status = EntryStatus::kExisting;
  refuses(entry, "sequence number");
  entry = good;
  entry.file_sequence_number = 3;
  refuses(entry, "inherits");
  entry = good;
  entry.snapshot_id = 5;
  refuses(entry, "another snapshot");
  entry = good;
  refuses(entry, "cannot share", {.content = ManifestContent::kDeletes});
  entry.file.content = FileContent::kEqualityDeletes;
  refuses(entry, "equality ids", {.content = ManifestContent::kDeletes});
  entry = good;
  entry.file.record_count = -1;
  refuses(entry, "negative");
}

TEST(ManifestWriter, RefusesOtherVersions) {
  EXPECT_THAT(Write(Entries(1), {.format_version = 3}), IsErrorWith(ErrorCode::kUnsupported, "3"));
  EXPECT_THAT(Write({}, {.format_version = 1, .content = ManifestContent::kDeletes}),
              IsErrorWith(ErrorCode::kInvalidArgument, "deletes"));
}

TEST(ManifestWriter, SizesDecimalsAsTheSpecificationDoes) {
  EXPECT_EQ(DecimalBytes(1), 1);
  EXPECT_EQ(DecimalBytes(2), 1);
  EXPECT_EQ(DecimalBytes(3), 2);
  EXPECT_EQ(DecimalBytes(9), 4);
  EXPECT_EQ(DecimalBytes(18), 8);
  EXPECT_EQ(DecimalBytes(19), 9);
  EXPECT_EQ(DecimalBytes(38), 16);
}

TEST(ManifestWriter, GivesPartitionFieldsNamesThatAvroAllows) {
  EXPECT_THAT(AvroNames({"plain_1", "a b", "1st", "a_x20b", "a b", ""}),
              ElementsAre("plain_1", "a_x20b_", "_1st", "a_x20b", "a_x20b__", "_"));
}

TEST(ManifestColumns, HoldTheEntriesThatLive) {
  const auto entries = Entries(60);
  PK_ASSERT_OK(const auto written, Write(entries));
  const ReadOptions options{.metrics_of = {2, 12, 5}, .split_offsets = true};
  PK_ASSERT_OK(const EntryColumns columns,
               ReadColumns(written.bytes, written.file, SampleSpec(), *SampleSchema(), options));
  ASSERT_EQ(columns.size(), 50u);
  size_t row = 0;
  for (const ManifestEntry& raw : entries) {
    if (raw.status == EntryStatus::kDeleted) continue;
    const ManifestEntry entry = Inherited(raw, kSequenceNumber);
    EXPECT_EQ(columns.status[row], entry.status);
    EXPECT_EQ(columns.snapshot_id[row], entry.snapshot_id);
    EXPECT_EQ(columns.sequence_number[row], entry.sequence_number);
    EXPECT_EQ(columns.file_sequence_number[row], entry.file_sequence_number);
    EXPECT_EQ(columns.content[row], FileContent::kData);
    EXPECT_EQ(columns.location[row], entry.file.location);
    EXPECT_EQ(columns.record_count[row], entry.file.record_count);
    EXPECT_EQ(columns.file_size[row], entry.file.file_size);
    EXPECT_EQ(columns.split_offsets[row], entry.file.split_offsets);
    for (size_t i = 0; i < entry.file.partition.size(); ++i)
      EXPECT_EQ(Compare(columns.partition[i][row], entry.file.partition[i]), 0);
    ++row;
  }
}

TEST(ManifestColumns, HoldDeletedEntriesWhereAskedFor) {
  const auto entries = Entries(12);
  PK_ASSERT_OK(const auto written, Write(entries));
  PK_ASSERT_OK(const EntryColumns columns, ReadColumns(written.bytes, written.file, SampleSpec(),
                                                       *SampleSchema(), {.deleted = true}));
  ASSERT_EQ(columns.size(), entries.size());
  int deleted = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const ManifestEntry expected = Inherited(entries[i], kSequenceNumber);
    EXPECT_EQ(columns.status[i], expected.status);
    EXPECT_EQ(columns.snapshot_id[i], expected.snapshot_id);
    EXPECT_EQ(columns.sequence_number[i], expected.sequence_number);
    deleted += columns.status[i] == EntryStatus::kDeleted ? 1 : 0;
  }
  EXPECT_GT(deleted, 0);
}

TEST(ManifestColumns, GiveStatisticsOfTheFieldsAskedFor) {
  const auto entries = Entries(10);
  PK_ASSERT_OK(const auto written, Write(entries));
  const ReadOptions options{.metrics_of = {12, 2, 2, 999}};
  PK_ASSERT_OK(const EntryColumns columns,
               ReadColumns(written.bytes, written.file, SampleSpec(), *SampleSchema(), options));
  EXPECT_EQ(columns.metrics.size(), 3u);
  EXPECT_TRUE(columns.split_offsets.empty());
  const auto second = columns.Statistics(1, 12);
  EXPECT_EQ(second.value_count, 100);
  EXPECT_EQ(second.null_count, 0);
  EXPECT_EQ(second.nan_count, std::nullopt);
  EXPECT_EQ(second.lower, iceberg::Value("n\xc3\xa4me-1"));
  const auto number = columns.Statistics(1, 2);
  EXPECT_EQ(number.upper, iceberg::Value(int32_t(-1000)));
  EXPECT_EQ(columns.Statistics(0, 12).lower, std::nullopt) << "null in this row: no bounds";
  EXPECT_EQ(columns.Statistics(0, 12).value_count, 0);
  const auto without_metrics = columns.Statistics(3, 2);  // entry 4: the deleted one is gone
  EXPECT_EQ(without_metrics.value_count, std::nullopt);
  EXPECT_EQ(without_metrics.lower, std::nullopt);
  const auto not_asked = columns.Statistics(1, 3);
  EXPECT_EQ(not_asked.value_count, std::nullopt);
  EXPECT_EQ(not_asked.lower, std::nullopt);
  EXPECT_EQ(columns.Statistics(1, 999).value_count, std::nullopt);
}

}  // namespace
}  // namespace pk::manifest
