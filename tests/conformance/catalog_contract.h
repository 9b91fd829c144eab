#pragma once

// The contract of Catalog (parkeeper/catalog/catalog.h) as tests. A back end derives from
// CatalogFixture, and instantiates CatalogContract with it.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/conformance/catalog_contract_deltas.h"
#include "tests/conformance/catalog_contract_fixture.h"
#include "tests/conformance/catalog_contract_links.h"
#include "tests/conformance/catalog_contract_properties.h"

namespace pk::catalog {

TEST_P(CatalogContract, PropertiesThatAreNotUtf8AreRefused) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  EXPECT_THAT(catalog_->CreateNamespace(kSales, {{"a", "\xFF"}}), testing::IsError(kBad));
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), testing::IsOk());
  EXPECT_THAT(catalog_->UpdateNamespace(kSales, {{"a", "\xFF"}}, {}), testing::IsError(kBad));
  EXPECT_THAT(catalog_->LoadNamespace(kSales), testing::IsOk());
}

TEST_P(CatalogContract, AStagedTableIsThereOnceItIsMade) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), testing::IsOk());
  PK_ASSERT_OK(const LoadedTable staged, catalog_->StageTable(kOrders, Request()));
  PK_ASSERT_OK(const LoadedTable other, catalog_->StageTable(kOrders, Request()));
  EXPECT_NE(staged.metadata->location, other.metadata->location);
  EXPECT_THAT(catalog_->LoadTable(kOrders), testing::IsError(ErrorCode::kNotFound));
  PK_ASSERT_OK(const LoadedTable made, catalog_->CreateStaged(staged));
  EXPECT_THAT(catalog_->CreateStaged(other),
              testing::IsErrorWith(ErrorCode::kAlreadyExists, "sales.orders"));
  PK_ASSERT_OK(const LoadedTable found, catalog_->LoadTable(kOrders));
  EXPECT_EQ(found.key, staged.key);
  EXPECT_EQ(found.metadata->location, staged.metadata->location);
  EXPECT_NE(AsCommitted(catalog_->Commit(made.key, Append(made, "1", 5), CommitId::kNew)), nullptr);
}

TEST_P(CatalogContract, NamespacesNestAndKeepProperties) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {{"a", "1"}}), testing::IsOk());
  ASSERT_THAT(catalog_->CreateNamespace({{"sales", "eu"}}, {}), testing::IsOk());
  ASSERT_THAT(catalog_->UpdateNamespace(kSales, {{"b", "2"}}, {"a"}), testing::IsOk());
  EXPECT_THAT(catalog_->LoadNamespace(kSales),
              testing::IsOkAnd(::testing::Eq(Properties{{"b", "2"}})));
  PK_ASSERT_OK(const auto root, catalog_->ListNamespaces({}, {}));
  EXPECT_EQ(root.items, std::vector<Namespace>{kSales});
  PK_ASSERT_OK(const auto below, catalog_->ListNamespaces(kSales, {}));
  EXPECT_EQ(below.items, (std::vector<Namespace>{{{"sales", "eu"}}}));
}

TEST_P(CatalogContract, ANamespaceIsCreatedOnceAndNeedsItsParent) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), testing::IsOk());
  EXPECT_THAT(catalog_->CreateNamespace(kSales, {}),
              testing::IsErrorWith(ErrorCode::kAlreadyExists, "sales"));
  EXPECT_THAT(catalog_->CreateNamespace({{"no", "child"}}, {}),
              testing::IsErrorWith(ErrorCode::kNotFound, "namespace no does not exist"));
  EXPECT_THAT(catalog_->LoadNamespace({{"no"}}), testing::IsError(ErrorCode::kNotFound));
  EXPECT_THAT(catalog_->ListNamespaces({{"no"}}, {}), testing::IsError(ErrorCode::kNotFound));
  EXPECT_THAT(catalog_->UpdateNamespace(kSales, {{"a", "1"}}, {"a"}),
              testing::IsError(ErrorCode::kInvalidArgument));
}

TEST_P(CatalogContract, OnlyAnEmptyNamespaceIsDropped) {
  MakeTable(kOrders);
  ASSERT_THAT(catalog_->CreateNamespace({{"sales", "eu"}}, {}), testing::IsOk());
  EXPECT_THAT(catalog_->DropNamespace(kSales),
              testing::IsErrorWith(ErrorCode::kFailedPrecondition, "sales.orders"));
  ASSERT_THAT(catalog_->DropTable(kOrders, false), testing::IsOk());
  EXPECT_THAT(catalog_->DropNamespace(kSales),
              testing::IsErrorWith(ErrorCode::kFailedPrecondition, "sales.eu"));
  ASSERT_THAT(catalog_->DropNamespace({{"sales", "eu"}}), testing::IsOk());
  ASSERT_THAT(catalog_->DropNamespace(kSales), testing::IsOk());
  EXPECT_THAT(catalog_->DropNamespace(kSales), testing::IsError(ErrorCode::kNotFound));
}

TEST_P(CatalogContract, ATableIsLoadedAsItWasCreated) {
  const LoadedTable made = MakeTable(kOrders);
  PK_ASSERT_OK(const LoadedTable loaded, fixture_->Connect()->LoadTable(kOrders));
  EXPECT_EQ(loaded.key, made.key);
  EXPECT_EQ(loaded.metadata_location, made.metadata_location);
  EXPECT_EQ(loaded.version, 0);
  EXPECT_EQ(loaded.metadata->Property("owner", ""), "test");
  EXPECT_TRUE(loaded.metadata->schema().SameColumns(made.metadata->schema()));
  EXPECT_EQ(loaded.metadata->current_snapshot(), nullptr);
}

TEST_P(CatalogContract, MissingTablesAndNamespacesAreTold) {
  EXPECT_THAT(catalog_->LoadTable(kOrders),
              testing::IsErrorWith(ErrorCode::kNotFound, "namespace sales does not exist"));
  EXPECT_THAT(catalog_->CreateTable(kOrders, Request()),
              testing::IsErrorWith(ErrorCode::kNotFound, "namespace sales does not exist"));
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), testing::IsOk());
  EXPECT_THAT(catalog_->LoadTable(kOrders),
              testing::IsErrorWith(ErrorCode::kNotFound, "table sales.orders does not exist"));
  EXPECT_THAT(catalog_->DropTable(kOrders, false), testing::IsError(ErrorCode::kNotFound));
  EXPECT_THAT(catalog_->RenameTable(kOrders, {kSales, "b"}),
              testing::IsError(ErrorCode::kNotFound));
  EXPECT_THAT(catalog_->ListTables({{"no"}}, {}), testing::IsError(ErrorCode::kNotFound));
}

TEST_P(CatalogContract, AnyUtf8IsAName) {
  const Namespace odd{
      {"a.b/c d", "\xF0\x9F\x98\x80 \"quoted\"", "n", "t", "..", "%41", "zookeeper"}};
  Namespace level;
  for (const std::string& name : odd.levels) {
    level.levels.push_back(name);
    ASSERT_THAT(catalog_->CreateNamespace(level, {}), testing::IsOk()) << ToString(level);
  }
  const std::vector<std::string> names = {"%41", ".", "A", "a/../b", "\xC3\xBC"};
  for (const std::string& name : names) MakeTable({odd, name});
  PK_ASSERT_OK(const auto tables, catalog_->ListTables(odd, {}));
  std::vector<std::string> listed;
  for (const TableName& table : tables.items) {
    listed.push_back(table.name);
    EXPECT_THAT(catalog_->LoadTable(table), testing::IsOk());
    PK_ASSERT_OK(const TableName parsed, ParseTableName(ToString(table)));
    EXPECT_EQ(parsed, table);
  }
  EXPECT_EQ(listed, names);
}

TEST_P(CatalogContract, BadNamesAreRefused) {
  for (const Namespace& bad : {Namespace{{""}}, Namespace{{"a\nb"}}, Namespace{{"\xFF"}},
                               Namespace{{std::string(256, 'x')}}, Namespace{}}) {
    EXPECT_THAT(catalog_->CreateNamespace(bad, {}), testing::IsError(ErrorCode::kInvalidArgument));
  }
  EXPECT_THAT(catalog_->CreateTable({{}, "t"}, Request()),
              testing::IsError(ErrorCode::kInvalidArgument));
}

TEST_P(CatalogContract, ListsComeInPagesInByteOrder) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), testing::IsOk());
  std::vector<TableName> all;
  for (int i = 0; i < 25; ++i) {
    all.push_back({kSales, "t" + std::to_string(100 + i)});
    MakeTable(all.back());
  }
  std::vector<TableName> seen;
  PageRequest request{.token = "", .size = 10};
  do {
    PK_ASSERT_OK(const auto page, catalog_->ListTables(kSales, request));
    EXPECT_LE(page.items.size(), 10u);
    seen.insert(seen.end(), page.items.begin(), page.items.end());
    request.token = page.next;
  } while (!request.token.empty());
  EXPECT_EQ(seen, all);
}

TEST_P(CatalogContract, OneOfManyCreatorsOfANameWins) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), testing::IsOk());
  std::atomic<int> made{0}, refused{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const auto catalog = fixture_->Connect();
        const auto result = catalog->CreateTable(kOrders, Request());
        if (result.ok()) ++made;
        if (!result.ok() && result.error().code() == ErrorCode::kAlreadyExists) ++refused;
      });
    }
  }
  EXPECT_EQ(made, 1);
  EXPECT_EQ(refused, 3);
}

TEST_P(CatalogContract, AnAppendIsSeenByEverybody) {
  const LoadedTable table = MakeTable(kOrders);
  const auto result = catalog_->Commit(table.key, Append(table, "a.parquet", 10), CommitId::kNew);
  const Committed* committed = AsCommitted(result);
  ASSERT_NE(committed, nullptr);
  ASSERT_TRUE(committed->snapshot_id.has_value());
  PK_ASSERT_OK(const LoadedTable loaded, fixture_->Connect()->LoadTable(kOrders));
  EXPECT_EQ(loaded.version, 1);
  EXPECT_EQ(loaded.metadata->current_snapshot()->snapshot_id, *committed->snapshot_id);
  EXPECT_EQ(Total(loaded, "total-records"), "10");
  EXPECT_EQ(Total(loaded, "operation"), "append");
}

TEST_P(CatalogContract, ConcurrentAppendsAllCount) {
  const LoadedTable table = MakeTable(kOrders);
  constexpr int kWriters = 4, kEach = 5;
  {
    std::vector<std::jthread> threads;
    for (int writer = 0; writer < kWriters; ++writer) {
      threads.emplace_back([&, writer] {
        const auto catalog = fixture_->Connect();
        for (int i = 0; i < kEach; ++i) {
          const std::string file = std::to_string(writer) + "-" + std::to_string(i);
          EXPECT_NE(AsCommitted(catalog->Commit(table.key, Append(table, file, 1), CommitId::kNew)),
                    nullptr);
        }
      });
    }
  }
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_LE(loaded.version, kWriters * kEach);  // those that met are one version
  EXPECT_EQ(Total(loaded, "total-records"), std::to_string(kWriters * kEach));
  EXPECT_EQ(Total(loaded, "total-data-files"), std::to_string(kWriters * kEach));
}

TEST_P(CatalogContract, ARepeatedCommitIdGetsTheFirstOutcome) {
  const LoadedTable table = MakeTable(kOrders);
  const iceberg::TableCommit commit = Append(table, "a.parquet", 10);
  const auto first = catalog_->Commit(table.key, commit, CommitId::kNew);
  ASSERT_NE(AsCommitted(catalog_->Commit(table.key, Append(table, "b", 1), CommitId::kNew)),
            nullptr);
  const auto again = fixture_->Connect()->Commit(table.key, commit, CommitId::kMaybeRepeated);
  ASSERT_NE(AsCommitted(again), nullptr);
  EXPECT_EQ(AsCommitted(again)->snapshot_id, AsCommitted(first)->snapshot_id);
  EXPECT_EQ(AsCommitted(again)->table.version, 1);
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_EQ(loaded.version, 2);
  EXPECT_EQ(Total(loaded, "total-records"), "11");
}

TEST_P(CatalogContract, ACommitIdIsNotUsedForTwoCommits) {
  const LoadedTable table = MakeTable(kOrders);
  iceberg::TableCommit commit = Append(table, "a.parquet", 10);
  ASSERT_NE(AsCommitted(catalog_->Commit(table.key, commit, CommitId::kNew)), nullptr);
  iceberg::TableCommit other = Append(table, "other.parquet", 10);
  other.id = commit.id;
  EXPECT_THAT(RejectionOf(catalog_->Commit(table.key, other, CommitId::kMaybeRepeated)),
              ::testing::HasSubstr("used before"));
}

TEST_P(CatalogContract, CommitsToManyTablesAreAllThereOrNone) {
  std::vector<LoadedTable> tables;
  MultiTableCommit commit;
  commit.id = SystemIds().NewUuid7(SystemClock());
  for (int i = 0; i < 100; ++i) {
    tables.push_back(MakeTable({kSales, "t" + std::to_string(i)}));
    commit.parts.push_back({tables.back().key, Append(tables.back(), "a", i + 1).change});
  }
  MultiTableCommit bad = commit;
  bad.id = SystemIds().NewUuid7(SystemClock());
  std::get<iceberg::AppendFiles>(bad.parts[70].change).files[0].spec_id = 9;
  const auto rejected = catalog_->CommitAll(bad, CommitId::kNew);
  ASSERT_THAT(rejected, testing::IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*rejected));
  EXPECT_THAT(std::get<Rejected>(*rejected).reason, ::testing::HasSubstr(tables[70].key));
  PK_ASSERT_OK(const LoadedTable untouched, catalog_->LoadTable(tables[3].name));
  EXPECT_EQ(untouched.metadata_location, tables[3].metadata_location);

  const auto result = catalog_->CommitAll(commit, CommitId::kNew);
  ASSERT_THAT(result, testing::IsOk());
  const auto* committed = std::get_if<std::vector<Committed>>(&*result);
  ASSERT_NE(committed, nullptr) << std::get<Rejected>(*result).reason;
  ASSERT_EQ(committed->size(), tables.size());
  for (size_t i = 0; i < tables.size(); ++i) {
    EXPECT_EQ((*committed)[i].table.key, tables[i].key);
    PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(tables[i].name));
    EXPECT_EQ((*committed)[i].table.version, loaded.version);
    EXPECT_EQ(Total(loaded, "total-records"), std::to_string(i + 1));
  }

  const auto again = fixture_->Connect()->CommitAll(commit, CommitId::kMaybeRepeated);
  ASSERT_THAT(again, testing::IsOk());
  const auto* repeated = std::get_if<std::vector<Committed>>(&*again);
  ASSERT_NE(repeated, nullptr);
  EXPECT_EQ((*repeated)[42].snapshot_id, (*committed)[42].snapshot_id);
  PK_ASSERT_OK(const LoadedTable after, catalog_->LoadTable(tables[42].name));
  EXPECT_EQ(after.version, (*committed)[42].table.version);
}

TEST_P(CatalogContract, ACommitToManyTablesNamesEachOnce) {
  const LoadedTable table = MakeTable(kOrders);
  MultiTableCommit commit;
  commit.id = SystemIds().NewUuid7(SystemClock());
  EXPECT_THAT(catalog_->CommitAll(commit, CommitId::kNew),
              testing::IsErrorWith(ErrorCode::kInvalidArgument, "not 0"));
  commit.parts = {{table.key, Append(table, "a", 1).change},
                  {table.key, SetProperty("p", "v").change}};
  EXPECT_THAT(catalog_->CommitAll(commit, CommitId::kNew),
              testing::IsErrorWith(ErrorCode::kInvalidArgument, "two parts"));
  commit.parts.pop_back();
  ASSERT_THAT(catalog_->DropTable(kOrders, false), testing::IsOk());
  const auto result = catalog_->CommitAll(commit, CommitId::kNew);
  ASSERT_THAT(result, testing::IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*result));
  EXPECT_THAT(std::get<Rejected>(*result).reason, ::testing::HasSubstr("dropped"));
}

TEST_P(CatalogContract, RequirementsAreCheckedAgainstThePresentState) {
  const LoadedTable table = MakeTable(kOrders);
  ASSERT_NE(AsCommitted(catalog_->Commit(table.key, Append(table, "a", 1), CommitId::kNew)),
            nullptr);
  iceberg::TableCommit commit = SetProperty("a", "1");
  std::get<iceberg::UpdateTable>(commit.change).requirements = {
      iceberg::AssertRefSnapshotId{"main", std::nullopt}};
  EXPECT_THAT(RejectionOf(catalog_->Commit(table.key, commit, CommitId::kNew)),
              ::testing::HasSubstr("main"));
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_EQ(loaded.version, 2) << "the rejection is recorded";
  EXPECT_EQ(loaded.metadata->Property("a", "none"), "none");
}

TEST_P(CatalogContract, UpdatesThatDoNotApplyAreRejectedAndChangeNothing) {
  const LoadedTable table = MakeTable(kOrders);
  iceberg::TableCommit commit = SetProperty("a", "1");
  std::get<iceberg::UpdateTable>(commit.change).updates.emplace_back(iceberg::SetCurrentSchema{77});
  EXPECT_NE(RejectionOf(catalog_->Commit(table.key, commit, CommitId::kNew)), "not rejected");
  iceberg::TableCommit append = Append(table, "a", 1);
  std::get<iceberg::AppendFiles>(append.change).files[0].spec_id = 9;
  EXPECT_THAT(RejectionOf(catalog_->Commit(table.key, append, CommitId::kNew)),
              ::testing::HasSubstr("partition spec 9"));
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_EQ(loaded.metadata_location, table.metadata_location);
}

TEST_P(CatalogContract, CommitsFollowTheTableNotTheName) {
  const LoadedTable old = MakeTable(kOrders);
  ASSERT_THAT(catalog_->RenameTable(kOrders, {kSales, "renamed"}), testing::IsOk());
  EXPECT_NE(AsCommitted(catalog_->Commit(old.key, Append(old, "a", 1), CommitId::kNew)), nullptr);
  PK_ASSERT_OK(const LoadedTable renamed, catalog_->LoadTable({kSales, "renamed"}));
  EXPECT_EQ(Total(renamed, "total-records"), "1");
  EXPECT_THAT(catalog_->LoadTable(kOrders), testing::IsError(ErrorCode::kNotFound));

  ASSERT_THAT(catalog_->DropTable({kSales, "renamed"}, false), testing::IsOk());
  const LoadedTable fresh = MakeTable({kSales, "renamed"});
  EXPECT_NE(fresh.key, old.key);
  EXPECT_THAT(RejectionOf(catalog_->Commit(old.key, Append(old, "b", 1), CommitId::kNew)),
              ::testing::HasSubstr("dropped"));
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable({kSales, "renamed"}));
  EXPECT_EQ(loaded.version, 0);
}

TEST_P(CatalogContract, RenamingNeverReplacesATable) {
  MakeTable(kOrders);
  const LoadedTable other = MakeTable({kSales, "other"});
  EXPECT_THAT(catalog_->RenameTable(kOrders, {kSales, "other"}),
              testing::IsError(ErrorCode::kAlreadyExists));
  EXPECT_THAT(catalog_->RenameTable(kOrders, {{{"no"}}, "other"}),
              testing::IsError(ErrorCode::kNotFound));
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable({kSales, "other"}));
  EXPECT_EQ(loaded.key, other.key);
  EXPECT_THAT(catalog_->LoadTable(kOrders), testing::IsOk());
}

TEST_P(CatalogContract, ADroppedTableKeepsItsFilesUnlessPurged) {
  LoadedTable table = MakeTable(kOrders);
  ASSERT_THAT(
      storage::WriteIfAbsent(fixture_->storage(), table.metadata->location + "/data/a", "rows"),
      testing::IsOk());
  ASSERT_NE(AsCommitted(catalog_->Commit(table.key, Append(table, "a", 1), CommitId::kNew)),
            nullptr);
  PK_ASSERT_OK(table, catalog_->LoadTable(kOrders));
  const auto files = [&] {
    int count = 0;
    EXPECT_THAT(fixture_->storage().List(table.metadata->location,
                                         [&](const storage::FileStatus&) -> Result<> {
                                           ++count;
                                           return {};
                                         }),
                testing::IsOk());
    return count;
  };
  ASSERT_THAT(catalog_->DropTable(kOrders, false), testing::IsOk());
  EXPECT_EQ(files(), 5);  // data, manifest, manifest list, two versions of the metadata
  ASSERT_THAT(catalog_->RegisterTable(kOrders, table.metadata_location), testing::IsOk());
  PK_ASSERT_OK(const LoadedTable registered, catalog_->LoadTable(kOrders));
  EXPECT_EQ(Total(registered, "total-records"), "1");
  ASSERT_THAT(catalog_->DropTable(kOrders, true), testing::IsOk());
  EXPECT_EQ(files(), 0);
}

TEST_P(CatalogContract, RegisteringNeedsReadableMetadataAndAFreeName) {
  const LoadedTable table = MakeTable(kOrders);
  EXPECT_THAT(catalog_->RegisterTable(kOrders, table.metadata_location),
              testing::IsError(ErrorCode::kAlreadyExists));
  const std::string missing = fixture_->storage().root() + "/none.metadata.json";
  EXPECT_THAT(catalog_->RegisterTable({kSales, "b"}, missing),
              testing::IsErrorWith(ErrorCode::kNotFound, "none.metadata.json"));
  const std::string broken = fixture_->storage().root() + "/broken.metadata.json";
  ASSERT_THAT(storage::WriteIfAbsent(fixture_->storage(), broken, "{\"format-version\": 2"),
              testing::IsOk());
  EXPECT_THAT(catalog_->RegisterTable({kSales, "b"}, broken),
              testing::IsErrorWith(ErrorCode::kCorrupt, "broken.metadata.json"));
  PK_ASSERT_OK(const auto tables, catalog_->ListTables(kSales, {}));
  EXPECT_EQ(tables.items.size(), 1u);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CatalogContract);

}  // namespace pk::catalog
