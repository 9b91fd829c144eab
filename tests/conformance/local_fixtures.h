#pragma once

// The in-memory and the simulated back end as CoordinatorFixtures.

#include "parkeeper/coordination/memory.h"
#include "parkeeper/coordination/simulation.h"
#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

class MemoryFixture final : public CoordinatorFixture {
 public:
  std::unique_ptr<Coordinator> Connect() override { return OpenMemory(tree_); }
  void ExpireSession(Coordinator& coordinator) override {
    coordination::ExpireSession(*tree_, coordinator.session().id());
  }

 private:
  std::shared_ptr<MemoryTree> tree_ = MakeMemoryTree();
};

// Simulated clients without faults. Its "threads" are actors, its deadlines virtual.
class SimulatedFixture final : public CoordinatorFixture {
 public:
  explicit SimulatedFixture(SimulationOptions options) : simulation_(4711, options) {}

  std::unique_ptr<Coordinator> Connect() override { return simulation_.MakeClient(); }
  void ExpireSession(Coordinator& coordinator) override {
    simulation_.ExpireSession(coordinator.session().id());
  }
  Clock& clock() override { return simulation_.clock(); }
  void RunAll(std::vector<std::function<void()>> actors) override {
    for (size_t i = 0; i < actors.size(); ++i) {
      simulation_.Spawn("actor-" + std::to_string(i), std::move(actors[i]));
    }
    EXPECT_THAT(simulation_.Run(), testing::IsOk());
  }

 private:
  Simulation simulation_;
};

inline CoordinatorFactory Simulated(std::string name, SimulationOptions options) {
  return {.name = std::move(name),
          .make = [options] { return std::make_unique<SimulatedFixture>(options); }};
}

inline std::vector<CoordinatorFactory> LocalFactories() {
  return {
      {.name = "memory", .make = [] { return std::make_unique<MemoryFixture>(); }},
      Simulated("one_server", {.followers = 0}),
      Simulated("followers", {}),
      Simulated("slow_followers", {.followers = 3, .longest_lag = std::chrono::seconds(1)}),
  };
}

}  // namespace pk::coordination
