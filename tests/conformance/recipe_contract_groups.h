#pragma once

// Part of recipe_contract.h: barrier, double barrier, membership.

#include <atomic>

#include "parkeeper/coordination/barrier.h"
#include "parkeeper/coordination/double_barrier.h"
#include "parkeeper/coordination/membership.h"
#include "tests/conformance/recipe_contract_fixture.h"

namespace pk::coordination {

TEST_P(RecipeContract, ABarrierHoldsBackUntilItIsOpened) {
  EXPECT_THAT(AwaitBarrier(Of(a()), "/x/barrier", AtOnce()), testing::IsOk())
      << "one that was never closed";
  ASSERT_THAT(CloseBarrier(Of(a()), "/x/barrier", Patient()), testing::IsOk());
  ASSERT_THAT(CloseBarrier(Of(b()), "/x/barrier", Patient()), testing::IsOk()) << "twice is fine";
  EXPECT_THAT(AwaitBarrier(Of(b()), "/x/barrier", AtOnce()),
              testing::IsError(ErrorCode::kUnavailable));
  bool passed = false;
  fixture().RunAll(
      {[&] { passed = AwaitBarrier(Of(b()), "/x/barrier", Patient()).ok(); },
       [&] { EXPECT_THAT(OpenBarrier(Of(a()), "/x/barrier", Patient()), testing::IsOk()); }});
  EXPECT_TRUE(passed);
  ASSERT_THAT(CloseBarrier(Of(b()), "/x/barrier", Patient()), testing::IsOk());
  EXPECT_THAT(AwaitBarrier(Of(b()), "/x/barrier", AtOnce()),
              testing::IsError(ErrorCode::kUnavailable));
}

TEST_P(RecipeContract, ADoubleBarrierLetsNobodyInBeforeAllHaveComeNorOutBeforeAllAreDone) {
  constexpr int kMembers = 3, kRounds = 2;
  std::atomic<int> come = 0, done = 0;
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < kMembers; ++i) {
    actors.push_back([&, this] {
      const auto client = fixture().Connect();
      for (int round = 1; round <= kRounds; ++round) {
        ++come;
        PK_ASSERT_OK(DoubleBarrier barrier,
                     DoubleBarrier::Enter(Of(*client), "/rounds", kMembers, Patient()));
        EXPECT_GE(come, kMembers * round);
        ++done;
        EXPECT_THAT(barrier.Leave(Patient()), testing::IsOk());
        EXPECT_GE(done, kMembers * round);
      }
    });
  }
  fixture().RunAll(std::move(actors));
  EXPECT_EQ(done, kMembers * kRounds);
  EXPECT_EQ(Children("/rounds"), 0u);
}

TEST_P(RecipeContract, ADoubleBarrierCountsNobodyWhoGaveUp) {
  const auto give_up = DoubleBarrier::Enter(Of(a()), "/rounds", 2, AtOnce());
  EXPECT_EQ(give_up.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(Children("/rounds"), 0u);
  EXPECT_FALSE(DoubleBarrier::Enter(Of(b()), "/rounds", 2, AtOnce()).ok());
  const auto other = DoubleBarrier::Enter(Of(b()), "/rounds", 3, AtOnce());
  EXPECT_EQ(other.error().code(), ErrorCode::kFailedPrecondition);
  const auto none = DoubleBarrier::Enter(Of(b()), "/rounds", 0, AtOnce());
  EXPECT_EQ(none.error().code(), ErrorCode::kInvalidArgument);
}

TEST_P(RecipeContract, MembersAreListedWithWhatTheySay) {
  EXPECT_TRUE(ListMembers(a(), "/group")->empty()) << "there is no group yet";
  PK_ASSERT_OK(Membership mine, Membership::Join(Of(a()), "/group", "host-a", Patient()));
  PK_ASSERT_OK(Membership theirs, Membership::Join(Of(b()), "/group", "host-b", Patient()));
  const Member first{.node = mine.node(), .session = a().session().id(), .payload = "host-a"};
  const Member second{.node = theirs.node(), .session = b().session().id(), .payload = "host-b"};
  EXPECT_EQ(*ListMembers(b(), "/group"), (std::vector{first, second}));
  EXPECT_THAT(theirs.Leave(), testing::IsOk());
  EXPECT_EQ(*ListMembers(b(), "/group"), (std::vector{first}));
  EXPECT_THAT(mine.SetPayload("busy", Patient()), testing::IsOk());
  EXPECT_THAT(mine.SetPayload("idle", Patient()), testing::IsOk());
  ASSERT_THAT(b().Sync(), testing::IsOk());
  EXPECT_EQ(ListMembers(b(), "/group")->at(0).payload, "idle");
}

TEST_P(RecipeContract, AWatchOfMembersTellsOfEachJoinLeaveAndPayload) {
  PK_ASSERT_OK(const auto watch, WatchMembers(b(), "/group"));
  EXPECT_TRUE(FallsSilent(*watch));
  PK_ASSERT_OK(Membership mine, Membership::Join(Of(a()), "/group", "host-a", Patient()));
  EXPECT_TRUE(watch->Wait(Soon()));
  EXPECT_TRUE(FallsSilent(*watch));
  EXPECT_THAT(mine.SetPayload("busy", Patient()), testing::IsOk());
  EXPECT_TRUE(watch->Wait(Soon()));
  EXPECT_TRUE(FallsSilent(*watch));
  fixture().ExpireSession(a());
  EXPECT_TRUE(watch->Wait(Soon()));
  ASSERT_THAT(b().Sync(), testing::IsOk());
  EXPECT_TRUE(ListMembers(b(), "/group")->empty());
}

TEST_P(RecipeContract, AMemberThatWasRemovedLearnsIt) {
  PK_ASSERT_OK(Membership mine, Membership::Join(Of(a()), "/group", "host-a", Patient()));
  ASSERT_THAT(b().Remove(mine.node(), kAnyVersion), testing::IsOk());
  EXPECT_THAT(mine.SetPayload("busy", Patient()), testing::IsError(ErrorCode::kNotFound));
  EXPECT_TRUE(std::holds_alternative<Refused>(*a().Commit(mine.Guard())));
}

}  // namespace pk::coordination
