// Compactions and overwrites on a real catalog, with others at work on the table.

#include "parkeeper/lake/compact.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "parkeeper/lake/delete.h"
#include "parkeeper/lake/doctor.h"
#include "parkeeper/table/overwrite.h"
#include "tests/support/table_in_memory.h"

namespace pk::lake {
namespace {

using catalog::Committed;
using catalog::LoadedTable;
using catalog::Rejected;
using catalog::TableName;
using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::RowDelta;
using iceberg::Value;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::Lines;
using testing::SampleRows;
using Ids = std::multiset<int64_t>;

const TableName kOrders{{{"sales"}}, "orders"};
constexpr int64_t kCats = 2;

Ids Range(int64_t first, int64_t last, const Ids& without = {}) {
  Ids ids;
  for (int64_t id = first; id < last; ++id) {
    if (!without.contains(id)) ids.insert(id);
  }
  return ids;
}

// A table of `id long, cat string, x double` in memory.
class CompactTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    lake_ = Lake::Open(std::string("memory://compact-") + test->name()).value();
    ASSERT_THAT(lake_->catalog().CreateNamespace({{"sales"}}, {}), IsOk());
  }

  void Make(const std::string& partition_by = "", const catalog::Properties& properties = {}) {
    catalog::NewTableRequest request;
    request.schema = iceberg::ParseSchemaText("id long not null, cat string, x double").value();
    request.spec = iceberg::ParsePartitionText(partition_by, request.schema).value();
    request.properties = properties;
    ASSERT_THAT(lake_->catalog().CreateTable(kOrders, request), IsOk());
  }

  LoadedTable Load() { return lake_->catalog().LoadTable(kOrders).value(); }

  Result<table::AppendedFiles> Write(int64_t first, int64_t last) {
    const LoadedTable table = Load();
    std::vector<std::unique_ptr<datafile::BatchSource>> sources;
    sources.push_back(rows_.Of(table.metadata->schema(), SampleRows(first, last, kCats)));
    return table::WriteDataFiles(lake_->storage(), *table.metadata,
                                 testing::Each(std::move(sources)), {.writers = 1});
  }
  std::vector<DataFile> Append(int64_t first, int64_t last) {
    const auto written = Write(first, last);
    EXPECT_THAT(written, IsOk());
    EXPECT_THAT(CommitFiles(*lake_, Load(), *written), IsOk());
    return written->files;
  }
  void AppendFiles(int files, int64_t rows = 10) {
    for (int64_t i = 0; i < files; ++i) Append(i * rows, i * rows + rows);
  }

  DataFile WriteDeletes(const iceberg::Schema& schema, const Lines& lines) {
    datafile::WriterOptions options;
    options.metrics.mode = datafile::MetricsMode::kFull;
    const LoadedTable table = Load();
    const std::string location =
        fmt::format("{}/data/deletes-{}.parquet", table.metadata->location, next_++);
    auto writer =
        datafile::ParquetWriter::Open(lake_->storage(), location,
                                      std::make_shared<const iceberg::Schema>(schema), options)
            .value();
    const auto source = rows_.Of(schema, lines);
    while (auto batch = source->Next().value()) EXPECT_THAT(writer->Write(*batch), IsOk());
    DataFile file = writer->Finish().value();
    file.spec_id = table.metadata->default_spec_id;
    return file;
  }
  DataFile PositionDeletes(const std::vector<std::pair<DataFile, int64_t>>& rows) {
    const iceberg::PrimitiveKind text = iceberg::PrimitiveKind::kString;
    const iceberg::Schema schema(
        iceberg::StructType{.fields = {{.id = datafile::kDeletePathFieldId,
                                        .name = "file_path",
                                        .required = true,
                                        .type = text},
                                       {.id = datafile::kDeletePositionFieldId,
                                        .name = "pos",
                                        .required = true,
                                        .type = iceberg::PrimitiveKind::kLong}}});
    Lines lines;
    for (const auto& [file, position] : rows) {
      lines.push_back(fmt::format(R"({{"file_path":"{}","pos":{}}})", file.location, position));
    }
    DataFile file = WriteDeletes(schema, lines);
    file.content = FileContent::kPositionDeletes;
    file.partition = rows.front().first.partition;
    return file;
  }
  DataFile EqualityDeletes(const std::vector<int64_t>& ids, std::vector<Value> partition = {}) {
    const iceberg::Schema all = Load().metadata->schema();
    Lines lines;
    for (const int64_t id : ids) lines.push_back(fmt::format(R"({{"id":{}}})", id));
    DataFile file = WriteDeletes(iceberg::Select(all, {"id"}).value(), lines);
    file.content = FileContent::kEqualityDeletes;
    file.equality_ids = {all.FindByName("id")->id};
    file.partition = std::move(partition);
    return file;
  }

  // "" when it was applied, else why not.
  std::string Commit(RowDelta delta) {
    const auto outcome = lake_->catalog().Commit(
        Load().key, table::MakeRowDeltaCommit(std::move(delta), SystemClock().WallMs()),
        catalog::CommitId::kNew);
    EXPECT_THAT(outcome, IsOk());
    if (!outcome.ok()) return outcome.error().message();
    const auto* rejected = std::get_if<Rejected>(&*outcome);
    return rejected == nullptr ? "" : rejected->reason;
  }
  // Delete files, and data files that they refer to.
  std::string CommitDeletes(const std::vector<DataFile>& deletes,
                            const std::vector<DataFile>& referenced = {}) {
    RowDelta delta;
    delta.base_snapshot_id = Load().metadata->current_snapshot()->snapshot_id;
    delta.added = deletes;
    delta.schema_id = Load().metadata->current_schema_id;
    for (const DataFile& file : referenced) {
      delta.referenced.push_back({.content = FileContent::kData,
                                  .location = file.location,
                                  .spec_id = file.spec_id,
                                  .partition = file.partition});
    }
    return Commit(std::move(delta));
  }

  void PartitionBy(const std::string& text) {
    iceberg::UpdateTable update;
    iceberg::AddPartitionSpec add;
    add.spec = iceberg::ParsePartitionText(text, Load().metadata->schema()).value();
    add.spec.fields.at(0).field_id = Load().metadata->last_partition_id + 1;
    update.updates.emplace_back(add);
    update.updates.emplace_back(iceberg::SetDefaultSpec{});
    const auto outcome = lake_->catalog().Commit(
        Load().key,
        {.id = SystemIds().NewUuid7(SystemClock()), .change = update, .oldest_file_ms = 0},
        catalog::CommitId::kNew);
    ASSERT_THAT(outcome, IsOk());
    ASSERT_TRUE(std::holds_alternative<Committed>(*outcome));
  }

  table::CompactionPlan Plan() {
    return table::PlanCompaction(lake_->storage(), *Load().metadata).value();
  }
  RowDelta Rewrite(const table::CompactionGroup& group) {
    auto made = table::RewriteFiles(lake_->storage(), *Load().metadata, group, {.threads = 2});
    EXPECT_THAT(made, IsOk());
    return made.ok() ? std::move(made->delta) : RowDelta();
  }
  RowDelta RewriteAll() {
    const auto plan = Plan();
    EXPECT_EQ(plan.groups.size(), 1u);
    return plan.groups.empty() ? RowDelta() : Rewrite(plan.groups[0]);
  }

  Ids Rows(const LoadedTable& table, table::SnapshotSelector snapshot = {}) {
    const auto plan =
        table::PlanScan(lake_->storage(), *table.metadata,
                        {.filter = {}, .columns = {"id"}, .snapshot = snapshot, .limit = {}});
    EXPECT_THAT(plan, IsOk());
    const auto lines = testing::ReadLines(table::Scan(lake_->storage(), *plan));
    EXPECT_THAT(lines, IsOk());
    Ids ids;
    for (const std::string& line : *lines) ids.insert(std::stoll(line.substr(line.find(':') + 1)));
    return ids;
  }
  Ids Rows() { return Rows(Load()); }
  int64_t Total(const std::string& what) {
    return std::stoll(Load().metadata->current_snapshot()->summary.at("total-" + what));
  }

  void ExpectSound() {
    const auto diagnosis = Diagnose(*lake_, {.deep = true, .progress = {}});
    ASSERT_THAT(diagnosis, IsOk());
    for (const Finding& finding : diagnosis->findings) ADD_FAILURE() << finding.what;
  }
  std::set<std::string> DataFiles() {
    std::set<std::string> files;
    EXPECT_THAT(lake_->storage().List(lake_->storage().root(),
                                      [&](const storage::FileStatus& file) -> Result<> {
                                        if (file.location.ends_with(".parquet")) {
                                          files.insert(file.location);
                                        }
                                        return {};
                                      }),
                IsOk());
    return files;
  }

  std::unique_ptr<Lake> lake_;
  testing::RowSources rows_;
  int next_ = 0;
};

TEST_F(CompactTest, RewritesGetAlongWithAppends) {
  Make();
  AppendFiles(5);
  RowDelta rewrite = RewriteAll();
  Append(50, 60);
  EXPECT_EQ(Commit(rewrite), "");
  EXPECT_EQ(Rows(), Range(0, 60));
  EXPECT_EQ(Total("data-files"), 2);
  ExpectSound();
}

TEST_F(CompactTest, RewritesOfTheSameFilesHappenOnce) {
  Make();
  AppendFiles(5);
  RowDelta rewrite = RewriteAll(), other = RewriteAll();
  EXPECT_EQ(Commit(other), "");
  EXPECT_THAT(Commit(rewrite), ::testing::HasSubstr("removed"));
  EXPECT_EQ(Rows(), Range(0, 50));
  EXPECT_EQ(Total("data-files"), 1);
}

TEST_F(CompactTest, RewritesBringNoRowBackThatWasDeletedByCopyOnWrite) {
  Make();
  AppendFiles(5);
  RowDelta rewrite = RewriteAll();
  ASSERT_THAT(Delete(*lake_, kOrders, iceberg::ParseExpression("id = 7").value(), {}), IsOk());
  EXPECT_THAT(Commit(rewrite), ::testing::HasSubstr("removed"));
  EXPECT_EQ(Rows(), Range(0, 50, {7}));
}

TEST_F(CompactTest, RewritesBringNoRowBackThatWasDeletedByPosition) {
  Make();
  const auto file = Append(0, 10).at(0);
  for (int64_t i = 1; i < 5; ++i) Append(i * 10, i * 10 + 10);
  RowDelta rewrite = RewriteAll();
  ASSERT_EQ(CommitDeletes({PositionDeletes({{file, 7}})}, {file}), "");
  EXPECT_THAT(Commit(rewrite), ::testing::HasSubstr("deleted rows meanwhile"));
  EXPECT_EQ(Rows(), Range(0, 50, {7}));
}

TEST_F(CompactTest, RewrittenRowsMeetLaterEqualityDeletesAndNoEarlierOnes) {
  Make();
  Append(0, 10);
  ASSERT_EQ(CommitDeletes({EqualityDeletes({3})}), "");
  for (int64_t i = 0; i < 5; ++i) Append(i * 10, i * 10 + 10);  // 3 comes back
  RowDelta rewrite = RewriteAll();
  ASSERT_EQ(CommitDeletes({EqualityDeletes({4, 25})}), "");
  EXPECT_EQ(Commit(rewrite), "");
  Ids want = Range(0, 50, {4, 25});
  want.merge(Range(0, 10, {3, 4}));
  EXPECT_EQ(Rows(), want);
  EXPECT_EQ(Total("equality-deletes"), 2) << "the first went with the rows that it hid";
  ExpectSound();
}

// Deletes of a partition apply to files of its spec only, so that rows which come into the spec
// would meet others than where they were.
TEST_F(CompactTest, RewritesIntoAnotherSpecMeetNoDeletesThatDidNotApplyBefore) {
  Make();
  AppendFiles(5);
  PartitionBy("cat");
  const std::vector<Value> c1 = {std::string("c1")};
  ASSERT_EQ(CommitDeletes({EqualityDeletes({1}, c1)}), "");
  EXPECT_EQ(Rows(), Range(0, 50));
  RowDelta rewrite = RewriteAll();
  Append(50, 60);
  EXPECT_EQ(Commit(rewrite), "");
  EXPECT_EQ(Rows(), Range(0, 60)) << "the delete of the base applies to none of them";
  ASSERT_EQ(CommitDeletes({EqualityDeletes({3}, c1)}), "");
  EXPECT_EQ(Rows(), Range(0, 60, {3}));
}

TEST_F(CompactTest, RewritesIntoAnotherSpecAreRejectedWhenEqualityDeletesOfEitherCame) {
  Make("cat");
  AppendFiles(5);
  const int32_t old_spec = Load().metadata->default_spec_id;
  PartitionBy("bucket(4, id)");
  const std::vector<Value> c1 = {std::string("c1")};
  const auto plan = Plan();
  ASSERT_EQ(plan.groups.size(), 2u);
  RowDelta c0_rows = Rewrite(plan.groups[0]), c1_rows = Rewrite(plan.groups[1]);
  DataFile of_old = EqualityDeletes({3}, c1);
  of_old.spec_id = old_spec;
  ASSERT_EQ(CommitDeletes({of_old}), "");
  EXPECT_THAT(Commit(c1_rows), ::testing::HasSubstr("deleted rows meanwhile"))
      << "it would not apply any more";
  EXPECT_EQ(Commit(c0_rows), "") << "they are not in its partition";
  EXPECT_EQ(Rows(), Range(0, 50, {3}));
  RowDelta again = Rewrite(plan.groups[1]);
  ASSERT_FALSE(again.added.empty());
  ASSERT_EQ(CommitDeletes({EqualityDeletes({4}, again.added[0].partition)}), "");
  const Ids before = Rows();
  EXPECT_THAT(Commit(again), ::testing::HasSubstr("deleted rows meanwhile"))
      << "it did not apply before";
  EXPECT_EQ(Rows(), before);
}

TEST_F(CompactTest, RewritesIntoAnotherSpecGetAlongWithEqualityDeletesOfNone) {
  Make();
  AppendFiles(5);
  const int32_t none = Load().metadata->default_spec_id;
  PartitionBy("cat");
  RowDelta rewrite = RewriteAll();
  DataFile everywhere = EqualityDeletes({7});
  everywhere.spec_id = none;
  ASSERT_EQ(CommitDeletes({everywhere}), "");
  EXPECT_EQ(Commit(rewrite), "");
  EXPECT_EQ(Rows(), Range(0, 50, {7}));
}

RowDelta Overwriting(Lake& lake, const LoadedTable& base, const table::AppendedFiles& written,
                     table::OverwriteOptions options = {}) {
  auto delta = table::PrepareOverwrite(lake.storage(), *base.metadata, written, options);
  EXPECT_THAT(delta, IsOk());
  return delta.ok() ? *delta : RowDelta();
}

TEST_F(CompactTest, OverwritesReplaceEverythingOnce) {
  Make();
  const auto file = Append(0, 10).at(0);
  Append(10, 20);
  ASSERT_EQ(CommitDeletes({PositionDeletes({{file, 7}}), EqualityDeletes({12, 500})}, {file}), "");
  const LoadedTable base = Load();
  PK_ASSERT_OK(const auto first, Write(100, 110));
  PK_ASSERT_OK(const auto second, Write(200, 210));
  const RowDelta late = Overwriting(*lake_, base, second);
  EXPECT_EQ(Commit(Overwriting(*lake_, base, first)), "");
  EXPECT_EQ(Rows(), Range(100, 110));
  EXPECT_EQ(Total("delete-files"), 0);
  EXPECT_EQ(Total("data-files"), 1);
  EXPECT_THAT(Commit(late), ::testing::HasSubstr("removed"));
  EXPECT_EQ(Rows(), Range(100, 110));
  EXPECT_EQ(Rows(Load(), base.metadata->current_snapshot()->snapshot_id), Range(0, 20, {7, 12}));
  EXPECT_EQ(Commit(Overwriting(*lake_, Load(), {})), "") << "with nothing";
  EXPECT_EQ(Rows(), Ids());
  EXPECT_EQ(Load().metadata->current_snapshot()->summary.at("operation"), "delete");
}

TEST_F(CompactTest, OverwritesAreConflictsWithRowsThatComeUnlessToldOtherwise) {
  Make();
  AppendFiles(2);
  LoadedTable base = Load();
  PK_ASSERT_OK(const auto written, Write(100, 110));
  const RowDelta strict = Overwriting(*lake_, base, written),
                 lax = Overwriting(*lake_, base, written, {.keep_new_rows = true});
  Append(50, 60);
  EXPECT_THAT(Commit(strict), ::testing::HasSubstr("meanwhile"));
  EXPECT_EQ(Commit(lax), "");
  Ids want = Range(50, 60);
  want.merge(Range(100, 110));
  EXPECT_EQ(Rows(), want);
  // Rows deleted meanwhile: the result was made from what was there.
  base = Load();
  PK_ASSERT_OK(const auto more, Write(200, 210));
  const RowDelta third = Overwriting(*lake_, base, more);
  ASSERT_EQ(CommitDeletes({EqualityDeletes({55})}), "");
  EXPECT_THAT(Commit(third), ::testing::HasSubstr("deleted rows meanwhile"));
  want.erase(55);
  EXPECT_EQ(Rows(), want);
}

TEST_F(CompactTest, OverwritesOfAnEmptyTableMeetThoseWhoWereFaster) {
  Make();
  const LoadedTable base = Load();
  PK_ASSERT_OK(const auto written, Write(0, 10));
  PK_ASSERT_OK(const auto more, Write(10, 20));
  const RowDelta late = Overwriting(*lake_, base, more);
  EXPECT_EQ(Commit(Overwriting(*lake_, base, written)), "");
  EXPECT_THAT(Commit(late), ::testing::HasSubstr("meanwhile"));
  EXPECT_EQ(Rows(), Range(0, 10));
}

TEST_F(CompactTest, OverwritesOfAPartitionLeaveTheOthersAlone) {
  Make("cat");
  AppendFiles(2);
  const LoadedTable base = Load();
  table::AppendedFiles written = Write(100, 110).value();
  std::erase_if(written.files, [](const DataFile& file) {
    return file.partition != std::vector<Value>{std::string("c1")};
  });
  const auto filter = iceberg::ParseExpression("cat = 'c1'").value();
  const RowDelta delta = Overwriting(*lake_, base, written, {.rows = filter});
  const auto late = Write(30, 40).value();
  table::AppendedFiles of_c0 = late, of_c1 = late;
  of_c0.files = {late.files[0]};
  of_c1.files = {late.files[1]};
  ASSERT_EQ(of_c1.files[0].partition, written.files[0].partition);
  ASSERT_THAT(CommitFiles(*lake_, Load(), of_c0), IsOk());
  const RowDelta again = Overwriting(*lake_, Load(), written, {.rows = filter});
  EXPECT_EQ(Commit(delta), "");
  Ids want;
  for (const int64_t id : {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 30, 32, 34, 36, 38}) want.insert(id);
  for (const int64_t id : {101, 103, 105, 107, 109}) want.insert(id);
  EXPECT_EQ(Rows(), want);
  ASSERT_THAT(CommitFiles(*lake_, Load(), of_c1), IsOk());
  EXPECT_THAT(Commit(again), ::testing::HasSubstr("removed"));
}

TEST_F(CompactTest, MakesFewFilesOfManyAndIsThenDone) {
  Make("cat");
  const auto files = Append(0, 10);
  for (int64_t i = 1; i < 30; ++i) Append(i * 10, i * 10 + 10);
  ASSERT_EQ(CommitDeletes({PositionDeletes({{files[0], 1}}), PositionDeletes({{files[1], 2}}),
                           EqualityDeletes({100}, {std::string("c0")})},
                          {files[0], files[1]}),
            "");
  const Ids before = Rows();
  ASSERT_EQ(before.size(), 297u);
  const int64_t snapshot = Load().metadata->current_snapshot()->snapshot_id;
  // Several groups of a partition share the equality delete.
  CompactOptions options;
  options.plan.max_group_files = 12;
  int64_t done = 0;
  options.progress = [&](const CompactProgress& progress) {
    done = progress.groups_done;
    EXPECT_EQ(progress.groups, 6);
    EXPECT_LE(progress.bytes_done, progress.bytes);
  };
  PK_ASSERT_OK(const CompactResult result, Compact(*lake_, kOrders, options));
  EXPECT_EQ(done, 6);
  EXPECT_EQ(result.groups, 6);
  EXPECT_EQ(result.files_before, 60);
  EXPECT_EQ(result.files_after(), 6);
  EXPECT_EQ(result.files_removed, 60);
  EXPECT_EQ(result.files_written, 6);
  EXPECT_LT(result.bytes_after(), result.bytes_before);
  EXPECT_EQ(result.rows, 297);
  EXPECT_EQ(result.delete_files_removed, 3);
  EXPECT_TRUE(result.rejected.empty());
  EXPECT_EQ(Rows(), before);
  EXPECT_EQ(Total("data-files"), 6);
  EXPECT_EQ(Total("delete-files"), 0);
  EXPECT_EQ(Rows(Load(), snapshot), before);
  const auto version = Load().version;
  options.progress = {};
  PK_ASSERT_OK(const CompactResult again, Compact(*lake_, kOrders, {}));
  EXPECT_EQ(again.groups, 0);
  EXPECT_EQ(Load().version, version);
  ExpectSound();
}

TEST_F(CompactTest, PlansAgainWhatOthersChanged) {
  Make();
  AppendFiles(12);
  bool once = false;
  CompactOptions options;
  options.progress = [&](const CompactProgress&) {
    if (std::exchange(once, true)) return;
    ASSERT_THAT(Delete(*lake_, kOrders, iceberg::ParseExpression("id < 10 or id = 55").value(), {}),
                IsOk());
    for (int64_t i = 20; i < 26; ++i) Append(i * 10, i * 10 + 10);
  };
  PK_ASSERT_OK(const CompactResult result, Compact(*lake_, kOrders, options));
  EXPECT_EQ(result.groups, 1);
  EXPECT_TRUE(result.rejected.empty());
  Ids want = Range(10, 120, {55});
  want.merge(Range(200, 260));
  EXPECT_EQ(Rows(), want);
  EXPECT_EQ(Total("data-files"), 1);
  ExpectSound();
}

TEST_F(CompactTest, SaysWhatItCouldNotCompactAndLeavesNothingOfIt) {
  Make();
  AppendFiles(12);
  int64_t id = 0;
  std::set<std::string> of_others;
  CompactOptions options;
  options.progress = [&](const CompactProgress& progress) {
    if (progress.groups_done > 0) return;
    ASSERT_THAT(
        Delete(*lake_, kOrders, iceberg::ParseExpression(fmt::format("id = {}", id++)).value(), {}),
        IsOk());
    of_others.merge(DataFiles());
  };
  PK_ASSERT_OK(const CompactResult result, Compact(*lake_, kOrders, options));
  EXPECT_EQ(result.groups, 0);
  ASSERT_EQ(result.rejected.size(), 1u);
  EXPECT_THAT(result.rejected[0], ::testing::HasSubstr("removed"));
  EXPECT_GE(id, 3);
  EXPECT_EQ(Rows(), Range(id, 120));
  EXPECT_EQ(DataFiles(), of_others);
}

TEST_F(CompactTest, KeepsTheGroupsThatAreDoneWhenItIsStopped) {
  Make("cat");
  AppendFiles(6);
  std::stop_source stop;
  CompactOptions options;
  options.stop = stop.get_token();
  options.progress = [&](const CompactProgress& progress) {
    if (progress.groups_done == 1) stop.request_stop();
  };
  EXPECT_THAT(Compact(*lake_, kOrders, options),
              IsErrorWith(ErrorCode::kCancelled, "1 groups are compacted"));
  EXPECT_EQ(Total("data-files"), 7);
  EXPECT_EQ(Rows(), Range(0, 60));
  EXPECT_EQ(DataFiles().size(), 13u) << "the old ones and one new one";
  ExpectSound();
}

TEST_F(CompactTest, LeavesNothingOfTheGroupThatItIsStoppedIn) {
  Make();
  AppendFiles(6);
  const auto before = DataFiles();
  std::stop_source stop;
  CompactOptions options;
  options.stop = stop.get_token();
  options.progress = [&](const CompactProgress&) { stop.request_stop(); };
  EXPECT_THAT(Compact(*lake_, kOrders, options),
              IsErrorWith(ErrorCode::kCancelled, "the compaction was stopped"));
  EXPECT_EQ(DataFiles(), before);
  EXPECT_EQ(Rows(), Range(0, 60));
}

TEST_F(CompactTest, TakesTablesOfVersion1) {
  Make("cat", {{"format-version", "1"}});
  AppendFiles(6);
  PK_ASSERT_OK(const CompactResult result, Compact(*lake_, kOrders, {}));
  EXPECT_EQ(result.files_after(), 2);
  EXPECT_EQ(Rows(), Range(0, 60));
  ExpectSound();
}

TEST_F(CompactTest, SaysWhatIsWrong) {
  Make();
  PK_ASSERT_OK(const CompactResult nothing, Compact(*lake_, kOrders, {}));
  EXPECT_EQ(nothing.groups, 0);
  EXPECT_FALSE(nothing.snapshot_id.has_value());
  EXPECT_THAT(Compact(*lake_, {{{"sales"}}, "none"}, {}), IsError(ErrorCode::kNotFound));
  CompactOptions options;
  options.tries = 0;
  EXPECT_THAT(Compact(*lake_, kOrders, options), IsError(ErrorCode::kInvalidArgument));
  options.tries = 1;
  options.plan.filter = iceberg::ParseExpression("nope = 1").value();
  EXPECT_THAT(Compact(*lake_, kOrders, options),
              IsErrorWith(ErrorCode::kInvalidArgument, "sales.orders"));
}

}  // namespace
}  // namespace pk::lake
