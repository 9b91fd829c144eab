#include "parkeeper/coordination/memory.h"

#include "tests/conformance/coordinator_contract.h"

namespace pk::coordination {
namespace {

class MemoryFixture final : public CoordinatorFixture {
 public:
  std::unique_ptr<Coordinator> Connect() override { return OpenMemory(tree_); }
  void ExpireSession(Coordinator& coordinator) override {
    coordination::ExpireSession(*tree_, coordinator.session().id());
  }

 private:
  std::shared_ptr<MemoryTree> tree_ = MakeMemoryTree();
};

INSTANTIATE_TEST_SUITE_P(Memory, CoordinatorContract,
                         ::testing::Values(CoordinatorFactory{
                             .name = "memory",
                             .make = [] { return std::make_unique<MemoryFixture>(); }}),
                         FactoryName);

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
