// A worker that meets a fault at every single step of its way, and what a task costs in writes.

#include "tests/simulation/each_fault.h"
#include "tests/simulation/for_each_seed.h"
#include "tests/simulation/task_process.h"

namespace pk::tasks {
namespace {

using testing::IsOk;

// Lets one of the calls of a process meet a fault.
struct Script {
  bool counts = false;
  int calls = 0;
  int writes = 0;
  int fault_at = 0;  // the call, counted from 1
  Faults fault = {};
};

class ScriptedCoordinator final : public Coordinator {
  template <class Body>
  auto Call(const Body& body) {
    script_.calls += script_.counts ? 1 : 0;
    const bool fails = script_.counts && script_.calls == script_.fault_at;
    if (fails) simulation_.SetFaults(*inner_, script_.fault);
    auto result = body();
    if (fails) simulation_.SetFaults(*inner_, {});
    return result;
  }

 public:
  ScriptedCoordinator(Simulation& simulation, Script& script)
      : simulation_(simulation), script_(script), inner_(simulation.MakeClient()) {}

  Result<coordination::Node> Get(std::string_view path) override {
    return Call([&] { return inner_->Get(path); });
  }
  Result<std::vector<std::string>> List(std::string_view path) override {
    return Call([&] { return inner_->List(path); });
  }
  Result<std::vector<Result<coordination::ReadReply>>> Read(
      const std::vector<coordination::ReadRequest>& requests) override {
    return Call([&] { return inner_->Read(requests); });
  }
  Result<std::vector<Result<coordination::NodeStat>>> Stats(
      const std::vector<std::string>& paths) override {
    return Call([&] { return inner_->Stats(paths); });
  }
  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    script_.writes += script_.counts ? 1 : 0;
    return Call([&] { return inner_->Commit(transaction); });
  }
  Result<std::unique_ptr<coordination::Watch>> StartWatch(std::string_view path,
                                                          coordination::WatchScope scope) override {
    return Call([&] { return inner_->StartWatch(path, scope); });
  }
  Result<> Sync() override { return inner_->Sync(); }
  coordination::Session& session() override { return inner_->session(); }

 private:
  Simulation& simulation_;
  Script& script_;
  const std::unique_ptr<Coordinator> inner_;
};

class StepFaults : public ::testing::TestWithParam<coordination::NamedFault> {};

// Whether the process got as far as this step.
bool MeetsFaultAt(int step, uint64_t seed, const Faults& fault) {
  Simulation simulation(seed);
  TaskRun run(simulation);
  Script script{.counts = true, .fault_at = step, .fault = fault};
  simulation.Spawn("worker", [&] {
    TaskProcess process(
        simulation, *run.storage,
        [&] { return std::make_unique<ScriptedCoordinator>(simulation, script); }, 0,
        std::chrono::seconds(60));
    std::vector<SubmitRequest> requests = {run.Request(), run.Request(), run.Request()};
    const Uuid stage = run.Request().id;
    if (process.queues.CreateStage(stage, "stage").ok()) run.stage = stage;
    if (run.stage) {
      requests[0].stage = stage;
      requests[1].after = {stage};
    }
    for (const SubmitRequest& request : requests) run.attempted.push_back(request.id);
    if (process.queues.SubmitBatch(kQueue, requests).ok()) {
      run.submitted = {run.attempted.begin(), run.attempted.end()};
    }
    if (process.alive()) static_cast<void>(process.queues.SealStage(stage));
    for (int n = 0; n < 3 && process.alive(); ++n) {
      const auto claims = process.worker.Claim({kQueue}, 2);
      if (!claims.ok()) continue;
      static_cast<void>(process.worker.Heartbeat());
      for (size_t i = 0; i < claims->size() && process.alive(); ++i) {
        if (n == 0 && i == 1) {
          static_cast<void>(process.worker.Fail((*claims)[i], "no", Retry::kAgain));
        } else {
          run.Complete(process, (*claims)[i]);
        }
      }
      static_cast<void>(simulation.clock().Wait(std::chrono::seconds(2)));
    }
    static_cast<void>(process.worker.Leave());
  });
  EXPECT_THAT(simulation.Run(), IsOk());
  run.Finish();
  if (::testing::Test::HasFailure()) {
    std::cerr << "step " << step << ", seed " << seed << "\n" << simulation.trace();
  }
  return script.calls >= step;
}

TEST_P(StepFaults, AtNoStepLoseOrDoubleATask) {
  int met = 0;
  for (int step = 1; step <= 60 && !HasFailure(); ++step) {
    for (uint64_t seed = 1; seed <= 3 && !HasFailure(); ++seed) {
      met += MeetsFaultAt(step, seed, GetParam().second) ? 1 : 0;
    }
  }
  EXPECT_GE(met, 90) << "so many calls are in three tasks";
}

INSTANTIATE_TEST_SUITE_P(Faults, StepFaults, ::testing::ValuesIn(coordination::EachFaultAndDelay()),
                         coordination::NameOfFault);

// What docs/tasks.md says of a task's cost, in writes of the coordinator.
TEST(TaskCost, OfTasksIsAClaimForManyAndACompletionForEach) {
  Simulation simulation(1);
  TaskRun run(simulation);
  Script script;
  constexpr size_t kCount = 100;
  simulation.Spawn("worker", [&] {
    TaskProcess process(
        simulation, *run.storage,
        [&] { return std::make_unique<ScriptedCoordinator>(simulation, script); }, 0,
        std::chrono::seconds(60));
    std::vector<SubmitRequest> requests;
    for (size_t i = 0; i < kCount; ++i) requests.push_back(run.Request());
    for (const SubmitRequest& request : requests) run.attempted.push_back(request.id);
    run.submitted = {run.attempted.begin(), run.attempted.end()};
    script.counts = true;
    EXPECT_THAT(process.queues.SubmitBatch(kQueue, requests), IsOk());
    EXPECT_EQ(script.writes, 1) << "100 tasks";
    script.counts = false;
    static_cast<void>(process.worker.Claim({kQueue}, 0));  // makes the worker known
    script = {.counts = true};
    size_t claimed = 0;
    while (claimed < kCount) {
      const auto claims = process.worker.Claim({kQueue}, 16);
      ASSERT_THAT(claims, IsOk());
      ASSERT_FALSE(claims->empty());
      for (const ClaimedTask& claim : *claims) run.Complete(process, claim);
      claimed += claims->size();
    }
    EXPECT_EQ(script.writes, 7 + int(kCount));
    script.counts = false;
    EXPECT_THAT(process.worker.Leave(), IsOk());
  });
  ASSERT_THAT(simulation.Run(), IsOk());
  run.Finish();
}

}  // namespace
}  // namespace pk::tasks
