// Many seeds of submitters, workers and caretakers under faults: every acknowledged task ends; a
// done one has its effect once, a dead or cancelled one has none.

#include "tests/simulation/for_each_seed.h"
#include "tests/simulation/task_process.h"

namespace pk::tasks {
namespace {

using testing::IsOk;

constexpr int kTasks = 7;

struct Odds {
  double faults = 0.03;  // of each
  double late = 0;       // of a late request, beside that
};

std::unique_ptr<TaskProcess> Start(TaskRun& run, Odds odds) {
  Simulation& simulation = run.simulation;
  const auto open = [&simulation, odds] {
    Faults faults = Faults::All(odds.faults);
    faults.late_request += odds.late;
    return simulation.MakeClient(faults);
  };
  // Short for one half, so that outcomes leave the layer unknown; long for the other, so that it
  // settles them.
  const std::chrono::milliseconds within(simulation.Random(2) == 0 ? 20'000 : 200);
  return std::make_unique<TaskProcess>(simulation, *run.storage, open, odds.faults, within);
}

void Submit(TaskRun& run, TaskProcess& process, const std::vector<SubmitRequest>& requests) {
  for (const SubmitRequest& request : requests) run.attempted.push_back(request.id);
  for (int calls = 0; calls < 30 && process.alive(); ++calls) {
    const auto report = process.queues.SubmitBatch(kQueue, requests);
    if (report.ok()) {
      for (const SubmitRequest& request : requests) run.submitted.insert(request.id);
      return;
    }
    const ErrorCode code = report.error().code();
    ASSERT_TRUE(code == ErrorCode::kOutcomeUnknown || code == ErrorCode::kUnavailable ||
                code == ErrorCode::kFailedPrecondition)
        << report.error().ToString();
    process.Pause(std::chrono::seconds(2));
  }
}

// Some in a stage, one after it, one with a long body, one later.
void SubmitAll(TaskRun& run, Odds odds) {
  const auto process = Start(run, odds);
  const Uuid stage = run.simulation.ids().NewUuid7(run.simulation.clock());
  bool made = false;
  while (!made && process->alive()) made = process->queues.CreateStage(stage, "stage").ok();
  if (!made) return;
  run.stage = stage;
  std::vector<SubmitRequest> requests;
  for (int i = 0; i < kTasks; ++i) requests.push_back(run.Request());
  for (int i = 0; i < 3; ++i) requests[size_t(i)].stage = stage;
  requests[3].after = {stage};
  requests[4].body = std::string(20'000, 'b');
  requests[5].not_before_ms = run.simulation.clock().WallMs() + 20'000;
  requests[6].priority = 0;
  const auto middle = requests.begin() + 1 + int64_t(run.simulation.Random(kTasks - 1));
  Submit(run, *process, {requests.begin(), middle});
  Submit(run, *process, {middle, requests.end()});
  if (process->alive()) static_cast<void>(process->queues.SealStage(stage));
}

void EndOne(TaskRun& run, TaskProcess& process, const ClaimedTask& claim) {
  switch (run.simulation.Random(12)) {
    case 0:
      static_cast<void>(process.worker.Fail(claim, "no", Retry::kAgain));
      return;
    case 1:
      static_cast<void>(process.worker.Fail(claim, "never", Retry::kNever));
      return;
    case 2:
      static_cast<void>(process.worker.Release(claim));
      return;
    case 3:  // it hangs
      process.Pause(std::chrono::minutes(3));
      break;
    case 4:  // forgets it
      return;
    case 5:
    case 6:
    case 7:
      run.CommitLater(process, claim);
      return;
    default:
      break;
  }
  run.Complete(process, claim);
}

void Work(TaskRun& run, Odds odds) {
  const auto process = Start(run, odds);
  for (int n = 0; n < 10 && process->alive(); ++n) {
    const auto claims = process->worker.Claim({kQueue}, 1 + run.simulation.Random(3));
    if (claims.ok()) {
      for (const ClaimedTask& claim : *claims) {
        if (run.simulation.Random(4) == 0) process->Pause(std::chrono::seconds(15));
        if (process->alive()) EndOne(run, *process, claim);
      }
    }
    if (run.simulation.Random(2) == 0) static_cast<void>(process->worker.Heartbeat());
    process->Pause(std::chrono::seconds(5));
  }
  if (run.simulation.Random(2) == 0) static_cast<void>(process->worker.Leave());
}

void CareAndDecide(TaskRun& run, Odds odds) {
  const auto process = Start(run, odds);
  for (int n = 0; n < 8 && process->alive(); ++n) {
    static_cast<void>(process->caretaker.Care());
    if (const auto session = process->sessions.Get(); session.ok()) run.Decide(**session, 3);
    process->Pause(std::chrono::seconds(15));
  }
}

void Meddle(TaskRun& run, Odds odds) {
  const auto process = Start(run, odds);
  for (int n = 0; n < 5 && process->alive(); ++n) {
    process->Pause(std::chrono::seconds(15));
    const auto state = static_cast<QueueState>(run.simulation.Random(3));
    if (run.simulation.Random(3) == 0) {
      static_cast<void>(process->queues.SetQueueState(kQueue, state));
      process->Pause(std::chrono::seconds(3));
      static_cast<void>(process->queues.SetQueueState(kQueue, QueueState::kRunning));
    }
    if (run.attempted.empty()) continue;
    const Uuid id = run.attempted[run.simulation.Random(run.attempted.size())];
    if (run.simulation.Random(3) == 0) {
      static_cast<void>(process->queues.Cancel(kQueue, id));
    } else {
      static_cast<void>(process->queues.RetryDead(kQueue, id));
    }
  }
}

std::set<TaskState> Simulate(Simulation& simulation, Odds odds) {
  TaskRun run(simulation);
  simulation.Spawn("submitter", [&] { SubmitAll(run, odds); });
  for (int i = 0; i < 3; ++i) {
    simulation.Spawn(fmt::format("worker-{}", i), [&] { Work(run, odds); });
  }
  simulation.Spawn("caretaker", [&] { CareAndDecide(run, odds); });
  simulation.Spawn("meddler", [&] { Meddle(run, odds); });
  EXPECT_THAT(simulation.Run(), IsOk());
  run.Finish();
  return run.states;
}

TEST(TaskSimulation, EveryTaskEndsAndWhatIsDoneIsDoneOnce) {
  std::set<TaskState> states;
  coordination::ForEachSeed(
      Seeds(4'000), [&](Simulation& simulation) { states.merge(Simulate(simulation, {})); });
  EXPECT_EQ(states.size(), 3u) << "done, dead and cancelled ones";
}

TEST(TaskSimulation, LateRequestsDoNoHarm) {
  coordination::ForEachSeed(Seeds(1'000), [&](Simulation& simulation) {
    Simulate(simulation, {.faults = 0.01, .late = 0.1});
  });
}

}  // namespace
}  // namespace pk::tasks
