#include "parkeeper/datafile/parquet_reader.h"

#include <gtest/gtest.h>

#include "parkeeper/storage/local.h"
#include "tests/support/matchers.h"
#include "tests/support/read_all.h"

namespace pk::datafile {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using testing::ReadLines;
using ::testing::SizeIs;
using Lines = std::vector<std::string>;

// Files that pyarrow wrote, see tests/golden/parquet/generate.py.
class Golden : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = storage::OpenLocal(PARKEEPER_SOURCE_DIR "/tests/golden/parquet");
    ASSERT_THAT(opened, IsOk());
    storage_ = std::move(opened).value();
  }
  iceberg::DataFile File(const std::string& name) const {
    iceberg::DataFile file;
    file.location = storage_->root() + "/" + name + ".parquet";
    return file;
  }
  static std::shared_ptr<const iceberg::Schema> SchemaOf(const std::string& text) {
    return std::make_shared<const iceberg::Schema>(iceberg::ParseSchemaText(text).value());
  }
  // A schema whose ids are not those that a text would give.
  static std::shared_ptr<const iceberg::Schema> Fields(std::vector<iceberg::Field> fields) {
    return std::make_shared<const iceberg::Schema>(iceberg::StructType{std::move(fields)});
  }
  static iceberg::Field Column(int32_t id, std::string name, iceberg::Type type,
                               bool required = false) {
    return {.id = id,
            .name = std::move(name),
            .required = required,
            .type = std::move(type),
            .doc = std::nullopt};
  }
  Result<Lines> Read(const std::string& name, std::shared_ptr<const iceberg::Schema> schema) {
    ReaderOptions options;
    options.projection = schema;
    options.table_schema = std::move(schema);
    return ReadLines(OpenParquet(*storage_, File(name), options));
  }
  Result<Lines> Read(const std::string& name, const std::string& schema) {
    return Read(name, SchemaOf(schema));
  }

  std::unique_ptr<storage::Storage> storage_;
};

using K = iceberg::PrimitiveKind;

TEST_F(Golden, FilesWithoutIdsAreReadByTheSchemasNames) {
  EXPECT_THAT(Read("no_ids", "price decimal(9,2), id long, other int, name string"),
              IsOkAnd(ElementsAre(R"({"price":"1.50","id":1,"other":null,"name":"a"})",
                                  R"({"price":null,"id":2,"other":null,"name":null})",
                                  R"({"price":"-9999999.99","id":3,"other":null,"name":"c"})")));
}

TEST_F(Golden, FilesWithoutIdsAreReadByAMapping) {
  auto schema = Fields({Column(7, "renamed", K::kString)});
  ReaderOptions options;
  options.projection = schema;
  options.table_schema = schema;
  options.name_mapping =
      iceberg::NameMapping{{{.names = {"was", "name"}, .field_id = 7, .fields = {}}}};
  EXPECT_THAT(
      ReadLines(OpenParquet(*storage_, File("no_ids"), options)),
      IsOkAnd(ElementsAre(R"({"renamed":"a"})", R"({"renamed":null})", R"({"renamed":"c"})")));
}

TEST_F(Golden, ColumnsAreFoundByIdWhateverTheirNames) {
  auto schema = Fields({Column(1, "a", K::kLong, true), Column(2, "b", K::kString)});
  EXPECT_THAT(
      Read("renamed", schema),
      IsOkAnd(ElementsAre(R"({"a":1,"b":"x"})", R"({"a":2,"b":null})", R"({"a":3,"b":"z"})")));
}

TEST_F(Golden, AMissingRequiredColumnIsCorruption) {
  EXPECT_THAT(
      Read("renamed", Fields({Column(5, "wanted", K::kLong, true)})),
      IsErrorWith(ErrorCode::kCorrupt, "column 'wanted' is required and the file lacks it"));
}

TEST_F(Golden, ANullInARequiredColumnIsCorruption) {
  EXPECT_THAT(Read("renamed", Fields({Column(2, "b", K::kString, true)})),
              IsErrorWith(ErrorCode::kCorrupt, "column 'b' is required and holds nulls"));
}

TEST_F(Golden, AColumnOfAnotherTypeIsCorruptionThatNamesFileAndTypes) {
  auto lines = Read("renamed", Fields({Column(2, "b", K::kLong)}));
  EXPECT_THAT(lines, IsErrorWith(ErrorCode::kCorrupt,
                                 "column 'b' is stored as string, which cannot be read as long"));
  EXPECT_THAT(lines, IsErrorWith(ErrorCode::kCorrupt, "renamed.parquet"));
}

TEST_F(Golden, TimestampsOfOtherUnitsBecomeMicroseconds) {
  EXPECT_THAT(
      Read("int96", "id int, at timestamp"),
      IsOkAnd(ElementsAre(R"({"id":1,"at":"1969-12-31T23:59:59.123456"})", R"({"id":2,"at":null})",
                          R"({"id":3,"at":"2024-05-01T12:00:00"})")));
  EXPECT_THAT(
      Read("nanos", "at timestamp, ms timestamp"),
      IsOkAnd(ElementsAre(R"({"at":"1969-12-31T23:59:59.123456","ms":"1969-12-31T23:59:59.124"})",
                          R"({"at":null,"ms":null})",
                          R"({"at":"2024-05-01T12:00:00","ms":"2024-05-01T12:00:00"})")));
}

TEST_F(Golden, PromotedTypesAreReadFromTheOldOnes) {
  EXPECT_THAT(Read("promoted", "i long, f double, d decimal(20,2), u long"),
              IsOkAnd(ElementsAre(
                  R"({"i":1,"f":1.5,"d":"1.50","u":1})", R"({"i":null,"f":null,"d":null,"u":null})",
                  R"({"i":-2147483648,"f":-0.25,"d":"-9999999.99","u":4294967295})")));
  EXPECT_THAT(Read("promoted_fixed", Fields({Column(3, "d", iceberg::Decimal(38, 2))})),
              IsOkAnd(ElementsAre(R"({"d":"1.50"})", R"({"d":null})", R"({"d":"-9999999.99"})")));
  EXPECT_THAT(Read("promoted_fixed", Fields({Column(3, "d", iceberg::Decimal(20, 3))})),
              IsErrorWith(ErrorCode::kCorrupt, "cannot be read as decimal(20,3)"));
}

TEST_F(Golden, NestedColumnsAreProjectedMemberByMember) {
  iceberg::StructType point{
      {Column(12, "name", K::kString), Column(19, "new", K::kInt), Column(11, "x", K::kLong)}};
  iceberg::StructType item{{Column(42, "size", K::kDouble)}};
  auto schema =
      Fields({Column(4, "items", iceberg::ListType{.element_id = 40, .element = item}),
              Column(1, "point", point),
              Column(2, "tags", iceberg::ListType{.element_id = 21, .element = K::kString}),
              Column(3, "prices",
                     iceberg::MapType{
                         .key_id = 31, .key = K::kString, .value_id = 32, .value = K::kLong})});
  EXPECT_THAT(
      Read("nested", schema),
      IsOkAnd(ElementsAre(
          R"({"items":[{"size":1.5},null],"point":{"name":"a","new":null,"x":1},)"
          R"("tags":["s",null],"prices":{"k":5}})",
          R"({"items":null,"point":null,"tags":[],"prices":{}})",
          R"({"items":[],"point":{"name":"c","new":null,"x":null},"tags":null,"prices":null})")));
}

TEST_F(Golden, AStructNoneOfWhoseMembersIsThereKeepsItsNulls) {
  auto schema = Fields({Column(1, "point", iceberg::StructType{{Column(19, "new", K::kInt)}})});
  EXPECT_THAT(Read("nested", schema),
              IsOkAnd(ElementsAre(R"({"point":{"new":null}})", R"({"point":null})",
                                  R"({"point":{"new":null}})")));
}

TEST_F(Golden, AColumnThatOnlyThePartitionTellsIsFilledIn) {
  auto schema = Fields({Column(1, "a", K::kInt), Column(5, "region", K::kString)});
  iceberg::PartitionSpec spec{
      .spec_id = 0,
      .fields = {{.source_id = 5, .field_id = 1000, .name = "region", .transform = {}}}};
  iceberg::DataFile file = File("renamed");
  file.partition = {iceberg::Value(std::string("north"))};
  ReaderOptions options;
  options.projection = schema;
  options.table_schema = schema;
  options.spec = &spec;
  EXPECT_THAT(ReadLines(OpenParquet(*storage_, file, options)),
              IsOkAnd(ElementsAre(R"({"a":1,"region":"north"})", R"({"a":2,"region":"north"})",
                                  R"({"a":3,"region":"north"})")));
}

TEST_F(Golden, ADescriptionTellsColumnsAndRows) {
  PK_ASSERT_OK(auto file, storage_->Open(File("pages").location));
  PK_ASSERT_OK(auto summary, DescribeParquet(*file));
  EXPECT_TRUE(summary.has_field_ids);
  EXPECT_EQ(summary.rows, 5000);
  EXPECT_EQ(summary.row_groups, 3);
  EXPECT_THAT(summary.created_by, HasSubstr("parquet-cpp"));
  ASSERT_THAT(summary.schema.fields(), SizeIs(4));
  EXPECT_EQ(summary.schema.fields()[1].name, "word");
  PK_ASSERT_OK(auto plain, storage_->Open(File("no_ids").location));
  PK_ASSERT_OK(auto without, DescribeParquet(*plain));
  EXPECT_FALSE(without.has_field_ids);
}

TEST_F(Golden, AFileOfAnotherLengthThanItsMetadataSayIsCorruption) {
  iceberg::DataFile file = File("renamed");
  file.file_size = 99;
  ReaderOptions options;
  options.projection = SchemaOf("a int");
  EXPECT_THAT(OpenParquet(*storage_, file, options),
              IsErrorWith(ErrorCode::kCorrupt, "its metadata say 99"));
}

// Filters over `pages`: 5,000 rows in row groups of 2,000 and small pages, ascending ids.
class GoldenPages : public Golden {
 protected:
  Result<Lines> Where(const std::string& filter, const std::string& columns = "id long not null") {
    schema_ = SchemaOf("id long not null, word string, text string, quarter double");
    ReaderOptions options;
    auto projection = iceberg::ParseSchemaText(columns);
    if (!projection.ok()) return std::move(projection).error();
    options.projection = std::make_shared<const iceberg::Schema>(*projection);
    options.table_schema = schema_;
    options.filter = PK_TRY(iceberg::Bind(PK_TRY(iceberg::ParseExpression(filter)), *schema_));
    options.counters = &counters_;
    return ReadLines(OpenParquet(*storage_, File("pages"), options));
  }
  std::shared_ptr<const iceberg::Schema> schema_;
  ReadCounters counters_;
};

TEST_F(GoldenPages, AreSkippedByRowGroupStatistics) {
  EXPECT_THAT(Where("id >= 4990 and id < 4993"),
              IsOkAnd(ElementsAre(R"({"id":4990})", R"({"id":4991})", R"({"id":4992})")));
  EXPECT_EQ(counters_.row_groups, 3);
  EXPECT_EQ(counters_.row_groups_skipped, 2);
  EXPECT_EQ(counters_.rows, 3);
}

TEST_F(GoldenPages, AreSkippedByThePageIndex) {
  EXPECT_THAT(Where("id in (3, 1500)"), IsOkAnd(ElementsAre(R"({"id":3})", R"({"id":1500})")));
  EXPECT_GT(counters_.rows_skipped_by_pages, 1000);
  EXPECT_EQ(counters_.rows_decoded + counters_.rows_skipped_by_pages, 2000);
}

TEST_F(GoldenPages, AreSkippedByBloomFilters) {
  EXPECT_THAT(Where("text = 'unique text number 12x'"), IsOkAnd(SizeIs(0)));
  EXPECT_EQ(counters_.row_groups_skipped_by_bloom, 3);
  EXPECT_THAT(Where("text = 'unique text number 7919'"), IsOkAnd(SizeIs(0)));
  EXPECT_THAT(Where("text = 'unique text number 2919'"), IsOkAnd(ElementsAre(R"({"id":1})")));
}

TEST_F(GoldenPages, WhoseRowsAllPassAreNotTested) {
  EXPECT_THAT(Where("id >= 0"), IsOkAnd(SizeIs(5000)));
  EXPECT_EQ(counters_.rows_decoded, 5000);
}

TEST_F(GoldenPages, GiveTheirRowsToOneSplitOnly) {
  PK_ASSERT_OK(auto file, storage_->Open(File("pages").location));
  const int64_t size = file->size();
  size_t rows = 0;
  for (int64_t split = 0; split < 7; ++split) {
    ReaderOptions options;
    options.projection = SchemaOf("id long not null");
    options.begin = size * split / 7;
    options.end = size * (split + 1) / 7;
    PK_ASSERT_OK(auto lines, ReadLines(OpenParquet(*storage_, File("pages"), options)));
    rows += lines.size();
  }
  EXPECT_EQ(rows, 5000);
}

}  // namespace
}  // namespace pk::datafile
