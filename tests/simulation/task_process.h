#pragma once

// A process of a simulation that submits tasks or works on them; and a run of several, which is
// brought to its end and judged.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "parkeeper/coordination/simulation.h"
#include "parkeeper/storage/faulty.h"
#include "parkeeper/storage/memory.h"
#include "parkeeper/tasks/caretaker.h"
#include "parkeeper/tasks/queues.h"
#include "parkeeper/tasks/worker.h"
#include "tests/support/matchers.h"

namespace pk::tasks {

using coordination::Applied;
using coordination::CommitOutcome;
using coordination::Coordinator;
using coordination::Faults;
using coordination::Refused;
using coordination::Simulation;
using coordination::Transaction;

inline constexpr const char* kQueue = "q";

class TaskProcess {
 public:
  using Open = std::function<std::unique_ptr<Coordinator>()>;

  TaskProcess(Simulation& simulation, storage::Storage& storage, const Open& open,
              double storage_odds, std::chrono::milliseconds within)
      : simulation_(simulation),
        sessions(
            [this, open]() -> Result<std::unique_ptr<Coordinator>> {
              if (simulation_.crashed()) return Unavailable("the process is dead");
              return open();
            },
            simulation.clock()),
        storage_(storage::MakeFaulty(
            storage,
            {.schedule = [this, storage_odds](storage::Call,
                                              std::string_view) { return Draw(storage_odds); },
             .clock = &simulation.clock(),
             .latency = std::chrono::milliseconds(1)})),
        options_{
            .retry = {.within = within}, .clock = &simulation.clock(), .ids = &simulation.ids()},
        queues(sessions, *storage_, options_),
        worker(sessions, *storage_, "worker", options_),
        caretaker(sessions, *storage_, options_) {}

  bool alive() const { return !simulation_.crashed(); }
  // Does nothing for up to `longest`.
  void Pause(std::chrono::milliseconds longest) {
    const uint64_t drawn = simulation_.Random(uint64_t(longest.count()) + 1);
    static_cast<void>(simulation_.clock().Wait(std::chrono::milliseconds(drawn)));
  }

 private:
  storage::Fault Draw(double odds) {
    if (simulation_.crashed()) return storage::Fault::kUnavailable;
    const double drawn = double(simulation_.Random(10'000)) / 10'000;
    if (drawn < odds) return storage::Fault::kLostReply;
    return drawn < 1.2 * odds ? storage::Fault::kUnavailable : storage::Fault::kNone;
  }

  Simulation& simulation_;

 public:
  coordination::SessionSource sessions;

 private:
  const std::unique_ptr<storage::Storage> storage_;
  const TasksOptions options_;

 public:
  Queues queues;
  Worker worker;
  Caretaker caretaker;
};

// One queue, what was submitted to it, and what workers were told. A completion makes a node in a
// ledger, under a name of its own, so that a second one of a task would be seen.
class TaskRun {
 public:
  explicit TaskRun(Simulation& the_simulation)
      : simulation(the_simulation),
        storage(storage::MakeMemory("lake", simulation.clock())),
        client(simulation.MakeClient()) {
    Clean("setup", [](TaskProcess& process) {
      EXPECT_THAT(process.queues.CreateQueue(kQueue, {.shards = 2}), testing::IsOk());
    });
    EXPECT_THAT(client->Create("/ledger", ""), testing::IsOk());
    EXPECT_THAT(client->Create("/entries", ""), testing::IsOk());
  }

  SubmitRequest Request() {
    return {.id = simulation.ids().NewUuid7(simulation.clock()),
            .kind = "test",
            .most_failures = 3,
            .first_delay = std::chrono::milliseconds(1'000),
            .longest_delay = std::chrono::milliseconds(4'000),
            .progress_limit = std::chrono::milliseconds(60'000)};
  }

  // Of an actor: completes with a ledger node.
  void Complete(TaskProcess& process, const ClaimedTask& claim) {
    const std::string name = LedgerName(claim);
    for (int calls = 0; calls < 20 && process.alive(); ++calls) {
      const auto refused = process.worker.Complete(claim, WorkOf(claim),
                                                   Transaction().Create("/ledger/" + name, ""));
      if (refused.ok()) {
        EXPECT_FALSE(refused->has_value()) << refused->value().reason.message();
        told_done.insert(name);
        return;
      }
      const ErrorCode code = refused.error().code();
      if (code == ErrorCode::kConflict) {
        told_lost.insert(name);
        return;
      }
      EXPECT_TRUE(code == ErrorCode::kOutcomeUnknown || code == ErrorCode::kUnavailable)
          << refused.error().ToString();
    }
  }

  // Of an actor: lets a commit decide. The entry of the commit says what its round has to do.
  void CommitLater(TaskProcess& process, const ClaimedTask& claim) {
    const std::string name = LedgerName(claim);
    auto step = CommittingTransaction(claim, "later", simulation.clock().WallMs());
    ASSERT_THAT(step, testing::IsOk());
    entries[name] = step->links;
    step->transaction.Create("/entries/" + name, "");
    for (int calls = 0; calls < 20 && process.alive(); ++calls) {
      const auto session = process.sessions.Get();
      const auto outcome = session.ok() ? (*session)->Commit(step->transaction)
                                        : Result<CommitOutcome>(session.error());
      if (outcome.ok()) break;
      process.Pause(std::chrono::milliseconds(500));
    }
    process.worker.Forget(claim);
  }

  // Of an actor: decides the commits that are queued.
  void Decide(Coordinator& session, uint64_t rejects_of_10) {
    const auto names = session.List("/entries");
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      Transaction round;
      round.Remove("/entries/" + name, 0);
      const bool rejects = simulation.Random(10) < rejects_of_10;
      const Links& links = entries.at(name);
      for (const auto& link : rejects ? links.if_rejected : links.if_committed) Add(round, link);
      if (!rejects) round.Create("/ledger/" + name, "");
      // No reply: the next one looks again.
      const auto outcome = session.Commit(round);
      const Refused* refused = outcome.ok() ? std::get_if<Refused>(&*outcome) : nullptr;
      if (refused != nullptr) {
        EXPECT_EQ(refused->operation, 0u) << "nobody else touches a committing task";
      }
    }
  }

  // Runs `body` in a process without faults.
  void Clean(const std::string& name, const std::function<void(TaskProcess&)>& body) {
    simulation.Spawn(name, [this, body] {
      TaskProcess process(
          simulation, *storage, [this] { return simulation.MakeClient(); }, 0,
          std::chrono::minutes(5));
      body(process);
    });
    EXPECT_THAT(simulation.Run(), testing::IsOk());
  }

  // After all faults: somebody works off what is left.
  void Finish() {
    Clean("finish", [this](TaskProcess& process) {
      EXPECT_THAT(process.queues.SetQueueState(kQueue, QueueState::kRunning), testing::IsOk());
      if (stage) {
        EXPECT_THAT(process.queues.SealStage(*stage), testing::IsOk());
      }
      bool open = true;
      for (int rounds = 0; open && rounds < 60; ++rounds) {
        EXPECT_THAT(process.caretaker.Care(), testing::IsOk());
        Decide(**process.sessions.Get(), 0);
        const auto claims = process.worker.Claim({kQueue}, 8);
        EXPECT_THAT(claims, testing::IsOk());
        for (const ClaimedTask& claim : *claims) Complete(process, claim);
        static_cast<void>(simulation.clock().Wait(std::chrono::seconds(30)));
        EXPECT_THAT(process.worker.Heartbeat(), testing::IsOk());
        open = HasOpen(process);
      }
      EXPECT_FALSE(open) << "a task never ends";
      EXPECT_THAT(process.worker.Leave(), testing::IsOk());
      EXPECT_THAT(process.caretaker.Care(), testing::IsOk());
      Judge(process);
    });
  }

  Simulation& simulation;
  const std::unique_ptr<storage::Storage> storage;
  const std::unique_ptr<Coordinator> client;
  std::vector<Uuid> attempted;  // to submit
  std::set<Uuid> submitted;     // acknowledged
  std::optional<Uuid> stage;
  std::map<std::string, Links> entries;
  std::set<std::string> told_done, told_lost;  // names in the ledger
  std::set<TaskState> states;                  // that tasks ended in

 private:
  static std::string LedgerName(const ClaimedTask& claim) {
    // A worker that finds a claim again is still the same claimant.
    return fmt::format("{}-{}-{}", claim.task.id().ToString(), claim.task.attempt, claim.worker);
  }
  static std::string WorkOf(const ClaimedTask& claim) {
    return claim.task.body_in_file ? std::string(20'000, 'r') : "short";
  }
  static void Add(Transaction& round, const coordination::Operation& link) {
    if (const auto* set = std::get_if<coordination::SetOperation>(&link)) {
      round.Set(set->path, set->value, set->version);
    } else if (const auto* create = std::get_if<coordination::CreateOperation>(&link)) {
      round.Create(create->path, create->value, create->mode);
    } else if (const auto* remove = std::get_if<coordination::RemoveOperation>(&link)) {
      round.Remove(remove->path, remove->version);
    } else {
      ADD_FAILURE() << "a link that no round carries out";
    }
  }

  // What may have been submitted and is there.
  std::vector<Task> Present(TaskProcess& process) {
    std::vector<Task> tasks;
    for (const Uuid& id : attempted) {
      auto task = process.queues.Find(kQueue, id);
      const bool missing = !task.ok() && task.error().code() == ErrorCode::kNotFound;
      if (missing && !submitted.contains(id)) continue;
      EXPECT_THAT(task, testing::IsOk()) << "an acknowledged task is lost";
      if (task.ok()) tasks.push_back(*std::move(task));
    }
    return tasks;
  }

  bool HasOpen(TaskProcess& process) {
    const auto tasks = Present(process);
    for (const Task& task : tasks) {
      // A dead letter holds up what waits for its stage, until somebody gives it up.
      if (task.state == TaskState::kDead && task.request.stage) {
        EXPECT_THAT(process.queues.Cancel(kQueue, task.id()), testing::IsOk());
      }
    }
    return std::any_of(tasks.begin(), tasks.end(), [](const Task& task) { return !task.ended(); });
  }

  void Judge(TaskProcess& process) {
    EXPECT_THAT(client->Sync(), testing::IsOk());
    const auto ledger = client->List("/ledger");
    ASSERT_THAT(ledger, testing::IsOk());
    const std::set<std::string> done(ledger->begin(), ledger->end());
    std::map<std::string, int> times;
    for (const std::string& name : done) ++times[name.substr(0, 36)];
    std::set<std::string> known;
    for (const Task& task : Present(process)) {
      const std::string id = task.id().ToString();
      known.insert(id);
      EXPECT_TRUE(task.ended()) << id;
      EXPECT_EQ(times[id], task.state == TaskState::kDone ? 1 : 0)
          << id << " is " << ToString(task.state);
      EXPECT_LE(task.failures, 3) << id;
      if (task.state == TaskState::kDone) {
        EXPECT_THAT(process.queues.LoadResult(task), testing::IsOk());
      }
      states.insert(task.state);
    }
    for (const std::string& name : done) {
      EXPECT_TRUE(known.contains(name.substr(0, 36))) << name << " is in the ledger, and no task";
    }
    for (const std::string& name : told_done) EXPECT_TRUE(done.contains(name)) << name;
    for (const std::string& name : told_lost) EXPECT_FALSE(done.contains(name)) << name;
    for (const char* empty : {"/tasks/run", "/tasks/alive", "/entries"}) {
      const auto left = client->List(empty);
      ASSERT_THAT(left, testing::IsOk());
      EXPECT_TRUE(left->empty()) << "left at " << empty << ": " << left->front();
    }
    if (stage) {
      EXPECT_TRUE(process.queues.DescribeStage(*stage)->over);
    }
  }
};

// PARKEEPER_SEEDS in thousandths of `usual`, so that one number scales all simulations.
inline uint64_t Seeds(uint64_t usual) {
  const char* given = std::getenv("PARKEEPER_SEEDS");
  return given == nullptr ? usual : usual * std::strtoull(given, nullptr, 10) / 1'000;
}

}  // namespace pk::tasks
