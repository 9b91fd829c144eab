// Delete files: which of them apply, and what is left of the rows.

#include <gtest/gtest.h>

#include "parkeeper/table/delete_store_internal.h"
#include "parkeeper/table/scan.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::Value;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using testing::Lines;
using testing::SampleRows;
using testing::Sorted;
using testing::TableInMemory;

Lines Rows(std::initializer_list<int64_t> ids, int64_t cats = 4) {
  Lines lines;
  for (const int64_t id : ids) lines.push_back(SampleRows(id, id + 1, cats)[0]);
  return lines;
}

DataFile WriteOne(TableInMemory& table, const Lines& lines) {
  auto written = table.Write(lines);
  EXPECT_THAT(written, IsOk());
  EXPECT_EQ(written->files.size(), 1u);
  return written->files.front();
}

void CommitDeletes(TableInMemory& table, const std::vector<DataFile>& files) {
  table.Commit(files, ManifestContent::kDeletes);
}

Lines Read(TableInMemory& table, const std::string& filter = "", ScanOptions options = {}) {
  const auto plan = filter.empty() ? table.Plan() : table.PlanWhere(filter);
  const auto lines = table.Read(plan, options);
  EXPECT_THAT(lines, IsOk());
  return lines.ok() ? Sorted(*lines) : Lines{};
}

TEST(Deletes, HideRowsByTheirPositionInTheFileWhateverIsSkipped) {
  TableInMemory table;
  table.metadata().properties["write.parquet.row-group-limit"] = "10";
  const DataFile file = WriteOne(table, SampleRows(0, 100));
  ASSERT_GT(file.split_offsets.size(), 5u);
  table.Commit({file});
  CommitDeletes(table, {table.WritePositionDeletes({{file.location, 55}, {file.location, 57}})});
  EXPECT_EQ(Read(table).size(), 98u);
  EXPECT_EQ(Read(table, "id >= 54 and id < 59"), Sorted(Rows({54, 56, 58})));
  EXPECT_EQ(Read(table, "id = 55"), Lines{});
  // Row groups read one by one by several threads.
  EXPECT_EQ(Read(table, "", {.threads = 16}).size(), 98u);
}

TEST(Deletes, ByPositionApplyToFilesOfTheirOwnCommitAndByKeyToOlderOnesOnly) {
  TableInMemory table;
  const DataFile old = WriteOne(table, SampleRows(0, 10));
  table.Commit({old});
  const DataFile added = WriteOne(table, SampleRows(0, 10));
  ManifestEntry data, by_position, by_key;
  data.file = added;
  by_position.file = table.WritePositionDeletes({{added.location, 3}});
  by_key.file = table.WriteEqualityDeletes({"id"}, {R"({"id":7})"});
  table.CommitManifests({{.entries = {data}},
                         {.content = ManifestContent::kDeletes, .entries = {by_position, by_key}}},
                        "overwrite");
  Lines expected = Rows({0, 1, 2, 3, 4, 5, 6, 8, 9, 0, 1, 2, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(Read(table), Sorted(expected));
  // Files that come later are not concerned by either.
  table.Append(SampleRows(3, 4));
  table.Append(SampleRows(7, 8));
  for (const int64_t id : {3, 7}) expected.push_back(SampleRows(id, id + 1)[0]);
  EXPECT_EQ(Read(table), Sorted(expected));
}

TEST(Deletes, ByPositionDoNotApplyToNewerFilesOfTheSameName) {
  TableInMemory table;
  const DataFile file = WriteOne(table, SampleRows(0, 4));
  CommitDeletes(table, {table.WritePositionDeletes({{file.location, 1}})});
  table.Commit({file});
  EXPECT_EQ(Read(table).size(), 4u);
}

TEST(Deletes, ByKeyApplyToTheirPartitionOrToAllWhenTheyHaveNone) {
  TableInMemory table({.partition_by = "cat"});
  table.Append(SampleRows(0, 12));
  // Of another partition than the rows that it names: ids 0, 4 and 8 are of c0.
  CommitDeletes(table, {table.WriteEqualityDeletes({"id"}, {R"({"id":0})", R"({"id":1})"},
                                                   {Value(std::string("c1"))})});
  EXPECT_EQ(Read(table), Sorted(Rows({0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})));
  table.metadata().specs.push_back({.spec_id = 1, .fields = {}});
  table.metadata().default_spec_id = 1;
  CommitDeletes(table, {table.WriteEqualityDeletes({"id"}, {R"({"id":2})", R"({"id":3})"})});
  EXPECT_EQ(Read(table), Sorted(Rows({0, 4, 5, 6, 7, 8, 9, 10, 11})));
}

TEST(Deletes, ByPositionApplyToTheirPartitionOnly) {
  TableInMemory table({.partition_by = "cat"});
  const DataFile file = WriteOne(table, Rows({0, 4, 8}));
  table.Commit({file});
  for (const bool whole_metrics : {false, true}) {
    CommitDeletes(table, {table.WritePositionDeletes({{file.location, 0}},
                                                     {Value(std::string("c1"))}, whole_metrics)});
  }
  EXPECT_EQ(Read(table).size(), 3u);
  CommitDeletes(
      table, {table.WritePositionDeletes({{file.location, 0}}, {Value(std::string("c0"))}, false)});
  EXPECT_EQ(Read(table), Sorted(Rows({4, 8})));
}

TEST(Deletes, NullsAreEqualAndColumnsThatNobodyProjectsAreRead) {
  TableInMemory table;
  table.Append({R"({"id":1,"cat":null,"x":0.5})", R"({"id":2,"cat":"","x":0.5})",
                R"({"id":3,"cat":"a","x":null})", R"({"id":4,"cat":null,"x":null})"});
  CommitDeletes(table, {table.WriteEqualityDeletes(
                           {"cat", "x"}, {R"({"cat":null,"x":0.5})", R"({"cat":"a","x":null})"})});
  const auto plan = table.Plan({.filter = {}, .columns = {"id"}, .snapshot = {}, .limit = {}});
  EXPECT_THAT(table.Read(plan), IsOkAnd(Lines{R"({"id":2})", R"({"id":4})"}));
}

TEST(Deletes, KeepTheLimitAndTheCountRight) {
  TableInMemory table;
  const DataFile file = WriteOne(table, SampleRows(0, 50));
  table.Commit({file});
  std::vector<std::pair<std::string, int64_t>> positions;
  for (int64_t i = 0; i < 40; ++i) positions.emplace_back(file.location, i);
  CommitDeletes(table, {table.WritePositionDeletes(positions)});
  for (const int64_t limit : {0, 1, 9, 10, 11, 50}) {
    const auto plan = table.Plan({.filter = {}, .columns = {}, .snapshot = {}, .limit = limit});
    EXPECT_THAT(table.Read(plan), IsOkAnd(::testing::SizeIs(std::min<int64_t>(limit, 10))));
  }
}

TEST(Deletes, SeeColumnsAddedLaterAsNullAndPromotedOnesAsWide) {
  TableInMemory table({.schema = "id int, name string"});
  table.Append({R"({"id":1,"name":"a"})", R"({"id":2,"name":"b"})"});
  CommitDeletes(table, {table.WriteEqualityDeletes({"id"}, {R"({"id":1})"})});
  auto& metadata = table.metadata();
  iceberg::StructType columns = metadata.schema().type();
  columns.fields[0].type = iceberg::PrimitiveKind::kLong;
  columns.fields.push_back({.id = 3, .name = "more", .type = iceberg::PrimitiveKind::kLong});
  metadata.schemas.push_back(std::make_shared<const iceberg::Schema>(columns, 1));
  metadata.current_schema_id = 1;
  table.Append({R"({"id":3,"name":"c","more":7})", R"({"id":4,"name":"d","more":null})"});
  EXPECT_EQ(Read(table).size(), 3u);
  CommitDeletes(table, {table.WriteEqualityDeletes({"more"}, {R"({"more":null})"})});
  EXPECT_EQ(Read(table), Lines{R"({"id":3,"name":"c","more":7})"});
}

TEST(Deletes, ByAColumnThatIsGoneStillApply) {
  TableInMemory table({.schema = "id int, name string"});
  table.Append({R"({"id":1,"name":"a"})", R"({"id":2,"name":"b"})"});
  CommitDeletes(table, {table.WriteEqualityDeletes({"name"}, {R"({"name":"a"})"})});
  auto& metadata = table.metadata();
  iceberg::StructType columns = metadata.schema().type();
  columns.fields[1] = {.id = 3, .name = "name", .type = iceberg::PrimitiveKind::kLong};
  metadata.schemas.push_back(std::make_shared<const iceberg::Schema>(columns, 1));
  metadata.current_schema_id = 1;
  EXPECT_EQ(Read(table), Lines{R"({"id":2,"name":null})"});
}

TEST(Deletes, AreLeftOutWhereTheirMetricsCannotMatch) {
  TableInMemory table;
  table.Append(SampleRows(0, 10));
  table.Append(SampleRows(10, 20));
  CommitDeletes(table, {table.WriteEqualityDeletes({"id"}, {R"({"id":15})", R"({"id":17})"})});
  PK_ASSERT_OK(const ScanPlan all, table.Plan());
  ASSERT_EQ(all.tasks.size(), 2u);
  EXPECT_EQ(all.tasks[0].deletes, std::vector<int32_t>{});
  EXPECT_EQ(all.tasks[1].deletes, std::vector<int32_t>{0});
  PK_ASSERT_OK(const ScanPlan some, table.PlanWhere("id >= 18"));
  EXPECT_EQ(some.tasks.size(), 1u);
  EXPECT_TRUE(some.deletes.empty());
  EXPECT_EQ(Read(table, "id >= 14 and id < 18"), Sorted(Rows({14, 16})));
}

TEST(Deletes, AreSkippedByPartition) {
  TableInMemory table({.partition_by = "cat"});
  table.Append(SampleRows(0, 12));
  CommitDeletes(table,
                {table.WriteEqualityDeletes({"id"}, {R"({"id":1})"}, {Value(std::string("c1"))})});
  PK_ASSERT_OK(const ScanPlan other, table.PlanWhere("cat = 'c2'"));
  EXPECT_EQ(other.counts.delete_manifests, 1);
  EXPECT_EQ(other.counts.delete_manifests_skipped, 1);
  EXPECT_TRUE(other.deletes.empty());
  EXPECT_EQ(Read(table, "cat = 'c1'"), Sorted(Rows({5, 9})));
}

TEST(Deletes, AreExplained) {
  TableInMemory table;
  const DataFile file = WriteOne(table, SampleRows(0, 10));
  table.Commit({file});
  CommitDeletes(table, {table.WritePositionDeletes({{file.location, 3}, {file.location, 4}}),
                        table.WriteEqualityDeletes({"id", "cat"}, {R"({"id":7,"cat":"c3"})"})});
  PK_ASSERT_OK(const ScanPlan plan, table.Plan());
  EXPECT_EQ(plan.delete_rows, 3);
  EXPECT_EQ(plan.delete_bytes, plan.deletes[0].file.file_size + plan.deletes[1].file.file_size);
  const std::string text = Explain(plan, true);
  EXPECT_NE(text.find("2 of 2 delete files to apply"), std::string::npos) << text;
  EXPECT_NE(text.find("with 3 rows: 1 by position, 1 by keys"), std::string::npos) << text;
  EXPECT_NE(text.find(", 2 delete files, remaining filter"), std::string::npos) << text;
  const std::string json = ToJson(plan);
  EXPECT_NE(json.find("\"delete-files-to-read\":2"), std::string::npos) << json;
  EXPECT_NE(json.find("\"columns\":[\"id\",\"cat\"]"), std::string::npos) << json;
  EXPECT_NE(json.find("\"delete-files\":[0,1]"), std::string::npos) << json;
  EXPECT_NE(json.find("\"data-file\":\"" + file.location), std::string::npos) << json;
}

TEST(Deletes, ThatCannotBeAppliedAreRefusedByName) {
  TableInMemory table;
  const DataFile file = WriteOne(table, SampleRows(0, 10));
  table.Commit({file});
  const auto refused = [&](const std::string& format, const std::string& reason) {
    TableInMemory other;
    other.Append(SampleRows(0, 10));
    DataFile deletes = other.WriteEqualityDeletes({"id"}, {R"({"id":7})"});
    deletes.format = format;
    CommitDeletes(other, {deletes});
    EXPECT_THAT(other.Plan(), IsErrorWith(ErrorCode::kUnsupported, reason));
    EXPECT_THAT(other.Plan(), IsErrorWith(ErrorCode::kUnsupported, deletes.location));
    // Where they do not apply they do no harm.
    EXPECT_THAT(other.PlanWhere("id = 3"), IsOk());
  };
  refused("AVRO", "format AVRO");
  refused("ORC", "format ORC");
  refused("PUFFIN", "deletion vectors");
}

TEST(Deletes, TakeNoMoreMemoryThanAllowed) {
  TableInMemory table;
  const DataFile file = WriteOne(table, SampleRows(0, 5'000));
  table.Commit({file});
  std::vector<std::pair<std::string, int64_t>> positions;
  for (int64_t i = 0; i < 5'000; ++i) positions.emplace_back(file.location, i);
  CommitDeletes(table, {table.WritePositionDeletes(positions)});
  const auto plan = table.Plan();
  EXPECT_THAT(table.Read(plan, {.delete_bytes = 40'000}), IsOkAnd(Lines{}));
  EXPECT_THAT(table.Read(plan, {.delete_bytes = 39'000}),
              IsErrorWith(ErrorCode::kUnsupported, "more than 39000 bytes"));
}

// Twenty partitions of a hundred rows each, and deletes for each partition.
void FillPartitions(TableInMemory& table,
                    const std::function<DataFile(const DataFile& of, int64_t cat)>& deletes_of) {
  PK_ASSERT_OK(const auto written, table.Write(SampleRows(0, 2'000, 20)));
  ASSERT_EQ(written.files.size(), 20u);
  table.Commit(written.files);
  std::vector<DataFile> deletes;
  for (const DataFile& file : written.files) {
    const auto cat = std::get<std::string>(file.partition[0]).substr(1);
    deletes.push_back(deletes_of(file, std::stoll(cat)));
  }
  CommitDeletes(table, deletes);
}

TEST(Deletes, ByPositionAreKeptNoLongerThanNeeded) {
  TableInMemory table({.partition_by = "cat"});
  FillPartitions(table, [&](const DataFile& of, int64_t) {
    std::vector<std::pair<std::string, int64_t>> positions;
    for (int64_t i = 0; i < 90; ++i) positions.emplace_back(of.location, i);
    return table.WritePositionDeletes(positions, of.partition);
  });
  EXPECT_THAT(table.Read(table.Plan(), {.threads = 1, .delete_bytes = 90 * 8}),
              IsOkAnd(::testing::SizeIs(20 * 10)));
}

TEST(Deletes, ByKeyAreKeptNoLongerThanNeeded) {
  TableInMemory table({.partition_by = "cat"});
  FillPartitions(table, [&](const DataFile& of, int64_t cat) {
    Lines keys;
    for (int64_t id = cat; id < 1'000; id += 20) {
      keys.push_back("{\"id\":" + std::to_string(id) + "}");
    }
    return table.WriteEqualityDeletes({"id"}, keys, of.partition);
  });
  // Those of a partition take less than 5 kB.
  EXPECT_THAT(table.Read(table.Plan(), {.threads = 1, .delete_bytes = 10'000}),
              IsOkAnd(::testing::SizeIs(20 * 50)));
}

TEST(Deletes, AreNotReadAnyMoreOnceNobodyWantsRows) {
  TableInMemory table;
  table.Append(SampleRows(0, 10));
  CommitDeletes(table, {table.WriteEqualityDeletes({"id"}, {R"({"id":7})"})});
  PK_ASSERT_OK(const ScanPlan plan, table.Plan());
  DeleteStore store(table.storage(), plan, {&plan.tasks[0]}, {}, 1);
  EXPECT_THAT(store.Acquire(plan.tasks[0]), IsOk());
  DeleteStore stopped(table.storage(), plan, {&plan.tasks[0]}, {}, 1);
  stopped.Stop();
  EXPECT_THAT(stopped.Acquire(plan.tasks[0]), IsErrorWith(ErrorCode::kCancelled, "stopped"));
}

TEST(Deletes, AreReadOnceForAllDataFiles) {
  TableInMemory table;
  for (int64_t i = 0; i < 20; ++i) table.Append(SampleRows(i * 10, i * 10 + 10));
  Lines keys;
  for (int64_t id = 0; id < 200; id += 2) keys.push_back("{\"id\":" + std::to_string(id) + "}");
  CommitDeletes(table, {table.WriteEqualityDeletes({"id"}, keys)});
  PK_ASSERT_OK(const ScanPlan plan, table.Plan());
  // Enough for one reading of the keys, which are kept until the last data file.
  EXPECT_THAT(table.Read(plan, {.threads = 4, .delete_bytes = 16'000}),
              IsOkAnd(::testing::SizeIs(100)));
}

}  // namespace
}  // namespace pk::table
