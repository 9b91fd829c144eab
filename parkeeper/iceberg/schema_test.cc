#include "parkeeper/iceberg/schema.h"

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using pk::testing::IsOkAnd;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Schema Parsed(std::string_view text) {
  Result<Schema> schema = ParseSchemaText(text);
  EXPECT_THAT(schema, IsOk());
  return schema.ok() ? *schema : Schema();
}

Schema Sample() {
  return Parsed(
      "id long not null, point struct<x: double not null, y: double>, tags list<string>, "
      "visits map<string, struct<at: timestamptz, n: int>>");
}

TEST(Schema, FindsFieldsAtEveryDepth) {
  const Schema schema = Sample();
  for (const char* name : {"id", "point", "point.x", "tags.element", "visits.key", "visits.value",
                           "visits.value.at"}) {
    const Field* field = schema.FindByName(name);
    ASSERT_NE(field, nullptr) << name;
    EXPECT_EQ(schema.FindById(field->id), field);
    EXPECT_EQ(schema.FullName(field->id), name);
  }
  EXPECT_EQ(schema.FindByName("x"), nullptr);
  EXPECT_EQ(schema.FindByName(""), nullptr);
  EXPECT_EQ(schema.FindById(99), nullptr);
  EXPECT_EQ(schema.FullName(99), "");
}

TEST(Schema, FindsNamesWithoutRegardToCaseWhenExactlyOneMatches) {
  const Schema schema(StructType{
      {Field{.id = 1, .name = "Id"}, Field{.id = 2, .name = "a"}, Field{.id = 3, .name = "A"}}});
  EXPECT_EQ(schema.FindByName("ID"), nullptr);
  ASSERT_NE(schema.FindByName("ID", false), nullptr);
  EXPECT_EQ(schema.FindByName("ID", false)->id, 1);
  EXPECT_EQ(schema.FindByName("a", false), nullptr);
  EXPECT_EQ(schema.FindByName("a")->id, 2);
}

TEST(Schema, GivesThePathFromTheTop) {
  const Schema schema = Sample();
  const auto id = [&](const char* name) { return schema.FindByName(name)->id; };
  EXPECT_THAT(schema.PathTo(id("point.x")), ElementsAre(id("point"), id("point.x")));
  EXPECT_THAT(schema.PathTo(id("visits.value.at")),
              ElementsAre(id("visits"), id("visits.value"), id("visits.value.at")));
  EXPECT_THAT(schema.PathTo(id("id")), ElementsAre(id("id")));
  EXPECT_THAT(schema.PathTo(99), IsEmpty());
}

TEST(Schema, KnowsWhatIsRepeated) {
  const Schema schema = Sample();
  const auto repeated = [&](const char* name) {
    return schema.IsRepeated(schema.FindByName(name)->id);
  };
  EXPECT_TRUE(repeated("tags.element"));
  EXPECT_TRUE(repeated("visits.key"));
  EXPECT_TRUE(repeated("visits.value.at"));
  EXPECT_FALSE(repeated("tags"));
  EXPECT_FALSE(repeated("point.x"));
}

TEST(Schema, ComparesColumnsWithoutItsId) {
  const StructType type = Sample().type();
  EXPECT_TRUE(Schema(type, 0, {1, 2}).SameColumns(Schema(type, 1, {2, 1})));
  EXPECT_FALSE(Schema(type, 0).SameColumns(Schema(type, 0, {1})));
  EXPECT_NE(Schema(type, 0), Schema(type, 1));
  EXPECT_EQ(Schema(type, 1), Schema(type, 1));
}

TEST(Schema, NumbersFreshIdsAsTheReferenceImplementation) {
  int32_t last_id = 0;
  const Schema schema = AssignFreshIds(Sample(), 10, last_id);
  EXPECT_EQ(ToString(schema.type()),
            "struct<10: id: required long, 11: point: optional struct<14: x: required double, "
            "15: y: optional double>, 12: tags: optional list<string>, "
            "13: visits: optional map<string, struct<19: at: optional timestamptz, "
            "20: n: optional int>>>");
  EXPECT_EQ(schema.FindByName("tags.element")->id, 16);
  EXPECT_EQ(schema.FindByName("visits.key")->id, 17);
  EXPECT_EQ(schema.FindByName("visits.value")->id, 18);
  EXPECT_EQ(last_id, 20);
  EXPECT_EQ(schema.HighestFieldId(), 20);
}

TEST(Schema, CarriesIdentifiersOverToFreshIds) {
  int32_t last_id = 0;
  const Schema old(StructType{{Field{.id = 70, .name = "a", .required = true},
                               Field{.id = 80, .name = "b", .required = true}}},
                   3, {80});
  const Schema fresh = AssignFreshIds(old, 1, last_id);
  EXPECT_THAT(fresh.identifier_ids(), ElementsAre(2));
  EXPECT_EQ(fresh.schema_id(), 3);
}

TEST(Schema, RefusesBrokenRules) {
  const auto bad = ErrorCode::kInvalidArgument;
  const auto of = [](std::vector<Field> fields) { return Schema(StructType{std::move(fields)}); };
  EXPECT_THAT(Validate(Sample()), IsOk());
  EXPECT_THAT(Validate(of({{.id = 1, .name = "a"}, {.id = 1, .name = "b"}})),
              IsErrorWith(bad, "used twice, the second time for 'b': 1"));
  EXPECT_THAT(Validate(of({{.id = 1, .name = "a"}, {.id = 2, .name = "a"}})),
              IsErrorWith(bad, "same name: 'a'"));
  EXPECT_THAT(Validate(of({{.id = 1, .name = ""}})), IsErrorWith(bad, "no name"));
  EXPECT_THAT(Validate(of({{.id = -1, .name = "a"}})), IsErrorWith(bad, "out of bounds"));
  EXPECT_THAT(Validate(of({{.id = 2147483447, .name = "a"}})), IsErrorWith(bad, "out of bounds"));
  EXPECT_THAT(Validate(of({{.id = 1, .name = "a", .type = Decimal(39, 0)}})),
              IsErrorWith(bad, "column 'a': precision over 38"));
  EXPECT_THAT(Validate(of({{.id = 1, .name = "a", .type = Fixed(0)}})), IsErrorWith(bad, "'a'"));
  const Type inner = StructType{{Field{.id = 2, .name = "b"}}};
  EXPECT_THAT(Validate(of({{.id = 1, .name = "a", .type = inner}, {.id = 3, .name = "a.b"}})),
              IsErrorWith(bad, "same name: 'a.b'"));
  const Type list = ListType{.element_id = 1, .element = PrimitiveKind::kInt};
  EXPECT_THAT(Validate(of({{.id = 1, .name = "a", .type = list}})), IsErrorWith(bad, "used twice"));
}

TEST(Schema, RefusesIdentifiersThatCouldBeNullOrInexact) {
  const auto bad = ErrorCode::kInvalidArgument;
  const StructType type =
      Parsed(
          "id long not null, f double not null, o long, s struct<x: int not null>, "
          "l list<int not null> not null, r struct<x: int not null> not null")
          .type();
  const Schema names(type);
  const auto with = [&](const char* name) {
    return Validate(Schema(type, 0, {names.FindByName(name)->id}));
  };
  EXPECT_THAT(with("id"), IsOk());
  EXPECT_THAT(with("r.x"), IsOk());
  EXPECT_THAT(with("f"), IsErrorWith(bad, "float or double"));
  EXPECT_THAT(with("o"), IsErrorWith(bad, "optional"));
  EXPECT_THAT(with("s.x"), IsErrorWith(bad, "optional struct"));
  EXPECT_THAT(with("l.element"), IsErrorWith(bad, "list or map"));
  EXPECT_THAT(with("r"), IsErrorWith(bad, "not primitive"));
  EXPECT_THAT(Validate(Schema(type, 0, {99})), IsErrorWith(bad, "not in the schema: id 99"));
}

TEST(Schema, SelectsColumnsInItsOwnOrder) {
  const Schema schema = Sample();
  PK_ASSERT_OK(const Schema kept, Select(schema, {"tags", "point.y", "id"}));
  EXPECT_EQ(ToString(kept.type()),
            "struct<1: id: required long, 2: point: optional struct<6: y: optional double>, "
            "3: tags: optional list<string>>");
  PK_ASSERT_OK(const Schema nested, Select(schema, {"visits.value.n"}));
  EXPECT_EQ(ToString(nested.type()),
            "struct<4: visits: optional map<string, struct<11: n: optional int>>>");
  PK_ASSERT_OK(const Schema whole, Select(schema, {"visits.key", "point", "point.x"}));
  EXPECT_EQ(whole.fields(), (std::vector{schema.fields()[1], schema.fields()[3]}));
  PK_ASSERT_OK(const Schema none, Select(schema, {}));
  EXPECT_THAT(none.fields(), IsEmpty());
}

TEST(Schema, SelectKeepsTheIdentifiersThatAreLeft) {
  const StructType type = Parsed("a int not null, b int not null").type();
  PK_ASSERT_OK(const Schema kept, Select(Schema(type, 7, {1, 2}), {"b"}));
  EXPECT_THAT(kept.identifier_ids(), ElementsAre(2));
  EXPECT_EQ(kept.schema_id(), 7);
}

TEST(Schema, SelectNamesAnUnknownColumnAndTheNearestOnes) {
  const auto bad = ErrorCode::kInvalidArgument;
  const Schema schema = Parsed("l_shipdate date, l_quantity double, l_tax double, note string");
  EXPECT_THAT(Select(schema, {"l_shipdat"}),
              IsErrorWith(bad, "there is no column 'l_shipdat'; did you mean 'l_shipdate'"));
  EXPECT_THAT(Select(schema, {"L_TAX"}), IsErrorWith(bad, "did you mean 'l_tax'"));
  EXPECT_THAT(Select(schema, {"zzzzzz"}),
              IsErrorWith(bad, "there are 'l_shipdate', 'l_quantity', 'l_tax', ..."));
  EXPECT_THAT(Select(Schema(), {"a"}), IsErrorWith(bad, "there is no column 'a'"));
}

TEST(SchemaText, ReadsEveryType) {
  const Schema schema = Parsed(
      "a boolean, b int, c long, d float, e double, f decimal(9,2), g date, h time, i timestamp, "
      "j timestamptz, k string, l uuid, m fixed[16], n binary");
  EXPECT_EQ(ToString(schema.type()),
            "struct<1: a: optional boolean, 2: b: optional int, 3: c: optional long, "
            "4: d: optional float, 5: e: optional double, 6: f: optional decimal(9,2), "
            "7: g: optional date, 8: h: optional time, 9: i: optional timestamp, "
            "10: j: optional timestamptz, 11: k: optional string, 12: l: optional uuid, "
            "13: m: optional fixed[16], 14: n: optional binary>");
}

TEST(SchemaText, ReadsTheNamesOfSql) {
  const Schema schema = Parsed(
      "a bigint, b varchar(20), c INTEGER, d smallint, e real, f bytea, "
      "g timestamp with time zone, h timestamp without time zone, i numeric(9, 2), "
      "j double precision, k character varying(3), l bool, m decimal(5), n fixed(3), "
      "o timestamp(6) with time zone not null");
  std::vector<std::string> types;
  for (const Field& field : schema.fields()) types.push_back(ToString(field.type));
  EXPECT_THAT(types, ElementsAre("long", "string", "int", "int", "float", "binary", "timestamptz",
                                 "timestamp", "decimal(9,2)", "double", "string", "boolean",
                                 "decimal(5,0)", "fixed[3]", "timestamptz"));
  EXPECT_TRUE(schema.fields().back().required);
}

TEST(SchemaText, ReadsNestedTypesNullabilityNamesAndComments) {
  const Schema schema = Parsed(
      "\n ts timestamptz not null comment 'when it''s seen', \"with \"\"odd\"\" name.\" int null,"
      "tags array<string not null>, `größe` map<string, list<int> not null> NOT NULL,"
      "größe2 struct<x double, y: double not null>");
  ASSERT_EQ(schema.fields().size(), 5u);
  EXPECT_TRUE(schema.fields()[0].required);
  EXPECT_EQ(schema.fields()[0].doc, "when it's seen");
  EXPECT_EQ(schema.fields()[1].name, "with \"odd\" name.");
  EXPECT_FALSE(schema.fields()[1].required);
  EXPECT_TRUE(schema.fields()[2].type.list()->element_required);
  EXPECT_EQ(schema.fields()[3].name, "größe");
  EXPECT_TRUE(schema.fields()[3].required);
  EXPECT_TRUE(schema.fields()[3].type.map()->value_required);
  EXPECT_FALSE(schema.FindByName("größe2.x")->required);
  EXPECT_TRUE(schema.FindByName("größe2.y")->required);
}

TEST(SchemaText, GivesThePositionOfAMistake) {
  const auto bad = ErrorCode::kInvalidArgument;
  EXPECT_THAT(ParseSchemaText(""), IsErrorWith(bad, "character 1: expected a column name"));
  EXPECT_THAT(ParseSchemaText("a"), IsErrorWith(bad, "character 2: expected a type"));
  EXPECT_THAT(ParseSchemaText("a int,"), IsErrorWith(bad, "character 7: expected a column name"));
  EXPECT_THAT(ParseSchemaText("a int b"), IsErrorWith(bad, "character 7: expected ',' or the end"));
  EXPECT_THAT(ParseSchemaText("a int, b nonsense"),
              IsErrorWith(bad, "character 10: no such type: 'nonsense'"));
  EXPECT_THAT(ParseSchemaText("a decimal(39,2)"), IsErrorWith(bad, "character 3: precision over"));
  EXPECT_THAT(ParseSchemaText("a list<int"), IsErrorWith(bad, "expected '>', found the end"));
  EXPECT_THAT(ParseSchemaText("a map<int>"), IsErrorWith(bad, "expected ','"));
  EXPECT_THAT(ParseSchemaText("a int not"), IsErrorWith(bad, "expected 'null'"));
  EXPECT_THAT(ParseSchemaText("\"a int"), IsErrorWith(bad, "character 1: a quoted text does not"));
  EXPECT_THAT(ParseSchemaText("1a int"), IsErrorWith(bad, "expected a column name"));
  EXPECT_THAT(ParseSchemaText("a int, a long"), IsErrorWith(bad, "same name: 'a'"));
  EXPECT_THAT(ParseSchemaText("a timestamp_ns"),
              IsErrorWith(ErrorCode::kUnsupported, "later format version"));
  std::string deep = "a ";
  for (int i = 0; i < 1000; ++i) deep += "list<";
  EXPECT_THAT(ParseSchemaText(deep), IsErrorWith(bad, "too deeply"));
}

}  // namespace
}  // namespace pk::iceberg
