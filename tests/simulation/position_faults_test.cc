// A commit that moves a position on, whose writer or whose combiner meets a fault at every single
// call; and somebody who takes the work over from where he finds the position.

#include <gtest/gtest.h>

#include <set>

#include "parkeeper/storage/memory.h"
#include "tests/simulation/each_fault.h"
#include "tests/simulation/positions.h"
#include "tests/simulation/scripted_process.h"

namespace pk::catalog {
namespace {

using coordination::Faults;
using coordination::Simulation;
using testing::IsOk;

const TableName kOrders{{{"sales"}}, "orders"};

struct PositionLake {
  explicit PositionLake(uint64_t seed)
      : simulation(seed),
        storage(storage::MakeMemory("lake", simulation.clock())),
        client(simulation.MakeClient()),
        table(MakeTables(simulation, *storage, {kOrders}).front()) {}

  // Of an actor: does the step from `from` on, of which this is one attempt.
  void CommitStep(ScriptedProcess& process, int64_t from, const std::string& file) {
    iceberg::TableCommit commit = CommitNow(simulation, AppendTo(table, file));
    commit.properties = StepFrom(from);
    writes[commit.id] = {.from = from, .file = file, .rows = 1};
    writes[commit.id].fate =
        AskUntilKnown([&] { return !simulation.crashed(); },
                      [&](CommitId id) { return process.catalog().Commit(table.key, commit, id); });
  }

  // Of an actor without faults, who goes on from what he reads.
  void TakeOver(const std::string& file) {
    ScriptedProcess process(simulation, *storage);
    const auto seen = process.catalog().LoadTable(kOrders);
    ASSERT_THAT(seen, IsOk());
    CommitStep(process, PositionOf(*seen->metadata), file);
  }

  void Judge() {
    EXPECT_THAT(client->Sync(), IsOk());
    PositionCheck check(*client, *storage, table, writes);
    check.Run();
    position = check.position;
  }

  Simulation simulation;
  const std::unique_ptr<storage::Storage> storage;
  const std::unique_ptr<coordination::Coordinator> client;
  const LoadedTable table;
  std::map<Uuid, PositionWrite> writes;
  int64_t position = 0;
};

class PositionFaults : public ::testing::TestWithParam<coordination::NamedFault> {
 protected:
  void Place(int step, ScriptedProcess& process) const {
    process.script.fault_at = step;
    process.script.fault = GetParam().second;
    process.script.counts = true;
  }

  void Explain(int step, PositionLake& lake) const {
    if (!HasFailure()) return;
    std::cerr << "step " << step << ", seed " << lake.simulation.seed() << lake.simulation.trace();
  }

  // Whether the writer met its fault. While a late copy of its request may be on its way somebody
  // takes over.
  bool WriterMeetsFaultAt(int step, uint64_t seed) {
    PositionLake lake(seed);
    ScriptedProcess writer(lake.simulation, *lake.storage);
    Place(step, writer);
    lake.simulation.Spawn("writer", [&] { lake.CommitStep(writer, 0, "first"); });
    lake.simulation.Spawn("next", [&] {
      lake.simulation.clock().Wait(std::chrono::milliseconds(lake.simulation.Random(10)));
      lake.TakeOver("second");
    });
    EXPECT_THAT(lake.simulation.Run(), IsOk());
    lake.simulation.Spawn("last", [&] { lake.TakeOver("third"); });
    EXPECT_THAT(lake.simulation.Run(), IsOk());
    lake.Judge();
    EXPECT_GE(lake.position, 2) << "nobody was in the way of the last";
    Explain(step, lake);
    return writer.script.calls >= step;
  }

  // Four wait in the queue, two of them for the same position, when a combiner comes.
  bool CombinerMeetsFaultAt(int step, uint64_t seed) {
    PositionLake lake(seed);
    Simulation& simulation = lake.simulation;
    const auto busy = simulation.MakeClient();
    EXPECT_THAT(busy->Create(LeasePath(lake.table.key), "x", coordination::CreateMode::kEphemeral),
                IsOk());
    for (const char* name : {"a", "b", "c", "d"}) {
      simulation.Spawn(name, [&, name] {
        ScriptedProcess process(simulation, *lake.storage);
        simulation.clock().Wait(std::chrono::milliseconds(100 * (name[0] - 'a')));
        lake.CommitStep(process, name[0] == 'a' || name[0] == 'b' ? 0 : name[0] - 'b', name);
      });
    }
    ScriptedProcess combiner(simulation, *lake.storage);
    Place(step, combiner);
    simulation.Spawn("combiner", [&] {
      simulation.clock().Wait(std::chrono::milliseconds(600));
      EXPECT_THAT(busy->Remove(LeasePath(lake.table.key), 0), IsOk());
      lake.CommitStep(combiner, 3, "e");
    });
    EXPECT_THAT(simulation.Run(), IsOk());
    lake.Judge();
    EXPECT_GE(lake.position, 3) << "of those who met no fault";
    Explain(step, lake);
    return combiner.script.calls >= step;
  }
};

TEST_P(PositionFaults, OfTheWriterMoveItOnOnceOrNot) {
  const std::set<int> met = coordination::StepsMet(
      [this](int step, uint64_t seed) { return WriterMeetsFaultAt(step, seed); });
  EXPECT_GE(met.size(), 2u) << "a direct commit looks, and sends its round";
}

TEST_P(PositionFaults, OfTheCombinerLeaveOneChain) {
  const std::set<int> met = coordination::StepsMet(
      [this](int step, uint64_t seed) { return CombinerMeetsFaultAt(step, seed); });
  EXPECT_GE(met.size(), 8u) << "so many calls are in queueing, the lease, a round";
}

INSTANTIATE_TEST_SUITE_P(Faults, PositionFaults, ::testing::ValuesIn(coordination::EachFault()),
                         coordination::NameOfFault);

}  // namespace
}  // namespace pk::catalog
