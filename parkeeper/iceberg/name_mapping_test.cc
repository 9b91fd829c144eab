#include "parkeeper/iceberg/name_mapping.h"

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using pk::testing::IsErrorWith;
using ::testing::ElementsAre;

TEST(NameMapping, ReadsTheExampleOfTheSpecification) {
  PK_ASSERT_OK(const NameMapping mapping, ParseNameMapping(R"json(
      [ { "field-id": 1, "names": ["id", "record_id"] },
        { "field-id": 2, "names": ["data"] },
        { "names": ["location"], "fields": [
            { "field-id": 4, "names": ["latitude", "lat"] },
            { "field-id": 5, "names": [] } ] } ])json"));
  ASSERT_EQ(mapping.fields.size(), 3u);
  EXPECT_THAT(mapping.fields[0].names, ElementsAre("id", "record_id"));
  EXPECT_EQ(mapping.fields[2].field_id, std::nullopt);
  EXPECT_EQ(mapping.fields[2].fields[0].field_id, 4);
  PK_ASSERT_OK(const NameMapping again, ParseNameMapping(ToJson(mapping)));
  EXPECT_EQ(again, mapping);
}

TEST(NameMapping, SaysWhatIsWrong) {
  EXPECT_THAT(ParseNameMapping("{}"), IsErrorWith(ErrorCode::kCorrupt, "must be an array"));
  EXPECT_THAT(ParseNameMapping(R"([{"field-id":1}])"),
              IsErrorWith(ErrorCode::kCorrupt, "fields[0]: field 'names' is missing"));
  EXPECT_THAT(ParseNameMapping(R"([{"field-id":"1","names":[]}])"),
              IsErrorWith(ErrorCode::kCorrupt, "'field-id' must be a 64-bit integer"));
}

TEST(NameMapping, FollowsASchema) {
  PK_ASSERT_OK(const Schema schema,
               ParseSchemaText("id long, tags list<string>, m map<string, struct<x: int>>"));
  EXPECT_EQ(ToJson(MappingOf(schema)),
            R"([{"field-id":1,"names":["id"]},)"
            R"({"field-id":2,"names":["tags"],"fields":[{"field-id":4,"names":["element"]}]},)"
            R"({"field-id":3,"names":["m"],"fields":[{"field-id":5,"names":["key"]},)"
            R"({"field-id":6,"names":["value"],"fields":[{"field-id":7,"names":["x"]}]}]}])");
}

}  // namespace
}  // namespace pk::iceberg
