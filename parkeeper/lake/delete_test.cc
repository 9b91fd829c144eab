#include "parkeeper/lake/delete.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "parkeeper/lake/doctor.h"
#include "parkeeper/lake/import.h"
#include "parkeeper/storage/faulty.h"
#include "parkeeper/table/scan.h"
#include "tests/support/matchers.h"
#include "tests/support/read_all.h"
#include "tests/support/temp_folder.h"

namespace pk::lake {
namespace {

using catalog::TableName;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using Lines = std::vector<std::string>;

const TableName kOrders{{{"sales"}}, "orders"};

// A table of `id long, cat string, x double` in memory; rows as the scan gives them.
class DeleteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    const auto watch = [this](storage::Storage& inner) {
      return storage::MakeFaulty(
          inner, {.schedule = [this](storage::Call call, std::string_view location) {
            std::lock_guard lock(mutex_);
            if (call == storage::Call::kOpen) opened_.emplace(location);
            return storage::Fault::kNone;
          }});
    };
    auto opened =
        Lake::Open(std::string("memory://delete-") + test->name(), {.wrap_storage = watch});
    ASSERT_THAT(opened, IsOk());
    lake_ = std::move(opened).value();
  }

  // Ids [first, last) as one file a partition; x is missing in every fifth row and NaN in others.
  void Import(int first, int last, const std::string& partition_by = "") {
    std::string text;
    for (int id = first; id < last; ++id) {
      const std::string x = id % 5 == 0   ? "null"
                            : id % 7 == 0 ? "\"NaN\""
                                          : fmt::format("{}.5", id);
      text += fmt::format("{{\"id\":{},\"cat\":\"c{}\",\"x\":{}}}\n", id, id % 3, x);
    }
    const std::string path = folder_ / fmt::format("{}.jsonl", first);
    std::ofstream(path) << text;
    if (!lake_->catalog().LoadTable(kOrders).ok()) {
      static_cast<void>(lake_->catalog().CreateNamespace({{"sales"}}, {}));
      catalog::NewTableRequest request;
      request.schema = iceberg::ParseSchemaText("id long, cat string, x double").value();
      request.spec = iceberg::ParsePartitionText(partition_by, request.schema).value();
      ASSERT_THAT(lake_->catalog().CreateTable(kOrders, request), IsOk());
    }
    ImportOptions options;
    options.writers = 1;
    ASSERT_THAT(lake::Import(*lake_, kOrders, {path}, options), IsOk());
  }

  Lines Rows(const std::string& where = "true") {
    const auto table = lake_->catalog().LoadTable(kOrders);
    EXPECT_THAT(table, IsOk());
    table::ScanRequest request;
    request.filter = iceberg::ParseExpression(where).value();
    const auto plan = table::PlanScan(lake_->storage(), *table->metadata, request);
    EXPECT_THAT(plan, IsOk());
    auto lines = testing::ReadLines(table::Scan(lake_->storage(), *plan));
    EXPECT_THAT(lines, IsOk());
    std::ranges::sort(*lines);
    return *lines;
  }

  Result<DeleteResult> Delete(const std::string& where, DeleteOptions options = {}) {
    options.threads = 2;
    return lake::Delete(*lake_, kOrders, iceberg::ParseExpression(where).value(), options);
  }

  // What is left is all but what matched, and the lake is sound.
  DeleteResult DeletesExactly(const std::string& where) {
    const Lines all = Rows(), matching = Rows(where);
    Lines others;
    std::ranges::set_difference(all, matching, std::back_inserter(others));
    const auto result = Delete(where);
    EXPECT_THAT(result, IsOk());
    EXPECT_EQ(Rows(), others) << where;
    EXPECT_EQ(result->rows, int64_t(matching.size())) << where;
    const auto diagnosis = Diagnose(*lake_, {.deep = true, .progress = {}});
    EXPECT_THAT(diagnosis, IsOk());
    EXPECT_TRUE(diagnosis->findings.empty());
    return *result;
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

  testing::TempFolder folder_;
  std::mutex mutex_;
  std::set<std::string> opened_;
  std::unique_ptr<Lake> lake_;
};

TEST_F(DeleteTest, RemovesExactlyTheRowsThatMatch) {
  for (int first = 0; first < 400; first += 100) Import(first, first + 100);
  DeletesExactly("id < 20");
  DeletesExactly("x > 350");
  DeletesExactly("not (x < 300)");
  DeletesExactly("x is null and id > 100");
  DeletesExactly("x != 41.5 and id < 60");
  DeletesExactly("cat in ('c1', 'c2') and id between 100 and 150 or id = 77");
  DeletesExactly("x is nan");
  EXPECT_FALSE(Rows().empty());
  DeletesExactly("true");
  EXPECT_TRUE(Rows().empty());
}

TEST_F(DeleteTest, ReadsNoFileOfWhichEveryRowMatches) {
  for (int first = 0; first < 300; first += 100) Import(first, first + 100);
  const auto before = DataFiles();
  opened_.clear();
  const auto result = Delete("id < 150");
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->rows, 150);
  EXPECT_EQ(result->files_removed, 1);
  EXPECT_EQ(result->files_rewritten, 1);
  EXPECT_EQ(result->data_files, 1);
  int read = 0;
  for (const std::string& file : before) read += opened_.contains(file);
  EXPECT_EQ(read, 1) << "neither the one that goes whole nor the one without such rows";
}

TEST_F(DeleteTest, TakesPartitionsAwayUnread) {
  Import(0, 99, "cat");
  const auto before = DataFiles();
  ASSERT_EQ(before.size(), 3u);
  opened_.clear();
  const auto result = Delete("cat = 'c1'");
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->files_removed, 1);
  EXPECT_EQ(result->rows, 33);
  for (const std::string& file : before) EXPECT_FALSE(opened_.contains(file)) << file;
  EXPECT_EQ(Rows("cat = 'c1'").size(), 0u);
  EXPECT_EQ(Rows().size(), 66u);
}

TEST_F(DeleteTest, LeavesFilesAloneThatOnlyMightHaveMatched) {
  Import(0, 100);
  const auto before = DataFiles();
  const auto none = Delete("cat = 'c1b'");
  ASSERT_THAT(none, IsOk());
  EXPECT_FALSE(none->snapshot_id.has_value());
  EXPECT_EQ(none->rows, 0);
  EXPECT_EQ(DataFiles(), before);
  PK_ASSERT_OK(const auto table, lake_->catalog().LoadTable(kOrders));
  EXPECT_EQ(table.version, 1) << "nothing was committed";
}

TEST_F(DeleteTest, IsDoneAnewWhenOthersChangeWhatItRead) {
  Import(0, 100);
  bool once = false;
  DeleteOptions options;
  options.progress = [&](const table::DeleteProgress&) {
    if (std::exchange(once, true)) return;
    // Another delete writes the same file again, and rows come that match.
    EXPECT_THAT(Delete("id = 3"), IsOk());
    Import(1'000, 1'010);
  };
  const auto result = Delete("id < 10 or id >= 1000", options);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->tries, 2);
  EXPECT_EQ(result->rows, 19);
  EXPECT_EQ(Rows().size(), 90u);
  const auto diagnosis = Diagnose(*lake_, {.deep = true, .progress = {}});
  ASSERT_THAT(diagnosis, IsOk());
  EXPECT_TRUE(diagnosis->findings.empty());
}

TEST_F(DeleteTest, LeavesRowsAloneThatComeMeanwhileInATableThatWantsSnapshotIsolation) {
  Import(0, 100);
  iceberg::UpdateTable update;
  update.updates.emplace_back(
      iceberg::SetProperties{{{"write.delete.isolation-level", "snapshot"}}});
  PK_ASSERT_OK(const auto table, lake_->catalog().LoadTable(kOrders));
  ASSERT_THAT(
      lake_->catalog().Commit(
          table.key,
          {.id = SystemIds().NewUuid7(SystemClock()), .change = update, .oldest_file_ms = 0},
          catalog::CommitId::kNew),
      IsOk());
  bool once = false;
  DeleteOptions options;
  options.progress = [&](const table::DeleteProgress&) {
    if (!std::exchange(once, true)) Import(1'000, 1'010);
  };
  const auto result = Delete("id < 10 or id >= 1000", options);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->tries, 1);
  EXPECT_EQ(Rows().size(), 100u);
}

TEST_F(DeleteTest, LeavesNothingBehindWhenOthersAreAlwaysFaster) {
  Import(0, 100);
  DeleteOptions options;
  options.tries = 3;
  int id = 50;
  bool armed = true;
  std::set<std::string> of_others;
  options.progress = [&](const table::DeleteProgress& progress) {
    if (progress.files_done > 0) armed = true;  // the file is written again: the next try comes
    if (progress.files_done > 0 || !std::exchange(armed, false)) return;
    EXPECT_THAT(Delete(fmt::format("id = {}", id++)), IsOk());
    of_others = DataFiles();
  };
  EXPECT_THAT(Delete("id < 10", options), IsErrorWith(ErrorCode::kConflict, "each of 3 tries"));
  EXPECT_EQ(id, 53);
  EXPECT_EQ(DataFiles(), of_others);
  EXPECT_EQ(Rows().size(), 97u);
}

TEST_F(DeleteTest, SaysWhatIsWrong) {
  Import(0, 10);
  EXPECT_THAT(Delete("nope = 1"), IsErrorWith(ErrorCode::kInvalidArgument, "nope"));
  EXPECT_THAT(lake::Delete(*lake_, {{{"sales"}}, "none"}, iceberg::Expression(), {}),
              IsError(ErrorCode::kNotFound));
  std::stop_source stopped;
  stopped.request_stop();
  DeleteOptions options;
  options.stop = stopped.get_token();
  EXPECT_THAT(Delete("id = 1", options), IsError(ErrorCode::kCancelled));
  EXPECT_EQ(Rows().size(), 10u);
}

}  // namespace
}  // namespace pk::lake
