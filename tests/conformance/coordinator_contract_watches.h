#pragma once

// Part of coordinator_contract.h: watches.

#include <set>

#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

// One change that a watch of `scope` on /w must report; the tree has /w, /w/c and /w/c/d.
struct WatchedChange {
  WatchScope scope;
  const char* what;
  Transaction change;
};
inline std::vector<WatchedChange> WatchedChanges() {
  const auto any = kAnyVersion;
  return {
      {WatchScope::kNode, "set", Transaction().Set("/w", "x", any)},
      {WatchScope::kNode, "removed",
       Transaction().Remove("/w/c/d", any).Remove("/w/c", any).Remove("/w", any)},
      {WatchScope::kChildren, "child created", Transaction().Create("/w/new", "")},
      {WatchScope::kChildren, "sequential child",
       Transaction().Create("/w/s", "", CreateMode::kPersistentSequential)},
      {WatchScope::kChildren, "child removed",
       Transaction().Remove("/w/c/d", any).Remove("/w/c", any)},
      {WatchScope::kChildren, "removed",
       Transaction().Remove("/w/c/d", any).Remove("/w/c", any).Remove("/w", any)},
      {WatchScope::kSubtree, "set", Transaction().Set("/w", "x", any)},
      {WatchScope::kSubtree, "child created", Transaction().Create("/w/new", "")},
      {WatchScope::kSubtree, "grandchild set", Transaction().Set("/w/c/d", "x", any)},
      {WatchScope::kSubtree, "grandchild removed", Transaction().Remove("/w/c/d", any)},
      {WatchScope::kSubtree, "far below",
       Transaction().Create("/w/c/d/e", "").Create("/w/c/d/e/f", "")},
  };
}

TEST_P(CoordinatorContract, AWatchReportsEachChangeInItsScopeWhoeverMadeIt) {
  for (const WatchedChange& c : WatchedChanges()) {
    for (Coordinator* writer : {&a(), &b()}) {
      RemoveTree("/w");
      ASSERT_THAT(EnsurePath(a(), "/w/c/d"), testing::IsOk());
      ASSERT_THAT(b().Sync(), testing::IsOk());
      PK_ASSERT_OK(const auto watch, a().StartWatch("/w", c.scope));
      EXPECT_TRUE(FallsSilent(*watch));
      PK_ASSERT_OK(const CommitOutcome outcome, writer->Commit(c.change));
      ASSERT_TRUE(std::holds_alternative<Applied>(outcome)) << c.what;
      EXPECT_TRUE(watch->Wait(Soon())) << c.what << ", scope " << static_cast<int>(c.scope);
    }
  }
}

TEST_P(CoordinatorContract, AWatchThatNamesWhatChangedNamesEachChange) {
  ASSERT_THAT(EnsurePath(a(), "/w/c"), testing::IsOk());
  PK_ASSERT_OK(const auto watch, a().StartWatch("/w", WatchScope::kSubtree));
  EXPECT_TRUE(FallsSilent(*watch));
  static_cast<void>(watch->TakeChanged());
  PK_ASSERT_OK(
      const auto outcome,
      b().Commit(Transaction().Set("/w", "x", 0).Create("/w/c/d", "").Remove("/w/c/d", 0)));
  ASSERT_TRUE(std::holds_alternative<Applied>(outcome));
  // Changes are reported in their order, so nothing is on its way any more once this one is named.
  ASSERT_THAT(b().Create("/w/last", ""), testing::IsOk());
  std::set<std::string> missing = {"/w", "/w/c/d", "/w/last"};
  while (!missing.empty()) {
    ASSERT_TRUE(watch->Wait(Soon())) << *missing.begin();
    const auto changed = watch->TakeChanged();
    if (!changed.has_value()) return;  // "look at all" names it too
    for (const std::string& path : *changed) missing.erase(path);
  }
  EXPECT_TRUE(FallsSilent(*watch));
  EXPECT_EQ(watch->TakeChanged().value_or(std::vector<std::string>()), std::vector<std::string>());
}

TEST_P(CoordinatorContract, AfterAWakeUpAReadOfTheWatcherSeesTheChange) {
  ASSERT_THAT(a().Create("/n", "0"), testing::IsOk());
  PK_ASSERT_OK(const auto watch, a().StartWatch("/n", WatchScope::kNode));
  for (int32_t version = 0; version < 10; ++version) {
    ASSERT_THAT(b().Set("/n", "x", kAnyVersion), testing::IsOk());
    const SteadyTime deadline = Soon();
    while (a().Get("/n")->stat.version != version + 1) ASSERT_TRUE(watch->Wait(deadline));
  }
}

TEST_P(CoordinatorContract, AWatchedNodeNeedNotExistYet) {
  for (const auto scope : {WatchScope::kNode, WatchScope::kSubtree}) {
    PK_ASSERT_OK(const auto watch, a().StartWatch("/later", scope));
    ASSERT_THAT(b().Create("/later", ""), testing::IsOk());
    EXPECT_TRUE(watch->Wait(Soon()));
    ASSERT_THAT(b().Remove("/later", 0), testing::IsOk());
  }
}

TEST_P(CoordinatorContract, AWatchOfTheChildrenOfNoNodeIsNotFound) {
  EXPECT_THAT(a().StartWatch("/none", WatchScope::kChildren),
              testing::IsErrorWith(ErrorCode::kNotFound, "/none"));
}

TEST_P(CoordinatorContract, AWatchOfTheRootsSubtreeSeesEverything) {
  PK_ASSERT_OK(const auto watch, a().StartWatch("/", WatchScope::kSubtree));
  ASSERT_THAT(EnsurePath(b(), "/x/y/z"), testing::IsOk());
  EXPECT_TRUE(watch->Wait(Soon()));
  EXPECT_TRUE(FallsSilent(*watch));
  ASSERT_THAT(b().Set("/x/y/z", "", 0), testing::IsOk());
  EXPECT_TRUE(watch->Wait(Soon()));
}

TEST_P(CoordinatorContract, SeveralChangesMayGiveOneWakeUpAndThenThereIsSilence) {
  ASSERT_THAT(a().Create("/n", ""), testing::IsOk());
  PK_ASSERT_OK(const auto watch, a().StartWatch("/n", WatchScope::kNode));
  for (int i = 0; i < 5; ++i) ASSERT_THAT(b().Set("/n", "", i), testing::IsOk());
  EXPECT_TRUE(watch->Wait(Soon()));
  EXPECT_TRUE(FallsSilent(*watch));
}

TEST_P(CoordinatorContract, AWatchGoesOnAfterItsWakeUp) {
  PK_ASSERT_OK(const auto watch, a().StartWatch("/n", WatchScope::kNode));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(FallsSilent(*watch));
    ASSERT_THAT(b().Create("/n", ""), testing::IsOk());
    EXPECT_TRUE(watch->Wait(Soon()));
    EXPECT_TRUE(FallsSilent(*watch));
    ASSERT_THAT(b().Remove("/n", 0), testing::IsOk());
    EXPECT_TRUE(watch->Wait(Soon()));
  }
}

TEST_P(CoordinatorContract, WatchesOfOnePathAreIndependent) {
  PK_ASSERT_OK(auto first, a().StartWatch("/n", WatchScope::kNode));
  PK_ASSERT_OK(const auto second, a().StartWatch("/n", WatchScope::kNode));
  PK_ASSERT_OK(const auto other, b().StartWatch("/n", WatchScope::kNode));
  ASSERT_THAT(b().Create("/n", ""), testing::IsOk());
  EXPECT_TRUE(first->Wait(Soon()));
  first.reset();
  EXPECT_TRUE(second->Wait(Soon())) << "the first took nothing from it";
  EXPECT_TRUE(other->Wait(Soon()));
  EXPECT_TRUE(FallsSilent(*second));
  ASSERT_THAT(b().Set("/n", "", 0), testing::IsOk());
  EXPECT_TRUE(second->Wait(Soon())) << "and its end did not end it";
}

TEST_P(CoordinatorContract, TheEndOfASessionIsAChangeForWatchesOfOthers) {
  ASSERT_THAT(EnsurePath(b(), "/p"), testing::IsOk());
  ASSERT_THAT(b().Sync(), testing::IsOk());
  for (const bool expires : {true, false}) {
    auto owner = fixture().Connect();
    ASSERT_THAT(owner->Create("/p/e", "", CreateMode::kEphemeral), testing::IsOk());
    ASSERT_THAT(b().Sync(), testing::IsOk());
    PK_ASSERT_OK(const auto node, b().StartWatch("/p/e", WatchScope::kNode));
    PK_ASSERT_OK(const auto children, b().StartWatch("/p", WatchScope::kChildren));
    PK_ASSERT_OK(const auto subtree, b().StartWatch("/", WatchScope::kSubtree));
    if (expires) fixture().ExpireSession(*owner);
    owner.reset();
    for (const auto& watch : {node.get(), children.get(), subtree.get()}) {
      const SteadyTime deadline = Soon();
      while (b().Find("/p/e")->has_value()) ASSERT_TRUE(watch->Wait(deadline));
    }
    EXPECT_THAT(b().List("/p"), testing::IsOkAnd(::testing::IsEmpty()));
  }
}

TEST_P(CoordinatorContract, AWaitGivesUpAtTheDeadlineOrWhenAskedTo) {
  PK_ASSERT_OK(const auto watch, a().StartWatch("/n", WatchScope::kNode));
  EXPECT_TRUE(FallsSilent(*watch));
  const SteadyTime deadline = Now() + std::chrono::milliseconds(10);
  EXPECT_FALSE(watch->Wait(deadline));
  EXPECT_GE(Now(), deadline);
  EXPECT_FALSE(watch->Wait(SteadyTime::min()));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(watch->Wait(SteadyTime::max(), stop.get_token()));
}

TEST_P(CoordinatorContract, ARequestToStopWakesAWait) {
  PK_ASSERT_OK(const auto watch, a().StartWatch("/n", WatchScope::kNode));
  std::stop_source stop;
  fixture().RunAll({[&] {
                      while (watch->Wait(SteadyTime::max(), stop.get_token())) {
                      }
                    },
                    [&] {
                      EXPECT_THAT(b().Commit(Transaction()), testing::IsOk());
                      stop.request_stop();
                    }});
  EXPECT_TRUE(stop.stop_requested());
}

TEST_P(CoordinatorContract, NoChangeIsMissedWhileWritersGoOn) {
  constexpr int kChanges = 30;
  ASSERT_THAT(a().Create("/w", ""), testing::IsOk());
  ASSERT_THAT(a().Create("/w/n", ""), testing::IsOk());
  // Each looks for a state that the last change brings about; a missed one would hang until the
  // deadline.
  const auto follow = [&](WatchScope scope, const std::string& path, auto done) {
    return [this, scope, path, done] {
      const auto reader = fixture().Connect();
      ASSERT_THAT(reader->Sync(), testing::IsOk());
      PK_ASSERT_OK(const auto watch, reader->StartWatch(path, scope));
      const SteadyTime deadline = Soon();
      while (!done(*reader)) ASSERT_TRUE(watch->Wait(deadline)) << "missed a change of " << path;
    };
  };
  const auto version = [](Coordinator& reader) {
    return reader.Get("/w/n")->stat.version >= kChanges;
  };
  const auto children = [](Coordinator& reader) {
    return reader.List("/w")->size() == 1 + static_cast<size_t>(kChanges);
  };
  fixture().RunAll(
      {follow(WatchScope::kNode, "/w/n", version), follow(WatchScope::kSubtree, "/w", version),
       follow(WatchScope::kChildren, "/w", children), follow(WatchScope::kSubtree, "/", children),
       [&] {
         for (int i = 0; i < kChanges; ++i) {
           EXPECT_THAT(a().Set("/w/n", "", i), testing::IsOk());
         }
       },
       [&] {
         for (int i = 0; i < kChanges; ++i) {
           EXPECT_THAT(b().Create("/w/" + std::to_string(i), ""), testing::IsOk());
         }
       }});
}

}  // namespace pk::coordination
