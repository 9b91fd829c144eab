#include "parkeeper/table/delete.h"

#include <gtest/gtest.h>

#include <atomic>

#include "parkeeper/storage/faulty.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using testing::IsErrorWith;
using testing::IsOk;
using testing::Lines;
using testing::SampleRows;
using testing::TableInMemory;

Result<PreparedDelete> Prepare(TableInMemory& table, const std::string& where) {
  return PrepareDelete(table.storage(), table.metadata(), iceberg::ParseExpression(where).value(),
                       {.threads = 2});
}

TEST(PrepareDelete, SaysWhatGoesAndWhatStaysForIt) {
  TableInMemory table;
  table.Append(SampleRows(0, 10));
  const int64_t base = table.Append(SampleRows(10, 20));
  const Lines files = table.Files();
  PK_ASSERT_OK(const PreparedDelete prepared, Prepare(table, "id >= 5 and id < 12"));
  EXPECT_EQ(prepared.rows, 7);
  EXPECT_EQ(prepared.files_rewritten, 2);
  EXPECT_EQ(prepared.files_removed, 0);
  Lines removed, kept;
  for (const iceberg::FileRef& file : prepared.delta.removed) removed.push_back(file.location);
  EXPECT_EQ(testing::Sorted(removed), testing::Sorted(files));
  for (const iceberg::DataFile& file : prepared.delta.added) {
    for (const std::string& line : table.RowsOf(file)) kept.push_back(line);
  }
  Lines want = SampleRows(0, 5);
  for (const std::string& line : SampleRows(12, 20)) want.push_back(line);
  EXPECT_EQ(testing::Sorted(kept), testing::Sorted(want));
  EXPECT_EQ(prepared.delta.base_snapshot_id, base);
  EXPECT_EQ(prepared.delta.reads, iceberg::ParseExpression("id >= 5 and id < 12").value());
  const auto commit = MakeRowDeltaCommit(prepared.delta, prepared.oldest_file_ms);
  EXPECT_EQ(std::get<iceberg::RowDelta>(commit.change), prepared.delta);
}

TEST(PrepareDelete, DependsOnNoOthersRowsWhenTheTableDoesNotAskForIt) {
  TableInMemory table({.properties = {{"write.delete.isolation-level", "snapshot"}}});
  table.Append(SampleRows(0, 10));
  PK_ASSERT_OK(const PreparedDelete prepared, Prepare(table, "id < 5"));
  EXPECT_FALSE(prepared.delta.reads.has_value());
  TableInMemory odd({.properties = {{"write.delete.isolation-level", "none"}}});
  EXPECT_THAT(Prepare(odd, "id < 5"), IsErrorWith(ErrorCode::kInvalidArgument, "'none'"));
}

TEST(PrepareDelete, NeitherCountsNorBringsBackRowsThatDeleteFilesHide) {
  TableInMemory table;
  for (const auto& [from, to] : {std::pair(0, 10), std::pair(10, 20)}) {
    PK_ASSERT_OK(const AppendedFiles written, table.Write(SampleRows(from, to)));
    const std::string& location = written.files.at(0).location;
    table.Commit(written.files);
    // The fourth row and the last one.
    table.Commit({table.WritePositionDeletes({{location, 3}, {location, 9}})},
                 iceberg::ManifestContent::kDeletes);
  }
  PK_ASSERT_OK(const PreparedDelete some, Prepare(table, "id >= 2 and id < 5"));
  EXPECT_EQ(some.rows, 2);
  ASSERT_EQ(some.delta.added.size(), 1u);
  Lines kept = SampleRows(0, 2);
  for (const std::string& line : SampleRows(5, 9)) kept.push_back(line);
  EXPECT_EQ(testing::Sorted(table.RowsOf(some.delta.added[0])), testing::Sorted(kept));
  PK_ASSERT_OK(const PreparedDelete all, Prepare(table, "id >= 0"));
  EXPECT_EQ(all.rows, 16);
  EXPECT_EQ(all.files_removed, 2);
  EXPECT_TRUE(all.delta.added.empty());
}

TEST(PrepareDelete, HasNothingToDoInAnEmptyTable) {
  TableInMemory table;
  PK_ASSERT_OK(const PreparedDelete prepared, Prepare(table, "true"));
  EXPECT_TRUE(prepared.delta.removed.empty());
  EXPECT_FALSE(prepared.delta.base_snapshot_id.has_value());
}

TEST(PrepareDelete, LeavesNoFileBehindWhenItFails) {
  TableInMemory table;
  for (int i = 0; i < 4; ++i) table.Append(SampleRows(i * 10, i * 10 + 10));
  const Lines before = testing::Sorted(table.Files());
  std::atomic<int> finished{0};
  const auto faulty = storage::MakeFaulty(
      table.storage(), {.schedule = [&](storage::Call call, std::string_view) {
        if (call != storage::Call::kFinish) return storage::Fault::kNone;
        return finished++ == 0 ? storage::Fault::kNone : storage::Fault::kUnavailable;
      }});
  // Small files, so that there are several.
  table.metadata().properties["write.target-file-size-bytes"] = "1";
  const auto failed = PrepareDelete(*faulty, table.metadata(),
                                    iceberg::ParseExpression("cat = 'c1'").value(), {.threads = 2});
  EXPECT_THAT(failed, IsErrorWith(ErrorCode::kUnavailable, "injected"));
  EXPECT_GT(finished, 1);
  EXPECT_EQ(testing::Sorted(table.Files()), before);
}

}  // namespace
}  // namespace pk::table
