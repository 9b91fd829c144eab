// Processes that all believe that a table is theirs to fill: each reads how far it has come, and
// commits what comes next together with the new position, in every way in which one can commit.
// Whatever they meet, the position is moved on by one chain of commits, and the table has the rows
// of that chain.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "parkeeper/storage/memory.h"
#include "tests/simulation/for_each_seed.h"
#include "tests/simulation/positions.h"
#include "tests/simulation/simulated_process.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::Coordinator;
using coordination::Simulation;
using coordination::Transaction;
using testing::IsOk;

const TableName kTable{{{"n"}}, "filled"};
const TableName kBeside{{{"n"}}, "beside"};

struct World {
  explicit World(Simulation& s)
      : simulation(s), storage(storage::MakeMemory("lake", s.clock())), client(s.MakeClient()) {
    auto tables = MakeTables(simulation, *storage, {kTable, kBeside});
    table = tables.at(0);
    beside = tables.at(1);
  }

  Simulation& simulation;
  std::unique_ptr<storage::Storage> storage;
  std::unique_ptr<Coordinator> client;  // of the checker, without faults
  LoadedTable table, beside;
  std::map<Uuid, PositionWrite> writes;
  std::map<Uuid, std::string> both;  // of them to both tables: the file in the second
  std::set<Uuid> linked;             // of them with links
};

// One way to bring `file`.
class Advance {
 public:
  Advance(World& run, Process& process, const LoadedTable& seen, const std::string& file)
      : run_(run), process_(process), kind_(run.simulation.Random(8)) {
    iceberg::AppendFiles append = AppendTo(run.table, file);
    PositionWrite write{.from = PositionOf(*seen.metadata), .file = file};
    write.rows = 1 + int64_t(run.simulation.Random(1'000));
    append.files[0].record_count = write.rows;
    commit_ = CommitNow(run.simulation, append);
    if (kind_ == kNoRows) {
      write.file.clear();
      std::get<iceberg::AppendFiles>(commit_.change).files.clear();
    } else if (kind_ == kBroken) {
      std::get<iceberg::AppendFiles>(commit_.change).files[0].record_count = -1;
    } else if (kind_ == kDelta) {
      iceberg::RowDelta delta;
      if (const auto base = seen.metadata->current_snapshot()) {
        delta.base_snapshot_id = base->snapshot_id;
      }
      delta.added = append.files;
      commit_.change = delta;
    }
    commit_.properties = StepFrom(*write.from);
    run.writes[commit_.id] = write;
  }

  void Commit() {
    const auto alive = [this] { return process_.alive(); };
    const std::string& key = run_.table.key;
    Fate fate = Fate::kUnknown;
    if (kind_ == kBoth) {
      const std::string file = run_.writes[commit_.id].file;
      run_.both[commit_.id] = file;
      const MultiTableCommit both{.id = commit_.id,
                                  .parts = {{run_.beside.key, AppendTo(run_.beside, file)},
                                            {key, commit_.change, commit_.properties}},
                                  .oldest_file_ms = commit_.oldest_file_ms};
      fate =
          AskUntilKnown(alive, [&](CommitId id) { return process_.catalog().CommitAll(both, id); });
    } else if (kind_ == kLinked) {
      run_.linked.insert(commit_.id);
      const std::string id = commit_.id.ToString();
      const CommitLinks links{
          .if_committed = {coordination::CreateOperation{.path = "/done-" + id, .value = ""}},
          .if_rejected = {}};
      fate = AskUntilKnown(alive, [&](CommitId kind) {
        return process_.catalog().CommitLinked(key, commit_, kind,
                                               Transaction().Create("/claim-" + id, ""), links);
      });
    } else {
      fate = AskUntilKnown(
          alive, [&](CommitId id) { return process_.catalog().Commit(key, commit_, id); });
    }
    EXPECT_FALSE(kind_ == kBroken && fate == Fate::kCommitted);
    run_.writes[commit_.id].fate = fate;
  }

 private:
  enum Kind : uint64_t { kNoRows, kBroken, kDelta, kBoth, kLinked };  // and others: an append

  World& run_;
  Process& process_;
  const uint64_t kind_;
  iceberg::TableCommit commit_;
};

void Fill(World& run, Process& process, const std::string& name) {
  for (int n = 0; n < 8 && process.alive(); ++n) {
    const auto seen = process.catalog().LoadTable(kTable);
    if (!seen.ok()) continue;
    process.Pause(std::chrono::milliseconds(20));
    Advance(run, process, *seen, fmt::format("{}-{}", name, n)).Commit();
  }
}

// Threads of one process, whose commits gather.
void FillInThreads(World& run, const ProcessFaults& faults) {
  Process process(run.simulation, *run.storage, faults);
  if (!process.alive()) return;
  std::vector<std::unique_ptr<Task>> threads;
  for (int t = 0; t < 3; ++t) {
    threads.push_back(run.simulation.executor().Start(
        fmt::format("thread-{}", t),
        [&, t](const std::stop_token&) { Fill(run, process, fmt::format("thread-{}", t)); }));
  }
}

// Appends that know of no position, among which the others are.
void Append(World& run, int writer, const ProcessFaults& faults) {
  Process process(run.simulation, *run.storage, faults);
  for (int n = 0; n < 8 && process.alive(); ++n) {
    const std::string file = fmt::format("plain-{}-{}", writer, n);
    const auto commit = CommitNow(run.simulation, AppendTo(run.table, file));
    run.writes[commit.id] = {.from = std::nullopt, .file = file, .rows = 1};
    run.writes[commit.id].fate = AskUntilKnown(
        [&] { return process.alive(); },
        [&](CommitId id) { return process.catalog().Commit(run.table.key, commit, id); });
  }
}

struct Totals {
  int64_t moved_on = 0;
  int outrun = 0, joined = 0, both = 0, linked = 0, unknown = 0;
};

void Check(World& run, Totals& totals) {
  EXPECT_THAT(run.client->Sync(), IsOk());
  PositionCheck check(*run.client, *run.storage, run.table, run.writes);
  check.Run();
  std::map<std::string, int> beside;
  for (const auto& [id, file] : run.both) {
    if (check.committed.contains(id)) beside[file] = 1;
  }
  EXPECT_EQ(FilesOf(*run.storage, HeadOf(*run.client, run.beside.key).metadata_location), beside);
  for (const Uuid& id : run.linked) {
    const auto done = run.client->Find("/done-" + id.ToString());
    ASSERT_THAT(done, IsOk());
    EXPECT_EQ(done->has_value(), check.committed.contains(id)) << id.ToString();
    totals.linked += done->has_value();
  }
  totals.moved_on += check.position;
  totals.outrun += check.outrun;
  totals.joined += check.joined;
  totals.both += int(beside.size());
  for (const auto& [id, write] : run.writes) totals.unknown += write.fate == Fate::kUnknown;
}

void Simulate(Simulation& simulation, const ProcessFaults& faults, Totals& totals) {
  World run(simulation);
  for (int w = 0; w < 4; ++w) {
    simulation.Spawn(fmt::format("filler-{}", w), [&, w] {
      Process process(run.simulation, *run.storage, faults);
      if (process.alive()) Fill(run, process, fmt::format("filler-{}", w));
    });
  }
  simulation.Spawn("threads", [&] { FillInThreads(run, faults); });
  for (int w = 0; w < 2; ++w) {
    simulation.Spawn(fmt::format("appender-{}", w), [&, w] { Append(run, w, faults); });
  }
  EXPECT_THAT(simulation.Run(), IsOk());
  // What waits with links after its writer's end.
  simulation.Spawn("caretaker", [&] {
    Process process(simulation, *run.storage, {.odds = 0, .within = std::chrono::minutes(5)});
    EXPECT_THAT(process.catalog().DriveQueue(run.table.key), IsOk());
  });
  EXPECT_THAT(simulation.Run(), IsOk());
  Check(run, totals);
}

TEST(PositionSimulation, IsMovedOnByOneChainOfCommits) {
  Totals totals;
  const uint64_t seeds = Seeds(300);
  coordination::ForEachSeed(
      seeds, [&](Simulation& simulation) { Simulate(simulation, {.odds = 0.02}, totals); });
  const int64_t most = int64_t(seeds);
  EXPECT_GT(totals.moved_on, most * 4);
  EXPECT_GT(totals.outrun, most * 4) << "they met each other";
  EXPECT_GT(totals.joined, most / 4) << "and others in one snapshot";
  EXPECT_GT(totals.both, most / 10);
  EXPECT_GT(totals.linked, most / 10);
  EXPECT_GT(totals.unknown, most / 10);
}

TEST(PositionSimulation, IsNotMovedOnTwiceByLateRequests) {
  Totals totals;
  coordination::ForEachSeed(Seeds(100), [&](Simulation& simulation) {
    Simulate(simulation, {.odds = 0.01, .late = 0.1}, totals);
  });
}

}  // namespace
}  // namespace pk::catalog
