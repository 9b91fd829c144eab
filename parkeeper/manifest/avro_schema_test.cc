#include "parkeeper/manifest/avro_schema.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::manifest::avro {
namespace {

using pk::testing::IsErrorWith;

TEST(AvroSchema, ReadsRecordsWithFieldIdsAndOptionals) {
  PK_ASSERT_OK(const Schema schema, Schema::Parse(R"({"type": "record", "name": "r", "fields": [
    {"name": "a", "type": "int", "field-id": 7},
    {"name": "b", "type": ["null", "string"], "default": null, "field-id": 8},
    {"name": "c", "type": {"type": "array", "items": "long", "element-id": 9}}]})"));
  const Type& root = schema.root();
  ASSERT_EQ(root.kind, Kind::kRecord);
  ASSERT_EQ(root.fields.size(), 3u);
  EXPECT_EQ(root.fields[0].id, 7);
  EXPECT_EQ(root.fields[1].type->kind, Kind::kUnion);
  EXPECT_EQ(root.fields[1].type->parts[1]->kind, Kind::kString);
  EXPECT_EQ(root.fields[2].id, std::nullopt);
  EXPECT_EQ(root.fields[2].type->parts[0]->kind, Kind::kLong);
  EXPECT_EQ(root.min_size, 3u);
}

TEST(AvroSchema, ReadsLogicalTypes) {
  PK_ASSERT_OK(const Schema schema, Schema::Parse(R"({"type": "fixed", "name": "d", "size": 4,
                                 "logicalType": "decimal", "precision": 9, "scale": 2})"));
  EXPECT_EQ(schema.root().size, 4);
  EXPECT_EQ(schema.root().logical_type, "decimal");
  EXPECT_EQ(schema.root().precision, 9);
  EXPECT_EQ(schema.root().scale, 2);
}

TEST(AvroSchema, ReusesNamedTypesWithTheirNamespaces) {
  PK_ASSERT_OK(const Schema schema, Schema::Parse(R"({
    "type": "record", "name": "r", "namespace": "x.y", "fields": [
    {"name": "a", "type": {"type": "fixed", "name": "f", "size": 3}},
    {"name": "b", "type": "f"},
    {"name": "c", "type": "x.y.f"},
    {"name": "d", "type": {"type": "f"}},
    {"name": "e", "type": {"type": "enum", "name": "other.e", "symbols": ["A", "B"]}}]})"));
  const auto& fields = schema.root().fields;
  EXPECT_EQ(fields[0].type, fields[1].type);
  EXPECT_EQ(fields[0].type, fields[2].type);
  EXPECT_EQ(fields[0].type, fields[3].type);
  EXPECT_EQ(fields[4].type->symbols, 2);
}

// Not allowed by the specification, but PyIceberg writes it.
TEST(AvroSchema, TakesTheLatestOfSeveralDefinitions) {
  PK_ASSERT_OK(const Schema schema, Schema::Parse(R"({"type": "record", "name": "r", "fields": [
    {"name": "a", "type": {"type": "fixed", "name": "f", "size": 3}},
    {"name": "b", "type": {"type": "fixed", "name": "f", "size": 4}},
    {"name": "c", "type": "f"}]})"));
  EXPECT_EQ(schema.root().fields[0].type->size, 3);
  EXPECT_EQ(schema.root().fields[2].type->size, 4);
}

TEST(AvroSchema, AllowsRecursionThroughAUnionOnly) {
  PK_ASSERT_OK(const Schema schema, Schema::Parse(R"({"type": "record", "name": "node", "fields": [
    {"name": "next", "type": ["null", "node"]}]})"));
  EXPECT_EQ(schema.root().fields[0].type->parts[1], &schema.root());
  EXPECT_THAT(Schema::Parse(R"({"type": "record", "name": "node", "fields": [
    {"name": "next", "type": "node"}]})"),
              IsErrorWith(ErrorCode::kCorrupt, "contains itself"));
}

TEST(AvroSchema, RefusesWhatIsNoSchema) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "Avro schema"},
      {"[]", "no branches"},
      {"7", "a type"},
      {"{}", "no 'type'"},
      {R"("strange")", "strange"},
      {R"([["int"]])", "holds a union"},
      {R"({"type": "array"})", "items"},
      {R"({"type": "map"})", "values"},
      {R"({"type": "record", "name": "r"})", "fields"},
      {R"({"type": "record", "fields": []})", "name"},
      {R"({"type": "fixed", "name": "f", "size": -1})", "-1"},
      {R"({"type": "record", "name": "r", "fields": [
             {"name": "a", "type": "int", "field-id": "x"}]})",
       "field-id"},
      {R"({"type": "record", "name": "r", "fields": [{"name": "a"}]})", "no type"},
  };
  for (const auto& [json, text] : cases)
    EXPECT_THAT(Schema::Parse(json), IsErrorWith(ErrorCode::kCorrupt, text)) << json;
}

TEST(AvroSchema, SurvivesAChainOfRecordsThatWouldBeHugeWhenWrittenOut) {
  std::string json =
      R"([{"type": "record", "name": "r0", "fields": [{"name": "a", "type": "int"}]})";
  for (int i = 1; i < 200; ++i) {
    json += fmt::format(
        R"(,{{"type": "record", "name": "r{0}", "fields": [{{"name": "a", "type": "r{1}"}},)"
        R"({{"name": "b", "type": "r{1}"}}]}})",
        i, i - 1);
  }
  PK_ASSERT_OK(const Schema schema, Schema::Parse(json + "]"));
  EXPECT_EQ(schema.root().parts.back()->min_size, 4096u);
}

}  // namespace
}  // namespace pk::manifest::avro
