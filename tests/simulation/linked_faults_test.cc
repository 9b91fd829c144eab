// A commit with links whose writer, or whose combiner, meets a fault at every single call.

#include <gtest/gtest.h>

#include <set>

#include "parkeeper/storage/memory.h"
#include "tests/simulation/each_fault.h"
#include "tests/simulation/for_each_seed.h"
#include "tests/simulation/scripted_process.h"
#include "tests/simulation/table_state.h"

namespace pk::catalog {
namespace {

using coordination::Faults;
using coordination::Simulation;
using coordination::Transaction;
using testing::IsOk;

const TableName kOrders{{{"sales"}}, "orders"};

// One table; claims, of which each commit takes away one; what is linked to outcomes leaves a node.
struct LinkedLake {
  explicit LinkedLake(Simulation& the_simulation)
      : simulation(the_simulation),
        storage(storage::MakeMemory("lake", simulation.clock())),
        client(simulation.MakeClient()),
        table(MakeTables(simulation, *storage, {kOrders}).front()) {
    for (const char* name : {"good", "bad"}) {
      EXPECT_THAT(client->Create(std::string("/claim-") + name, ""), IsOk());
      commits[name] = CommitNow(simulation, AppendTo(table, name));
    }
    std::get<iceberg::AppendFiles>(commits["bad"].change).files[0].spec_id = 9;
  }

  Result<LinkedResult> Commit(ScriptedProcess& process, const std::string& name, CommitId id) {
    return process.catalog().CommitLinked(
        table.key, commits[name], id, Transaction().Remove("/claim-" + name, 0),
        {.if_committed = {coordination::CreateOperation{.path = "/done-" + name, .value = ""}},
         .if_rejected = {coordination::CreateOperation{.path = "/again-" + name, .value = ""}}});
  }

  // Of an actor: asks until it is told.
  void CommitUntilKnown(ScriptedProcess& process, const std::string& name) {
    CommitId id = CommitId::kNew;
    for (int calls = 0; calls < 20 && !simulation.crashed(); ++calls) {
      const auto result = Commit(process, name, id);
      if (result.ok()) {
        told[name] = result->index();
        return;
      }
      id = CommitId::kMaybeRepeated;
    }
  }

  bool Exists(const std::string& path) {
    const auto found = client->Find(path);
    EXPECT_THAT(found, IsOk());
    return found.ok() && found->has_value();
  }

  // Whether it was queued. If so, it was decided, with its links; else nothing was done.
  bool Judge(const std::string& name) {
    EXPECT_THAT(client->Sync(), IsOk());
    const bool queued = !Exists("/claim-" + name);
    const auto files = FilesOf(*storage, HeadOf(*client, table.key).metadata_location);
    const auto file = files.find(name);
    EXPECT_EQ(file == files.end() ? 0 : file->second, queued && name == "good" ? 1 : 0) << name;
    EXPECT_EQ(Exists("/done-" + name), queued && name == "good") << name;
    EXPECT_EQ(Exists("/again-" + name), queued && name == "bad") << name;
    EXPECT_FALSE(Exists(EntryPath(table.key, commits[name].id))) << name;
    return queued;
  }

  Simulation& simulation;
  const std::unique_ptr<storage::Storage> storage;
  const std::unique_ptr<coordination::Coordinator> client;
  const LoadedTable table;
  std::map<std::string, iceberg::TableCommit> commits;
  std::map<std::string, size_t> told;  // index of the LinkedResult
};

class LinkedFaults : public ::testing::TestWithParam<coordination::NamedFault> {
 protected:
  bool crashes() const { return GetParam().second.crash > 0; }

  static void Drive(LinkedLake& lake) {
    lake.simulation.Spawn("caretaker", [&] {
      ScriptedProcess process(lake.simulation, *lake.storage);
      EXPECT_THAT(process.catalog().DriveQueue(lake.table.key), IsOk());
    });
    EXPECT_THAT(lake.simulation.Run(), IsOk());
  }

  // Whether the writer met its fault.
  bool WriterMeetsFaultAt(int step, const std::string& name, uint64_t seed) {
    Simulation simulation(seed);
    LinkedLake lake(simulation);
    ScriptedProcess writer(simulation, *lake.storage);
    writer.script.fault_at = step;
    writer.script.fault = GetParam().second;
    writer.script.counts = true;
    simulation.Spawn("writer", [&] { lake.CommitUntilKnown(writer, name); });
    EXPECT_THAT(simulation.Run(), IsOk());
    // A late copy of its request comes before that.
    simulation.Spawn("pause", [&] { simulation.clock().Wait(std::chrono::minutes(3)); });
    EXPECT_THAT(simulation.Run(), IsOk());
    Drive(lake);
    const bool queued = lake.Judge(name);
    if (!crashes()) {
      EXPECT_TRUE(queued && lake.told.contains(name)) << "nobody else took the claim";
    }
    if (lake.told.contains(name)) {
      EXPECT_EQ(lake.told[name], name == "good" ? 0u : 1u);
    }
    if (HasFailure()) std::cerr << "step " << step << ", seed " << seed << simulation.trace();
    return writer.script.calls >= step;
  }

  bool CombinerMeetsFaultAt(int step, uint64_t seed) {
    Simulation simulation(seed);
    LinkedLake lake(simulation);
    simulation.Spawn("writers", [&] {
      const auto busy = simulation.MakeClient();
      EXPECT_THAT(
          busy->Create(LeasePath(lake.table.key), "x", coordination::CreateMode::kEphemeral),
          IsOk());
      ScriptedProcess hasty(simulation, *lake.storage, std::chrono::milliseconds(300));
      for (const char* name : {"good", "bad"}) {
        EXPECT_THAT(lake.Commit(hasty, name, CommitId::kNew),
                    testing::IsErrorWith(ErrorCode::kOutcomeUnknown, "is queued"));
      }
    });
    EXPECT_THAT(simulation.Run(), IsOk());
    ScriptedProcess combiner(simulation, *lake.storage);
    combiner.script.fault_at = step;
    combiner.script.fault = GetParam().second;
    combiner.script.counts = true;
    simulation.Spawn("combiner",
                     [&] { static_cast<void>(combiner.catalog().DriveQueue(lake.table.key)); });
    EXPECT_THAT(simulation.Run(), IsOk());
    Drive(lake);
    EXPECT_TRUE(lake.Judge("good"));
    EXPECT_TRUE(lake.Judge("bad"));
    if (HasFailure()) std::cerr << "step " << step << ", seed " << seed << simulation.trace();
    return combiner.script.calls >= step;
  }
};

TEST_P(LinkedFaults, OfTheWriterLeaveAllOrNothing) {
  const std::set<int> met = coordination::StepsMet([this](int step, uint64_t seed) {
    const bool meets = WriterMeetsFaultAt(step, "good", seed);
    if (!HasFailure()) WriterMeetsFaultAt(step, "bad", seed);
    return meets;
  });
  EXPECT_GE(met.size(), 8u) << "so many calls are in queueing, the lease, a round";
}

TEST_P(LinkedFaults, OfTheCombinerCarryOutEachLinkOnce) {
  const std::set<int> met = coordination::StepsMet(
      [this](int step, uint64_t seed) { return CombinerMeetsFaultAt(step, seed); });
  EXPECT_GE(met.size(), 8u) << "so many calls are in taking the lease, a round, giving it back";
}

INSTANTIATE_TEST_SUITE_P(Faults, LinkedFaults, ::testing::ValuesIn(coordination::EachFault()),
                         coordination::NameOfFault);

}  // namespace
}  // namespace pk::catalog
