#pragma once

// The contract of Catalog::CommitLinked() and DriveQueue().

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/conformance/catalog_contract_fixture.h"

namespace pk::catalog {

TEST_P(CatalogContract, ACommitBringsAboutWhatIsLinkedToItsOutcome) {
  const LoadedTable table = MakeTable(kOrders);
  const std::string id = SystemIds().NewUuid4().ToString();
  const std::string claim = "/claim-" + id, done = "/done-" + id, again = "/again-" + id;
  const CommitLinks links{
      .if_committed = {coordination::CreateOperation{.path = done, .value = ""}},
      .if_rejected = {coordination::CreateOperation{.path = again, .value = ""}}};
  const auto commit = SetProperty("p", "x");
  const auto create = coordination::Transaction().Create(claim, "");
  for (const CommitId kind : {CommitId::kNew, CommitId::kMaybeRepeated}) {
    PK_ASSERT_OK(const auto result, catalog_->CommitLinked(table.key, commit, kind, create, links));
    EXPECT_TRUE(std::holds_alternative<Committed>(result));
  }
  iceberg::TableCommit bad = Append(table, "f", 1);
  std::get<iceberg::AppendFiles>(bad.change).files[0].spec_id = 9;
  const auto remove = coordination::Transaction().Check(done).Remove(claim, 0);
  PK_ASSERT_OK(const auto rejected,
               catalog_->CommitLinked(table.key, bad, CommitId::kNew, remove, links));
  EXPECT_TRUE(std::holds_alternative<Rejected>(rejected));
  const auto there = coordination::Transaction().Check(done).Check(again).Check(claim);
  PK_ASSERT_OK(const auto refused, catalog_->CommitLinked(table.key, SetProperty("p", "y"),
                                                          CommitId::kNew, there, links));
  ASSERT_TRUE(std::holds_alternative<coordination::Refused>(refused));
  EXPECT_EQ(std::get<coordination::Refused>(refused).operation, 2u) << "the claim is gone";
  EXPECT_THAT(catalog_->DriveQueue(table.key), testing::IsOkAnd(::testing::Eq(0)));
  PK_ASSERT_OK(const LoadedTable after, catalog_->LoadTable(kOrders));
  EXPECT_EQ(after.metadata->Property("p", "none"), "x");
}

TEST_P(CatalogContract, CommitsWithLinksOfManyProcessesAreEachDecidedOnce) {
  const LoadedTable table = MakeTable(kOrders);
  const std::string id = SystemIds().NewUuid4().ToString();
  constexpr int kProcesses = 4, kEach = 3;
  std::vector<std::unique_ptr<Catalog>> catalogs;
  for (int i = 0; i < kProcesses; ++i) catalogs.push_back(fixture_->Connect());
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kProcesses; ++i) {
      threads.emplace_back([&, i] {
        for (int k = 0; k < kEach; ++k) {
          const std::string name = id + "-" + std::to_string(i) + "-" + std::to_string(k);
          const CommitLinks links{
              .if_committed = {coordination::CreateOperation{.path = "/done-" + name, .value = ""}},
              .if_rejected = {}};
          const auto result = catalogs[size_t(i)]->CommitLinked(
              table.key, Append(table, name, 1), CommitId::kNew,
              coordination::Transaction().Create("/claim-" + name, ""), links);
          EXPECT_THAT(result, testing::IsOk());
          EXPECT_TRUE(result.ok() && std::holds_alternative<Committed>(*result));
        }
      });
    }
  }
  PK_ASSERT_OK(const LoadedTable after, catalog_->LoadTable(kOrders));
  EXPECT_EQ(Total(after, "total-records"), std::to_string(kProcesses * kEach));
}

}  // namespace pk::catalog
