// Followers of a table under simulation: writers, renames, rejected commits and a drop, over
// simulated coordinators and a storage that fails, with followers that crash, stand still and begin
// again elsewhere. Each must have been told every version, as the records have it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
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

const TableName kNames[] = {{{{"n"}}, "a"}, {{{"n"}}, "b"}};

struct Pace {
  int commits = 6;
  std::chrono::milliseconds between{20};
  std::chrono::milliseconds follower_pause{0};  // now and then
  bool purge = true;                            // now and then
};

constexpr int kMostLives = 100;

struct Follower {
  std::vector<FeedChange> told;
  std::set<size_t> jumps;              // of `told`, the first after it went on by a snapshot
  std::optional<int64_t> snapshot_id;  // the last that was told
  bool by_snapshot = false;            // its version is too old to go on from
  int lives = 0;

  FeedStart Position() const {
    if (by_snapshot) return snapshot_id ? FeedStart(AfterSnapshot{*snapshot_id}) : FromStart{};
    return AfterVersion{told.empty() ? 0 : told.back().version};
  }
  bool done() const { return !told.empty() && told.back().dropped; }
};

struct World {
  explicit World(Simulation& s)
      : simulation(s), storage(storage::MakeMemory("lake", s.clock())), client(s.MakeClient()) {}

  Simulation& simulation;
  std::unique_ptr<storage::Storage> storage;
  std::unique_ptr<Coordinator> client;  // of the checker, without faults
  LoadedTable table;
  std::list<Follower> followers;
  int writers_left = 0;
  int begun_again = 0;
};

iceberg::TableChange DrawChange(World& run, const std::string& name) {
  Simulation& simulation = run.simulation;
  if (simulation.Random(3) > 0) return AppendTo(run.table, name);
  iceberg::UpdateTable update;
  update.updates.emplace_back(iceberg::SetProperties{{{name, "set"}}});
  // Holds for the very first commits at most, so most of these are rejected.
  if (simulation.Random(2) == 0) {
    update.requirements.emplace_back(iceberg::AssertRefSnapshotId{"main", std::nullopt});
  }
  return update;
}

void CommitOne(World& run, Process& process, const std::string& name) {
  const iceberg::TableCommit commit = CommitNow(run.simulation, DrawChange(run, name));
  CommitId id = run.simulation.Random(3) == 0 ? CommitId::kMaybeRepeated : CommitId::kNew;
  for (int calls = 0; process.alive() && calls < 10; ++calls) {
    const auto result = process.catalog().Commit(run.table.key, commit, id);
    if (result.ok() || result.error().code() != ErrorCode::kOutcomeUnknown) return;
    id = CommitId::kMaybeRepeated;
  }
}

void Write(World& run, int writer, const ProcessFaults& faults, const Pace& pace) {
  {
    Process process(run.simulation, *run.storage, faults);
    for (int n = 0; n < pace.commits && process.alive(); ++n) {
      if (run.simulation.Random(8) == 0) {
        const uint64_t from = run.simulation.Random(2);
        static_cast<void>(process.catalog().RenameTable(kNames[from], kNames[1 - from]));
      } else {
        CommitOne(run, process, fmt::format("{}-{}", writer, n));
      }
      process.Pause(pace.between);
    }
  }
  --run.writers_left;
}

// Drops the table once nobody writes any more.
void Close(World& run, bool purge) {
  while (run.writers_left > 0) run.simulation.clock().Wait(std::chrono::seconds(1));
  Process process(run.simulation, *run.storage,
                  {.odds = 0, .within = std::chrono::milliseconds(60'000)});
  for (const TableName& name : kNames) {
    const auto table = process.catalog().LoadTable(name);
    if (!table.ok()) continue;
    EXPECT_THAT(process.catalog().DropTable(name, purge), IsOk());
  }
}

std::unique_ptr<Feed> Begin(Process& process, const std::string& key, Follower& me) {
  auto feed = process.catalog().Follow(key, me.Position());
  if (feed.ok()) return std::move(feed).value();
  if (feed.error().code() == ErrorCode::kFailedPrecondition && !me.by_snapshot) {
    me.by_snapshot = true;
  } else {
    EXPECT_EQ(feed.error().code(), ErrorCode::kUnavailable) << feed.error().message();
  }
  return nullptr;
}

// A process that ends is succeeded by another, which goes on where it ended.
void Follow(World& run, Follower& me, const ProcessFaults& faults, const Pace& pace) {
  Simulation& simulation = run.simulation;
  Process process(simulation, *run.storage, faults);
  std::unique_ptr<Feed> feed;
  while (process.alive() && !me.done()) {
    if (feed == nullptr) {
      feed = Begin(process, run.table.key, me);
      run.begun_again += feed != nullptr;
      continue;
    }
    const auto next = feed->Next(simulation.clock().Now() + std::chrono::minutes(1));
    if (!next.ok()) {
      EXPECT_EQ(next.error().code(), ErrorCode::kUnavailable) << next.error().message();
    } else if (next->has_value()) {
      if (me.by_snapshot) me.jumps.insert(me.told.size());
      me.told.push_back(**next);
      if (!(*next)->snapshots.empty()) {
        me.snapshot_id = (*next)->snapshots.back()->snapshot_id;
      }
      me.by_snapshot = false;
    }
    if (simulation.Random(12) == 0) feed.reset();
    if (pace.follower_pause.count() > 0 && simulation.Random(6) == 0) {
      process.Pause(pace.follower_pause);
    }
  }
  feed.reset();
  if (me.done()) return;
  ASSERT_LT(++me.lives, kMostLives) << "it never came to the drop";
  simulation.Spawn("follower-again", [&run, &me, faults, pace] { Follow(run, me, faults, pace); });
}

void Prepare(World& run) {
  run.table = MakeTables(run.simulation, *run.storage, {kNames[0]}).front();
}

void Simulate(World& run, const ProcessFaults& faults, const Pace& pace) {
  Simulation& simulation = run.simulation;
  Prepare(run);
  run.writers_left = 3;
  for (int w = 0; w < 3; ++w) {
    simulation.Spawn(fmt::format("writer-{}", w), [&, w] { Write(run, w, faults, pace); });
  }
  for (int f = 0; f < 3; ++f) {
    Follower& follower = run.followers.emplace_back();
    simulation.Spawn(fmt::format("follower-{}", f), [&] { Follow(run, follower, faults, pace); });
  }
  const bool purge = pace.purge && simulation.Random(2) == 0;
  simulation.Spawn("closer", [&, purge] { Close(run, purge); });
  EXPECT_THAT(simulation.Run(), IsOk());
  EXPECT_THAT(run.client->Sync(), IsOk());
}

std::vector<int64_t> Ids(const FeedChange& change) {
  std::vector<int64_t> ids;
  for (const auto& snapshot : change.snapshots) ids.push_back(snapshot->snapshot_id);
  return ids;
}

// Every record was told once, in order, with what it says.
void CheckAgainstRecords(World& run, const Follower& follower) {
  const HeadNode head = HeadOf(*run.client, run.table.key);
  EXPECT_EQ(head.floor, 1);
  ASSERT_EQ(int64_t(follower.told.size()), head.version);
  std::string before = run.table.metadata_location;
  for (int64_t version = 1; version <= head.version; ++version) {
    const FeedChange& change = follower.told[size_t(version) - 1];
    const RecordNode record = RecordOf(*run.client, run.table.key, version);
    EXPECT_EQ(change.version, version);
    EXPECT_EQ(change.metadata_location, record.metadata_location);
    EXPECT_EQ(change.has_new_metadata, record.metadata_location != before);
    EXPECT_EQ(change.dropped, record.dropped);
    EXPECT_FALSE(change.condensed || change.rewound);
    std::vector<Uuid> commits;
    std::vector<int64_t> snapshots;
    for (const RecordedCommit& commit : record.commits) {
      if (!commit.committed) continue;
      commits.push_back(commit.id);
      if (!commit.snapshot_id) continue;
      if (snapshots.empty() || snapshots.back() != *commit.snapshot_id) {
        snapshots.push_back(*commit.snapshot_id);
      }
    }
    EXPECT_EQ(change.commits, commits) << "version " << version;
    EXPECT_EQ(Ids(change), snapshots) << "version " << version;
    before = record.metadata_location;
  }
}

TEST(FeedSimulation, TellsEachFollowerEveryVersionOnceAndInOrder) {
  int64_t told = 0, begun_again = 0;
  const uint64_t seeds = Seeds(300);
  coordination::ForEachSeed(seeds, [&](Simulation& simulation) {
    World run(simulation);
    Simulate(run, {.odds = 0.03}, {});
    for (const Follower& follower : run.followers) {
      CheckAgainstRecords(run, follower);
      told += int64_t(follower.told.size());
    }
    begun_again += run.begun_again;
  });
  EXPECT_GT(told, int64_t(seeds) * 3 * 3);
  EXPECT_GT(begun_again, int64_t(seeds) * 3);
}

// All that the history of main has was told once and in order; returns how often in one for many.
int CheckAgainstHistory(const iceberg::TableMetadata& last, const Follower& follower) {
  std::vector<int64_t> told, history;
  int64_t version = 0;
  int condensed = 0;
  for (size_t i = 0; i < follower.told.size(); ++i) {
    const FeedChange& change = follower.told[i];
    EXPECT_GT(change.version, version);
    const bool may_jump = change.condensed || follower.jumps.contains(i);
    EXPECT_TRUE(may_jump || change.version == version + 1) << change.version;
    version = change.version;
    condensed += change.condensed;
    for (const int64_t id : Ids(change)) told.push_back(id);
  }
  for (const auto& snapshot : last.snapshots) history.push_back(snapshot->snapshot_id);
  EXPECT_EQ(told, history);
  return condensed;
}

// Records are swept after half an hour, and followers stand still for up to two hours.
TEST(FeedSimulation, LeavesNoSnapshotOutWhenRecordsAreSwept) {
  int condensed = 0;
  const uint64_t seeds = Seeds(15);
  const Pace slow{.commits = 60,
                  .between = std::chrono::minutes(2),
                  .follower_pause = std::chrono::minutes(120),
                  .purge = false};
  coordination::ForEachSeed(
      seeds,
      [&](Simulation& simulation) {
        World run(simulation);
        Simulate(run, {.odds = 0.02}, slow);
        const auto json =
            storage::ReadAll(*run.storage, HeadOf(*run.client, run.table.key).metadata_location);
        ASSERT_THAT(json, IsOk());
        PK_ASSERT_OK(const auto last, iceberg::ParseTableMetadata(*json));
        for (const Follower& follower : run.followers) {
          condensed += CheckAgainstHistory(last, follower);
        }
      },
      {.horizon = std::chrono::hours(400)});
  EXPECT_GT(condensed, int(seeds) / 2);
}

TEST(FeedSimulation, AsksForNothingWhileNothingHappens) {
  coordination::ForEachSeed(5, [](Simulation& simulation) {
    World run(simulation);
    Prepare(run);
    simulation.Spawn("follower", [&] {
      Process process(simulation, *run.storage, {.odds = 0});
      PK_ASSERT_OK(const auto feed, process.catalog().Follow(run.table.key, FromNow{}));
      const auto next = [&](std::chrono::hours wait) {
        const auto change = feed->Next(simulation.clock().Now() + wait);
        EXPECT_THAT(change, IsOk());
        EXPECT_FALSE(change.ok() && change->has_value());
      };
      next(std::chrono::hours(1));  // sets the watch, and looks once
      const size_t before = simulation.trace().size();
      const SteadyTime begun = simulation.clock().Now();
      next(std::chrono::hours(5));
      EXPECT_EQ(simulation.trace().substr(before), "");
      EXPECT_GE(simulation.clock().Now() - begun, std::chrono::hours(5));
    });
    EXPECT_THAT(simulation.Run(), IsOk());
  });
}

}  // namespace
}  // namespace pk::catalog
