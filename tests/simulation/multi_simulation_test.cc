// Commits to several tables in virtual time, beside writers of single tables that hammer each, with
// faults: all parts or none, in every table at the same place of the history.

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
using testing::IsOk;

constexpr int kTables = 3;
enum class Fate { kUnknown, kCommitted, kRejected };

struct World {
  explicit World(Simulation& s)
      : simulation(s), storage(storage::MakeMemory("lake", s.clock())), client(s.MakeClient()) {
    std::vector<TableName> names;
    for (int i = 0; i < kTables; ++i) names.push_back({{{"n"}}, fmt::format("t{}", i)});
    tables = MakeTables(simulation, *storage, names);
  }

  iceberg::AppendFiles Append(size_t table, const std::string& name) const {
    return AppendTo(tables[table], name);
  }
  HeadNode Head(size_t table) { return HeadOf(*client, tables[table].key); }
  std::map<std::string, int> Files(size_t table) {
    return FilesOf(*storage, Head(table).metadata_location);
  }

  Simulation& simulation;
  std::unique_ptr<storage::Storage> storage;
  std::unique_ptr<Coordinator> client;
  std::vector<LoadedTable> tables;
  std::map<std::string, Fate> multis, singles;  // by the name of their files
};

// Asks with the same id until the answer is no longer unknown.
template <class Commit>
Fate Settle(Process& process, const Commit& commit) {
  CommitId id = CommitId::kNew;
  for (int calls = 0; process.alive() && calls < 20; ++calls) {
    const auto result = commit(id);
    if (result.ok()) {
      return std::holds_alternative<Rejected>(*result) ? Fate::kRejected : Fate::kCommitted;
    }
    if (result.error().code() != ErrorCode::kOutcomeUnknown) {
      EXPECT_EQ(id, CommitId::kNew) << result.error().message();
      return Fate::kRejected;
    }
    id = CommitId::kMaybeRepeated;
  }
  return Fate::kUnknown;
}

void WriteOne(World& run, int writer, const ProcessFaults& faults) {
  Process process(run.simulation, *run.storage, faults);
  for (int n = 0; n < 4 && process.alive(); ++n) {
    const size_t table = size_t(writer) % kTables;
    const std::string name = fmt::format("s{}-{}", writer, n);
    const iceberg::TableCommit commit = CommitNow(run.simulation, run.Append(table, name));
    run.singles[name] = Fate::kUnknown;
    run.singles[name] = Settle(process, [&](CommitId id) {
      return process.catalog().Commit(run.tables[table].key, commit, id);
    });
  }
}

void WriteAll(World& run, int writer, const ProcessFaults& faults) {
  Process process(run.simulation, *run.storage, faults);
  for (int n = 0; n < 3 && process.alive(); ++n) {
    const std::string name = fmt::format("m{}-{}", writer, n);
    MultiTableCommit commit;
    commit.id = run.simulation.ids().NewUuid7(run.simulation.clock());
    commit.oldest_file_ms = run.simulation.clock().WallMs();
    // In any order; now and then one part that cannot be.
    const bool bad = run.simulation.Random(5) == 0;
    const size_t first = run.simulation.Random(kTables);
    for (size_t i = 0; i < kTables; ++i) {
      const size_t table = (first + i) % kTables;
      iceberg::AppendFiles append = run.Append(table, name);
      if (bad && i == 1) append.files[0].spec_id = 9;
      commit.parts.push_back({run.tables[table].key, append});
    }
    run.multis[name] = Fate::kUnknown;
    run.multis[name] =
        Settle(process, [&](CommitId id) { return process.catalog().CommitAll(commit, id); });
    EXPECT_FALSE(bad && run.multis[name] == Fate::kCommitted);
  }
}

void Check(World& run) {
  EXPECT_THAT(run.client->Sync(), IsOk());
  std::vector<std::map<std::string, int>> files;
  for (size_t i = 0; i < kTables; ++i) files.push_back(run.Files(i));
  for (const auto& [name, fate] : run.multis) {
    int there = 0;
    for (const auto& of_table : files) {
      const auto found = of_table.find(name);
      const int times = found == of_table.end() ? 0 : found->second;
      EXPECT_LE(times, 1) << name;
      there += times;
    }
    EXPECT_TRUE(there == 0 || there == kTables) << name << " is in " << there << " tables";
    if (fate == Fate::kUnknown) continue;
    EXPECT_EQ(there > 0, fate == Fate::kCommitted) << name;
  }
  for (const auto& [name, fate] : run.singles) {
    int there = 0;
    for (const auto& of_table : files) there += of_table.contains(name) ? of_table.at(name) : 0;
    EXPECT_LE(there, 1) << name;
    if (fate == Fate::kUnknown) continue;
    EXPECT_EQ(there, fate == Fate::kCommitted) << name;
  }
}

TEST(MultiTableCommit, IsAppliedToAllTablesOrNoneWhateverHappens) {
  int committed = 0, rejected = 0;
  const uint64_t seeds = Seeds(300);
  coordination::ForEachSeed(seeds, [&](Simulation& simulation) {
    World run(simulation);
    const ProcessFaults faults{.odds = 0.02};
    for (int w = 0; w < 6; ++w) {
      simulation.Spawn(fmt::format("single-{}", w), [&, w] { WriteOne(run, w, faults); });
    }
    for (int w = 0; w < 3; ++w) {
      simulation.Spawn(fmt::format("multi-{}", w), [&, w] { WriteAll(run, w, faults); });
    }
    EXPECT_THAT(simulation.Run(), IsOk());
    Check(run);
    for (const auto& [name, fate] : run.multis) {
      committed += fate == Fate::kCommitted;
      rejected += fate == Fate::kRejected;
    }
  });
  EXPECT_GT(committed, int(seeds));
  EXPECT_GT(rejected, int(seeds) / 4);
}

// While others write without a pause, it is decided after a few versions of each table.
TEST(MultiTableCommit, IsNotStarvedByWritersOfItsTables) {
  coordination::ForEachSeed(Seeds(30), [](Simulation& simulation) {
    World run(simulation);
    const ProcessFaults none{.odds = 0, .within = std::chrono::minutes(5)};
    bool done = false;
    for (int w = 0; w < 4 * kTables; ++w) {
      simulation.Spawn(fmt::format("single-{}", w), [&, w] {
        Process process(simulation, *run.storage, none);
        const size_t table = size_t(w) % kTables;
        for (int n = 0; !done && n < 1'000; ++n) {
          const auto append = run.Append(table, fmt::format("s{}-{}", w, n));
          const auto result = process.catalog().Commit(
              run.tables[table].key, CommitNow(simulation, append), CommitId::kNew);
          EXPECT_THAT(result, IsOk());
        }
      });
    }
    int64_t before = 0, after = 0;
    const auto versions = [&] {
      int64_t sum = 0;
      for (size_t i = 0; i < kTables; ++i) sum += run.Head(i).version;
      return sum;
    };
    simulation.Spawn("multi", [&] {
      Process process(simulation, *run.storage, none);
      process.Pause(std::chrono::milliseconds(500));
      MultiTableCommit commit;
      commit.id = simulation.ids().NewUuid7(simulation.clock());
      for (size_t i = 0; i < kTables; ++i) {
        commit.parts.push_back({run.tables[i].key, run.Append(i, "m")});
      }
      before = versions();
      const auto result = process.catalog().CommitAll(commit, CommitId::kNew);
      after = versions();
      done = true;
      ASSERT_THAT(result, IsOk());
      EXPECT_TRUE(std::holds_alternative<std::vector<Committed>>(*result));
    });
    EXPECT_THAT(simulation.Run(), IsOk());
    EXPECT_LE(after - before, 8 * kTables);
  });
}

// The entries of a writer that hangs while its session lives, made by hand.
void Enqueue(World& run, const Uuid& id, bool refused) {
  MultiEntryNode entry{.at = run.tables[0].key};
  entry.request_hash = 1;
  for (size_t i = 0; i < kTables; ++i) {
    entry.tables.push_back({run.tables[i].key, 0});
    entry.commits += i == 0 ? "[" : ",";
    iceberg::AppendFiles append = run.Append(i, "m");
    if (refused && i == 1) append.files[0].spec_id = 9;
    entry.commits +=
        iceberg::ToJson(iceberg::TableCommit{.id = id, .change = append, .oldest_file_ms = 0});
  }
  entry.commits += "]";
  coordination::Transaction create;
  for (size_t i = 0; i < kTables; ++i) {
    create.Create(MultiEntryPath(run.tables[i].key, id),
                  Encode(i == 0 ? entry : MultiEntryNode{.at = entry.at}));
  }
  EXPECT_THAT(run.client->Commit(create), IsOk());
}

void CommitBehindAHangingWriter(bool refused) {
  coordination::ForEachSeed(10, [refused](Simulation& simulation) {
    World run(simulation);
    const Uuid id = simulation.ids().NewUuid7(simulation.clock());
    Enqueue(run, id, refused);
    const ProcessFaults patient{.odds = 0, .within = std::chrono::minutes(5)};
    for (int w = 0; w < 3; ++w) {
      simulation.Spawn(fmt::format("single-{}", w), [&, w] { WriteOne(run, w, patient); });
    }
    EXPECT_THAT(simulation.Run(), IsOk());
    run.multis["m"] = refused ? Fate::kRejected : Fate::kCommitted;
    Check(run);
    for (const auto& [name, fate] : run.singles) EXPECT_EQ(fate, Fate::kCommitted) << name;
    for (const LoadedTable& table : run.tables) {
      EXPECT_EQ(run.client->List(QueuePath(table.key))->size(), 0u);
    }
  });
}

TEST(MultiTableCommit, IsCarriedOutByThoseWhomItsHangingWriterHoldsUp) {
  CommitBehindAHangingWriter(false);
}

TEST(MultiTableCommit, IsRejectedByThemWhenOneTableRefusesIt) { CommitBehindAHangingWriter(true); }

// A writer whose rounds are slow, between those who commit to several tables without a pause.
TEST(MultiTableCommit, DoesNotStarveTheWritersOfOneTable) {
  coordination::ForEachSeed(3, [](Simulation& simulation) {
    World run(simulation);
    const ProcessFaults fast{.odds = 0, .within = std::chrono::minutes(5)};
    ProcessFaults slow = fast;
    slow.storage_latency = std::chrono::milliseconds(15);
    bool done = false;
    int multis = 0, meanwhile = 0;
    for (int w = 0; w < 4; ++w) {
      simulation.Spawn(fmt::format("multi-{}", w), [&, w] {
        Process process(simulation, *run.storage, fast);
        for (int n = 0; !done && n < 60; ++n) {
          MultiTableCommit commit;
          commit.id = simulation.ids().NewUuid7(simulation.clock());
          for (size_t i = 0; i < 2; ++i) {
            commit.parts.push_back({run.tables[i].key, run.Append(i, fmt::format("m{}-{}", w, n))});
          }
          EXPECT_THAT(process.catalog().CommitAll(commit, CommitId::kNew), IsOk());
          ++multis;
        }
      });
    }
    simulation.Spawn("single", [&] {
      Process process(simulation, *run.storage, slow);
      process.Pause(std::chrono::milliseconds(50));
      const int before = multis;
      const auto result = process.catalog().Commit(
          run.tables[0].key, CommitNow(simulation, run.Append(0, "s")), CommitId::kNew);
      meanwhile = multis - before;
      done = true;
      EXPECT_THAT(result, IsOk());
    });
    EXPECT_THAT(simulation.Run(), IsOk());
    EXPECT_LE(meanwhile, 60);
  });
}

}  // namespace
}  // namespace pk::catalog
