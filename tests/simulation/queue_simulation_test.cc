// The commit queue in virtual time: who waits, who works, what each is told; and a combiner that
// meets a fault at every single step of its round.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "parkeeper/storage/memory.h"
#include "tests/simulation/each_fault.h"
#include "tests/simulation/for_each_seed.h"
#include "tests/simulation/scripted_process.h"
#include "tests/simulation/table_state.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::CommitOutcome;
using coordination::Coordinator;
using coordination::Faults;
using coordination::Simulation;
using coordination::Transaction;
using testing::IsOk;

const TableName kOrders{{{"sales"}}, "orders"};

// A lake with one table, and what became of the commits to it.
class Lake {
 public:
  explicit Lake(Simulation& simulation)
      : simulation_(simulation),
        storage_(storage::MakeMemory("lake", simulation.clock())),
        client_(simulation.MakeClient()) {
    table_ = MakeTables(simulation_, *storage_, {kOrders}).front();
  }

  iceberg::TableCommit Append(const std::string& name) {
    return CommitNow(simulation_, AppendTo(table_, name));
  }

  // Of an actor: commits, asks again with the same id while the outcome is unknown.
  void CommitUntilKnown(ScriptedProcess& process, const std::string& name) {
    const iceberg::TableCommit commit = Append(name);
    results_.emplace(name, OutcomeUnknown("not told"));
    CommitId id = CommitId::kNew;
    for (int calls = 0; calls < 20 && !simulation_.crashed(); ++calls) {
      auto result = process.catalog().Commit(table_.key, commit, id);
      const bool unknown = !result.ok() && result.error().code() == ErrorCode::kOutcomeUnknown;
      results_.at(name) = std::move(result);
      if (!unknown) return;
      id = CommitId::kMaybeRepeated;
    }
  }

  const LoadedTable& table() const { return table_; }
  storage::Storage& storage() { return *storage_; }
  Coordinator& client() { return *client_; }
  Simulation& simulation() { return simulation_; }
  std::map<std::string, Result<CommitResult>>& results() { return results_; }
  bool IsCommitted(const std::string& name) {
    const auto& result = results_.at(name);
    return result.ok() && std::holds_alternative<Committed>(*result);
  }
  std::string Reason(const std::string& name) {
    const auto& result = results_.at(name);
    if (!result.ok()) return "error: " + result.error().ToString();
    const Rejected* rejected = std::get_if<Rejected>(&*result);
    return rejected == nullptr ? "committed" : rejected->reason;
  }

  HeadNode Head() {
    EXPECT_THAT(client_->Sync(), IsOk());
    return HeadOf(*client_, table_.key);
  }
  std::map<std::string, int> Files() { return FilesOf(*storage_, Head().metadata_location); }

  // Every acknowledged commit once, no rejected one, an unknown one at most once; nothing waits.
  void Check() {
    const auto files = Files();
    for (const auto& [name, result] : results_) {
      const auto found = files.find(name);
      const int times = found == files.end() ? 0 : found->second;
      if (result.ok()) {
        EXPECT_EQ(times, IsCommitted(name) ? 1 : 0) << name << ": " << Reason(name);
      }
      EXPECT_LE(times, 1) << name;
    }
  }

 private:
  Simulation& simulation_;
  const std::unique_ptr<storage::Storage> storage_;
  const std::unique_ptr<Coordinator> client_;
  LoadedTable table_;
  std::map<std::string, Result<CommitResult>> results_;
};

// A lease of somebody who does nothing, so that all commits line up.
void HoldLease(Lake& lake) {
  ASSERT_THAT(lake.client().Create(LeasePath(lake.table().key), "test",
                                   coordination::CreateMode::kEphemeral),
              IsOk());
}
void GiveLeaseBack(Lake& lake) {
  ASSERT_THAT(lake.client().Remove(LeasePath(lake.table().key), 0), IsOk());
}

constexpr int kWriters = 6;

// `count` processes that each commit once, while `meanwhile` runs beside them.
void CommitBeside(Lake& lake, int count, const std::function<void()>& meanwhile,
                  std::chrono::milliseconds within = std::chrono::minutes(5)) {
  Simulation& simulation = lake.simulation();
  for (int i = 0; i < count; ++i) {
    simulation.Spawn(fmt::format("writer-{}", i), [&, i, within] {
      ScriptedProcess process(simulation, lake.storage(), within);
      lake.CommitUntilKnown(process, fmt::format("{}", i));
    });
  }
  simulation.Spawn("meanwhile", meanwhile);
  EXPECT_THAT(simulation.Run(), IsOk());
}

void AwaitQueued(Lake& lake, size_t count) {
  for (;;) {
    const auto names = lake.client().List(QueuePath(lake.table().key));
    if (names.ok() && names->size() >= count) return;
    static_cast<void>(lake.simulation().clock().Wait(std::chrono::milliseconds(5)));
  }
}

TEST(CommitQueue, DecidesAllThatWaitInOneRound) {
  coordination::ForEachSeed(20, [](Simulation& simulation) {
    Lake lake(simulation);
    HoldLease(lake);
    CommitBeside(lake, kWriters, [&] {
      AwaitQueued(lake, kWriters);
      GiveLeaseBack(lake);
    });
    for (int i = 0; i < kWriters; ++i) EXPECT_TRUE(lake.IsCommitted(std::to_string(i)));
    EXPECT_EQ(lake.Head().version, 1);
    lake.Check();
  });
}

TEST(CommitQueue, TakesOverFromACombinerThatHangsWithALiveSession) {
  coordination::ForEachSeed(20, [](Simulation& simulation) {
    Lake lake(simulation);
    HoldLease(lake);
    CommitBeside(lake, kWriters, [] {});
    for (int i = 0; i < kWriters; ++i) EXPECT_TRUE(lake.IsCommitted(std::to_string(i)));
    lake.Check();
  });
}

TEST(CommitQueue, TellsEachWriterOfADroppedTable) {
  coordination::ForEachSeed(20, [](Simulation& simulation) {
    Lake lake(simulation);
    HoldLease(lake);
    CommitBeside(lake, kWriters, [&] {
      AwaitQueued(lake, kWriters);
      ScriptedProcess process(simulation, lake.storage());
      EXPECT_THAT(process.catalog().DropTable(kOrders, false), IsOk());
      // Under its name made again, which is another table.
      EXPECT_THAT(process.catalog().CreateTable(kOrders, {}), IsOk());
    });
    for (int i = 0; i < kWriters; ++i) {
      EXPECT_THAT(lake.Reason(std::to_string(i)), ::testing::HasSubstr("dropped"));
    }
    ScriptedProcess process(simulation, lake.storage());
    PK_ASSERT_OK(const LoadedTable fresh, process.catalog().LoadTable(kOrders));
    EXPECT_EQ(fresh.version, 0);
  });
}

TEST(CommitQueue, CancelsAtTheDeadlineAndNobodyAppliesItThen) {
  coordination::ForEachSeed(20, [](Simulation& simulation) {
    Lake lake(simulation);
    HoldLease(lake);
    CommitBeside(lake, kWriters, [] {}, std::chrono::milliseconds(1'000));
    for (int i = 0; i < kWriters; ++i) {
      EXPECT_THAT(lake.Reason(std::to_string(i)), ::testing::HasSubstr("cancelled"));
    }
    // Whoever comes next clears the queue.
    GiveLeaseBack(lake);
    CommitBeside(lake, 0, [&] {
      ScriptedProcess process(simulation, lake.storage());
      lake.CommitUntilKnown(process, "last");
    });
    EXPECT_TRUE(lake.IsCommitted("last"));
    PK_ASSERT_OK(const auto queued, lake.client().List(QueuePath(lake.table().key)));
    EXPECT_EQ(queued.size(), 0u);
    EXPECT_EQ(lake.Files(), (std::map<std::string, int>{{"last", 1}}));
  });
}

TEST(CommitQueue, SaysInTheLogWhyNobodyCarriesOutWhatWaits) {
  Simulation simulation(1);
  Lake lake(simulation);
  HoldLease(lake);
  ASSERT_THAT(lake.storage().Remove(lake.table().metadata_location), IsOk());
  ::testing::internal::CaptureStderr();
  CommitBeside(lake, 1, [] {}, std::chrono::seconds(20));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::AllOf(::testing::HasSubstr(lake.table().key),
                               ::testing::HasSubstr(lake.table().metadata_location)));
  EXPECT_THAT(lake.Reason("0"), ::testing::HasSubstr("cancelled"));
}

TEST(CommitQueue, RefusesMoreThanItHolds) {
  Simulation simulation(1);
  Lake lake(simulation);
  HoldLease(lake);
  for (int i = 0; i < 5'000; i += 1'000) {
    Transaction fill;
    for (int k = i; k < i + 1'000; ++k) {
      fill.Create(fmt::format("{}/{}", QueuePath(lake.table().key), k), "");
    }
    ASSERT_THAT(lake.client().Commit(fill), IsOk());
  }
  CommitBeside(lake, 1, [] {});
  EXPECT_THAT(lake.Reason("0"), ::testing::HasSubstr("queue of the table is full: 5000"));
  EXPECT_THAT(lake.Reason("0"), ::testing::HasSubstr("unavailable"));
}

TEST(CommitQueue, RejectsOneOfAGroupAndCommitsTheOthers) {
  Simulation simulation(1);
  Lake lake(simulation);
  HoldLease(lake);
  Result<CommitResult> bad = OutcomeUnknown(""), tuple = OutcomeUnknown("");
  simulation.Spawn("bad", [&] {
    ScriptedProcess process(simulation, lake.storage());
    iceberg::TableCommit commit = lake.Append("bad");
    std::get<iceberg::AppendFiles>(commit.change).files[0].spec_id = 9;
    bad = process.catalog().Commit(lake.table().key, commit, CommitId::kNew);
  });
  simulation.Spawn("tuple", [&] {
    ScriptedProcess process(simulation, lake.storage());
    iceberg::TableCommit commit = lake.Append("tuple");
    std::get<iceberg::AppendFiles>(commit.change).files[0].partition = {iceberg::Value(1)};
    tuple = process.catalog().Commit(lake.table().key, commit, CommitId::kNew);
  });
  CommitBeside(lake, kWriters, [&] {
    AwaitQueued(lake, kWriters + 2);
    GiveLeaseBack(lake);
  });
  ASSERT_THAT(bad, IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*bad));
  EXPECT_THAT(std::get<Rejected>(*bad).reason, ::testing::HasSubstr("partition spec 9"));
  ASSERT_THAT(tuple, IsOk());
  EXPECT_TRUE(std::holds_alternative<Rejected>(*tuple));
  for (int i = 0; i < kWriters; ++i) EXPECT_TRUE(lake.IsCommitted(std::to_string(i)));
  EXPECT_EQ(lake.Head().version, 1);
  lake.Check();
}

TEST(CommitQueue, CarriesLargeCommitsInAFileOfTheirWriter) {
  Simulation simulation(1);
  Lake lake(simulation);
  HoldLease(lake);
  constexpr int kFiles = 300;
  Result<CommitResult> result = OutcomeUnknown("");
  simulation.Spawn("large", [&] {
    ScriptedProcess process(simulation, lake.storage());
    iceberg::TableCommit commit = lake.Append("0");
    auto& files = std::get<iceberg::AppendFiles>(commit.change).files;
    while (files.size() < kFiles) {
      files.push_back(files.front());
      files.back().location += std::to_string(files.size());
    }
    result = process.catalog().Commit(lake.table().key, commit, CommitId::kNew);
  });
  simulation.Spawn("meanwhile", [&] {
    AwaitQueued(lake, 1);
    GiveLeaseBack(lake);
  });
  ASSERT_THAT(simulation.Run(), IsOk());
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(std::holds_alternative<Committed>(*result));
  EXPECT_EQ(lake.Files().size(), size_t(kFiles));
  const auto no_commit_file = [](const storage::FileStatus& file) -> Result<> {
    EXPECT_THAT(file.location, ::testing::Not(::testing::HasSubstr("/commit-")));
    return {};
  };
  EXPECT_THAT(lake.storage().List(lake.table().metadata->location, no_commit_file), IsOk());
}

// What stands in section 13 of the protocol: writes of the ensemble, failed ones too.
TEST(CommitQueue, CostsOneWriteForADirectCommit) {
  Simulation simulation(1);
  Lake lake(simulation);
  ScriptedProcess process(simulation, lake.storage());
  process.script.counts = true;
  simulation.Spawn("writer", [&] {
    for (int i = 0; i < 5; ++i) lake.CommitUntilKnown(process, std::to_string(i));
  });
  ASSERT_THAT(simulation.Run(), IsOk());
  EXPECT_EQ(lake.Head().version, 5);
  EXPECT_EQ(process.script.writes, 5);
}

TEST(CommitQueue, CostsOneWriteForEachOfAGroupAndOneForAll) {
  Simulation simulation(1);
  Lake lake(simulation);
  HoldLease(lake);
  std::vector<std::unique_ptr<ScriptedProcess>> processes;
  for (int i = 0; i < kWriters; ++i) {
    processes.push_back(std::make_unique<ScriptedProcess>(simulation, lake.storage()));
    processes.back()->script.counts = true;
    simulation.Spawn(std::to_string(i),
                     [&, i] { lake.CommitUntilKnown(*processes[size_t(i)], std::to_string(i)); });
  }
  int entries = -1;
  const auto writes = [&] {
    int sum = 0;
    for (const auto& process : processes) sum += process->script.writes;
    return sum;
  };
  simulation.Spawn("meanwhile", [&] {
    AwaitQueued(lake, kWriters);
    entries = writes();
    GiveLeaseBack(lake);
  });
  ASSERT_THAT(simulation.Run(), IsOk());
  EXPECT_EQ(entries, kWriters);
  EXPECT_EQ(lake.Head().version, 1);
  // The round, and the lease taken once and given back; who is beaten to it tries in vain.
  EXPECT_GE(writes(), kWriters + 3);
  EXPECT_LE(writes(), kWriters + 5);
}

TEST(CommitQueue, CostsOneWriteForAllThatComeFromOneProcessMeanwhile) {
  Simulation simulation(1);
  Lake lake(simulation);
  ScriptedProcess process(simulation, lake.storage());
  process.script.counts = true;
  constexpr int kThreads = 20;
  for (int i = 0; i < kThreads; ++i) {
    simulation.Spawn(std::to_string(i),
                     [&, i] { lake.CommitUntilKnown(process, std::to_string(i)); });
  }
  ASSERT_THAT(simulation.Run(), IsOk());
  for (int i = 0; i < kThreads; ++i) EXPECT_TRUE(lake.IsCommitted(std::to_string(i)));
  EXPECT_EQ(process.script.writes, lake.Head().version);
  EXPECT_LE(lake.Head().version, 3) << "the first, and all that came meanwhile";
  lake.Check();
}

TEST(CommitQueue, TakesNoMoreOfOneProcessIntoARoundThanItsBytes) {
  Simulation simulation(1);
  Lake lake(simulation);
  ScriptedProcess process(simulation, lake.storage(), std::chrono::minutes(5), 1);
  constexpr int kThreads = 5;
  for (int i = 0; i < kThreads; ++i) {
    simulation.Spawn(std::to_string(i),
                     [&, i] { lake.CommitUntilKnown(process, std::to_string(i)); });
  }
  ASSERT_THAT(simulation.Run(), IsOk());
  EXPECT_EQ(lake.Head().version, kThreads) << "each is a round of its own";
  lake.Check();
}

// Whoever cannot say that nobody knows his ids has all kept records looked at, but each once.
TEST(CommitQueue, ReadsNoRecordTwiceForIdsThatMayBeRepeated) {
  Simulation simulation(1);
  Lake lake(simulation);
  constexpr int64_t kVersions = 5'000;
  HeadNode head = lake.Head();
  for (head.version = 0; head.version < kVersions;) {
    Transaction records;
    for (int i = 0; i < 500; ++i) {
      records.Create(RecordPath(lake.table().key, ++head.version), Encode(RecordNode{}));
    }
    ASSERT_THAT(lake.client().Commit(records), IsOk());
  }
  ASSERT_THAT(lake.client().Set(HeadPath(lake.table().key), Encode(head), 0), IsOk());
  ScriptedProcess repeats(simulation, lake.storage());
  repeats.script.counts = true;
  simulation.Spawn("repeats", [&] {
    for (int n = 0; n < 20; ++n) {
      HoldLease(lake);
      // So that its server knows.
      static_cast<void>(simulation.clock().Wait(std::chrono::seconds(1)));
      const auto result = repeats.catalog().Commit(
          lake.table().key, lake.Append(fmt::format("r{}", n)), CommitId::kMaybeRepeated);
      ASSERT_THAT(result, IsOk());
      EXPECT_TRUE(std::holds_alternative<Committed>(*result));
      // By then its combiner has gone.
      static_cast<void>(simulation.clock().Wait(std::chrono::seconds(10)));
    }
  });
  ASSERT_THAT(simulation.Run(), IsOk());
  EXPECT_EQ(repeats.script.writes, 20 * 4) << "entry, lease, round, lease";
  EXPECT_GE(repeats.script.records, kVersions);
  EXPECT_LE(repeats.script.records, lake.Head().version + 64) << "64 to see what could be swept";
  lake.Check();
}

// Each kind of fault at each call that the combining process makes from the moment on that the
// queue is free.
class CombinerFaults : public ::testing::TestWithParam<coordination::NamedFault> {};

// Whether the process met its fault.
bool MeetsFaultAt(int step, uint64_t seed, const Faults& fault) {
  Simulation simulation(seed);
  Lake lake(simulation);
  HoldLease(lake);
  ScriptedProcess combiner(simulation, lake.storage());
  combiner.script.fault_at = step;
  combiner.script.fault = fault;
  simulation.Spawn("combiner", [&] { lake.CommitUntilKnown(combiner, "own"); });
  CommitBeside(lake, 3, [&] {
    AwaitQueued(lake, 4);
    combiner.script.counts = true;
    GiveLeaseBack(lake);
  });
  lake.Check();
  for (const char* name : {"0", "1", "2"}) {
    EXPECT_TRUE(lake.IsCommitted(name)) << lake.Reason(name);
  }
  EXPECT_TRUE(fault.crash > 0 || lake.IsCommitted("own")) << lake.Reason("own");
  if (::testing::Test::HasFailure()) {
    std::cerr << "step " << step << ", seed " << seed << "\n" << simulation.trace();
  }
  return combiner.script.calls >= step;
}

TEST_P(CombinerFaults, AtNoStepLoseOrDoubleACommit) {
  // Of four processes that wait one becomes the combiner, which not every seed chooses to be ours.
  std::set<int> met;
  for (int step = 1; step <= 24 && !HasFailure(); ++step) {
    for (uint64_t seed = 1; seed <= 12 && !HasFailure(); ++seed) {
      if (MeetsFaultAt(step, seed, GetParam().second)) met.insert(step);
    }
  }
  EXPECT_GE(met.size(), 9u) << "so many calls are in taking the lease, a round, giving it back";
}

INSTANTIATE_TEST_SUITE_P(Faults, CombinerFaults,
                         ::testing::ValuesIn(coordination::EachFaultAndDelay()),
                         coordination::NameOfFault);
INSTANTIATE_TEST_SUITE_P(Watches, CombinerFaults,
                         ::testing::Values(coordination::NamedFault{"DuplicateWatch",
                                                                    {.duplicate_watch = 1}}),
                         coordination::NameOfFault);

}  // namespace
}  // namespace pk::catalog
