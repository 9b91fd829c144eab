// The catalog under simulation: concurrent writers, renames, drops, purges and creations over
// simulated coordinators and a storage that fails, with a checker that walks what is left by
// itself.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "parkeeper/storage/memory.h"
#include "tests/simulation/for_each_seed.h"
#include "tests/simulation/simulated_process.h"
#include "tests/simulation/table_state.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::Coordinator;
using coordination::Simulation;
using ::pk::testing::IsOk;

enum class Settle {
  kByTheSameId,  // asks again with the same id
  kByANewCommit  // takes an unknown outcome for a failure: the classic bug
};
enum class Fate { kUnknown, kCommitted, kRejected };

// How long writers do nothing between their calls.
struct Pace {
  int commits = 4;
  std::chrono::milliseconds between{0};
  std::chrono::milliseconds before_asking_again{0};
};

const TableName kTable{{{"n"}}, "orders"};
const TableName kNames[] = {{{{"n"}}, "a"}, {{{"n"}}, "b"}};

struct World {
  explicit World(Simulation& s)
      : simulation(s), storage(storage::MakeMemory("lake", s.clock())), client(s.MakeClient()) {}

  Simulation& simulation;
  std::unique_ptr<storage::Storage> storage;
  std::unique_ptr<Coordinator> client;  // of the checker, without faults
  LoadedTable table;
  std::map<std::string, Fate> files;  // by name
  struct Update {
    std::string property;                // that it alone sets
    std::optional<int64_t> on_snapshot;  // that it requires
    Fate fate = Fate::kUnknown;
  };
  std::map<Uuid, Update> updates;
  std::set<std::string> made;  // keys of tables whose creation was acknowledged
  int committed = 0;
  int doubled = 0;
  int updated = 0;
  int grouped = 0;  // versions of several commits
  int64_t swept = 0;
};

void Prepare(World& run) { run.table = MakeTables(run.simulation, *run.storage, {kTable}).front(); }

Fate CommitOne(World& run, Process& process, const std::string& key, iceberg::TableCommit commit,
               Settle settle, const Pace& pace = {}) {
  CommitId id = CommitId::kNew;
  bool unknown = false;
  // Old ids stay unknown for ever, so it asks a few times only.
  for (int calls = 0; process.alive() && calls < 20; ++calls) {
    const auto result = process.catalog().Commit(key, commit, id);
    // Now and then the catalog's answer itself is lost on its way to the writer.
    const bool heard = run.simulation.Random(8) > 0;
    if (result.ok() && heard) {
      return std::holds_alternative<Committed>(*result) ? Fate::kCommitted : Fate::kRejected;
    }
    if (!result.ok() && result.error().code() != ErrorCode::kOutcomeUnknown) {
      EXPECT_EQ(result.error().code(), ErrorCode::kUnavailable) << result.error().message();
      if (settle == Settle::kByTheSameId) {
        EXPECT_EQ(id, CommitId::kNew) << "an earlier call may still be applied";
      }
      return unknown ? Fate::kUnknown : Fate::kRejected;
    }
    unknown = true;
    if (settle == Settle::kByTheSameId) {
      id = CommitId::kMaybeRepeated;
      process.Pause(pace.before_asking_again);
    } else {
      commit.id = run.simulation.ids().NewUuid7(run.simulation.clock());
    }
  }
  return Fate::kUnknown;
}

void AppendOne(World& run, Process& process, const std::string& name, Settle settle,
               const Pace& pace) {
  run.files[name] = Fate::kUnknown;
  run.files[name] = CommitOne(run, process, run.table.key,
                              CommitNow(run.simulation, AppendTo(run.table, name)), settle, pace);
}

// Sets a property of its own, on the condition that no snapshot came since it looked.
void UpdateOne(World& run, Process& process, const std::string& name, const Pace& pace) {
  const auto table = process.catalog().LoadTable(kTable);
  if (!table.ok()) return;
  const auto current = table->metadata->current_snapshot();
  World::Update made{.property = name, .on_snapshot = std::nullopt};
  if (current != nullptr) made.on_snapshot = current->snapshot_id;
  iceberg::UpdateTable update;
  update.requirements.emplace_back(iceberg::AssertRefSnapshotId{"main", made.on_snapshot});
  update.updates.emplace_back(iceberg::SetProperties{{{name, "set"}}});
  const iceberg::TableCommit commit = CommitNow(run.simulation, update);
  run.updates[commit.id] = made;
  run.updates[commit.id].fate =
      CommitOne(run, process, run.table.key, commit, Settle::kByTheSameId, pace);
}

void Write(World& run, int writer, Settle settle, const ProcessFaults& faults, const Pace& pace) {
  Process process(run.simulation, *run.storage, faults);
  for (int n = 0; n < pace.commits && process.alive(); ++n) {
    const std::string name = fmt::format("{}-{}", writer, n);
    if (settle == Settle::kByTheSameId && run.simulation.Random(4) == 0) {
      UpdateOne(run, process, name, pace);
    } else {
      AppendOne(run, process, name, settle, pace);
    }
    process.Pause(pace.between);
  }
}

// The same by several threads of one process, which share its session and its part in the queue.
void WriteInThreads(World& run, int writer, const ProcessFaults& faults) {
  Process process(run.simulation, *run.storage, faults);
  if (!process.alive()) return;
  std::vector<std::unique_ptr<Task>> threads;
  for (int t = 0; t < 3; ++t) {
    threads.push_back(run.simulation.executor().Start(
        fmt::format("thread-{}-{}", writer, t), [&, t](const std::stop_token&) {
          for (int n = 0; n < 3 && process.alive(); ++n) {
            AppendOne(run, process, fmt::format("{}-{}-{}", writer, t, n), Settle::kByTheSameId,
                      {});
          }
        }));
  }
}

// Creates, renames, drops and purges under two names, and commits to what it finds there.
void Rename(World& run, const ProcessFaults& faults) {
  Process process(run.simulation, *run.storage, faults);
  for (int n = 0; n < 5 && process.alive(); ++n) {
    const uint64_t from = run.simulation.Random(2);
    const uint64_t what = run.simulation.Random(5);
    if (what < 2) {
      const auto made = process.catalog().CreateTable(kNames[from], {});
      if (made.ok()) run.made.insert(made->key);
    } else if (what == 2) {
      static_cast<void>(process.catalog().RenameTable(kNames[from], kNames[1 - from]));
    } else if (what == 3) {
      static_cast<void>(process.catalog().DropTable(kNames[from], run.simulation.Random(2) == 0));
    } else if (const auto found = process.catalog().LoadTable(kNames[from]); found.ok()) {
      iceberg::UpdateTable update;
      update.updates.emplace_back(iceberg::SetProperties{{{"p", "set"}}});
      CommitOne(run, process, found->key, CommitNow(run.simulation, update), Settle::kByTheSameId);
    }
  }
}

// None is missing, and what an update required held where it was applied: after the version before
// and the commits before it in its own. What a later record says of it again does not count.
void CheckRecords(World& run, const HeadNode& head) {
  PK_ASSERT_OK(const auto listed, run.client->List(RecordsPath(run.table.key)));
  EXPECT_EQ(int64_t(listed.size()), head.version - head.floor + 1);
  std::optional<RecordNode> before;
  std::set<Uuid> seen;
  for (int64_t n = head.floor; n <= head.version; ++n) {
    const RecordNode record = RecordOf(*run.client, run.table.key, n);
    int64_t current = -1;
    if (before) {
      const auto metadata = MetadataAt(*run.storage, before->metadata_location);
      ASSERT_NE(metadata, nullptr);
      if (const auto snapshot = metadata->current_snapshot()) current = snapshot->snapshot_id;
    }
    run.grouped += record.commits.size() > 1;
    for (const RecordedCommit& commit : record.commits) {
      if (!seen.insert(commit.id).second || !commit.committed) continue;
      const auto update = run.updates.find(commit.id);
      if (update != run.updates.end() && before) {
        EXPECT_EQ(update->second.on_snapshot.value_or(-1), current) << "version " << n;
      }
      current = commit.snapshot_id.value_or(current);
    }
    before = record;
  }
}

void CheckWrites(World& run) {
  const HeadNode head = HeadOf(*run.client, run.table.key);
  run.swept = head.floor - 1;
  CheckRecords(run, head);
  const auto found = FilesOf(*run.storage, head.metadata_location);
  for (const auto& [name, times] : found) {
    EXPECT_TRUE(run.files.contains(name)) << name;
    run.doubled += times > 1;
  }
  for (const auto& [name, fate] : run.files) {
    const bool there = found.contains(name);
    run.committed += there;
    if (fate == Fate::kUnknown) continue;
    EXPECT_EQ(there, fate == Fate::kCommitted) << name;
  }
  const auto metadata = MetadataAt(*run.storage, head.metadata_location);
  ASSERT_NE(metadata, nullptr);
  for (const auto& [id, update] : run.updates) {
    const bool there = metadata->Property(update.property, "") == "set";
    run.updated += there;
    if (update.fate == Fate::kUnknown) continue;
    EXPECT_EQ(there, update.fate == Fate::kCommitted) << update.property;
  }
}

// Each name has a live table with its metadata, each live table one name.
void CheckNames(World& run) {
  std::map<std::string, int> named;
  for (const TableName& name : kNames) {
    const auto node = run.client->Get(NamePath(name));
    if (!node.ok()) continue;
    const std::string key = DecodeName(node->value)->key;
    ++named[key];
    run.made.insert(key);
  }
  for (const std::string& key : run.made) {
    const HeadNode head = HeadOf(*run.client, key);
    EXPECT_EQ(named[key], head.dropped ? 0 : 1) << "names of the table " << key;
    // Of dropped ones the files may be purged.
    if (!head.dropped) FilesOf(*run.storage, head.metadata_location);
  }
}

World Simulate(Simulation& simulation, Settle settle, const ProcessFaults& faults, int writers = 4,
               int renamers = 3, const Pace& pace = {}) {
  World run(simulation);
  Prepare(run);
  for (int w = 0; w < writers; ++w) {
    simulation.Spawn(fmt::format("writer-{}", w), [&, w] { Write(run, w, settle, faults, pace); });
  }
  for (int w = 0; w < renamers; ++w) {
    simulation.Spawn(fmt::format("renamer-{}", w), [&] { Rename(run, faults); });
  }
  EXPECT_THAT(simulation.Run(), IsOk());
  EXPECT_THAT(run.client->Sync(), IsOk());
  CheckWrites(run);
  CheckNames(run);
  return run;
}

TEST(CatalogSimulation, AppliesEachCommitOnceAndKeepsNamesWithTheirTables) {
  int committed = 0, updated = 0, grouped = 0;
  const uint64_t seeds = Seeds(1'000);
  coordination::ForEachSeed(seeds, [&](Simulation& simulation) {
    const World run = Simulate(simulation, Settle::kByTheSameId, {.odds = 0.03});
    EXPECT_EQ(run.doubled, 0);
    committed += run.committed;
    updated += run.updated;
    grouped += run.grouped;
  });
  EXPECT_GT(grouped, int(seeds) / 4);
  EXPECT_GT(committed, int(seeds) * 4) << "and most got through";
  EXPECT_GT(updated, int(seeds) / 2);
}

TEST(CatalogSimulation, AppliesEachCommitOfManyThreadsOnce) {
  int committed = 0;
  const uint64_t seeds = Seeds(200);
  coordination::ForEachSeed(seeds, [&](Simulation& simulation) {
    World run(simulation);
    Prepare(run);
    for (int w = 0; w < 3; ++w) {
      simulation.Spawn(fmt::format("process-{}", w),
                       [&, w] { WriteInThreads(run, w, {.odds = 0.03}); });
    }
    EXPECT_THAT(simulation.Run(), IsOk());
    EXPECT_THAT(run.client->Sync(), IsOk());
    CheckWrites(run);
    EXPECT_EQ(run.doubled, 0);
    committed += run.committed;
  });
  EXPECT_GT(committed, int(seeds) * 10);
}

// Records are swept after half an hour, and writers ask again after up to an hour.
TEST(CatalogSimulation, KnowsWhatItSweptAway) {
  int64_t swept = 0;
  const uint64_t seeds = Seeds(20);
  const Pace slow{.commits = 40,
                  .between = std::chrono::minutes(4),
                  .before_asking_again = std::chrono::minutes(60)};
  const ProcessFaults faults{.odds = 0.03, .latest = std::chrono::minutes(60)};
  coordination::ForEachSeed(seeds,
                            [&](Simulation& simulation) {
                              const World run =
                                  Simulate(simulation, Settle::kByTheSameId, faults, 4, 0, slow);
                              EXPECT_EQ(run.doubled, 0);
                              swept += run.swept;
                            },
                            {.horizon = std::chrono::hours(200)});
  EXPECT_GT(swept, int64_t(seeds) * 20);
}

// Requests lie in a stopped server for up to two days, and their writers ask again within two days:
// so some are told that their files are too old while a copy is still on its way.
TEST(CatalogSimulation, AppliesNothingThatWasTooOld) {
  const Pace slowest{.commits = 3,
                     .between = std::chrono::hours(2),
                     .before_asking_again = std::chrono::hours(48)};
  const ProcessFaults faults{.odds = 0.01,
                             .late = 0.4,
                             .latest = std::chrono::hours(48),
                             .within = std::chrono::milliseconds(5)};
  coordination::ForEachSeed(Seeds(300),
                            [&](Simulation& simulation) {
                              const World run =
                                  Simulate(simulation, Settle::kByTheSameId, faults, 2, 0, slowest);
                              EXPECT_EQ(run.doubled, 0);
                            },
                            {.horizon = std::chrono::hours(2'000)});
}

TEST(CatalogSimulation, FindsWritersThatTakeUnknownOutcomesForFailures) {
  int doubled = 0;
  coordination::ForEachSeed(60, [&](Simulation& simulation) {
    doubled += Simulate(simulation, Settle::kByANewCommit, {.odds = 0.1}).doubled;
  });
  EXPECT_GT(doubled, 0);
}

}  // namespace
}  // namespace pk::catalog
