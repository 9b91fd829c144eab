// Scans of what snapshots did to rows.

#include <gtest/gtest.h>

#include "parkeeper/table/scan.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using testing::Lines;
using testing::SampleRows;
using testing::TableInMemory;

ManifestEntry Added(const DataFile& file) {
  ManifestEntry entry;
  entry.file = file;
  return entry;
}

ManifestEntry Kept(const DataFile& file, int64_t snapshot, int64_t sequence,
                   EntryStatus status = EntryStatus::kExisting) {
  return {.status = status,
          .snapshot_id = snapshot,
          .sequence_number = sequence,
          .file_sequence_number = sequence,
          .file = file};
}

DataFile WriteOne(TableInMemory& table, const Lines& lines) {
  auto written = table.Write(lines);
  EXPECT_THAT(written, IsOk());
  EXPECT_EQ(written->files.size(), 1u);
  return written->files.front();
}

ScanRequest Changes(int64_t from, Lines columns = {"id"}) {
  return {.filter = {},
          .columns = std::move(columns),
          .snapshot = {},
          .limit = {},
          .after_snapshot = from,
          .changes = true};
}

std::string Change(int64_t id, const std::string& type, int ordinal, int64_t snapshot) {
  return "{\"id\":" + std::to_string(id) + ",\"_change_type\":\"" + type +
         "\",\"_change_ordinal\":" + std::to_string(ordinal) +
         ",\"_commit_snapshot_id\":" + std::to_string(snapshot) + "}";
}

Lines Read(TableInMemory& table, const ScanRequest& request) {
  const auto lines = table.Read(table.Plan(request), {.keep_order = true});
  EXPECT_THAT(lines, IsOk());
  return lines.ok() ? *lines : Lines{};
}

// Snapshots: rows 0 and 1, row 2, row 1 hidden, rows 0 and 2 rewritten as 2 and 3.
struct Rewritten {
  TableInMemory table;
  int64_t first = 0, append = 0, hide = 0, overwrite = 0;

  Rewritten() {
    const DataFile a = WriteOne(table, SampleRows(0, 2)), b = WriteOne(table, SampleRows(2, 3));
    first = table.Commit({a});
    append = table.Commit({b});
    const DataFile hidden = table.WritePositionDeletes({{a.location, 1}});
    hide = table.Commit({hidden}, ManifestContent::kDeletes);
    const int64_t next = table.NextSnapshot();
    overwrite = table.CommitManifests({{.content = ManifestContent::kData,
                                        .spec_id = 0,
                                        .entries = {Kept(a, next, 1, EntryStatus::kDeleted),
                                                    Kept(b, next, 2, EntryStatus::kDeleted),
                                                    Added(WriteOne(table, SampleRows(2, 4)))}},
                                       {.content = ManifestContent::kDeletes,
                                        .spec_id = 0,
                                        .entries = {Kept(hidden, next, 3, EntryStatus::kDeleted)}}},
                                      "overwrite", false);
  }
};

TEST(Changes, AreToldInTheOrderOfTheSnapshotsAndDeletesBeforeInserts) {
  Rewritten made;
  Lines expected = {Change(2, "insert", 0, made.append), Change(1, "delete", 1, made.hide)};
  ScanRequest request = Changes(made.first);
  request.snapshot = made.hide;
  EXPECT_EQ(Read(made.table, request), expected);
  for (const int64_t id : {0, 2}) expected.push_back(Change(id, "delete", 2, made.overwrite));
  for (const int64_t id : {2, 3}) expected.push_back(Change(id, "insert", 2, made.overwrite));
  EXPECT_EQ(Read(made.table, Changes(made.first)), expected);
  EXPECT_EQ(Read(made.table, Changes(made.overwrite)), Lines{});
}

TEST(Changes, OfARemovedFileAreTheRowsThatItsParentShowed) {
  TableInMemory table;
  const DataFile a = WriteOne(table, SampleRows(0, 3));
  table.Commit({a});
  const DataFile hidden = table.WritePositionDeletes({{a.location, 1}});
  const int64_t second = table.CommitManifests(
      {{.content = ManifestContent::kDeletes, .spec_id = 0, .entries = {Added(hidden)}}}, "delete");
  const int64_t third = table.NextSnapshot();
  table.CommitManifests({{.content = ManifestContent::kData,
                          .spec_id = 0,
                          .entries = {Kept(a, third, 1, EntryStatus::kDeleted),
                                      Added(WriteOne(table, SampleRows(5, 6)))}},
                         {.content = ManifestContent::kDeletes,
                          .spec_id = 0,
                          .entries = {Kept(hidden, third, 2, EntryStatus::kDeleted)}}},
                        "overwrite", false);
  const Lines expected = {Change(0, "delete", 0, third), Change(2, "delete", 0, third),
                          Change(5, "insert", 0, third)};
  EXPECT_EQ(Read(table, Changes(second)), expected);
  // Its parent need not be there any more.
  std::erase_if(table.metadata().snapshots,
                [&](const auto& snapshot) { return snapshot->snapshot_id == second; });
  EXPECT_EQ(Read(table, Changes(second)), expected);
}

TEST(Changes, OfATakenBackDeleteFileAreInserts) {
  TableInMemory table;
  const DataFile a = WriteOne(table, SampleRows(0, 3));
  const int64_t first = table.Commit({a});
  const DataFile hidden = table.WritePositionDeletes({{a.location, 1}, {a.location, 2}});
  const int64_t second = table.Commit({hidden}, ManifestContent::kDeletes);
  const int64_t third = table.NextSnapshot();
  // Another takes its place, as writers do that put deletes together, but not of all its rows.
  table.CommitManifests(
      {{.content = ManifestContent::kData, .spec_id = 0, .entries = {Kept(a, first, 1)}},
       {.content = ManifestContent::kDeletes,
        .spec_id = 0,
        .entries = {Kept(hidden, third, 2, EntryStatus::kDeleted),
                    Added(table.WritePositionDeletes({{a.location, 0}, {a.location, 2}}))}}},
      "overwrite", false);
  EXPECT_EQ(Read(table, Changes(second)),
            (Lines{Change(0, "delete", 0, third), Change(1, "insert", 0, third)}));
}

TEST(Changes, OfCompactionsAreNone) {
  TableInMemory table;
  const int64_t first = table.Append(SampleRows(0, 3));
  table.Replace({Added(WriteOne(table, SampleRows(0, 3)))}, "replace");
  EXPECT_EQ(Read(table, Changes(first)), Lines{});
  const int64_t third = table.Append(SampleRows(3, 4));
  EXPECT_EQ(Read(table, Changes(first)), Lines{Change(3, "insert", 0, third)});
}

TEST(Changes, KeepTheColumnsAskedForAndTheFilterAndTheLimit) {
  Rewritten made;
  ScanRequest request = Changes(made.hide, {"_change_type", "cat"});
  request.filter = iceberg::ParseExpression("id = 2").value();
  EXPECT_EQ(
      Read(made.table, request),
      (Lines{R"({"_change_type":"delete","cat":"c2","_change_ordinal":0,"_commit_snapshot_id":)" +
                 std::to_string(made.overwrite) + "}",
             R"({"_change_type":"insert","cat":"c2","_change_ordinal":0,"_commit_snapshot_id":)" +
                 std::to_string(made.overwrite) + "}"}));
  request.limit = 1;
  EXPECT_EQ(Read(made.table, request).size(), 1u);
  EXPECT_EQ(
      Read(made.table, Changes(made.hide, {})).front().find("{\"id\":0,\"cat\":\"c0\",\"x\":0.5,"),
      0u);
}

TEST(Changes, AreExplained) {
  Rewritten made;
  ScanRequest request = Changes(made.first);
  request.snapshot = made.hide;
  PK_ASSERT_OK(const ScanPlan plan, made.table.Plan(request));
  const std::string text = Explain(plan, true);
  EXPECT_NE(text.find("changed after snapshot " + std::to_string(made.first)), std::string::npos);
  EXPECT_NE(text.find(std::to_string(made.hide) + " deletes: memory://"), std::string::npos)
      << text;
  EXPECT_NE(text.find(std::to_string(made.append) + " inserts: memory://"), std::string::npos);
  const std::string json = ToJson(plan);
  EXPECT_NE(json.find("\"only-hidden-by\":[0],\"change\":\"delete\",\"change-ordinal\":1"),
            std::string::npos)
      << json;
}

TEST(Changes, DoNotReadManifestsThatCannotBeConcerned) {
  TableInMemory table({.partition_by = "cat"});
  const DataFile a = WriteOne(table, SampleRows(0, 1)), b = WriteOne(table, SampleRows(1, 2));
  table.Commit({a});
  const int64_t second = table.Commit({b});
  table.CommitManifests(
      {{.content = ManifestContent::kDeletes,
        .spec_id = 0,
        .entries = {Added(table.WriteEqualityDeletes({"id"}, {R"({"id":1})"}, b.partition))}}},
      "delete");
  PK_ASSERT_OK(const ScanPlan plan, table.Plan(Changes(second)));
  EXPECT_EQ(plan.counts.manifests, 1);
  EXPECT_EQ(plan.tasks.size(), 1u);
}

TEST(Changes, AreRefusedWithoutAStartAndOverColumnsOfTheSameName) {
  TableInMemory table({.schema = "id long, _Change_Type string"});
  const int64_t first = table.Append({R"({"id":1,"_Change_Type":"mine"})"});
  EXPECT_THAT(table.Plan(Changes(first)),
              IsErrorWith(ErrorCode::kInvalidArgument, "a column '_change_type' of its own"));
  ScanRequest request = Changes(first);
  request.after_snapshot = std::nullopt;
  EXPECT_THAT(table.Plan(request), IsErrorWith(ErrorCode::kInvalidArgument, "after a snapshot"));
}

TEST(Changes, AreWhatAScanOfAppendsPointsTo) {
  Rewritten made;
  ScanRequest request = Changes(made.first);
  request.changes = false;
  EXPECT_THAT(made.table.Plan(request), IsErrorWith(ErrorCode::kUnsupported, "--changes"));
  // A snapshot that only calls itself an append.
  TableInMemory table;
  const int64_t first = table.Append(SampleRows(0, 3));
  table.CommitManifests({{.content = ManifestContent::kDeletes,
                          .spec_id = 0,
                          .entries = {Added(table.WriteEqualityDeletes({"id"}, {R"({"id":1})"}))}}},
                        "append");
  request.after_snapshot = first;
  EXPECT_THAT(table.Plan(request), IsErrorWith(ErrorCode::kUnsupported, "--changes"));
  EXPECT_EQ(Read(table, Changes(first)).size(), 1u);
}

}  // namespace
}  // namespace pk::table
