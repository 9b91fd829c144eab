// Many seeds of workers that end tasks by commits to one table, beside other writers, under faults
// and crashes: a task is done if its rows are in the table, and then they are there once.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/for_each_seed.h"
#include "tests/simulation/simulated_process.h"
#include "tests/simulation/table_state.h"
#include "tests/simulation/task_process.h"

namespace pk::tasks {
namespace {

using catalog::CommitId;
using catalog::LinkedResult;
using testing::IsOk;

const catalog::TableName kOrders{{{"sales"}}, "orders"};
constexpr int kTasks = 4;

struct LinkedRun {
  explicit LinkedRun(Simulation& the_simulation)
      : simulation(the_simulation),
        storage(storage::MakeMemory("lake", simulation.clock())),
        client(simulation.MakeClient()),
        table(catalog::MakeTables(simulation, *storage, {kOrders}).front()) {
    Clean("setup", [this](TaskProcess& process, catalog::Process&) {
      EXPECT_THAT(process.queues.CreateQueue(kQueue, {.shards = 2}), IsOk());
      for (int i = 0; i < kTasks; ++i) {
        SubmitRequest request{.id = simulation.ids().NewUuid7(simulation.clock()),
                              .kind = "test",
                              .most_failures = 3,
                              .first_delay = std::chrono::milliseconds(1'000),
                              .longest_delay = std::chrono::milliseconds(4'000),
                              .progress_limit = std::chrono::milliseconds(60'000)};
        tasks.push_back(request.id);
        EXPECT_THAT(process.queues.Submit(kQueue, request), IsOk());
      }
    });
  }

  // Runs `body` in a process without faults.
  void Clean(const std::string& name,
             const std::function<void(TaskProcess&, catalog::Process&)>& body) {
    simulation.Spawn(name, [this, body] {
      TaskProcess process(
          simulation, *storage, [this] { return simulation.MakeClient(); }, 0,
          std::chrono::minutes(5));
      catalog::Process committer(simulation, *storage,
                                 {.odds = 0, .within = std::chrono::minutes(5)});
      body(process, committer);
    });
    EXPECT_THAT(simulation.Run(), IsOk());
  }

  // Of an actor: ends the claim by a commit of one file that bears the task's id.
  void CommitTask(TaskProcess& process, catalog::Process& committer, const ClaimedTask& claim,
                  bool bad) {
    const std::string file = fmt::format("{}-{}-{}", claim.task.id().ToString(), claim.task.attempt,
                                         simulation.Random(1'000'000));
    auto append = catalog::AppendTo(table, file);
    if (bad) append.files[0].spec_id = 9;
    const auto commit = catalog::CommitNow(simulation, append);
    const auto step = CommittingTransaction(claim, "done", simulation.clock().WallMs());
    ASSERT_THAT(step, IsOk());
    CommitId id = CommitId::kNew;
    for (int calls = 0; calls < 4 && process.alive() && committer.alive(); ++calls) {
      const auto result =
          committer.catalog().CommitLinked(table.key, commit, id, step->transaction,
                                           {step->links.if_committed, step->links.if_rejected});
      id = CommitId::kMaybeRepeated;
      if (!result.ok()) {
        const ErrorCode code = result.error().code();
        if (code == ErrorCode::kNotFound) {
          static_cast<void>(process.worker.Fail(claim, "no table", Retry::kNever));
          return;
        }
        EXPECT_TRUE(code == ErrorCode::kOutcomeUnknown || code == ErrorCode::kUnavailable)
            << result.error().ToString();
        continue;
      }
      const bool committed = std::holds_alternative<catalog::Committed>(*result);
      (committed ? told_committed : told_not).insert(file);
      break;
    }
    process.worker.Forget(claim);
  }

  // After all faults: somebody works off what is left.
  void Finish() {
    Clean("finish", [this](TaskProcess& process, catalog::Process& committer) {
      bool open = true;
      for (int rounds = 0; open && rounds < 60; ++rounds) {
        EXPECT_THAT(process.caretaker.Care(), IsOk());
        EXPECT_THAT(committer.catalog().DriveQueue(table.key), IsOk());
        const auto claims = process.worker.Claim({kQueue}, 8);
        EXPECT_THAT(claims, IsOk());
        for (const ClaimedTask& claim : *claims) CommitTask(process, committer, claim, false);
        static_cast<void>(simulation.clock().Wait(std::chrono::seconds(30)));
        EXPECT_THAT(process.worker.Heartbeat(), IsOk());
        open = false;
        for (const Uuid& id : tasks) open |= !process.queues.Find(kQueue, id)->ended();
      }
      EXPECT_FALSE(open) << "a task never ends";
      Judge(process);
    });
  }

  void Judge(TaskProcess& process) {
    EXPECT_THAT(client->Sync(), IsOk());
    const auto head = catalog::HeadOf(*client, table.key);
    const auto files = catalog::FilesOf(*storage, head.metadata_location);
    std::map<std::string, int> times;
    for (const auto& [file, count] : files) times[file.substr(0, 36)] += count;
    for (const Uuid& id : tasks) {
      const auto task = process.queues.Find(kQueue, id);
      ASSERT_THAT(task, IsOk());
      EXPECT_EQ(times[id.ToString()], task->state == TaskState::kDone ? 1 : 0)
          << id.ToString() << " is " << ToString(task->state);
      states.insert(task->state);
    }
    for (const std::string& file : told_committed) EXPECT_TRUE(files.contains(file)) << file;
    for (const std::string& file : told_not) EXPECT_FALSE(files.contains(file)) << file;
    const auto queued = client->List(catalog::QueuePath(table.key));
    ASSERT_THAT(queued, IsOk());
    for (const std::string& name : *queued) {
      const auto entry = client->Get(catalog::QueuePath(table.key) + "/" + name);
      EXPECT_TRUE(!entry.ok() || entry->stat.ephemeral_owner != 0) << name << " stays for ever";
    }
  }

  Simulation& simulation;
  const std::unique_ptr<storage::Storage> storage;
  const std::unique_ptr<Coordinator> client;
  const catalog::LoadedTable table;
  std::vector<Uuid> tasks;
  std::set<std::string> told_committed, told_not;  // files
  std::set<TaskState> states;                      // that tasks ended in
};

struct Odds {
  double faults = 0.02;
  double late = 0;
  bool drops = false;
};

struct Started {
  std::unique_ptr<TaskProcess> process;
  std::unique_ptr<catalog::Process> committer;

  bool alive() const { return process->alive() && committer->alive(); }
};
// Both layers of one process; each has a session of its own.
Started Start(LinkedRun& run, Odds odds) {
  Simulation& simulation = run.simulation;
  const std::chrono::milliseconds within(simulation.Random(2) == 0 ? 20'000 : 500);
  const auto open = [&simulation, odds] {
    Faults faults = Faults::All(odds.faults);
    faults.late_request += odds.late;
    return simulation.MakeClient(faults);
  };
  return {
      .process = std::make_unique<TaskProcess>(simulation, *run.storage, open, odds.faults, within),
      .committer = std::make_unique<catalog::Process>(
          simulation, *run.storage,
          catalog::ProcessFaults{.odds = odds.faults, .late = odds.late, .within = within})};
}

void Work(LinkedRun& run, Odds odds) {
  const Started started = Start(run, odds);
  for (int n = 0; n < 8 && started.alive(); ++n) {
    const auto claims = started.process->worker.Claim({kQueue}, 1 + run.simulation.Random(2));
    if (claims.ok()) {
      for (const ClaimedTask& claim : *claims) {
        if (!started.alive()) return;
        const uint64_t drawn = run.simulation.Random(10);
        if (drawn == 0) continue;  // forgets it
        if (drawn == 1) started.process->Pause(std::chrono::minutes(3));
        if (drawn == 2) {
          static_cast<void>(started.process->worker.Fail(claim, "no", Retry::kAgain));
        } else {
          run.CommitTask(*started.process, *started.committer, claim, drawn < 6);
        }
      }
    }
    if (run.simulation.Random(2) == 0) static_cast<void>(started.process->worker.Heartbeat());
    started.process->Pause(std::chrono::seconds(5));
  }
}

void Care(LinkedRun& run, Odds odds) {
  const Started started = Start(run, odds);
  for (int n = 0; n < 5 && started.alive(); ++n) {
    started.process->Pause(std::chrono::seconds(30));
    static_cast<void>(started.process->caretaker.Care());
    if (started.alive()) {
      static_cast<void>(started.committer->catalog().DriveQueue(run.table.key));
    }
  }
}

// Commits of its own, direct or queued behind those of tasks.
void Write(LinkedRun& run, Odds odds) {
  const Started started = Start(run, odds);
  for (int n = 0; n < 5 && started.alive(); ++n) {
    const auto append = catalog::AppendTo(run.table, fmt::format("plain-{:031}", n));
    static_cast<void>(started.committer->catalog().Commit(
        run.table.key, catalog::CommitNow(run.simulation, append), CommitId::kNew));
    started.process->Pause(std::chrono::seconds(5));
  }
  if (odds.drops && started.alive()) {
    static_cast<void>(started.committer->catalog().DropTable(kOrders, false));
  }
}

std::set<TaskState> Simulate(Simulation& simulation, Odds odds) {
  LinkedRun run(simulation);
  for (int i = 0; i < 3; ++i) {
    simulation.Spawn(fmt::format("worker-{}", i), [&] { Work(run, odds); });
  }
  simulation.Spawn("caretaker", [&] { Care(run, odds); });
  simulation.Spawn("writer", [&] { Write(run, odds); });
  EXPECT_THAT(simulation.Run(), IsOk());
  run.Finish();
  return run.states;
}

TEST(LinkedSimulation, ATaskIsDoneOnceIfItsRowsAreInTheTableOnce) {
  std::set<TaskState> states;
  coordination::ForEachSeed(
      Seeds(2'000), [&](Simulation& simulation) { states.merge(Simulate(simulation, {})); });
  EXPECT_EQ(states, (std::set<TaskState>{TaskState::kDone, TaskState::kDead}));
}

TEST(LinkedSimulation, LateRequestsDoNoHarm) {
  coordination::ForEachSeed(Seeds(500), [](Simulation& simulation) {
    Simulate(simulation, {.faults = 0.01, .late = 0.1});
  });
}

TEST(LinkedSimulation, ADropEndsTheTasksThatWait) {
  coordination::ForEachSeed(Seeds(500),
                            [](Simulation& simulation) { Simulate(simulation, {.drops = true}); });
}

}  // namespace
}  // namespace pk::tasks
