#include "parkeeper/lake/import.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "parkeeper/table/scan.h"
#include "tests/support/matchers.h"
#include "tests/support/read_all.h"
#include "tests/support/temp_folder.h"

namespace pk::lake {
namespace {

using catalog::TableName;
using testing::IsOk;
using testing::ReadLines;
using testing::TempFolder;
using Lines = std::vector<std::string>;

const TableName kOrders{{{"sales"}}, "orders"};
// Several row groups of a thousand rows: id long, word string, text string, quarter double.
constexpr const char* kManyRowGroups = PARKEEPER_SOURCE_DIR "/tests/golden/parquet/pages.parquet";

// What a table holds after imports is held against the files, read whole and by one thread.
class ImportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    auto opened = Lake::Open(std::string("memory://import-") + test->name());
    ASSERT_THAT(opened, IsOk());
    lake_ = std::move(opened).value();
  }

  // Every row group a piece of its own.
  static ImportOptions InSmallPieces(int writers) {
    ImportOptions options;
    options.create = true;
    options.writers = writers;
    options.least_piece_bytes = 1;
    return options;
  }

  std::string WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  // Quotes, line ends inside of cells and blank lines between rows, so that lines are not rows.
  std::string Csv(const std::string& name, int first, int rows) {
    std::string text = "id,word,text,quarter\n";
    for (int id = first; id < first + rows; ++id) {
      text += fmt::format("{},w{},\"line \"\"{}\"\"\nand, another\",{}.25\n", id, id % 7, id, id);
      if (id % 10 == 0) text += "\n";
    }
    return WriteFile(name, text);
  }

  std::string JsonLines(const std::string& name, int first, int rows) {
    std::string text;
    for (int id = first; id < first + rows; ++id) {
      text += fmt::format("{{\"id\": {}, \"word\": \"j\", \"quarter\": 0.5}}\n", id);
    }
    return WriteFile(name, text);
  }

  Lines InTable() {
    const auto table = lake_->catalog().LoadTable(kOrders);
    EXPECT_THAT(table, IsOk());
    if (!table.ok()) return {};
    const auto plan = table::PlanScan(lake_->storage(), *table->metadata, {});
    EXPECT_THAT(plan, IsOk());
    if (!plan.ok()) return {};
    return Sorted(table::Scan(lake_->storage(), *plan));
  }

  static Lines InFiles(const std::vector<std::string>& paths) {
    const auto inferred = datafile::InferSchema(kManyRowGroups);
    EXPECT_THAT(inferred, IsOk());
    if (!inferred.ok()) return {};
    const auto schema = std::make_shared<const iceberg::Schema>(*inferred);
    Lines all;
    for (const std::string& path : paths) {
      const Lines lines = Sorted(datafile::OpenInput(path, schema));
      all.insert(all.end(), lines.begin(), lines.end());
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  static Lines Sorted(Result<std::unique_ptr<datafile::BatchSource>> source) {
    auto lines = ReadLines(std::move(source));
    EXPECT_THAT(lines, IsOk());
    if (!lines.ok()) return {};
    std::sort(lines->begin(), lines->end());
    return *std::move(lines);
  }

  TempFolder folder_;
  std::unique_ptr<Lake> lake_;
};

TEST_F(ImportTest, WritersThatShareAFileTakeEachRowGroupOnce) {
  PK_ASSERT_OK(const auto groups, datafile::SplitInput(kManyRowGroups, {}, 1'000, 1));
  ASSERT_GT(groups.size(), 2u) << "one writer could take it whole";
  const Lines expected = InFiles({kManyRowGroups});
  for (const int writers : {1, 2, 5}) {
    PK_ASSERT_OK(const ImportResult result,
                 Import(*lake_, kOrders, {kManyRowGroups}, InSmallPieces(writers)));
    EXPECT_EQ(result.files, 1);
    EXPECT_EQ(result.rows, int64_t(expected.size()));
    EXPECT_EQ(result.snapshots.size(), 1u);
    EXPECT_TRUE(InTable() == expected) << writers << " writers";
    ASSERT_THAT(lake_->catalog().DropTable(kOrders, true), IsOk());
  }
}

TEST_F(ImportTest, TakesEveryRowOfEveryFormatOnce) {
  const std::vector<std::string> paths = {kManyRowGroups, Csv("a.csv", 100'000, 3'000),
                                          JsonLines("b.jsonl", 200'000, 500),
                                          Csv("c.csv", 300'000, 1)};
  const Lines expected = InFiles(paths);
  PK_ASSERT_OK(const ImportResult result, Import(*lake_, kOrders, paths, InSmallPieces(3)));
  EXPECT_EQ(result.files, 4);
  EXPECT_EQ(result.rows, int64_t(expected.size()));
  EXPECT_TRUE(InTable() == expected);
  // Independently of what reads CSV: the rows made above.
  const Lines table = InTable();
  for (const int id : {100'000, 102'999, 300'000}) {
    const std::string begin = fmt::format("{{\"id\":{},", id);
    const auto found = std::count_if(table.begin(), table.end(), [&](const std::string& line) {
      return line.starts_with(begin) && line.find("and, another") != std::string::npos;
    });
    EXPECT_EQ(found, 1) << id;
  }
}

TEST_F(ImportTest, PiecesStayWithinTheCommitOfTheirFiles) {
  const std::vector<std::string> paths = {kManyRowGroups, Csv("a.csv", 100'000, 10),
                                          kManyRowGroups};
  ImportOptions options = InSmallPieces(4);
  options.commit_every = 1;
  PK_ASSERT_OK(const ImportResult result, Import(*lake_, kOrders, paths, options));
  ASSERT_EQ(result.snapshots.size(), 3u);
  PK_ASSERT_OK(const auto table, lake_->catalog().LoadTable(kOrders));
  const std::vector<size_t> rows = {InFiles({paths[0]}).size(), 10, InFiles({paths[2]}).size()};
  for (size_t i = 0; i < 3; ++i) {
    const auto snapshot = table.metadata->FindSnapshot(result.snapshots[i]);
    ASSERT_NE(snapshot, nullptr);
    EXPECT_EQ(snapshot->summary.at("added-records"), std::to_string(rows[i]));
  }
  EXPECT_TRUE(InTable() == InFiles(paths));
}

TEST_F(ImportTest, AWriterThatIsStoppedLeavesNothing) {
  std::stop_source stop;
  ImportOptions options = InSmallPieces(2);
  options.stop = stop.get_token();
  stop.request_stop();
  EXPECT_THAT(Import(*lake_, kOrders, {kManyRowGroups}, options),
              testing::IsError(ErrorCode::kCancelled));
  EXPECT_THAT(lake_->storage().List(lake_->storage().root(),
                                    [](const storage::FileStatus& file) -> Result<> {
                                      EXPECT_EQ(file.location.find(".parquet"), std::string::npos);
                                      return {};
                                    }),
              IsOk());
}

}  // namespace
}  // namespace pk::lake
