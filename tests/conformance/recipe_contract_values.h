#pragma once

// Part of recipe_contract.h: counter, cache.

#include <limits>

#include "parkeeper/coordination/counter.h"
#include "parkeeper/coordination/subtree_cache.h"
#include "tests/conformance/recipe_contract_fixture.h"

namespace pk::coordination {

using Paths = std::vector<std::string>;

TEST_P(RecipeContract, ACounterLosesNoAddition) {
  constexpr int kActors = 4, kEach = 12;
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < kActors; ++i) {
    actors.push_back([this] {
      const auto client = fixture().Connect();
      for (int n = 0; n < kEach; ++n) {
        EXPECT_THAT(AddToCounter(Of(*client), "/x/count", 1, Patient()), testing::IsOk());
      }
    });
  }
  fixture().RunAll(std::move(actors));
  EXPECT_THAT(AddToCounter(Of(b()), "/x/count", -8, Patient()),
              testing::IsOkAnd(::testing::Eq(kActors * kEach - 8)));
  EXPECT_EQ(*ReadCounter(b(), "/x/count"), kActors * kEach - 8);
  EXPECT_LT(b().Get("/x/count")->value.size(), 1'000u) << "however often it is added to";
}

TEST_P(RecipeContract, ACounterRefusesWhatItCannotHold) {
  EXPECT_EQ(*ReadCounter(a(), "/count"), 0) << "nobody has counted yet";
  const int64_t most = std::numeric_limits<int64_t>::max();
  ASSERT_THAT(AddToCounter(Of(a()), "/count", most, Patient()), testing::IsOk());
  EXPECT_THAT(AddToCounter(Of(a()), "/count", 1, Patient()),
              testing::IsError(ErrorCode::kFailedPrecondition));
  EXPECT_EQ(*ReadCounter(a(), "/count"), most);
  ASSERT_THAT(a().Create("/other", "seven"), testing::IsOk());
  EXPECT_THAT(AddToCounter(Of(a()), "/other", 1, Patient()), testing::IsError(ErrorCode::kCorrupt));
}

TEST_P(RecipeContract, ACacheLoadsWhatIsThere) {
  Transaction make;
  make.Create("/c", "").Create("/c/0", "").Create("/c/1", "").Create("/c/2", "");
  for (int i = 0; i < 450; ++i) {
    make.Create("/c/" + std::to_string(i % 3) + "/" + std::to_string(i), std::to_string(i));
  }
  ASSERT_THAT(a().Commit(make), testing::IsOk());
  PK_ASSERT_OK(const auto cache, SubtreeCache::Load(a(), "/c"));
  EXPECT_EQ(cache.size(), 1u + 3u + 450u);
  EXPECT_EQ(cache.List("/c"), (Paths{"0", "1", "2"}));
  EXPECT_EQ(cache.List("/c/1").size(), 150u);
  ASSERT_NE(cache.Find("/c/2/449"), nullptr);
  EXPECT_EQ(cache.Find("/c/2/449")->value, "449");
  EXPECT_EQ(cache.Find("/c/0/449"), nullptr);
  EXPECT_TRUE(cache.List("/c/0/449").empty());
}

TEST_P(RecipeContract, ACacheFollowsWhatOthersChange) {
  PK_ASSERT_OK(auto cache, SubtreeCache::Load(a(), "/c"));
  EXPECT_EQ(cache.size(), 0u) << "its root need not exist";
  const auto sync = [&](const Transaction& change) {
    const auto outcome = b().Commit(change);
    EXPECT_TRUE(outcome.ok() && std::holds_alternative<Applied>(*outcome));
    const auto changed = cache.Sync();
    EXPECT_TRUE(changed.ok());
    return changed.ok() ? *changed : Paths();
  };
  const auto any = kAnyVersion;
  EXPECT_EQ(sync(Transaction().Create("/c", "").Create("/c/d", "1").Create("/c/d/e", "")),
            (Paths{"/c", "/c/d", "/c/d/e"}));
  EXPECT_EQ(sync(Transaction().Set("/c/d", "22", any)), (Paths{"/c/d"}));
  EXPECT_EQ(cache.Find("/c/d")->value, "22");
  EXPECT_EQ(cache.bytes(), std::string("/c/c/d/c/d/e22").size());
  EXPECT_EQ(sync(Transaction().Create("/other", "")), Paths{});
  EXPECT_EQ(sync(Transaction()
                     .Remove("/c/d/e", any)
                     .Remove("/c/d", any)
                     .Create("/c/d", "again")
                     .Create("/c/f", "")),
            (Paths{"/c/d", "/c/d/e", "/c/f"}));
  EXPECT_EQ(cache.Find("/c/d")->value, "again");
  EXPECT_EQ(cache.Find("/c")->stat.children, 2);
  EXPECT_TRUE(cache.List("/c/d").empty());
  EXPECT_EQ(sync(Transaction().Remove("/c/d", any).Remove("/c/f", any).Remove("/c", any)),
            (Paths{"/c", "/c/d", "/c/f"}));
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST_P(RecipeContract, ACacheIsWokenByChangesAndReadsThem) {
  ASSERT_THAT(EnsurePath(b(), "/c/d"), testing::IsOk());
  PK_ASSERT_OK(auto cache, SubtreeCache::Load(b(), "/c"));
  ASSERT_THAT(a().Set("/c/d", "1", 0), testing::IsOk());
  ASSERT_THAT(a().Create("/c/d/e", "2"), testing::IsOk());
  const SteadyTime deadline = Soon();
  while (cache.Find("/c/d/e") == nullptr) {
    ASSERT_LT(Now(), deadline);
    ASSERT_TRUE(cache.WaitAndRefresh({.deadline = deadline, .stop = {}}).ok());
  }
  EXPECT_EQ(cache.Find("/c/d")->value, "1");
  EXPECT_EQ(cache.List("/c/d"), (Paths{"e"}));
  PK_ASSERT_OK(const auto again, cache.Refresh());
  EXPECT_TRUE(again.empty());
  std::stop_source stop;
  stop.request_stop();
  const Until stopped{.deadline = SteadyTime::max(), .stop = stop.get_token()};
  EXPECT_TRUE(cache.WaitAndRefresh(stopped).ok());
}

TEST_P(RecipeContract, ACacheStaysWithinItsLimits) {
  ASSERT_THAT(EnsurePath(a(), "/c/d/e"), testing::IsOk());
  const auto too_many = SubtreeCache::Load(a(), "/c", {.most_nodes = 2});
  ASSERT_FALSE(too_many.ok());
  EXPECT_EQ(too_many.error().code(), ErrorCode::kFailedPrecondition);
  PK_ASSERT_OK(auto cache, SubtreeCache::Load(a(), "/c", {.most_bytes = 100}));
  ASSERT_THAT(a().Set("/c/d", std::string(100, 'x'), 0), testing::IsOk());
  EXPECT_EQ(cache.Sync().error().code(), ErrorCode::kFailedPrecondition);
  ASSERT_THAT(a().Set("/c/d", "small", 1), testing::IsOk());
  EXPECT_TRUE(cache.Sync().ok()) << "it goes on when there is room again";
}

TEST_P(RecipeContract, ACacheSaysWhenItsSessionIsLostAndCanStillBeRead) {
  ASSERT_THAT(a().Create("/c", "1"), testing::IsOk());
  PK_ASSERT_OK(auto cache, SubtreeCache::Load(a(), "/c"));
  fixture().ExpireSession(a());
  EXPECT_TRUE(BecomesLost(a().session()));
  EXPECT_EQ(cache.Refresh().error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(cache.Sync().error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(cache.Find("/c")->value, "1");
}

}  // namespace pk::coordination
