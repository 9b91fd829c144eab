// Metadata that others wrote (tests/golden/generate_metadata.py) and that the specification's
// examples show: we read it, and writing gives it back as JSON, but for the normalisation below.

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "parkeeper/iceberg/table_metadata.h"
#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

namespace bj = boost::json;
using pk::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::SizeIs;

std::string Golden(const std::string& name) {
  std::ifstream file(std::string(PARKEEPER_SOURCE_DIR "/tests/golden/metadata/") + name);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

TableMetadata Parsed(const std::string& name) {
  Result<TableMetadata> metadata = ParseTableMetadata(Golden(name));
  EXPECT_THAT(metadata, IsOk()) << name;
  return metadata.ok() ? *std::move(metadata) : TableMetadata{};
}

// What writing changes, all of it: lists that may be left out are written, an empty list of
// identifiers is not, parameters of types have no blanks, and the lists of v2 are added to v1's
// single schema and spec.
bj::object Normalised(bj::object object) {
  for (const char* list :
       {"snapshots", "statistics", "partition-statistics", "snapshot-log", "metadata-log"})
    if (!object.contains(list)) object[list] = bj::array{};
  if (!object.contains("current-snapshot-id")) object["current-snapshot-id"] = -1;
  if (!object.contains("schemas")) object["schemas"] = bj::array{object["schema"]};
  const auto trim = [](bj::value& schema) {
    if (!schema.as_object().contains("schema-id")) schema.as_object()["schema-id"] = 0;
    if (const bj::value* ids = schema.as_object().if_contains("identifier-field-ids"))
      if (ids->as_array().empty()) schema.as_object().erase("identifier-field-ids");
  };
  for (bj::value& schema : object["schemas"].as_array()) trim(schema);
  if (object.contains("schema")) trim(object["schema"]);
  if (!object.contains("current-schema-id")) object["current-schema-id"] = 0;
  if (!object.contains("partition-specs")) {
    int64_t id = kFirstPartitionFieldId;
    for (bj::value& field : object["partition-spec"].as_array())
      field.as_object().emplace("field-id", id++);
    object["last-partition-id"] = id - 1;
    object["default-spec-id"] = 0;
    object["partition-specs"] =
        bj::array{bj::object{{"spec-id", 0}, {"fields", object["partition-spec"]}}};
  }
  if (!object.contains("sort-orders")) {
    object["default-sort-order-id"] = 0;
    object["sort-orders"] = bj::array{bj::object{{"order-id", 0}, {"fields", bj::array{}}}};
  }
  if (!object.contains("refs"))
    object["refs"] = bj::object{
        {"main", bj::object{{"snapshot-id", object["current-snapshot-id"]}, {"type", "branch"}}}};
  std::string location(object["location"].as_string());
  if (location.ends_with('/')) location.pop_back();
  object["location"] = location;
  return object;
}

TEST(GoldenMetadata, IsWrittenAsItWasRead) {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(PARKEEPER_SOURCE_DIR "/tests/golden/metadata")) {
    const std::string name = entry.path().filename();
    std::string text = Golden(name);
    for (size_t at; (at = text.find("(9, 2)")) != std::string::npos;) text.replace(at, 6, "(9,2)");
    const bj::object expected = Normalised(bj::parse(text).as_object());
    const bj::object written = bj::parse(ToJson(Parsed(name))).as_object();
    for (const auto& member : expected)
      EXPECT_EQ(written.contains(member.key()) ? written.at(member.key()) : nullptr, member.value())
          << name << ": " << member.key();
    EXPECT_EQ(written.size(), expected.size()) << name;
    ++files;
  }
  EXPECT_EQ(files, 5u);
}

TEST(GoldenMetadata, HoldsEveryTypeAndAnEvolvedSpec) {
  const TableMetadata metadata = Parsed("pyiceberg-partitioned.json");
  EXPECT_EQ(ToString(metadata.schema().type()),
            "struct<1: id: required long, 2: ts: optional timestamptz, 3: name: optional string, "
            "4: flag: optional boolean, 5: small: optional int, 6: real: optional float, "
            "7: precise: optional double, 8: price: optional decimal(9,2), "
            "9: day: optional date, 10: clock: optional time, 11: local: optional timestamp, "
            "12: guid: optional uuid, 13: code: optional fixed[16], 14: bytes: optional binary, "
            "15: tags: optional list<string>, 16: counts: optional map<string, long>, "
            "17: point: optional struct<21: x: required double, 22: y: optional double>>");
  EXPECT_THAT(metadata.schema().identifier_ids(), ElementsAre(1));
  EXPECT_THAT(metadata.specs, SizeIs(2));
  EXPECT_EQ(metadata.spec().fields.back().name, "day");
  EXPECT_TRUE(metadata.sort_order().fields.front().descending);
  EXPECT_EQ(metadata.Property("owner", ""), "Zoë");
  EXPECT_EQ(metadata.current_snapshot(), nullptr);
}

TEST(GoldenMetadata, HoldsAHistoryWithRefs) {
  const TableMetadata metadata = Parsed("pyiceberg-history.json");
  EXPECT_THAT(metadata.snapshots, SizeIs(5));
  EXPECT_EQ(metadata.current_snapshot()->sequence_number, metadata.last_sequence_number);
  EXPECT_TRUE(metadata.refs.at("first").is_tag);
  EXPECT_EQ(metadata.refs.at("dev").min_snapshots_to_keep, 2);
  PK_ASSERT_OK(const auto first,
               SnapshotAsOf(metadata, metadata.snapshot_log.front().timestamp_ms));
  EXPECT_EQ(first, metadata.FindRef("first"));
}

TEST(GoldenMetadata, HoldsVersion1) {
  const TableMetadata metadata = Parsed("pyiceberg-version-1.json");
  EXPECT_EQ(metadata.format_version, 1);
  EXPECT_EQ(metadata.last_sequence_number, 0);
  EXPECT_EQ(metadata.current_snapshot()->summary.at("total-records"), "4");
}

}  // namespace
}  // namespace pk::iceberg
