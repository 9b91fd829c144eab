#include "parkeeper/iceberg/table_commit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "parkeeper/base/json.h"
#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using testing::IsErrorWith;

TableCommit Append() {
  DataFile file;
  file.location = "file:///lake/t/data/a \"quoted\".parquet";
  file.spec_id = 2;
  file.partition = {Value(),
                    true,
                    int32_t{-5},
                    std::numeric_limits<int64_t>::min(),
                    -0.0f,
                    std::numeric_limits<double>::infinity(),
                    Int128(-1) << 100,
                    std::string("\0\xff text", 7)};
  file.record_count = 1'000;
  file.file_size = 12'345;
  file.column_sizes = {{1, 10}, {2, 20}};
  file.value_counts = {{1, 1'000}};
  file.null_counts = {{1, 0}};
  file.nan_counts = {{3, 7}};
  file.lower_bounds = {{1, std::string("\x01\x00\x00\x00", 4)}, {7, ""}};
  file.upper_bounds = {{1, "\xff\xfe"}};
  file.key_metadata = std::string("\0k", 2);
  file.split_offsets = {4, 1'000'000'000'000};
  file.equality_ids = {1, 2};
  file.sort_order_id = 1;
  file.content = FileContent::kEqualityDeletes;
  file.referenced_data_file = "file:///lake/t/data/b.parquet";
  DataFile plain;
  plain.location = "memory://lake/plain.parquet";
  AppendFiles append;
  append.branch = "audit";
  append.files = {file, plain};
  append.schema_id = 3;
  append.summary = {{"offset", "17"}};
  return {.id = *Uuid::Parse("0190163d-8694-739b-aea5-966c26f8ad91"),
          .change = append,
          .oldest_file_ms = 1'700'000'000'123};
}

TEST(TableCommitJson, GivesAppendsBackAsTheyWere) {
  const TableCommit commit = Append();
  PK_ASSERT_OK(const TableCommit read, ParseTableCommit(ToJson(commit)));
  EXPECT_EQ(read, commit);
}

TEST(TableCommitJson, KeepsTheBitsOfEveryFloat) {
  TableCommit commit = Append();
  const float nan = std::bit_cast<float>(uint32_t{0xFFC12345});
  std::get<AppendFiles>(commit.change).files[0].partition = {nan};
  PK_ASSERT_OK(const TableCommit read, ParseTableCommit(ToJson(commit)));
  const Value value = std::get<AppendFiles>(read.change).files[0].partition[0];
  EXPECT_EQ(std::bit_cast<uint32_t>(std::get<float>(value)), 0xFFC12345u);
}

TEST(TableCommitJson, GivesUpdatesBackAsTheyWere) {
  UpdateTable update;
  update.requirements = {AssertRefSnapshotId{"main", 7}, AssertTableUuid{"u"}};
  update.updates.emplace_back(SetProperties{{{"a", "\"1\""}}});
  const TableCommit commit{.id = *Uuid::Parse("0190163d-8694-739b-aea5-966c26f8ad91"),
                           .change = update,
                           .oldest_file_ms = 0};
  PK_ASSERT_OK(const TableCommit read, ParseTableCommit(ToJson(commit)));
  EXPECT_EQ(read, commit);
}

TableCommit Delta() {
  RowDelta delta;
  delta.branch = "audit";
  delta.base_snapshot_id = 8'000'000'000'000'000'017;
  delta.removed = {{.content = FileContent::kData,
                    .location = "memory://lake/old.parquet",
                    .spec_id = 2,
                    .partition = {Value(), int32_t{7}}},
                   {.content = FileContent::kPositionDeletes,
                    .location = "memory://lake/old-deletes.parquet",
                    .spec_id = 0,
                    .partition = {}}};
  delta.added = std::get<AppendFiles>(Append().change).files;
  delta.referenced = {{.content = FileContent::kData,
                       .location = "memory://lake/other.parquet",
                       .spec_id = 0,
                       .partition = {}}};
  delta.reads = ParseExpression("a < 5 and b = 'x'").value();
  delta.rewrite = true;
  delta.schema_id = 3;
  delta.summary = {{"by", "test"}};
  return {.id = Append().id, .change = delta, .oldest_file_ms = 5};
}

TEST(TableCommitJson, GivesRowDeltasBackAsTheyWere) {
  TableCommit commit = Delta();
  PK_ASSERT_OK(const TableCommit read, ParseTableCommit(ToJson(commit)));
  EXPECT_EQ(read, commit);
  commit.change = RowDelta{};
  PK_ASSERT_OK(const TableCommit least, ParseTableCommit(ToJson(commit)));
  EXPECT_EQ(least, commit);
}

TableCommit WithSteps(TableCommit commit) {
  commit.properties = {{.name = "position", .expected = "17", .value = "18"},
                       {.name = "\"first\"", .expected = std::nullopt, .value = ""},
                       {.name = "last", .expected = "", .value = std::nullopt}};
  return commit;
}

TEST(TableCommitJson, GivesStepsOfPropertiesBackAsTheyWere) {
  const TableCommit update{.id = Append().id, .change = UpdateTable{}, .oldest_file_ms = 3};
  for (const TableCommit& plain : {Append(), Delta(), update}) {
    const TableCommit commit = WithSteps(plain);
    PK_ASSERT_OK(const TableCommit read, ParseTableCommit(ToJson(commit)));
    EXPECT_EQ(read, commit);
  }
}

// Versions before there were steps know the kinds below and ignore members that they do not know.
TEST(TableCommitJson, IsOfNoKindThatWouldBeAppliedWithoutLookingAtItsSteps) {
  for (const TableCommit& plain : {Append(), Delta()}) {
    PK_ASSERT_OK(const boost::json::value root, json::Parse(ToJson(WithSteps(plain))));
    const std::string kind = root.at("kind").as_string().c_str();
    EXPECT_THAT(kind, ::testing::Not(::testing::AnyOf("append", "row-delta", "update")));
    EXPECT_FALSE(root.as_object().contains("branch"));
  }
}

TEST(TableCommitJson, WritesCommitsWithoutStepsAsBeforeThereWereAny) {
  AppendFiles append;
  append.schema_id = 3;
  EXPECT_EQ(ToJson({.id = Append().id, .change = append, .oldest_file_ms = 5}),
            R"({"id":"0190163d-8694-739b-aea5-966c26f8ad91","oldest-file-ms":5,)"
            R"("kind":"append","branch":"main","schema-id":3,"files":[]})");
}

// What waits in a queue may have been written by anybody.
TEST(TableCommitJson, RefusesOrReadsAnyPieceOfACommitAndIsNotConfused) {
  const std::string json = ToJson(WithSteps(Delta()));
  for (size_t length = 0; length < json.size(); ++length) {
    EXPECT_FALSE(ParseTableCommit(json.substr(0, length)).ok());
  }
  for (size_t at = 0; at < json.size(); ++at) {
    for (const char c : {'"', '0', '-', '}', ']', 'n', char(0x80)}) {
      std::string damaged = json;
      damaged[at] = c;
      const auto read = ParseTableCommit(damaged);
      if (!read.ok()) continue;
      const auto again = ParseTableCommit(ToJson(*read));
      ASSERT_THAT(again, testing::IsOk()) << damaged;
      EXPECT_EQ(*again, *read) << damaged;
    }
  }
}

TEST(TableCommitJson, NamesWhatIsWrong) {
  EXPECT_THAT(ParseTableCommit("{"), testing::IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(ParseTableCommit(R"({"id": "x", "oldest-file-ms": 0})"),
              testing::IsError(ErrorCode::kInvalidArgument));
  std::string json = ToJson(Append());
  json.replace(json.find("\"append\""), 8, "\"rename\"");
  EXPECT_THAT(ParseTableCommit(json), IsErrorWith(ErrorCode::kUnsupported, "rename"));
  json = ToJson(Append());
  json.replace(json.find("\"i-5\""), 5, "\"i-z\"");
  EXPECT_THAT(ParseTableCommit(json), IsErrorWith(ErrorCode::kCorrupt, "files[0]"));
  json = ToJson(Delta());
  json.replace(json.find("\"i7\""), 4, "\"iz\"");
  EXPECT_THAT(ParseTableCommit(json), IsErrorWith(ErrorCode::kCorrupt, "removed[0]"));
  json = ToJson(Delta());
  json.replace(json.find("\"lt\""), 4, "\"up\"");
  EXPECT_THAT(ParseTableCommit(json), IsErrorWith(ErrorCode::kUnsupported, "reads: expression"));
  json = ToJson(WithSteps(Append()));
  json.replace(json.find("\"append\""), 8, "\"with-properties\"");
  EXPECT_THAT(ParseTableCommit(json),
              IsErrorWith(ErrorCode::kUnsupported, "change: unknown kind of commit"));
  json = ToJson(WithSteps(Append()));
  json.replace(json.find("\"18\""), 4, "18");
  EXPECT_THAT(ParseTableCommit(json), IsErrorWith(ErrorCode::kCorrupt, "properties[0]"));
}

}  // namespace
}  // namespace pk::iceberg
