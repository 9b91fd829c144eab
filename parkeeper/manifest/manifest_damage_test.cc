// Manifests that other writers shape otherwise, and broken ones.

#include <gtest/gtest.h>

#include <random>

#include "parkeeper/manifest/avro_container.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/manifest/manifest_writer.h"
#include "tests/support/manifest_samples.h"
#include "tests/support/matchers.h"

namespace pk::manifest {
namespace {

using avro::Encoder;
using iceberg::EntryStatus;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::PartitionSpec;
using iceberg::PrimitiveKind;
using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using pk::testing::SampleEntry;
using pk::testing::SampleSchema;
using pk::testing::SampleSpec;
using ::testing::ElementsAre;

const ManifestFile& Line() {
  static const ManifestFile* const line = [] {
    auto* file = new ManifestFile;
    file->sequence_number = 34;
    file->added_snapshot_id = 1000;
    return file;
  }();
  return *line;
}

std::string SampleManifest(Codec codec, int count) {
  ManifestWriter writer(SampleSchema(), SampleSpec(), {.codec = codec});
  for (int i = 0; i < count; ++i) EXPECT_THAT(writer.Add(SampleEntry(i, SampleSpec())), IsOk());
  auto written = std::move(writer).Finish();
  EXPECT_THAT(written, IsOk());
  return std::move(written).value().bytes;
}

// Reads it in both ways; one error code for both.
Result<> ReadBoth(std::string_view bytes, const PartitionSpec& spec = SampleSpec()) {
  const ReadOptions options{.metrics_of = {1, 2, 3, 12}, .split_offsets = true};
  const auto columns = ReadColumns(bytes, Line(), spec, *SampleSchema(), options);
  const auto entries = ReadEntries(bytes, Line(), spec, *SampleSchema());
  if (columns.ok()) {
    for (size_t row = 0; row < columns->size(); ++row)
      for (const int32_t id : options.metrics_of) columns->Statistics(row, id);
  }
  // Whole entries read more, and columns jump over what nobody asked for.
  EXPECT_TRUE(columns.ok() || !entries.ok());
  if (!entries.ok()) return entries.error();
  return {};
}

bool IsValueOrDamage(const Result<>& result) {
  return result.ok() || result.error().code() == ErrorCode::kCorrupt ||
         result.error().code() == ErrorCode::kUnsupported;
}

TEST(ManifestDamage, TruncationAtEveryByteIsFound) {
  const std::string bytes = SampleManifest(Codec::kNull, 3);
  const size_t header = SampleManifest(Codec::kNull, 0).size();
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size == header) continue;
    ASSERT_THAT(ReadBoth(std::string_view(bytes).substr(0, size)), IsError(ErrorCode::kCorrupt))
        << size;
  }
}

TEST(ManifestDamage, BitFlipsGiveAnErrorOrAValue) {
  std::mt19937 random(5);
  for (const Codec codec : {Codec::kNull, Codec::kDeflate, Codec::kZstd, Codec::kSnappy}) {
    const std::string bytes = SampleManifest(codec, 4);
    for (int round = 0; round < 300; ++round) {
      std::string damaged = bytes;
      for (int flips = 1 + int(random() % 3); flips > 0; --flips)
        damaged[random() % damaged.size()] ^= char(1 << random() % 8);
      ASSERT_TRUE(IsValueOrDamage(ReadBoth(damaged))) << round;
    }
  }
}

// Damage behind the header only, where the entries are.
TEST(ManifestDamage, BytesOfEntriesCanBeAnything) {
  std::mt19937 random(6);
  const std::string bytes = SampleManifest(Codec::kNull, 4);
  const size_t header = SampleManifest(Codec::kNull, 0).size();
  for (int round = 0; round < 1000; ++round) {
    std::string damaged = bytes;
    for (int changes = 1 + int(random() % 4); changes > 0; --changes)
      damaged[header + 4 + random() % (damaged.size() - header - 20)] = char(random());
    ASSERT_TRUE(IsValueOrDamage(ReadBoth(damaged))) << round;
  }
}

// A schema in pieces, so that tests change one.
struct OddManifest {
  std::string partition_field = R"({"name": "p", "field-id": 1000, "type": ["int", "null"]})";
  std::string status_type = R"("int")";
  std::string sequence_field =
      R"({"name": "sequence_number", "field-id": 3, "type": ["long", "null"]},)";
  std::string path_name = "file_path";

  // Fields in another order, unions the other way round, unknown fields between.
  std::string Schema() const {
    return R"({"type": "record", "name": "manifest_entry", "fields": [
      {"name": "data_file", "field-id": 2, "type": {"type": "record", "name": "f", "fields": [
        {"name": "file_size_in_bytes", "field-id": 104, "type": "long"},
        {"name": "lower_bounds", "field-id": 125, "type": [{"type": "array", "items": {
           "type": "record", "name": "k126_v127", "fields": [
             {"name": "key", "field-id": 126, "type": "int"},
             {"name": "value", "field-id": 127, "type": ["null", "bytes"]}]}}, "null"]},
        {"name": "unknown", "field-id": 7777,
         "type": ["null", "f", {"type": "map", "values": "f"}]},
        {"name": "record_count", "field-id": 103, "type": "int"},
        {"name": "partition", "field-id": 102, "type": {"type": "record", "name": "r102",
           "fields": [)" +
           partition_field + R"(]}},
        {"name": "file_format", "field-id": 101, "type": "string"},
        {"name": "no_id", "type": {"type": "enum", "name": "e", "symbols": ["A"]}},
        {"name": ")" +
           path_name + R"(", "field-id": 100, "type": "string"}]}},
      )" + sequence_field +
           R"({"name": "status", "field-id": 0, "type": )" + status_type + R"(},
      {"name": "snapshot_id", "field-id": 1, "type": ["long", "null"]}]})";
  }

  // `partition` is the encoded partition struct; `sequence`, the encoded sequence field.
  std::string File(const std::string& partition, int status = 1,
                   const std::string& sequence = "\x02") const {
    avro::ContainerWriter writer(Schema(), {}, Codec::kNull);
    Encoder& out = writer.value();
    out.Long(5000);   // size
    out.Int(0);       // bounds: the array
    out.Long(-2);     // two pairs, with their length
    out.Long(6);      //
    out.Int(2);       // key 2: a value
    out.Int(1);       //
    out.Bytes("\1");  //
    out.Int(3);       // key 3: null
    out.Int(0);       //
    out.Long(0);      //
    out.Int(0);       // unknown: null
    out.Int(11);      // record count
    out.Fixed(partition);
    out.Bytes("parquet");
    out.Int(0);  // enum
    out.Bytes("s3://b/odd.parquet");
    out.Fixed(sequence);
    out.Int(status);
    out.Int(1);  // snapshot: null
    EXPECT_THAT(writer.EndValue(), IsOk());
    auto bytes = std::move(writer).Finish();
    EXPECT_THAT(bytes, IsOk());
    return std::move(bytes).value();
  }
};

std::string EncodedLong(int64_t value) {
  Encoder out;
  out.Long(value);
  return out.bytes();
}

PartitionSpec SpecOn(int32_t source) {
  PartitionSpec spec;
  spec.fields.push_back({.source_id = source, .field_id = 1000, .name = "p", .transform = {}});
  return spec;
}

Result<iceberg::Value> PartitionValue(const std::string& avro_type, const std::string& encoded,
                                      int32_t source) {
  OddManifest odd;
  odd.partition_field = R"({"name": "p", "field-id": 1000, "type": )" + avro_type + "}";
  const auto entries =
      PK_TRY(ReadEntries(odd.File(encoded), Line(), SpecOn(source), *SampleSchema()));
  return entries.at(0).file.partition.at(0);
}

TEST(Manifest, IsReadByTheWritersSchema) {
  const std::string bytes = OddManifest().File(EncodedLong(0) + EncodedLong(-9));
  PK_ASSERT_OK(const auto entries, ReadEntries(bytes, Line(), SpecOn(2), *SampleSchema()));
  ASSERT_EQ(entries.size(), 1u);
  const iceberg::DataFile& file = entries[0].file;
  EXPECT_EQ(file.location, "s3://b/odd.parquet");
  EXPECT_EQ(file.format, "PARQUET");
  EXPECT_EQ(file.record_count, 11);
  EXPECT_EQ(file.file_size, 5000);
  EXPECT_EQ(file.lower_bounds, (std::map<int32_t, std::string>{{2, "\1"}}));
  EXPECT_THAT(file.partition, ElementsAre(iceberg::Value(int32_t(-9))));
  EXPECT_EQ(entries[0].snapshot_id, 1000);
  EXPECT_EQ(entries[0].sequence_number, 34);
  PK_ASSERT_OK(const auto columns,
               ReadColumns(bytes, Line(), SpecOn(2), *SampleSchema(), {.metrics_of = {2, 3}}));
  ASSERT_EQ(columns.size(), 1u);
  EXPECT_EQ(columns.location[0], "s3://b/odd.parquet");
  EXPECT_TRUE(columns.metrics[0].lower.Has(0));
  EXPECT_EQ(columns.metrics[0].lower[0], "\1");
  EXPECT_FALSE(columns.metrics[1].lower.Has(0));
}

TEST(Manifest, ReadsPartitionValuesWrittenBeforeAPromotion) {
  const auto long_value = PartitionValue(R"("int")", EncodedLong(-5), 3);
  EXPECT_THAT(long_value, pk::testing::IsOkAnd(iceberg::Value(int64_t(-5))));
  Encoder real;
  real.Float(1.5f);
  EXPECT_THAT(PartitionValue(R"("float")", real.bytes(), 5),
              pk::testing::IsOkAnd(iceberg::Value(1.5)));
  const std::string decimal =
      R"({"type": "fixed", "name": "d", "size": 2, "logicalType": "decimal", )"
      R"("precision": 3, "scale": 2})";
  EXPECT_THAT(PartitionValue(decimal, "\xff\xfe", 6),
              pk::testing::IsOkAnd(iceberg::Value(iceberg::Int128(-2))));
}

TEST(Manifest, ReadsOtherEncodingsOfPartitionValues) {
  Encoder uuid;
  uuid.Bytes("f79c3e09-677c-4bbd-a479-512f87e7f5c4");
  PK_ASSERT_OK(const auto value,
               PartitionValue(R"({"type": "string", "logicalType": "uuid"})", uuid.bytes(), 13));
  EXPECT_EQ(std::get<std::string>(value).size(), 16u);
  Encoder decimal;
  decimal.Bytes("\x01\x00\x00\x00\x00");
  EXPECT_TRUE(PartitionValue(R"("bytes")", decimal.bytes(), 6).ok());
  EXPECT_THAT(PartitionValue(R"("null")", "", 6),
              pk::testing::IsOkAnd(iceberg::Value(std::monostate())));
  EXPECT_THAT(PartitionValue(R"("long")", EncodedLong(int64_t(1) << 31), 2),
              IsErrorWith(ErrorCode::kCorrupt, "32 bits"));
}

TEST(Manifest, NamesAPartitionFieldOfAnotherType) {
  EXPECT_THAT(PartitionValue(R"("string")", "", 2),
              IsErrorWith(ErrorCode::kCorrupt, "partition field 'p' (id 1000) is string"));
  EXPECT_THAT(PartitionValue(R"({"type": "long", "logicalType": "timestamp-millis"})", "", 10),
              IsErrorWith(ErrorCode::kCorrupt, "expected timestamp"));
  EXPECT_THAT(PartitionValue(R"({"type": "fixed", "name": "x", "size": 4})", "abcd", 14),
              IsErrorWith(ErrorCode::kCorrupt, "another length"));
}

TEST(Manifest, CarriesAFieldWhoseColumnIsGoneAsNull) {
  EXPECT_THAT(PartitionValue(R"("int")", EncodedLong(3), 99),
              pk::testing::IsOkAnd(iceberg::Value(std::monostate())));
}

TEST(Manifest, LeavesOutAPartitionFieldThatTheWriterDidNotKnow) {
  PartitionSpec spec = SpecOn(2);
  spec.fields.push_back({.source_id = 3, .field_id = 1001, .name = "q", .transform = {}});
  const std::string bytes = OddManifest().File(EncodedLong(0) + EncodedLong(7));
  PK_ASSERT_OK(const auto entries, ReadEntries(bytes, Line(), spec, *SampleSchema()));
  EXPECT_THAT(entries.at(0).file.partition,
              ElementsAre(iceberg::Value(int32_t(7)), iceberg::Value(std::monostate())));
}

TEST(Manifest, WithoutSequenceNumbersIsOfVersion1) {
  OddManifest odd;
  odd.sequence_field = "";
  const std::string partition = EncodedLong(1);
  for (const int status : {0, 1, 2}) {
    const std::string bytes = odd.File(partition, status, "");
    PK_ASSERT_OK(const auto entries, ReadEntries(bytes, Line(), SpecOn(2), *SampleSchema()));
    EXPECT_EQ(entries.at(0).sequence_number, 0);
    EXPECT_EQ(entries.at(0).file_sequence_number, 0);
  }
}

TEST(Manifest, InheritsSequenceNumbersByStatus) {
  const std::string partition = EncodedLong(1);
  const std::string null = EncodedLong(1);
  const std::string nine = EncodedLong(0) + EncodedLong(9);
  const auto read = [&](EntryStatus status, const std::string& sequence, int64_t list_sequence) {
    ManifestFile line = Line();
    line.sequence_number = list_sequence;
    return ReadEntries(OddManifest().File(partition, int(status), sequence), line, SpecOn(2),
                       *SampleSchema());
  };
  EXPECT_EQ(read(EntryStatus::kAdded, null, 34).value().at(0).sequence_number, 34);
  EXPECT_EQ(read(EntryStatus::kAdded, nine, 34).value().at(0).sequence_number, 9);
  EXPECT_EQ(read(EntryStatus::kAdded, nine, 34).value().at(0).file_sequence_number, 34);
  EXPECT_EQ(read(EntryStatus::kExisting, nine, 34).value().at(0).sequence_number, 9);
  EXPECT_EQ(read(EntryStatus::kExisting, nine, 34).value().at(0).file_sequence_number,
            std::nullopt);
  EXPECT_EQ(read(EntryStatus::kExisting, null, 0).value().at(0).sequence_number, 0);
  EXPECT_EQ(read(EntryStatus::kDeleted, null, 34).value().at(0).sequence_number, std::nullopt);
  EXPECT_THAT(read(EntryStatus::kExisting, null, 34),
              IsErrorWith(ErrorCode::kCorrupt, "may not inherit"));
}

TEST(Manifest, LeavesAnUnknownFileSequenceNumberMinusOneInColumns) {
  const std::string bytes =
      OddManifest().File(EncodedLong(1), int(EntryStatus::kExisting), EncodedLong(0) + "\x12");
  PK_ASSERT_OK(const auto columns, ReadColumns(bytes, Line(), SpecOn(2), *SampleSchema(), {}));
  EXPECT_THAT(columns.sequence_number, ElementsAre(9));
  EXPECT_THAT(columns.file_sequence_number, ElementsAre(-1));
}

TEST(ManifestDamage, NamesWhatIsWrong) {
  const std::string partition = EncodedLong(1);
  const auto read = [&](const std::string& bytes) {
    return ReadEntries(bytes, Line(), SpecOn(2), *SampleSchema());
  };
  EXPECT_THAT(read(OddManifest().File(partition, 7)), IsErrorWith(ErrorCode::kCorrupt, "status"));
  EXPECT_THAT(read(OddManifest().File(EncodedLong(2))),
              IsErrorWith(ErrorCode::kCorrupt, "no such branch"));
  OddManifest typed;
  typed.status_type = R"("string")";
  EXPECT_THAT(read(typed.File(partition)),
              IsErrorWith(ErrorCode::kCorrupt, "field 'status' (id 0) has the unexpected type"));
  OddManifest null_status;
  null_status.status_type = R"(["int", "null"])";
  EXPECT_THAT(read(null_status.File(partition, 1)),
              IsErrorWith(ErrorCode::kCorrupt, "required field is null"));
  const avro::ContainerWriter list(R"({"type": "record", "name": "r", "fields": []})", {},
                                   Codec::kNull);
  EXPECT_THAT(read(avro::ContainerWriter(list).Finish().value()),
              IsErrorWith(ErrorCode::kCorrupt, "field 'status' (id 0) is missing"));
  EXPECT_THAT(read("PAR1"), IsErrorWith(ErrorCode::kCorrupt, "manifest: not an Avro file"));
}

TEST(ManifestDamage, FindsADamagedSyncMarker) {
  std::string bytes = SampleManifest(Codec::kDeflate, 3);
  bytes.back() ^= 1;
  EXPECT_THAT(ReadBoth(bytes), IsErrorWith(ErrorCode::kCorrupt, "sync marker"));
}

}  // namespace
}  // namespace pk::manifest
