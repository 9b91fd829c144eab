#include "parkeeper/table/compact.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "parkeeper/storage/faulty.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::Value;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::Lines;
using testing::SampleRows;
using testing::Sorted;
using testing::TableInMemory;

CompactionPlan Plan(TableInMemory& table, CompactionOptions options = {}) {
  options.threads = 2;
  const auto plan = PlanCompaction(table.storage(), table.metadata(), options);
  EXPECT_THAT(plan, IsOk());
  return plan.ok() ? *plan : CompactionPlan();
}

Result<PreparedRewrite> Rewrite(TableInMemory& table, const CompactionGroup& group,
                                RewriteOptions options = {}) {
  options.threads = 2;
  return RewriteFiles(table.storage(), table.metadata(), group, options);
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

Lines RowsIn(TableInMemory& table, const std::vector<DataFile>& files) {
  Lines rows;
  for (const DataFile& file : files) {
    for (const std::string& line : table.RowsOf(file)) rows.push_back(line);
  }
  return Sorted(rows);
}

std::set<std::string> Locations(const iceberg::RowDelta& delta, bool data) {
  std::set<std::string> found;
  for (const auto& file : delta.removed) {
    if ((file.content == FileContent::kData) == data) found.insert(file.location);
  }
  return found;
}

std::set<std::string> Locations(const CompactionGroup& group) {
  std::set<std::string> found;
  for (const auto& file : group.files) found.insert(file.location);
  return found;
}

TEST(PlanCompaction, GroupsSmallFilesOfAPartitionInTheOrderOfTheirRows) {
  TableInMemory table({.partition_by = "cat"});
  for (int i = 0; i < 6; ++i) table.Append(SampleRows(i * 10, i * 10 + 10, i < 5 ? 2 : 1));
  const CompactionPlan plan = Plan(table);
  ASSERT_EQ(plan.groups.size(), 2u);
  EXPECT_EQ(plan.groups[0].partition, std::vector<Value>{std::string("c0")});
  EXPECT_EQ(plan.groups[0].files.size(), 6u);
  EXPECT_EQ(plan.groups[0].rows(), 35);
  EXPECT_EQ(plan.groups[1].partition, std::vector<Value>{std::string("c1")});
  EXPECT_EQ(plan.groups[1].files.size(), 5u);
  EXPECT_EQ(plan.snapshot_id, table.metadata().current_snapshot()->snapshot_id);
  EXPECT_EQ(plan.files, 11);
  EXPECT_EQ(plan.bytes, plan.groups[0].bytes() + plan.groups[1].bytes());
  EXPECT_EQ(plan.target_file_bytes, int64_t{512} << 20);
  PK_ASSERT_OK(const ScanPlan scan, table.Plan());
  Lines order;
  for (const FileTask& task : scan.tasks) {
    if (task.file.partition == plan.groups[0].partition) order.push_back(task.file.location);
  }
  Lines grouped;
  for (const CompactionFile& file : plan.groups[0].files) grouped.push_back(file.location);
  EXPECT_EQ(grouped, order);
  EXPECT_EQ(Plan(table), plan);
  EXPECT_EQ(Plan(table, {.min_input_files = 6}).groups.size(), 1u);
  const auto filter = iceberg::ParseExpression("cat = 'c1'").value();
  const CompactionPlan some = Plan(table, {.filter = filter});
  ASSERT_EQ(some.groups.size(), 1u);
  EXPECT_EQ(some.groups[0], plan.groups[1]);
  EXPECT_EQ(some.files, 5);
}

TEST(PlanCompaction, LetsNoGroupGrowBeyondItsBounds) {
  TableInMemory table;
  for (int i = 0; i < 20; ++i) table.Append(SampleRows(i * 10, i * 10 + 10));
  const CompactionPlan all = Plan(table);
  ASSERT_EQ(all.groups.size(), 1u);
  const int64_t bytes = all.groups[0].files[0].bytes;
  const CompactionPlan by_bytes = Plan(table, {.max_group_bytes = bytes * 7});
  std::set<std::string> seen;
  ASSERT_GE(by_bytes.groups.size(), 2u);
  for (const CompactionGroup& group : by_bytes.groups) {
    EXPECT_LE(group.bytes(), bytes * 7);
    for (const CompactionFile& file : group.files) EXPECT_TRUE(seen.insert(file.location).second);
  }
  const CompactionPlan by_files = Plan(table, {.max_group_files = 8});
  ASSERT_EQ(by_files.groups.size(), 2u) << "four are left over";
  EXPECT_EQ(by_files.groups[1].files.size(), 8u);
  // Below 75 % of the target is small.
  EXPECT_TRUE(Plan(table, {.target_file_bytes = bytes}).groups.empty());
  table.metadata().properties["write.target-file-size-bytes"] = std::to_string(bytes);
  EXPECT_TRUE(Plan(table).groups.empty());
  EXPECT_EQ(Plan(table).target_file_bytes, bytes);
}

TEST(PlanCompaction, TakesFilesAloneThatDeletesWeighOn) {
  TableInMemory table;
  const DataFile a = WriteOne(table, SampleRows(0, 10)), b = WriteOne(table, SampleRows(10, 20));
  table.Commit({a, b});
  std::vector<std::pair<std::string, int64_t>> three, four;
  for (int64_t i = 0; i < 4; ++i) four.emplace_back(b.location, i);
  for (int64_t i = 0; i < 3; ++i) three.emplace_back(a.location, i);
  CommitDeletes(table, {table.WritePositionDeletes(three)});
  EXPECT_TRUE(Plan(table).groups.empty()) << "30 % of the rows are not more than that";
  CommitDeletes(table, {table.WritePositionDeletes(four)});
  const CompactionPlan plan = Plan(table);
  ASSERT_EQ(plan.groups.size(), 1u);
  EXPECT_EQ(Locations(plan.groups[0]).count(b.location), 1u);
  EXPECT_TRUE(Plan(table, {.max_hidden_percent = 40}).groups.empty());
  // A file that is large enough is, too.
  const CompactionPlan large = Plan(table, {.target_file_bytes = 1});
  ASSERT_EQ(large.groups.size(), 1u);
  EXPECT_EQ(Locations(large.groups[0]), std::set<std::string>{b.location});
  CommitDeletes(table, {table.WriteEqualityDeletes({"id"}, {R"({"id":1})"}),
                        table.WriteEqualityDeletes({"id"}, {R"({"id":2})"})});
  EXPECT_EQ(Plan(table, {.max_hidden_percent = 100, .max_delete_files = 3}).groups.size(), 1u);
  EXPECT_EQ(Plan(table, {.max_hidden_percent = 100, .max_delete_files = 4}).groups.size(), 0u);
}

TEST(PlanCompaction, RefusesWhatMakesNoSense) {
  TableInMemory table;
  EXPECT_TRUE(Plan(table).groups.empty());
  EXPECT_FALSE(Plan(table).snapshot_id.has_value());
  const auto refused = [&](const CompactionOptions& options) {
    return PlanCompaction(table.storage(), table.metadata(), options);
  };
  EXPECT_THAT(refused({.target_file_bytes = -1}), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(refused({.min_input_files = 1}), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(refused({.max_delete_files = 0}), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(refused({.max_group_files = 4}), IsError(ErrorCode::kInvalidArgument));
  const auto filter = iceberg::ParseExpression("nope = 1").value();
  EXPECT_THAT(refused({.filter = filter}), IsErrorWith(ErrorCode::kInvalidArgument, "nope"));
}

TEST(CompactionGroup, SurvivesJsonAndIsShort) {
  CompactionGroup group;
  group.spec_id = 3;
  group.partition = {Value(), Value(std::string("a/\xff")), Value(1.5), Value(int64_t{7})};
  for (int i = 0; i < 100; ++i) {
    group.files.push_back({.location = "memory://lake/ns/t/data/cat=a/" + std::to_string(i) +
                                       "-11111111-2222-4333-8444-555555555555.parquet",
                           .bytes = 1'000'000 + i,
                           .rows = 20'000});
  }
  const std::string json = ToJson(group);
  EXPECT_LT(json.size(), 100 * 75u) << json;
  EXPECT_EQ(ParseCompactionGroup(json).value(), group);
  group.files[7].location = "memory://lake/elsewhere/x.parquet";
  EXPECT_EQ(ParseCompactionGroup(ToJson(group)).value(), group);
  group.files[7].location = "odd";
  EXPECT_EQ(ParseCompactionGroup(ToJson(group)).value(), group);
  EXPECT_EQ(ParseCompactionGroup(ToJson(CompactionGroup())).value(), CompactionGroup());
  for (const char* broken :
       {"", "[]", "{}", R"({"spec-id":0,"partition":[],"folder":"","files":[["a",1]]})",
        R"({"spec-id":0,"partition":["q"],"folder":"","files":[]})",
        R"({"spec-id":0,"partition":[],"folder":"","files":[[1,1,1]]})"}) {
    EXPECT_THAT(ParseCompactionGroup(broken), IsError(ErrorCode::kCorrupt)) << broken;
  }
}

TEST(RewriteFiles, PutsTheRowsOfAGroupIntoOneFile) {
  TableInMemory table({.partition_by = "cat"});
  for (int i = 0; i < 6; ++i) table.Append(SampleRows(i * 10, i * 10 + 10, 2));
  const CompactionPlan plan = Plan(table);
  ASSERT_EQ(plan.groups.size(), 2u);
  AppendProgress last;
  PK_ASSERT_OK(const PreparedRewrite made,
               Rewrite(table, plan.groups[0], {.progress = [&](const auto& p) { last = p; }}));
  EXPECT_EQ(made.rows, 30);
  EXPECT_EQ(last.rows, 30);
  EXPECT_EQ(made.files_removed, 6);
  EXPECT_EQ(made.delete_files_removed, 0);
  EXPECT_EQ(made.files_written, 1);
  EXPECT_EQ(made.bytes_removed, plan.groups[0].bytes());
  ASSERT_EQ(made.delta.added.size(), 1u);
  EXPECT_EQ(made.bytes, made.delta.added[0].file_size);
  EXPECT_EQ(made.delta.added[0].partition, plan.groups[0].partition);
  EXPECT_EQ(Locations(made.delta, true), Locations(plan.groups[0]));
  EXPECT_TRUE(made.delta.rewrite);
  EXPECT_FALSE(made.delta.reads.has_value());
  EXPECT_EQ(made.delta.base_snapshot_id, plan.snapshot_id);
  Lines want;
  for (int64_t id = 0; id < 60; id += 2) want.push_back(SampleRows(id, id + 1, 2)[0]);
  EXPECT_EQ(RowsIn(table, made.delta.added), Sorted(want));
  for (const auto& file : made.delta.removed) EXPECT_EQ(file.partition, plan.groups[0].partition);
}

TEST(RewriteFiles, SortsWhenTheTableIsSorted) {
  TableInMemory table({.sort_by = "id desc"});
  for (int i = 0; i < 5; ++i) table.Append(SampleRows(i * 10, i * 10 + 10));
  PK_ASSERT_OK(const PreparedRewrite made, Rewrite(table, Plan(table).groups.at(0)));
  ASSERT_EQ(made.delta.added.size(), 1u);
  Lines want = SampleRows(0, 50);
  std::ranges::reverse(want);
  EXPECT_EQ(table.RowsOf(made.delta.added[0]), want);
  EXPECT_EQ(made.delta.added[0].sort_order_id, table.metadata().default_sort_order_id);
}

TEST(RewriteFiles, AppliesDeletesAndTakesThoseAwayThatHideNothingElse) {
  TableInMemory table;
  std::vector<DataFile> files;
  for (int i = 0; i < 6; ++i) {
    files.push_back(WriteOne(table, SampleRows(i * 10, i * 10 + 10)));
    table.Commit({files.back()});
  }
  const DataFile named =
      table.WritePositionDeletes({{files[0].location, 3}, {files[0].location, 4}});
  const DataFile both =
      table.WritePositionDeletes({{files[1].location, 0}, {files[5].location, 0}}, {}, false);
  const DataFile keys = table.WriteEqualityDeletes({"id"}, {R"({"id":25})", R"({"id":55})"});
  const DataFile few = table.WriteEqualityDeletes({"id"}, {R"({"id":26})"});
  CommitDeletes(table, {named, both, keys, few});
  CompactionGroup group = Plan(table).groups.at(0);
  ASSERT_EQ(group.files.size(), 6u);
  const CompactionGroup all = group;
  group.files.pop_back();
  PK_ASSERT_OK(const PreparedRewrite some, Rewrite(table, group));
  EXPECT_EQ(some.rows, 50 - 5);
  EXPECT_EQ(Locations(some.delta, false), (std::set<std::string>{named.location, few.location}))
      << "the others may hide rows of the file that stays";
  EXPECT_EQ(some.delete_files_removed, 2);
  PK_ASSERT_OK(const PreparedRewrite whole, Rewrite(table, all));
  EXPECT_EQ(whole.rows, 60 - 7);
  EXPECT_EQ(whole.delete_files_removed, 4);
  PK_ASSERT_OK(const Lines left, table.Read(table.Plan()));
  EXPECT_EQ(RowsIn(table, whole.delta.added), Sorted(left));
}

// Whatever wrote the delete files, a file that came later is in none of them.
TEST(RewriteFiles, DoesNotMindDeletesThatAreOlderThanARewrittenFile) {
  TableInMemory table;
  const DataFile a = WriteOne(table, SampleRows(0, 10)), b = WriteOne(table, SampleRows(10, 20));
  table.Commit({a, b});
  const DataFile both = table.WritePositionDeletes({{a.location, 0}, {b.location, 0}}, {}, false);
  CommitDeletes(table, {both});
  // As a commit of a rewrite of `a` leaves it.
  ManifestEntry again;
  again.file = WriteOne(table, SampleRows(1, 10));
  again.sequence_number = 2;
  ManifestEntry kept{.status = iceberg::EntryStatus::kExisting,
                     .snapshot_id = table.metadata().snapshots[0]->snapshot_id,
                     .sequence_number = 1,
                     .file_sequence_number = 1,
                     .file = b};
  ManifestEntry deletes{.status = iceberg::EntryStatus::kExisting,
                        .snapshot_id = table.metadata().snapshots[1]->snapshot_id,
                        .sequence_number = 2,
                        .file_sequence_number = 2,
                        .file = both};
  table.CommitManifests({{.entries = {again}},
                         {.entries = {kept}},
                         {.content = ManifestContent::kDeletes, .entries = {deletes}}},
                        "replace", false);
  EXPECT_TRUE(
      Plan(table, {.max_delete_files = 1, .filter = iceberg::ParseExpression("id < 10").value()})
          .groups.empty());
  const CompactionPlan plan = Plan(table, {.target_file_bytes = 1, .max_delete_files = 1});
  ASSERT_EQ(plan.groups.size(), 1u);
  EXPECT_EQ(Locations(plan.groups[0]), std::set<std::string>{b.location});
  PK_ASSERT_OK(const PreparedRewrite made, Rewrite(table, plan.groups[0]));
  EXPECT_EQ(made.rows, 9);
  EXPECT_EQ(Locations(made.delta, false), std::set<std::string>{both.location});
}

TEST(RewriteFiles, TakesFilesOfOldSpecsIntoTheDefaultOne) {
  TableInMemory table;
  for (int i = 0; i < 5; ++i) table.Append(SampleRows(i * 10, i * 10 + 10, 3));
  auto& metadata = table.metadata();
  auto spec = iceberg::ParsePartitionText("cat", metadata.schema()).value();
  spec.spec_id = 1;
  metadata.specs.push_back(spec);
  metadata.default_spec_id = 1;
  const DataFile other =
      table.WriteEqualityDeletes({"id"}, {R"({"id":1})"}, {Value(std::string("c1"))});
  CommitDeletes(table, {other});
  const CompactionPlan plan = Plan(table);
  ASSERT_EQ(plan.groups.size(), 1u);
  EXPECT_EQ(plan.groups[0].spec_id, 0);
  PK_ASSERT_OK(const PreparedRewrite made, Rewrite(table, plan.groups[0]));
  EXPECT_EQ(made.files_written, 3);
  EXPECT_EQ(made.rows, 50) << "deletes of a partition do not apply to files of another spec";
  for (const DataFile& file : made.delta.added) EXPECT_EQ(file.spec_id, 1);
  for (const auto& file : made.delta.removed) EXPECT_EQ(file.spec_id, 0);
  EXPECT_EQ(made.delete_files_removed, 0);
  EXPECT_EQ(RowsIn(table, made.delta.added), Sorted(SampleRows(0, 50, 3)));
}

TEST(RewriteFiles, LeavesDeletesOfAllSpecsAloneWhereItDoesNotSeeAllFiles) {
  TableInMemory table;
  for (int i = 0; i < 5; ++i) table.Append(SampleRows(i * 10, i * 10 + 10, 1));
  auto& metadata = table.metadata();
  auto spec = iceberg::ParsePartitionText("cat", metadata.schema()).value();
  spec.spec_id = 1;
  metadata.specs.push_back(spec);
  metadata.default_spec_id = 1;
  table.Append(SampleRows(0, 10, 1));
  metadata.default_spec_id = 0;
  CommitDeletes(table, {table.WriteEqualityDeletes({"id"}, {R"({"id":1})"})});
  const CompactionPlan plan = Plan(table);
  ASSERT_EQ(plan.groups.size(), 1u);
  PK_ASSERT_OK(const PreparedRewrite made, Rewrite(table, plan.groups[0]));
  EXPECT_EQ(made.rows, 49);
  EXPECT_EQ(made.delete_files_removed, 0);
}

TEST(RewriteFiles, AddsNothingWhenAllRowsAreHidden) {
  TableInMemory table;
  const DataFile file = WriteOne(table, SampleRows(0, 2));
  table.Commit({file});
  CommitDeletes(table, {table.WritePositionDeletes({{file.location, 0}, {file.location, 1}})});
  PK_ASSERT_OK(const PreparedRewrite made, Rewrite(table, Plan(table).groups.at(0)));
  EXPECT_EQ(made.rows, 0);
  EXPECT_TRUE(made.delta.added.empty());
  EXPECT_EQ(made.delta.removed.size(), 2u);
}

TEST(RewriteFiles, NamesTheFileThatIsGone) {
  TableInMemory table;
  for (int i = 0; i < 5; ++i) table.Append(SampleRows(i * 10, i * 10 + 10));
  CompactionGroup group = Plan(table).groups.at(0);
  const Lines before = Sorted(table.Files());
  group.files.push_back({.location = "memory://lake/t/data/gone", .bytes = 1, .rows = 1});
  EXPECT_THAT(Rewrite(table, group),
              IsErrorWith(ErrorCode::kFailedPrecondition, "memory://lake/t/data/gone"));
  EXPECT_THAT(Rewrite(table, {}), IsError(ErrorCode::kInvalidArgument));
  group.spec_id = 9;
  EXPECT_THAT(Rewrite(table, group), IsErrorWith(ErrorCode::kInvalidArgument, "spec 9"));
  group.spec_id = 0;
  group.partition = {Value()};
  EXPECT_THAT(Rewrite(table, group), IsError(ErrorCode::kInvalidArgument));
  EXPECT_EQ(Sorted(table.Files()), before);
}

TEST(RewriteFiles, LeavesNothingBehindWhenItFailsOrGainsNothing) {
  TableInMemory table;
  for (int i = 0; i < 5; ++i) table.Append(SampleRows(i * 1'000, i * 1'000 + 1'000));
  const CompactionGroup group = Plan(table).groups.at(0);
  const Lines before = Sorted(table.Files());
  std::atomic<int> finished{0};
  const auto faulty = storage::MakeFaulty(
      table.storage(), {.schedule = [&](storage::Call call, std::string_view) {
        if (call != storage::Call::kFinish) return storage::Fault::kNone;
        return finished++ == 0 ? storage::Fault::kNone : storage::Fault::kUnavailable;
      }});
  EXPECT_THAT(RewriteFiles(*faulty, table.metadata(), group, {.target_file_bytes = 1}),
              IsErrorWith(ErrorCode::kUnavailable, "injected"));
  EXPECT_GT(finished, 1);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(Rewrite(table, group, {.stop = stop.get_token()}), IsError(ErrorCode::kCancelled));
  PK_ASSERT_OK(const PreparedRewrite none, Rewrite(table, group, {.target_file_bytes = 1}));
  EXPECT_TRUE(none.delta.removed.empty());
  EXPECT_TRUE(none.delta.added.empty());
  EXPECT_EQ(Sorted(table.Files()), before);
}

TEST(RewriteFiles, ReadsTablesOfVersion1) {
  TableInMemory table({.properties = {{"format-version", "1"}}});
  for (int i = 0; i < 5; ++i) {
    table.Commit({WriteOne(table, SampleRows(i * 10, i * 10 + 10))}, ManifestContent::kData, 1);
  }
  PK_ASSERT_OK(const PreparedRewrite made, Rewrite(table, Plan(table).groups.at(0)));
  EXPECT_EQ(RowsIn(table, made.delta.added), Sorted(SampleRows(0, 50)));
}

}  // namespace
}  // namespace pk::table
