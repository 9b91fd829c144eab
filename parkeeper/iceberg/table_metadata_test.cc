#include "parkeeper/iceberg/table_metadata.h"

#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr auto kBad = ErrorCode::kCorrupt;

std::string Golden(const std::string& name) {
  std::ifstream file(std::string(PARKEEPER_SOURCE_DIR "/tests/golden/metadata/") + name);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

// Everything that v2 has, and more that this version does not know.
const std::string kV2 = Golden("handwritten-v2.json");

// As writers wrote it before schemas, specs, orders and refs were lists.
const std::string kV1 = Golden("handwritten-v1.json");

TableMetadata Parsed(std::string_view text) {
  Result<TableMetadata> metadata = ParseTableMetadata(text);
  EXPECT_THAT(metadata, IsOk());
  return metadata.ok() ? *std::move(metadata) : TableMetadata{};
}

boost::json::object Object(std::string_view text) {
  return boost::json::parse(boost::json::string_view(text.data(), text.size())).as_object();
}

// `text` with one member of the top level replaced, or removed when `json` is empty.
std::string With(std::string_view text, std::string_view key, std::string_view json) {
  boost::json::object object = Object(text);
  if (json.empty())
    object.erase(key);
  else
    object[key] = boost::json::parse(boost::json::string_view(json.data(), json.size()));
  return boost::json::serialize(object);
}

TEST(TableMetadata, ReadsV2) {
  const TableMetadata metadata = Parsed(kV2);
  EXPECT_EQ(metadata.format_version, 2);
  EXPECT_EQ(metadata.location, "s3://b/wh/t");
  EXPECT_EQ(metadata.last_sequence_number, 34);
  EXPECT_EQ(metadata.schema().schema_id(), 1);
  EXPECT_THAT(metadata.schema().identifier_ids(), ElementsAre(1));
  EXPECT_EQ(metadata.schema().FindById(1)->doc, "x \"it\" is");
  EXPECT_EQ(ToString(metadata.spec().fields.at(0).transform), "bucket[16]");
  EXPECT_TRUE(metadata.sort_order().fields.at(1).descending);
  EXPECT_FALSE(metadata.sort_order().fields.at(1).nulls_first);
  ASSERT_NE(metadata.current_snapshot(), nullptr);
  EXPECT_EQ(metadata.current_snapshot()->sequence_number, 34);
  EXPECT_EQ(metadata.current_snapshot()->parent_id, 3051729675574597004);
  EXPECT_EQ(metadata.current_snapshot()->summary.at("added-records"), "3");
  EXPECT_TRUE(metadata.refs.at("test").is_tag);
  EXPECT_EQ(metadata.refs.at("main").max_ref_age_ms, 9007199254740993) << "beyond 2^53";
  EXPECT_EQ(metadata.Property("grüße", ""), "\x01\\");
  EXPECT_EQ(metadata.Property("none", "fallback"), "fallback");
  EXPECT_EQ(metadata.statistics.at(0).snapshot_id, 3051729675574597004);
  EXPECT_EQ(metadata.FindRef("nobody"), nullptr);
  EXPECT_EQ(metadata.FindSchema(9), nullptr);
  EXPECT_EQ(metadata.FindSpec(9), nullptr);
  EXPECT_EQ(metadata.FindSortOrder(9), nullptr);
}

TEST(TableMetadata, WritesV2AsItWasRead) {
  EXPECT_EQ(Object(ToJson(Parsed(kV2))), Object(kV2));
  EXPECT_THAT(ToJson(Parsed(kV2)), Not(HasSubstr("\n")));
}

TEST(TableMetadata, KeepsUnknownMembersAtEveryLevel) {
  const TableMetadata metadata = Parsed(kV2);
  EXPECT_EQ(metadata.unknown.at("next-big-thing"), R"({"deep":[{"x":1E300},9007199254740993]})");
  EXPECT_EQ(metadata.schema().type().unknown.at("future-schema"), R"({"a":[1,2.5E0]})");
  EXPECT_EQ(metadata.schema().FindById(1)->unknown.at("write-default"), "1.425E1");
  EXPECT_EQ(metadata.schema().FindById(2)->type.list()->unknown.at("odd"), "true");
  EXPECT_EQ(metadata.spec().unknown.at("new"), "1");
  EXPECT_EQ(metadata.spec().fields.at(0).unknown.at("note"), "null");
  EXPECT_EQ(metadata.sort_order().unknown.at("why"), "\"speed\"");
  EXPECT_EQ(metadata.sort_order().fields.at(0).unknown.at("more"), "[]");
  EXPECT_EQ(metadata.current_snapshot()->unknown.at("key-id"), "\"k\"");
  EXPECT_EQ(metadata.refs.at("test").unknown.at("owner"), "\"me\"");
}

TEST(TableMetadata, KeepsNumbersOfUnknownMembersExactly) {
  for (const char* number :
       {"9223372036854775807", "18446744073709551615", "1.2345678901234567E-30",
        "2.2250738585072014E-308", "1.7976931348623157E308"}) {
    const TableMetadata metadata = Parsed(With(kV2, "future", "0"));
    std::string text = ToJson(metadata);
    text.replace(text.find("\"future\":0") + 9, 1, number);
    EXPECT_EQ(Parsed(text).unknown.at("future"), number);
    EXPECT_EQ(ToJson(Parsed(text)), text);
  }
  EXPECT_THAT(ParseTableMetadata(R"({"a":1e999999999})"), IsErrorWith(kBad, "not valid JSON"));
}

TEST(TableMetadata, ReadsV1AsOldWritersLeftIt) {
  const TableMetadata metadata = Parsed(kV1);
  EXPECT_EQ(metadata.format_version, 1);
  EXPECT_EQ(metadata.table_uuid, "");
  EXPECT_EQ(metadata.location, "s3://b/wh/t") << "no slash at the end";
  EXPECT_EQ(metadata.last_sequence_number, 0);
  EXPECT_EQ(metadata.schema().schema_id(), 0);
  EXPECT_EQ(metadata.spec().spec_id, 0);
  EXPECT_EQ(metadata.spec().fields.at(0).field_id, 1000);
  EXPECT_EQ(metadata.spec().fields.at(1).field_id, 1001);
  EXPECT_EQ(metadata.last_partition_id, 1001);
  EXPECT_TRUE(metadata.sort_order().unsorted());
  EXPECT_EQ(metadata.default_sort_order_id, 0);
  ASSERT_NE(metadata.current_snapshot(), nullptr);
  EXPECT_EQ(metadata.current_snapshot()->sequence_number, 0);
  EXPECT_THAT(metadata.current_snapshot()->manifests,
              ElementsAre("s3://b/m1.avro", "s3://b/m2.avro"));
  EXPECT_EQ(metadata.refs.at("main").snapshot_id, 7) << "from current-snapshot-id";
}

TEST(TableMetadata, WritesV1SoThatV1ReadersTakeIt) {
  const boost::json::object written = Object(ToJson(Parsed(kV1)));
  EXPECT_EQ(written.at("format-version"), 1);
  for (const char* key : {"location", "last-updated-ms", "last-column-id", "schema", "schemas",
                          "partition-spec", "partition-specs", "default-spec-id"})
    EXPECT_TRUE(written.contains(key)) << key;
  EXPECT_FALSE(written.contains("last-sequence-number"));
  EXPECT_FALSE(written.contains("table-uuid"));
  EXPECT_FALSE(written.at("snapshots").at(0).as_object().contains("sequence-number"));
  EXPECT_EQ(written.at("schema"), written.at("schemas").at(0));
  EXPECT_EQ(written.at("partition-spec"), written.at("partition-specs").at(0).at("fields"));
  EXPECT_EQ(Object(ToJson(Parsed(ToJson(Parsed(kV1))))), written);
}

TEST(TableMetadata, TakesMinusOneAndNullForNoSnapshot) {
  for (const char* none : {"-1", "null", ""}) {
    std::string text = With(kV1, "current-snapshot-id", none);
    text = With(text, "snapshots", "[]");
    const TableMetadata metadata = Parsed(text);
    EXPECT_EQ(metadata.current_snapshot(), nullptr);
    EXPECT_THAT(metadata.refs, IsEmpty());
    EXPECT_EQ(Object(ToJson(metadata)).at("current-snapshot-id"), -1);
  }
}

TEST(TableMetadata, MakesGoodWhatCarelessWritersLeaveOut) {
  std::string text = With(kV2, "last-column-id", "1");
  text = With(text, "last-partition-id", "999");
  const TableMetadata metadata = Parsed(text);
  EXPECT_EQ(metadata.last_column_id, 3);
  EXPECT_EQ(metadata.last_partition_id, 1000);
  EXPECT_EQ(Parsed(With(kV2, "refs", "")).refs.at("main").snapshot_id, 3055729675574597004);
  EXPECT_EQ(Parsed(With(kV2, "current-snapshot-id", "")).current_snapshot()->sequence_number, 34);
}

TEST(TableMetadata, RefusesLaterVersions) {
  EXPECT_THAT(ParseTableMetadata(With(kV2, "format-version", "3")),
              IsErrorWith(ErrorCode::kUnsupported, "format version 3"));
  EXPECT_THAT(ParseTableMetadata(With(kV2, "format-version", "0")),
              IsErrorWith(kBad, "format-version"));
}

TEST(TableMetadata, NamesTheFieldThatIsMissing) {
  for (const char* key :
       {"format-version", "table-uuid", "location", "last-sequence-number", "last-updated-ms",
        "last-column-id", "schemas", "current-schema-id", "partition-specs", "default-spec-id",
        "last-partition-id", "sort-orders", "default-sort-order-id"})
    EXPECT_THAT(ParseTableMetadata(With(kV2, key, "")), IsErrorWith(kBad, key));
  EXPECT_THAT(ParseTableMetadata(With(kV1, "schema", "")), IsErrorWith(kBad, "'schema'"));
  EXPECT_THAT(ParseTableMetadata(With(kV1, "partition-spec", "")),
              IsErrorWith(kBad, "'partition-spec'"));
  EXPECT_THAT(ParseTableMetadata(With(kV2, "snapshots", R"([{"snapshot-id":1}])")),
              IsErrorWith(kBad, "snapshots[0]: field 'timestamp-ms' is missing"));
}

TEST(TableMetadata, NamesTheFieldWhoseInvariantIsBroken) {
  const auto fails = [](std::string_view key, std::string_view json, std::string_view message) {
    EXPECT_THAT(ParseTableMetadata(With(kV2, key, json)), IsErrorWith(kBad, std::string(message)))
        << key << " " << json;
  };
  fails("current-schema-id", "5", "'current-schema-id' names no schema: 5");
  fails("default-spec-id", "5", "'default-spec-id' names no partition spec: 5");
  fails("default-sort-order-id", "5", "'default-sort-order-id' names no sort order: 5");
  fails("current-snapshot-id", "5", "'current-snapshot-id' is not what branch main says");
  fails("last-sequence-number", "33", "snapshots[1]: field 'sequence-number' is above");
  fails("refs", R"({"t":{"snapshot-id":5,"type":"tag"}})", "'refs' names no snapshot for 't': 5");
  fails("refs", R"({"t":{"snapshot-id":5,"type":"twig"}})", "refs: t: field 'type'");
  fails("refs", R"({"t":5})", "refs: t: field 't' must be an object");
  fails("snapshots", "[]", "'current-snapshot-id' names no snapshot");
  fails("snapshots", "[3]", "snapshots[0]: must be an object");
  fails("snapshot-log",
        R"([{"snapshot-id":1,"timestamp-ms":900000},{"snapshot-id":2,"timestamp-ms":1}])",
        "'snapshot-log' runs backwards");
  fails("properties", R"({"a":1})", "properties: field 'a' must be a string");
  fails("last-updated-ms", "\"x\"", "'last-updated-ms' must be a 64-bit integer");
  const std::string schema = R"({"type":"struct","schema-id":1,"fields":[]})";
  fails("schemas", "[" + schema + "," + schema + "]",
        "schemas[1]: field 'schema-id' is used twice: 1");
  fails("schemas",
        R"([{"type":"struct","schema-id":1,"fields":[
            {"id":1,"name":"a","required":true,"type":"lng"}]}])",
        "schemas[0]: fields[0]: column 'a': no such type: 'lng'");
  fails(
      "schemas",
      R"([{"type":"struct","schema-id":1,"fields":[{"id":1,"name":"a","required":true,"type":"int"},
            {"id":1,"name":"b","required":true,"type":"int"}]}])",
      "schemas[0]: field id used twice");
  fails(
      "partition-specs",
      R"([{"spec-id":0,"fields":[{"source-id":1,"field-id":1000,"name":"a","transform":"identity"},
            {"source-id":1,"name":"b","transform":"identity"}]}])",
      "partition-specs[0]: field 'field-id' must be in all partition fields or in none");
}

TEST(TableMetadata, RefusesATypeOfV3AsUnsupported) {
  const std::string schemas =
      R"([{"type":"struct","schema-id":1,"fields":[
          {"id":1,"name":"a","required":true,"type":"variant"}]}])";
  EXPECT_THAT(ParseTableMetadata(With(kV2, "schemas", schemas)),
              IsErrorWith(ErrorCode::kUnsupported, "variant"));
}

TEST(TableMetadata, SurvivesFlippedAndMissingBytes) {
  std::mt19937 random(20261122);
  int readable = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string text = round % 4 == 0 ? kV1 : kV2;
    const int flips = 1 + int(random() % 3);
    for (int i = 0; i < flips; ++i)
      text[random() % text.size()] =
          char(random() % 2 == 0 ? random() : "0\"{}[],:-"[random() % 9]);
    if (round % 5 == 0) text.resize(random() % text.size());
    const Result<TableMetadata> metadata = ParseTableMetadata(text);
    if (!metadata.ok()) continue;
    ++readable;
    const std::string written = ToJson(*metadata);
    const Result<TableMetadata> again = ParseTableMetadata(written);
    ASSERT_THAT(again, IsOk()) << text;
    ASSERT_EQ(ToJson(*again), written) << text;
  }
  EXPECT_GT(readable, 300) << "the test reaches beyond the JSON parser";
}

TEST(TableMetadata, FindsTheSnapshotOfATime) {
  const TableMetadata metadata = Parsed(kV2);
  const auto at = [&](int64_t time) { return SnapshotAsOf(metadata, time); };
  PK_ASSERT_OK(const auto first, at(1515100955770));
  EXPECT_EQ(first->snapshot_id, 3051729675574597004);
  PK_ASSERT_OK(const auto still_first, at(1555100955769));
  EXPECT_EQ(still_first, first);
  PK_ASSERT_OK(const auto second, at(1555100955770));
  EXPECT_EQ(second, metadata.current_snapshot());
  EXPECT_THAT(at(1515100955769),
              IsErrorWith(ErrorCode::kNotFound, "begins at 2018-01-04T21:22:35.77Z"));
  EXPECT_THAT(SnapshotAsOf(Parsed(kV1), 1), IsErrorWith(ErrorCode::kNotFound, "no history"));
  TableMetadata expired = metadata;
  expired.snapshots.erase(expired.snapshots.begin());
  EXPECT_THAT(SnapshotAsOf(expired, 1515100955771), IsErrorWith(ErrorCode::kNotFound, "expired"));
}

TEST(TableMetadata, KeepsTheMetadataLogShort) {
  TableMetadata metadata;
  for (int i = 0; i < 120; ++i) AppendMetadataLog(metadata, std::to_string(i), i);
  EXPECT_THAT(metadata.metadata_log, SizeIs(100));
  EXPECT_EQ(metadata.metadata_log.back(),
            (MetadataLogEntry{.timestamp_ms = 119, .metadata_file = "119"}));
  metadata.properties["write.metadata.previous-versions-max"] = "3";
  AppendMetadataLog(metadata, "120", 120);
  EXPECT_THAT(metadata.metadata_log, SizeIs(3));
  EXPECT_EQ(metadata.metadata_log.front().metadata_file, "118");
  metadata.properties["write.metadata.previous-versions-max"] = "0";
  AppendMetadataLog(metadata, "121", 121);
  EXPECT_THAT(metadata.metadata_log, SizeIs(1));
  metadata.properties["write.metadata.previous-versions-max"] = "many";
  AppendMetadataLog(metadata, "122", 122);
  EXPECT_THAT(metadata.metadata_log, SizeIs(2));
}

TEST(TableMetadata, NeverWritesTextThatItCannotReadAgain) {
  TableMetadata metadata = Parsed(kV2);
  metadata.properties["k"] = "a\xff\xc0z\xed\xa0\x80\xf0\x9f\x98\x80\t";
  PK_ASSERT_OK(const TableMetadata again, ParseTableMetadata(ToJson(metadata)));
  EXPECT_THAT(again.properties.at("k"), HasSubstr("\xf0\x9f\x98\x80\t"));
  EXPECT_THAT(again.properties.at("k"), HasSubstr("\xef\xbf\xbd"));
}

TEST(SchemaJson, RoundTripsAlone) {
  PK_ASSERT_OK(const Schema schema,
               ParseSchemaText("a map<string, list<struct<x: decimal(9,2) not null>>> not null, b "
                               "fixed[7] comment 'seven'"));
  PK_ASSERT_OK(const Schema again, ParseSchema(ToJson(schema)));
  EXPECT_EQ(again, schema);
  EXPECT_THAT(ParseSchema("{"), IsError(kBad));
  EXPECT_THAT(ParseSchema("[]"), IsError(kBad));
  EXPECT_THAT(ParseSchema(R"({"type":"list"})"), IsErrorWith(kBad, "must be struct"));
}

TEST(SpecJson, RoundTripsAlone) {
  const std::string text =
      R"({"spec-id":3,"fields":[{"source-id":4,"field-id":1000,"name":"d","transform":"day"}]})";
  PK_ASSERT_OK(const PartitionSpec spec, ParsePartitionSpec(text));
  EXPECT_EQ(spec.spec_id, 3);
  EXPECT_EQ(ToJson(spec), text);
}

}  // namespace
}  // namespace pk::iceberg
