#include "parkeeper/coordination/memory.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::coordination {
namespace {

using ::pk::testing::IsOk;
using ::pk::testing::IsOkAnd;

TEST(Memory, StampsNodesWithItsOwnClock) {
  ManualClock clock(1'000);
  const auto tree = MakeMemoryTree(clock);
  const auto coordinator = OpenMemory(tree);
  ASSERT_THAT(coordinator->Create("/n", ""), IsOk());
  clock.Advance(std::chrono::milliseconds(5));
  PK_ASSERT_OK(const NodeStat stat, coordinator->Set("/n", "", 0));
  EXPECT_EQ(stat.ctime_ms, 1'000);
  EXPECT_EQ(stat.mtime_ms, 1'005);
}

TEST(Memory, WaitsOnItsOwnClock) {
  ManualClock clock;
  const auto coordinator = OpenMemory(MakeMemoryTree(clock));
  PK_ASSERT_OK(const auto watch, coordinator->StartWatch("/n", WatchScope::kNode));
  EXPECT_FALSE(watch->Wait(clock.Now() + std::chrono::hours(24 * 365)));
}

TEST(Memory, SequenceNumbersCountTheChildrenThatTheParentEverHad) {
  const auto coordinator = OpenMemory(MakeMemoryTree());
  const auto create = [&] {
    return coordinator->Create("/n", "", CreateMode::kPersistentSequential);
  };
  EXPECT_THAT(create(), IsOkAnd(std::string("/n0000000000")));
  EXPECT_THAT(create(), IsOkAnd(std::string("/n0000000001")));
  ASSERT_THAT(coordinator->Create("/other", ""), IsOk());
  EXPECT_THAT(create(), IsOkAnd(std::string("/n0000000003")));
}

TEST(Memory, AWatchMayOutliveItsCoordinatorAndIsOverThen) {
  const auto tree = MakeMemoryTree();
  auto coordinator = OpenMemory(tree);
  PK_ASSERT_OK(const auto watch, coordinator->StartWatch("/n", WatchScope::kNode));
  coordinator.reset();
  EXPECT_FALSE(watch->Wait(SteadyTime::max()));
}

}  // namespace
}  // namespace pk::coordination
