#pragma once

// The part of the contract of Catalog that is about commits which require and change properties:
// in whichever way a commit is carried out, it moves a position on once.

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/conformance/catalog_contract_fixture.h"

namespace pk::catalog {

inline std::vector<iceberg::PropertyStep> PositionStep(int64_t from) {
  iceberg::PropertyStep step{.name = "position", .expected = {}, .value = std::to_string(from + 1)};
  if (from > 0) step.expected = std::to_string(from);
  return {step};
}

inline iceberg::TableCommit Advancing(iceberg::TableCommit commit, int64_t from) {
  commit.properties = PositionStep(from);
  return commit;
}

inline int64_t PositionOf(const LoadedTable& table) {
  return std::stoll(table.metadata->Property("position", "0"));
}

TEST_P(CatalogContract, ACommitIsOfTheStateWhosePropertiesItExpects) {
  const LoadedTable table = MakeTable(kOrders);
  const iceberg::TableCommit first = Advancing(Append(table, "a", 10), 0);
  const iceberg::TableCommit twice = Advancing(Append(table, "b", 5), 0);
  ASSERT_NE(AsCommitted(catalog_->Commit(table.key, first, CommitId::kNew)), nullptr);
  const auto other = fixture_->Connect();
  const auto rejected = other->Commit(table.key, twice, CommitId::kNew);
  EXPECT_THAT(RejectionOf(rejected),
              ::testing::HasSubstr("'position' is not as expected: expected none, found '1'"));
  ASSERT_NE(
      AsCommitted(other->Commit(table.key, Advancing(Append(table, "c", 7), 1), CommitId::kNew)),
      nullptr);
  PK_ASSERT_OK(const LoadedTable loaded, fixture_->Connect()->LoadTable(kOrders));
  EXPECT_EQ(PositionOf(loaded), 2);
  EXPECT_EQ(Total(loaded, "total-records"), "17");

  const auto again = other->Commit(table.key, first, CommitId::kMaybeRepeated);
  ASSERT_NE(AsCommitted(again), nullptr) << "the first outcome, though the position has moved on";
  EXPECT_EQ(AsCommitted(again)->table.version, 1);
  EXPECT_EQ(RejectionOf(catalog_->Commit(table.key, twice, CommitId::kMaybeRepeated)),
            RejectionOf(rejected));
  iceberg::TableCommit changed = first;
  changed.properties = PositionStep(2);
  EXPECT_THAT(RejectionOf(catalog_->Commit(table.key, changed, CommitId::kMaybeRepeated)),
              ::testing::HasSubstr("used before"));
}

TEST_P(CatalogContract, ACommitMayChangePropertiesAlone) {
  const LoadedTable table = MakeTable(kOrders);
  ASSERT_NE(AsCommitted(catalog_->Commit(table.key, Append(table, "a", 1), CommitId::kNew)),
            nullptr);
  iceberg::TableCommit empty = Advancing(Append(table, "none", 1), 0);
  std::get<iceberg::AppendFiles>(empty.change).files.clear();
  const auto result = catalog_->Commit(table.key, empty, CommitId::kNew);
  ASSERT_NE(AsCommitted(result), nullptr);
  EXPECT_EQ(AsCommitted(result)->snapshot_id, std::nullopt);
  PK_ASSERT_OK(const LoadedTable loaded, fixture_->Connect()->LoadTable(kOrders));
  EXPECT_EQ(loaded.version, 2);
  EXPECT_EQ(PositionOf(loaded), 1);
  EXPECT_EQ(loaded.metadata->snapshots.size(), 1u);
  empty.id = SystemIds().NewUuid7(SystemClock());
  EXPECT_THAT(RejectionOf(catalog_->Commit(table.key, empty, CommitId::kNew)),
              ::testing::HasSubstr("found '1'"));
}

TEST_P(CatalogContract, PropertyStepsThatNoTableCanTakeAreRefused) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  const LoadedTable table = MakeTable(kOrders);
  iceberg::TableCommit commit = Append(table, "a", 1);
  commit.properties = {{"format-version", std::nullopt, "1"}};
  EXPECT_THAT(catalog_->Commit(table.key, commit, CommitId::kNew),
              testing::IsErrorWith(kBad, "reserved"));
  EXPECT_THAT(catalog_->CommitLinked(table.key, commit, CommitId::kNew, {}, {}),
              testing::IsErrorWith(kBad, "reserved"));
  commit.properties = {{"a", "\xFF", "1"}};
  EXPECT_THAT(catalog_->Commit(table.key, commit, CommitId::kNew),
              testing::IsErrorWith(kBad, "UTF-8"));
  EXPECT_THAT(catalog_->CommitAll({.id = commit.id,
                                   .parts = {{table.key, commit.change, commit.properties}},
                                   .oldest_file_ms = 0},
                                  CommitId::kNew),
              testing::IsErrorWith(kBad, table.key));
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_EQ(loaded.version, 0);
}

// Each reads how far the table has come and goes on from there, as workers do who believe that the
// work is theirs alone: no step is done twice, and none is left out.
TEST_P(CatalogContract, ConcurrentCommitsMoveAPositionOnOneAtATime) {
  const LoadedTable table = MakeTable(kOrders);
  constexpr int kWriters = 4, kSteps = 12, kTries = 200;
  std::vector<std::vector<int64_t>> done(kWriters);
  {
    std::vector<std::jthread> threads;
    for (int writer = 0; writer < kWriters; ++writer) {
      threads.emplace_back([&, writer] {
        const auto catalog = fixture_->Connect();
        for (int i = 0; i < kTries; ++i) {
          PK_ASSERT_OK(const LoadedTable seen, catalog->LoadTable(kOrders));
          const int64_t position = PositionOf(seen);
          if (position >= kSteps) return;
          const auto result = catalog->Commit(
              table.key,
              Advancing(Append(table, fmt::format("{}-{}", writer, i), int64_t{1} << position),
                        position),
              CommitId::kNew);
          ASSERT_THAT(result, testing::IsOk());
          if (std::holds_alternative<Committed>(*result)) done[size_t(writer)].push_back(position);
        }
      });
    }
  }
  std::vector<int64_t> all;
  for (const auto& each : done) all.insert(all.end(), each.begin(), each.end());
  std::ranges::sort(all);
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < kSteps; ++i) expected.push_back(i);
  EXPECT_EQ(all, expected);
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_EQ(PositionOf(loaded), kSteps);
  // Each step has as many rows as no others together have.
  EXPECT_EQ(Total(loaded, "total-records"), std::to_string((1 << kSteps) - 1));
}

TEST_P(CatalogContract, CommitsToManyTablesExpectPropertiesOfEach) {
  const LoadedTable a = MakeTable(kOrders);
  const LoadedTable b = MakeTable({kSales, "b"});
  MultiTableCommit commit{.id = SystemIds().NewUuid7(SystemClock()),
                          .parts = {{a.key, Append(a, "x", 3).change, PositionStep(0)},
                                    {b.key, Append(b, "y", 4).change}},
                          .oldest_file_ms = 0};
  const auto done = catalog_->CommitAll(commit, CommitId::kNew);
  ASSERT_THAT(done, testing::IsOk());
  ASSERT_TRUE(std::holds_alternative<std::vector<Committed>>(*done));
  MultiTableCommit second = commit;
  second.id = SystemIds().NewUuid7(SystemClock());
  const auto late = catalog_->CommitAll(second, CommitId::kNew);
  ASSERT_THAT(late, testing::IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*late));
  EXPECT_THAT(std::get<Rejected>(*late).reason,
              ::testing::AllOf(::testing::HasSubstr(a.key), ::testing::HasSubstr("'position'")));
  const auto again = fixture_->Connect()->CommitAll(commit, CommitId::kMaybeRepeated);
  ASSERT_THAT(again, testing::IsOk());
  EXPECT_TRUE(std::holds_alternative<std::vector<Committed>>(*again));
  commit.parts[0].properties = PositionStep(1);
  const auto other = catalog_->CommitAll(commit, CommitId::kMaybeRepeated);
  ASSERT_THAT(other, testing::IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*other)) << "it is another commit";
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_EQ(PositionOf(loaded), 1);
  PK_ASSERT_OK(const LoadedTable beside, catalog_->LoadTable({kSales, "b"}));
  EXPECT_EQ(Total(beside, "total-records"), "4");
}

TEST_P(CatalogContract, CommitsWithLinksThatDoNotFindWhatTheyExpectAreRejectedWithTheirs) {
  const LoadedTable table = MakeTable(kOrders);
  const std::string id = SystemIds().NewUuid4().ToString();
  const auto commit = [&](const std::string& name, int64_t from) {
    const std::string rest = name + "-" + id;
    const CommitLinks links{
        .if_committed = {coordination::CreateOperation{.path = "/done-" + rest, .value = ""}},
        .if_rejected = {coordination::CreateOperation{.path = "/again-" + rest, .value = ""}}};
    return catalog_->CommitLinked(table.key, Advancing(Append(table, name, 1), from),
                                  CommitId::kNew,
                                  coordination::Transaction().Create("/claim-" + rest, ""), links);
  };
  PK_ASSERT_OK(const auto first, commit("a", 0));
  EXPECT_TRUE(std::holds_alternative<Committed>(first));
  PK_ASSERT_OK(const auto twice, commit("b", 0));
  ASSERT_TRUE(std::holds_alternative<Rejected>(twice));
  EXPECT_THAT(std::get<Rejected>(twice).reason, ::testing::HasSubstr("'position'"));
  // Refused where the links are not as said here.
  const auto seen = coordination::Transaction().Check("/done-a-" + id).Check("/again-b-" + id);
  PK_ASSERT_OK(
      const auto last,
      catalog_->CommitLinked(table.key, Advancing(Append(table, "c", 1), 1), CommitId::kNew,
                             coordination::Transaction(seen).Create("/claim-c-" + id, ""), {}));
  EXPECT_TRUE(std::holds_alternative<Committed>(last));
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  EXPECT_EQ(PositionOf(loaded), 2);
  EXPECT_EQ(Total(loaded, "total-records"), "2");
}

}  // namespace pk::catalog
