#pragma once

// Part of coordinator_contract.h: calls that are begun and waited for later.

#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

TEST_P(CoordinatorContract, WhatOneThreadBeginsHappensInThatOrder) {
  constexpr int kSets = 50;
  std::vector<Pending<CommitOutcome>> commits;
  std::vector<Pending<Node>> reads;
  commits.push_back(a().BeginCommit(Transaction().Create("/n", "0")));
  for (int i = 0; i < kSets; ++i) {
    // Each expects what the one before it left.
    commits.push_back(a().BeginCommit(Transaction().Set("/n", std::to_string(i + 1), i)));
    reads.push_back(a().BeginGet("/n"));
  }
  for (int i = 0; i < kSets; ++i) {
    PK_ASSERT_OK(const Node node, reads[static_cast<size_t>(i)].Wait());
    EXPECT_EQ(node.value, std::to_string(i + 1));
    EXPECT_EQ(node.stat.version, i + 1);
  }
  for (auto& commit : commits) {
    PK_ASSERT_OK(const CommitOutcome outcome, commit.Wait());
    EXPECT_TRUE(std::holds_alternative<Applied>(outcome));
  }
}

TEST_P(CoordinatorContract, WhatIsBegunEndsAsTheCallThatWaitsDoes) {
  ASSERT_THAT(a().Create("/n", "value"), testing::IsOk());
  auto get = a().BeginGet("/n");
  auto missing = a().BeginGet("/none");
  auto bad = a().BeginGet("no path");
  auto applied = a().BeginCommit(
      Transaction().Check("/n", 0).Create("/n/c-", "1", CreateMode::kPersistentSequential));
  auto refused = a().BeginCommit(Transaction().Check("/n", 0).Set("/n", "x", 7));
  auto twice = a().BeginCommit(Transaction().Create("/n", ""));
  auto too_large = a().BeginCommit(Transaction().Set("/n", std::string(2'000'000, 'x'), 0));
  auto empty = a().BeginCommit(Transaction());

  EXPECT_EQ(get.Wait()->value, "value");
  EXPECT_THAT(missing.Wait(), testing::IsError(ErrorCode::kNotFound));
  EXPECT_THAT(bad.Wait(), testing::IsError(ErrorCode::kInvalidArgument));
  PK_ASSERT_OK(const CommitOutcome done, applied.Wait());
  ASSERT_TRUE(std::holds_alternative<Applied>(done));
  const Applied& made = std::get<Applied>(done);
  EXPECT_EQ(made.paths, (std::vector<std::string>{"/n", "/n/c-0000000000"}));
  EXPECT_EQ(made.stats.at(1).czxid, made.zxid);
  PK_ASSERT_OK(const CommitOutcome conflict, refused.Wait());
  ASSERT_TRUE(std::holds_alternative<Refused>(conflict));
  EXPECT_EQ(std::get<Refused>(conflict).operation, 1u);
  EXPECT_EQ(std::get<Refused>(conflict).reason.code(), ErrorCode::kConflict);
  PK_ASSERT_OK(const CommitOutcome exists, twice.Wait());
  ASSERT_TRUE(std::holds_alternative<Refused>(exists));
  EXPECT_EQ(std::get<Refused>(exists).reason.code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(too_large.Wait(), testing::IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(empty.Wait(), testing::IsOk());
}

TEST_P(CoordinatorContract, WhatIsBegunHappensAlsoWhenNobodyWaits) {
  {
    const auto create = a().BeginCommit(Transaction().Create("/n", "value"));
    const auto get = a().BeginGet("/n");
  }
  EXPECT_EQ(a().Get("/n")->value, "value");
}

TEST_P(CoordinatorContract, ManyThreadsBeginOnOneCoordinator) {
  constexpr int kActors = 4, kEach = 25;
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < kActors; ++i) {
    actors.push_back([this, i] {
      std::vector<Pending<CommitOutcome>> commits;
      for (int j = 0; j < kEach; ++j) {
        const std::string path = "/n" + std::to_string(i) + "-" + std::to_string(j);
        commits.push_back(a().BeginCommit(Transaction().Create(path, path)));
        EXPECT_EQ(a().BeginGet(path).Wait()->value, path) << "it sees its own writes";
      }
      for (auto& commit : commits) EXPECT_THAT(commit.Wait(), testing::IsOk());
    });
  }
  fixture().RunAll(std::move(actors));
  EXPECT_EQ(a().List("/")->size(), size_t{kActors * kEach});
}

TEST_P(CoordinatorContract, NothingBegunAfterTheLossOfTheSessionIsDone) {
  fixture().ExpireSession(a());
  ASSERT_TRUE(BecomesLost(a().session()));
  auto commit = a().BeginCommit(Transaction().Create("/n", ""));
  auto get = a().BeginGet("/");
  EXPECT_THAT(commit.Wait(), testing::IsError(ErrorCode::kUnavailable));
  EXPECT_THAT(get.Wait(), testing::IsError(ErrorCode::kUnavailable));
  EXPECT_EQ(Latest(b(), "/n"), std::nullopt);
}

}  // namespace pk::coordination
