#pragma once

// The part of the contract of Catalog that is about row deltas: what they leave is a matter of
// parkeeper/catalog/row_delta_test.cc; here, that they ride with all other commits.

#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "tests/conformance/catalog_contract_fixture.h"

namespace pk::catalog {

inline iceberg::FileRef RefTo(const iceberg::DataFile& file) {
  return {.content = file.content,
          .location = file.location,
          .spec_id = file.spec_id,
          .partition = file.partition};
}

// Files of the current snapshot that live.
inline std::vector<iceberg::DataFile> LiveFilesOf(storage::Storage& storage,
                                                  const LoadedTable& table) {
  std::vector<iceberg::DataFile> files;
  const auto snapshot = table.metadata->current_snapshot();
  if (snapshot == nullptr) return files;
  const auto list = manifest::ReadManifestList(*storage::ReadAll(storage, snapshot->manifest_list));
  EXPECT_THAT(list, testing::IsOk());
  for (const iceberg::ManifestFile& each : *list) {
    const auto entries =
        manifest::ReadEntries(*storage::ReadAll(storage, each.location), each,
                              *table.metadata->FindSpec(each.spec_id), table.metadata->schema());
    EXPECT_THAT(entries, testing::IsOk());
    for (const iceberg::ManifestEntry& entry : *entries) {
      if (entry.status != iceberg::EntryStatus::kDeleted) files.push_back(entry.file);
    }
  }
  return files;
}

// Of the files of `append` for `removed`, made from the table as it was loaded.
inline iceberg::TableCommit Overwrite(const LoadedTable& table,
                                      const std::vector<iceberg::DataFile>& removed,
                                      const iceberg::TableCommit& append) {
  iceberg::RowDelta delta;
  const auto snapshot = table.metadata->current_snapshot();
  if (snapshot != nullptr) delta.base_snapshot_id = snapshot->snapshot_id;
  for (const iceberg::DataFile& file : removed) delta.removed.push_back(RefTo(file));
  delta.added = std::get<iceberg::AppendFiles>(append.change).files;
  delta.schema_id = table.metadata->current_schema_id;
  return {.id = append.id, .change = delta, .oldest_file_ms = 0};
}

TEST_P(CatalogContract, RowDeltasStandOnWhatTheirWritersRead) {
  LoadedTable table = MakeTable(kOrders);
  ASSERT_NE(AsCommitted(catalog_->Commit(table.key, Append(table, "a", 10), CommitId::kNew)),
            nullptr);
  PK_ASSERT_OK(table, catalog_->LoadTable(kOrders));
  const auto files = LiveFilesOf(fixture_->storage(), table);
  const iceberg::TableCommit first = Overwrite(table, files, Append(table, "b", 7));
  const iceberg::TableCommit second = Overwrite(table, files, Append(table, "c", 6));
  const auto done = catalog_->Commit(table.key, first, CommitId::kNew);
  ASSERT_NE(AsCommitted(done), nullptr);
  const auto other = fixture_->Connect();
  EXPECT_THAT(RejectionOf(other->Commit(table.key, second, CommitId::kNew)),
              ::testing::HasSubstr(fmt::format(
                  "snapshot {} removed {}", *AsCommitted(done)->snapshot_id, files[0].location)));
  const auto again = other->Commit(table.key, first, CommitId::kMaybeRepeated);
  ASSERT_NE(AsCommitted(again), nullptr) << "the first outcome, though its file is gone";
  EXPECT_EQ(AsCommitted(again)->snapshot_id, AsCommitted(done)->snapshot_id);
  PK_ASSERT_OK(table, catalog_->LoadTable(kOrders));
  EXPECT_EQ(Total(table, "operation"), "overwrite");
  EXPECT_EQ(Total(table, "total-records"), "7");
  EXPECT_EQ(Total(table, "total-data-files"), "1");
  EXPECT_EQ(LiveFilesOf(fixture_->storage(), table).size(), 1u);
}

TEST_P(CatalogContract, RowDeltasAreRejectedWhenRowsTheyDependOnCame) {
  LoadedTable table = MakeTable(kOrders);
  iceberg::TableCommit late = Overwrite(table, {}, Append(table, "late", 1));
  iceberg::TableCommit blind = Overwrite(table, {}, Append(table, "blind", 1));
  std::get<iceberg::RowDelta>(late.change).reads = iceberg::ParseExpression("id > 0").value();
  ASSERT_NE(AsCommitted(catalog_->Commit(table.key, Append(table, "a", 10), CommitId::kNew)),
            nullptr);
  const auto other = fixture_->Connect();
  EXPECT_THAT(RejectionOf(other->Commit(table.key, late, CommitId::kNew)),
              ::testing::HasSubstr("/data/a meanwhile"));
  EXPECT_NE(AsCommitted(other->Commit(table.key, blind, CommitId::kNew)), nullptr);
}

// Each adds one to what it read, as an UPDATE does: not one may be lost.
TEST_P(CatalogContract, NoConcurrentOverwriteIsLost) {
  const LoadedTable table = MakeTable(kOrders);
  ASSERT_NE(AsCommitted(catalog_->Commit(table.key, Append(table, "0", 100), CommitId::kNew)),
            nullptr);
  constexpr int kWriters = 4, kEach = 3, kTries = 200;
  {
    std::vector<std::jthread> threads;
    for (int writer = 0; writer < kWriters; ++writer) {
      threads.emplace_back([&, writer] {
        const auto catalog = fixture_->Connect();
        int done = 0;
        for (int i = 0; done < kEach && i < kTries; ++i) {
          PK_ASSERT_OK(const LoadedTable seen, catalog->LoadTable(kOrders));
          const auto files = LiveFilesOf(fixture_->storage(), seen);
          ASSERT_EQ(files.size(), 1u);
          const auto result = catalog->Commit(
              table.key,
              Overwrite(seen, files,
                        Append(table, std::to_string(writer) + "-" + std::to_string(i),
                               files[0].record_count + 1)),
              CommitId::kNew);
          ASSERT_THAT(result, testing::IsOk());
          done += std::holds_alternative<Committed>(*result);
        }
        EXPECT_EQ(done, kEach);
      });
    }
  }
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_EQ(Total(loaded, "total-records"), std::to_string(100 + kWriters * kEach));
  EXPECT_EQ(Total(loaded, "total-data-files"), "1");
}

TEST_P(CatalogContract, RowDeltasAndAppendsToManyTablesAreAllThereOrNone) {
  LoadedTable a = MakeTable(kOrders);
  const LoadedTable b = MakeTable({kSales, "b"});
  ASSERT_NE(AsCommitted(catalog_->Commit(a.key, Append(a, "a", 10), CommitId::kNew)), nullptr);
  PK_ASSERT_OK(a, catalog_->LoadTable(kOrders));
  const auto files = LiveFilesOf(fixture_->storage(), a);
  MultiTableCommit commit{.id = SystemIds().NewUuid7(SystemClock()),
                          .parts = {{a.key, Overwrite(a, files, Append(a, "c", 4)).change},
                                    {b.key, Append(b, "d", 5).change}},
                          .oldest_file_ms = 0};
  const auto done = catalog_->CommitAll(commit, CommitId::kNew);
  ASSERT_THAT(done, testing::IsOk());
  ASSERT_TRUE(std::holds_alternative<std::vector<Committed>>(*done));
  commit.id = SystemIds().NewUuid7(SystemClock());
  const auto late = catalog_->CommitAll(commit, CommitId::kNew);
  ASSERT_THAT(late, testing::IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*late));
  EXPECT_THAT(std::get<Rejected>(*late).reason, ::testing::HasSubstr("removed"));
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_EQ(Total(loaded, "total-records"), "4");
  PK_ASSERT_OK(const LoadedTable other, catalog_->LoadTable({kSales, "b"}));
  EXPECT_EQ(Total(other, "total-records"), "5");
}

}  // namespace pk::catalog
