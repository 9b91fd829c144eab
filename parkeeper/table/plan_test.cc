#include <gtest/gtest.h>

#include "parkeeper/table/scan.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using testing::IsErrorWith;
using testing::IsOk;
using testing::Lines;
using testing::SampleRows;
using testing::TableInMemory;

Lines ColumnsOf(const ScanPlan& plan) {
  Lines names;
  for (const iceberg::Field& field : plan.projection->fields()) names.push_back(field.name);
  return names;
}

// Manifests of 4, 4 and 1 files: ids 0 to 99, 100 to 199, and one in partition c9.
void FillByCategory(TableInMemory& table) {
  table.Append(SampleRows(0, 100));
  table.Append(SampleRows(100, 200));
  table.Append({R"({"id":200,"cat":"c9","x":1.5})"});
}

TEST(Plan, OfATableWithoutRowsIsEmpty) {
  TableInMemory table;
  PK_ASSERT_OK(const ScanPlan plan, table.Plan());
  EXPECT_FALSE(plan.snapshot_id.has_value());
  EXPECT_TRUE(plan.tasks.empty());
  EXPECT_NE(Explain(plan).find("the table has no rows yet"), std::string::npos);
  EXPECT_THAT(table.Read(plan), testing::IsOkAnd(::testing::IsEmpty()));
}

TEST(Plan, CountsWhatPartitionsAndMetricsLeaveOut) {
  TableInMemory table({.partition_by = "cat"});
  FillByCategory(table);
  PK_ASSERT_OK(const ScanPlan all, table.Plan());
  EXPECT_EQ(all.tasks.size(), 9u);
  EXPECT_EQ(all.rows_most, 201);
  EXPECT_EQ(all.counts.manifests, 3);
  EXPECT_EQ(all.counts.files, 9);

  PK_ASSERT_OK(const ScanPlan by_partition, table.PlanWhere("cat = 'c1'"));
  EXPECT_EQ(by_partition.tasks.size(), 2u);
  EXPECT_EQ(by_partition.counts.manifests_skipped_by_partition, 1);
  EXPECT_EQ(by_partition.counts.files_in_skipped_manifests, 1);
  EXPECT_EQ(by_partition.counts.files_skipped_by_partition, 6);
  EXPECT_EQ(by_partition.counts.files_skipped_by_metrics, 0);
  for (const FileTask& task : by_partition.tasks) EXPECT_TRUE(task.residual.is_true());

  PK_ASSERT_OK(const ScanPlan by_metrics, table.PlanWhere("id >= 150 and id < 200"));
  EXPECT_EQ(by_metrics.tasks.size(), 4u);
  EXPECT_EQ(by_metrics.counts.files_skipped_by_metrics, 5);
  EXPECT_EQ(by_metrics.rows_most, 100);
  int64_t bytes = 0;
  for (const FileTask& task : by_metrics.tasks) {
    EXPECT_FALSE(task.residual.is_true());
    bytes += task.file.file_size;
  }
  EXPECT_EQ(by_metrics.bytes, bytes);

  PK_ASSERT_OK(const ScanPlan none, table.PlanWhere("id is null"));
  EXPECT_TRUE(none.tasks.empty());
  EXPECT_EQ(none.counts.manifests_skipped_by_partition, 3);
}

TEST(Plan, ExplainsItselfToPeopleAndScripts) {
  TableInMemory table({.partition_by = "cat"});
  FillByCategory(table);
  PK_ASSERT_OK(const ScanPlan plan, table.PlanWhere("cat = 'c1' and id < 100"));
  const std::string text = Explain(plan, true);
  EXPECT_NE(text.find("manifests   3, 1 skipped by partition"), std::string::npos) << text;
  EXPECT_NE(text.find("1 of 9 to read: 6 skipped by partition, 1 by column metrics"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("cat=c1"), std::string::npos) << text;
  const std::string json = ToJson(plan);
  EXPECT_NE(json.find("\"files-to-read\":1"), std::string::npos) << json;
  EXPECT_NE(json.find("\"files-considered\":9"), std::string::npos) << json;
}

TEST(Plan, ProjectsInTheOrderAskedFor) {
  TableInMemory table({.schema = "id long, p struct<a: int, b: int>, c string"});
  const auto columns = [&](Lines names) {
    return table.Plan({.filter = {}, .columns = std::move(names), .snapshot = {}, .limit = {}});
  };
  PK_ASSERT_OK(const ScanPlan all, columns({}));
  EXPECT_EQ(ColumnsOf(all), (Lines{"id", "p", "c"}));
  PK_ASSERT_OK(const ScanPlan some, columns({"c", "p.b", "ID"}));
  EXPECT_EQ(ColumnsOf(some), (Lines{"c", "p", "id"}));
  EXPECT_EQ(some.projection->fields()[1].type.struct_type()->fields.size(), 1u);
  PK_ASSERT_OK(const ScanPlan twice, columns({"c", "c"}));
  EXPECT_EQ(ColumnsOf(twice), Lines{"c"});
  EXPECT_THAT(columns({"d"}), IsErrorWith(ErrorCode::kInvalidArgument, "d"));
  EXPECT_THAT(table.PlanWhere("nope = 1"), IsErrorWith(ErrorCode::kInvalidArgument, "nope"));
}

TEST(Plan, TravelsInTimeByIdTimeAndRef) {
  TableInMemory table;
  const int64_t first = table.Append(SampleRows(0, 10));
  const int64_t second = table.Append(SampleRows(10, 30));
  table.metadata().refs["old"] = {.snapshot_id = first, .is_tag = true};
  const auto rows_at = [&](SnapshotSelector at) -> Result<size_t> {
    const auto lines =
        table.Read(table.Plan({.filter = {}, .columns = {}, .snapshot = at, .limit = {}}));
    if (!lines.ok()) return lines.error();
    return lines->size();
  };
  using testing::IsOkAnd;
  EXPECT_THAT(rows_at({}), IsOkAnd(30u));
  EXPECT_THAT(rows_at(first), IsOkAnd(10u));
  EXPECT_THAT(rows_at(second), IsOkAnd(30u));
  EXPECT_THAT(rows_at(AsOfTime{2'000}), IsOkAnd(10u));
  EXPECT_THAT(rows_at(AsOfTime{2'999}), IsOkAnd(10u));
  EXPECT_THAT(rows_at(AsOfTime{3'000}), IsOkAnd(30u));
  EXPECT_THAT(rows_at(std::string("old")), IsOkAnd(10u));
  EXPECT_THAT(rows_at(std::string("main")), IsOkAnd(30u));
  EXPECT_THAT(rows_at(int64_t{5}), IsErrorWith(ErrorCode::kNotFound, "no snapshot 5"));
  EXPECT_THAT(rows_at(AsOfTime{1'999}),
              IsErrorWith(ErrorCode::kNotFound, "begins at 1970-01-01T00:00:02Z"));
  EXPECT_THAT(rows_at(std::string("b")), IsErrorWith(ErrorCode::kNotFound, "branch or tag 'b'"));
}

TEST(Plan, ReadsThePastWithItsOwnSchemaAndABranchWithThePresentOne) {
  TableInMemory table;
  const int64_t first = table.Append(SampleRows(0, 1));
  auto& metadata = table.metadata();
  metadata.schemas.push_back(std::make_shared<const iceberg::Schema>(iceberg::Schema(
      iceberg::ParseSchemaText("id long, cat string, x double, y int").value().type(),
      metadata.current_schema_id + 1)));
  ++metadata.current_schema_id;
  metadata.refs["tag"] = {.snapshot_id = first, .is_tag = true};
  metadata.refs["branch"] = {.snapshot_id = first};
  const auto columns_at = [&](SnapshotSelector at) {
    const auto plan = table.Plan({.filter = {}, .columns = {}, .snapshot = at, .limit = {}});
    EXPECT_THAT(plan, IsOk());
    return plan.ok() ? ColumnsOf(*plan).size() : 0;
  };
  EXPECT_EQ(columns_at({}), 4u);
  EXPECT_EQ(columns_at(std::string("main")), 4u);
  EXPECT_EQ(columns_at(std::string("branch")), 4u);
  EXPECT_EQ(columns_at(std::string("tag")), 3u);
  EXPECT_EQ(columns_at(first), 3u);
  EXPECT_THAT(table.Read(table.Plan()),
              testing::IsOkAnd(::testing::ElementsAre(::testing::HasSubstr("\"y\":null"))));
}

TEST(Plan, RefusesNegativeLimits) {
  TableInMemory table;
  table.Append(SampleRows(0, 10));
  EXPECT_THAT(table.Plan({.filter = {}, .columns = {}, .snapshot = {}, .limit = -1}),
              IsErrorWith(ErrorCode::kInvalidArgument, "-1"));
}

ScanRequest After(int64_t from, SnapshotSelector to = {}) {
  return {.filter = {}, .columns = {}, .snapshot = to, .limit = {}, .after_snapshot = from};
}

TEST(Plan, ReadsWhatWasAppendedAfterASnapshot) {
  TableInMemory table({.partition_by = "cat"});
  const int64_t first = table.Append(SampleRows(0, 10));
  const int64_t second = table.Append(SampleRows(10, 20));
  const int64_t third = table.Append(SampleRows(20, 30));
  const auto rows = [&](const ScanRequest& request) {
    auto lines = table.Read(table.Plan(request));
    EXPECT_THAT(lines, IsOk());
    return lines.ok() ? testing::Sorted(*lines) : Lines{};
  };
  EXPECT_EQ(rows(After(first)), testing::Sorted(SampleRows(10, 30)));
  EXPECT_EQ(rows(After(first, second)), testing::Sorted(SampleRows(10, 20)));
  EXPECT_EQ(rows(After(second)), testing::Sorted(SampleRows(20, 30)));
  EXPECT_EQ(rows(After(third)), Lines{});
  EXPECT_EQ(rows(After(first, first)), Lines{});
  ScanRequest filtered = After(first);
  filtered.filter = iceberg::ParseExpression("cat = 'c1' and id < 25").value();
  EXPECT_EQ(rows(filtered).size(), 3u) << "13, 17 and 21";
  PK_ASSERT_OK(const ScanPlan plan, table.Plan(filtered));
  EXPECT_EQ(plan.counts.manifests, 2);
  EXPECT_EQ(plan.counts.files, 8);
  EXPECT_NE(Explain(plan).find("appended after snapshot " + std::to_string(first)),
            std::string::npos);
  EXPECT_NE(ToJson(plan).find("\"after-snapshot-id\":" + std::to_string(first)), std::string::npos);
}

iceberg::ManifestEntry Existing(const iceberg::DataFile& file, int64_t snapshot) {
  return {.status = iceberg::EntryStatus::kExisting,
          .snapshot_id = snapshot,
          .sequence_number = 1,
          .file_sequence_number = 1,
          .file = file};
}

iceberg::ManifestEntry Added(const iceberg::DataFile& file) {
  iceberg::ManifestEntry entry;
  entry.file = file;
  return entry;
}

TEST(Plan, ReadsAppendedRowsOnceWhateverBecameOfTheirFiles) {
  TableInMemory table;
  PK_ASSERT_OK(const auto old, table.Write(SampleRows(0, 10)));
  const int64_t first = table.Commit(old.files);
  PK_ASSERT_OK(const auto appended, table.Write(SampleRows(10, 20)));
  const int64_t second = table.Commit(appended.files);
  // Manifests are merged by an append, then all files by a compaction.
  PK_ASSERT_OK(const auto merged, table.Write(SampleRows(20, 30)));
  const int64_t third = table.Replace(
      {Existing(old.files[0], first), Existing(appended.files[0], second), Added(merged.files[0])},
      "append");
  PK_ASSERT_OK(const auto compacted, table.Write(SampleRows(0, 30)));
  table.Replace({Added(compacted.files[0])});
  table.Append(SampleRows(30, 40));
  const auto rows = [&](const ScanRequest& request) {
    auto lines = table.Read(table.Plan(request));
    EXPECT_THAT(lines, IsOk());
    return lines.ok() ? testing::Sorted(*lines) : Lines{};
  };
  EXPECT_EQ(rows({}), testing::Sorted(SampleRows(0, 40)));
  EXPECT_EQ(rows(After(first)), testing::Sorted(SampleRows(10, 40)));
  EXPECT_EQ(rows(After(second, third)), testing::Sorted(SampleRows(20, 30)));
  EXPECT_EQ(rows(After(third)), testing::Sorted(SampleRows(30, 40)));
}

TEST(Plan, RefusesWhatIsMoreThanAppends) {
  TableInMemory table;
  EXPECT_THAT(table.Plan(After(1)), IsErrorWith(ErrorCode::kNotFound, "no snapshot 1"));
  const int64_t first = table.Append(SampleRows(0, 10));
  PK_ASSERT_OK(const auto other, table.Write(SampleRows(5, 15)));
  const int64_t second = table.Replace({Added(other.files[0])}, "overwrite");
  const int64_t third = table.Append(SampleRows(15, 20));
  EXPECT_THAT(table.Plan(After(first)),
              IsErrorWith(ErrorCode::kUnsupported,
                          "snapshot " + std::to_string(second) + " did more than append"));
  EXPECT_THAT(table.Read(table.Plan(After(second))), testing::IsOkAnd(::testing::SizeIs(5)));
  EXPECT_THAT(table.Plan(After(third, first)),
              IsErrorWith(ErrorCode::kInvalidArgument, "no ancestor"));
  // The oldest expire: what came after the last of them is still known.
  auto& snapshots = table.metadata().snapshots;
  snapshots.erase(snapshots.begin(), snapshots.begin() + 2);
  EXPECT_THAT(table.Read(table.Plan(After(second))), testing::IsOkAnd(::testing::SizeIs(5)));
  EXPECT_THAT(table.Plan(After(first)), IsErrorWith(ErrorCode::kFailedPrecondition, "has expired"));
}

ScanRequest Only(Lines files, const std::string& filter = "true") {
  return {.filter = iceberg::ParseExpression(filter).value(),
          .columns = {},
          .snapshot = {},
          .limit = {},
          .files = std::move(files)};
}

TEST(Plan, ReadsTheFilesThatAreNamedAndNoOthers) {
  TableInMemory table({.partition_by = "cat"});
  PK_ASSERT_OK(const auto old, table.Write(SampleRows(0, 40)));
  table.Commit(old.files);
  PK_ASSERT_OK(const auto young, table.Write(SampleRows(40, 80)));
  table.Commit(young.files);
  const auto& hidden = old.files[0];
  table.Commit({table.WritePositionDeletes({{hidden.location, 0}}, hidden.partition)},
               iceberg::ManifestContent::kDeletes);
  const Lines first = table.RowsOf(hidden), other = table.RowsOf(young.files[1]);
  Lines expected(first.begin() + 1, first.end());
  expected.insert(expected.end(), other.begin(), other.end());
  const Lines named = {young.files[1].location, hidden.location, hidden.location};
  PK_ASSERT_OK(const Lines rows, table.Read(table.Plan(Only(named))));
  EXPECT_EQ(testing::Sorted(rows), testing::Sorted(expected));
  PK_ASSERT_OK(const ScanPlan plan, table.Plan(Only(named, "cat = 'none'")));
  EXPECT_EQ(plan.tasks.size(), 0u);
  EXPECT_EQ(plan.counts.files, 2);
  EXPECT_EQ(plan.counts.files_skipped_by_partition, 2);
  EXPECT_NE(Explain(plan).find("only 3 that were named"), std::string::npos);
  EXPECT_NE(ToJson(plan).find("\"files-named\":3"), std::string::npos);
  PK_ASSERT_OK(const ScanPlan none, table.Plan(Only({})));
  EXPECT_EQ(none.tasks.size(), 0u);
  EXPECT_EQ(none.counts.manifests, 0);
}

TEST(Plan, ReadsAFileTwiceThatIsThereTwice) {
  TableInMemory table;
  PK_ASSERT_OK(const auto written, table.Write(SampleRows(0, 10)));
  table.Commit(written.files);
  table.Commit(written.files);
  EXPECT_THAT(table.Read(table.Plan(Only({written.files[0].location}))),
              testing::IsOkAnd(::testing::SizeIs(20)));
}

TEST(Plan, NamesTheFileThatTheSnapshotDoesNotHave) {
  TableInMemory table({.partition_by = "cat"});
  EXPECT_THAT(table.Plan(Only({"x"})), IsErrorWith(ErrorCode::kFailedPrecondition, "data file x"));
  EXPECT_THAT(table.Plan(Only({})), IsOk());
  PK_ASSERT_OK(const auto old, table.Write(SampleRows(0, 40)));
  const int64_t first = table.Commit(old.files);
  PK_ASSERT_OK(const auto young, table.Write(SampleRows(40, 80)));
  const int64_t second = table.Commit(young.files);
  const std::string before = old.files[0].location, after = young.files[0].location;
  // Whatever the filter leaves out.
  for (const char* filter : {"true", "cat = 'c0'", "cat = 'none'", "id < 0", "false"}) {
    EXPECT_THAT(table.Plan(Only({before, "memory://lake/gone"}, filter)),
                IsErrorWith(ErrorCode::kFailedPrecondition, "data file memory://lake/gone"))
        << filter;
    EXPECT_THAT(table.Plan(Only({before, after}, filter)), IsOk()) << filter;
  }
  ScanRequest appended = Only({after});
  appended.after_snapshot = first;
  EXPECT_THAT(table.Read(table.Plan(appended)), testing::IsOkAnd(::testing::SizeIs(10)));
  appended.files->push_back(before);
  EXPECT_THAT(table.Plan(appended), IsErrorWith(ErrorCode::kFailedPrecondition, before));
  appended.files->clear();
  EXPECT_THAT(table.Read(table.Plan(appended)), testing::IsOkAnd(::testing::SizeIs(0)));
  ScanRequest past = Only({after});
  past.snapshot = first;
  EXPECT_THAT(table.Plan(past), IsErrorWith(ErrorCode::kFailedPrecondition, after));
  // What was taken away again, and what an append cannot tell.
  table.Replace({Existing(old.files[0], first), Existing(young.files[1], second)}, "overwrite");
  EXPECT_THAT(table.Plan(Only({after})), IsErrorWith(ErrorCode::kFailedPrecondition, after));
  appended.files = Lines();
  EXPECT_THAT(table.Plan(appended), IsErrorWith(ErrorCode::kUnsupported, "did more than append"));
  appended.changes = true;
  EXPECT_THAT(table.Plan(appended), IsErrorWith(ErrorCode::kInvalidArgument, "some of its files"));
}

TEST(Plan, ReadsManifestsOfVersion1) {
  TableInMemory table({.partition_by = "cat"});
  PK_ASSERT_OK(const auto written, table.Write(SampleRows(0, 100)));
  table.Commit(written.files, iceberg::ManifestContent::kData, 1);
  PK_ASSERT_OK(const ScanPlan plan, table.PlanWhere("cat = 'c1'"));
  EXPECT_EQ(plan.tasks.size(), 1u);
  EXPECT_THAT(table.Read(plan), testing::IsOkAnd(::testing::SizeIs(25)));
}

TEST(Plan, NamesTheManifestThatIsMissing) {
  TableInMemory table;
  table.Append(SampleRows(0, 10));
  ASSERT_THAT(table.storage().Remove("memory://lake/t/metadata/m100.avro"), IsOk());
  EXPECT_THAT(table.Plan(), IsErrorWith(ErrorCode::kNotFound, "m100.avro"));
  ASSERT_THAT(table.storage().Remove("memory://lake/t/metadata/s100.avro"), IsOk());
  EXPECT_THAT(table.Plan(), IsErrorWith(ErrorCode::kNotFound, "s100.avro"));
}

}  // namespace
}  // namespace pk::table
