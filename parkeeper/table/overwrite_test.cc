#include "parkeeper/table/overwrite.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using iceberg::DataFile;
using iceberg::ManifestContent;
using iceberg::Value;
using testing::IsErrorWith;
using testing::IsOk;
using testing::Lines;
using testing::SampleRows;
using testing::TableInMemory;
using Names = std::set<std::string>;

Names Removed(const iceberg::RowDelta& delta) {
  Names names;
  for (const auto& file : delta.removed) names.insert(file.location);
  return names;
}

Result<iceberg::RowDelta> Prepare(TableInMemory& table, AppendedFiles written,
                                  OverwriteOptions options = {}) {
  options.threads = 2;
  return PrepareOverwrite(table.storage(), table.metadata(), std::move(written), options);
}

TEST(PrepareOverwrite, ReplacesAllThatTheTableHas) {
  TableInMemory table;
  table.Append(SampleRows(0, 10));
  table.Append(SampleRows(10, 20));
  Names files;
  for (const std::string& file : table.Files()) files.insert(file);
  // One that applies, and one of rows that are not there.
  const DataFile some = table.WriteEqualityDeletes({"id"}, {R"({"id":3})"}),
                 idle = table.WriteEqualityDeletes({"id"}, {R"({"id":300})"});
  const int64_t base = table.Commit({some, idle}, ManifestContent::kDeletes);
  PK_ASSERT_OK(const AppendedFiles written, table.Write(SampleRows(50, 60)));
  PK_ASSERT_OK(const auto delta, Prepare(table, written));
  files.insert(some.location);
  files.insert(idle.location);
  EXPECT_EQ(Removed(delta), files);
  EXPECT_EQ(delta.removed.size(), 4u);
  EXPECT_EQ(delta.added, written.files);
  EXPECT_EQ(delta.base_snapshot_id, base);
  EXPECT_FALSE(delta.rewrite);
  ASSERT_TRUE(delta.reads.has_value());
  EXPECT_TRUE(delta.reads->is_true());
  PK_ASSERT_OK(const auto blind, Prepare(table, written, {.keep_new_rows = true}));
  EXPECT_FALSE(blind.reads.has_value());
}

TEST(PrepareOverwrite, ReplacesWholeFilesThatAFilterTakes) {
  TableInMemory table({.partition_by = "cat"});
  PK_ASSERT_OK(const AppendedFiles first, table.Write(SampleRows(0, 40)));
  table.Commit(first.files);
  const std::vector<Value> c1 = {std::string("c1")}, c2 = {std::string("c2")};
  const DataFile of_c1 = table.WriteEqualityDeletes({"id"}, {R"({"id":1})"}, c1),
                 of_c2 = table.WriteEqualityDeletes({"id"}, {R"({"id":2})"}, c2);
  table.Commit({of_c1, of_c2}, ManifestContent::kDeletes);
  PK_ASSERT_OK(const AppendedFiles written, table.Write({R"({"id":1,"cat":"c1","x":0.5})"}));
  const auto filter = iceberg::ParseExpression("cat = 'c1'").value();
  PK_ASSERT_OK(const auto delta, Prepare(table, written, {.rows = filter}));
  Names want{of_c1.location};
  for (const DataFile& file : first.files) {
    if (file.partition == c1) want.insert(file.location);
  }
  EXPECT_EQ(want.size(), 2u);
  EXPECT_EQ(Removed(delta), want);
  EXPECT_EQ(delta.reads, filter);
  const auto mixed = iceberg::ParseExpression("cat = 'c1' and id < 20").value();
  EXPECT_THAT(Prepare(table, written, {.rows = mixed}),
              IsErrorWith(ErrorCode::kFailedPrecondition, "id < 20"));
}

TEST(PrepareOverwrite, HasNoFilesOnlyWhenThereIsNothingToReplaceAndNothingNew) {
  TableInMemory table;
  PK_ASSERT_OK(const auto nothing, Prepare(table, {}));
  EXPECT_TRUE(nothing.removed.empty());
  EXPECT_TRUE(nothing.added.empty());
  EXPECT_FALSE(nothing.base_snapshot_id.has_value());
  PK_ASSERT_OK(const AppendedFiles written, table.Write(SampleRows(0, 10)));
  PK_ASSERT_OK(const auto first, Prepare(table, written));
  EXPECT_TRUE(first.removed.empty());
  EXPECT_EQ(first.added, written.files);
  EXPECT_TRUE(first.reads.has_value());
  table.Commit(written.files);
  PK_ASSERT_OK(const auto emptied, Prepare(table, {}));
  EXPECT_EQ(emptied.removed.size(), 1u);
}

}  // namespace
}  // namespace pk::table
