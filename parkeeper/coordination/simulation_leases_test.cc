// Leases under every fault: clients that crash, lose sessions, requests and replies. Whatever was
// written under a lease, also by a request that arrived late, is held against the order of the
// coordinator: a lease's first and last write span an interval of zxids, in which no more leases
// may write than the recipe admits.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "parkeeper/coordination/election.h"
#include "parkeeper/coordination/lock.h"
#include "parkeeper/coordination/semaphore.h"
#include "parkeeper/coordination/simulation.h"
#include "tests/simulation/for_each_seed.h"

namespace pk::coordination {
namespace {

constexpr int kClients = 6;
constexpr int kLeasesEach = 3;
const std::string kPath = "/locks/it";

enum class Recipe { kElection, kReadWrite, kSemaphore };
enum class Trust {
  kGuard,  // each write checks the lease
  kHeld    // what its client believes when it sends: the classic bug
};

struct Interval {
  bool shared = false;
  uint64_t first = 0;
  uint64_t last = 0;
};

struct World {
  explicit World(Simulation& s) : simulation(s) {}
  Simulation& simulation;
  std::vector<std::unique_ptr<Coordinator>> kept;  // sessions that live on when the work is done
  int got = 0;
};

Until SomeTime(World& world) {
  Simulation& simulation = world.simulation;
  if (simulation.Random(4) > 0) return {};
  return {
      .deadline = simulation.clock().Now() + std::chrono::milliseconds(simulation.Random(30'000)),
      .stop = {}};
}

Result<Lease> Acquire(World& world, const Party& party, Recipe recipe, bool shared) {
  const Until until = SomeTime(world);
  switch (recipe) {
    case Recipe::kElection:
      return BecomeLeader(party, kPath, "candidate", until);
    case Recipe::kReadWrite:
      return shared ? LockShared(party, kPath, until) : LockExclusive(party, kPath, until);
    case Recipe::kSemaphore:
      return AcquirePermit(party, kPath, 2, until);
  }
  return Internal("no such recipe");
}

// Writes a few times under the lease, with pauses in between. Each write says whose it is.
void Use(World& world, Coordinator& client, const Lease& lease, bool shared, Trust trust) {
  for (int n = 0; n < 3; ++n) {
    Transaction write = trust == Trust::kGuard ? lease.Guard() : Transaction();
    if (trust == Trust::kHeld && !lease.held()) return;
    write.Create(shared ? "/writes/shared-" : "/writes/alone-", lease.node(),
                 CreateMode::kPersistentSequential);
    static_cast<void>(client.Commit(write));
    world.simulation.clock().Wait(std::chrono::milliseconds(world.simulation.Random(3'000)));
  }
}

// From what was written in the end.
std::vector<Interval> Intervals(Coordinator& observer) {
  std::map<std::string, Interval> leases;
  const auto names = observer.List("/writes");
  EXPECT_TRUE(names.ok());
  std::vector<ReadRequest> requests;
  for (const std::string& name : *names) requests.push_back({.path = "/writes/" + name});
  const auto replies = observer.Read(requests);
  EXPECT_TRUE(replies.ok());
  for (size_t i = 0; i < replies->size(); ++i) {
    const Node& write = replies->at(i)->node;
    Interval& interval = leases[write.value];
    interval.shared = names->at(i).starts_with("shared-");
    interval.last = std::max(interval.last, write.stat.czxid);
    interval.first =
        interval.first == 0 ? write.stat.czxid : std::min(interval.first, write.stat.czxid);
  }
  std::vector<Interval> intervals;
  for (const auto& [lease, interval] : leases) intervals.push_back(interval);
  return intervals;
}

void Work(World& world, Recipe recipe, Trust trust) {
  Simulation& simulation = world.simulation;
  std::unique_ptr<Coordinator> client;
  for (int leases = 0; leases < kLeasesEach && !simulation.crashed();) {
    if (client == nullptr || client->session().state() == SessionState::kLost) {
      client = simulation.MakeClient(Faults::All(0.03));
    }
    const Party party{*client, simulation.clock(), simulation.ids()};
    const bool shared = recipe == Recipe::kReadWrite && simulation.Random(2) == 0;
    auto lease = Acquire(world, party, recipe, shared);
    if (!lease.ok()) {
      EXPECT_EQ(lease.error().code(), ErrorCode::kUnavailable) << lease.error().ToString();
      continue;
    }
    ++leases;
    ++world.got;
    Use(world, *client, *lease, shared, trust);
    if (simulation.Random(2) == 0) static_cast<void>(lease->Release());
  }
  world.kept.push_back(std::move(client));
}

bool MayOverlap(const Interval& a, const Interval& b) { return a.shared && b.shared; }

// How many leases began to write when they must not.
int Violations(const std::vector<Interval>& intervals, Recipe recipe) {
  int found = 0;
  for (const Interval& mine : intervals) {
    const auto others = std::ranges::count_if(intervals, [&](const Interval& other) {
      return other.first < mine.first && mine.first <= other.last && !MayOverlap(mine, other);
    });
    found += others > (recipe == Recipe::kSemaphore ? 1 : 0);
  }
  return found;
}

struct Outcome {
  int got = 0;    // leases
  int wrote = 0;  // leases that something was written under
  int violations = 0;
};

Outcome Simulate(Simulation& simulation, Recipe recipe, Trust trust) {
  World world(simulation);
  auto observer = simulation.MakeClient();
  EXPECT_TRUE(EnsurePath(*observer, "/writes").ok());
  for (int c = 0; c < kClients; ++c) {
    simulation.Spawn(fmt::format("client-{}", c), [&] { Work(world, recipe, trust); });
  }
  const auto ran = simulation.Run();
  EXPECT_TRUE(ran.ok()) << "somebody waits for ever: " << ran.error().ToString();
  EXPECT_TRUE(observer->Sync().ok());
  const auto left = observer->List(kPath);
  EXPECT_TRUE(left.ok() && left->empty()) << "entries are left behind by sessions that live";
  const auto intervals = Intervals(*observer);
  return {.got = world.got,
          .wrote = int(intervals.size()),
          .violations = Violations(intervals, recipe)};
}

void ExpectNoViolation(Recipe recipe, uint64_t seeds) {
  int got = 0;
  int wrote = 0;
  ForEachSeed(seeds, [&](Simulation& simulation) {
    const Outcome outcome = Simulate(simulation, recipe, Trust::kGuard);
    EXPECT_EQ(outcome.violations, 0);
    got += outcome.got;
    wrote += outcome.wrote;
  });
  if (std::getenv("PARKEEPER_SEED") != nullptr) return;
  EXPECT_GT(got, int(seeds) * kClients * kLeasesEach / 2);
  EXPECT_GT(wrote, int(seeds) * kClients * kLeasesEach / 3);
}

TEST(SimulatedLeases, NoTwoLeadersPassAGuardedWrite) { ExpectNoViolation(Recipe::kElection, 200); }

TEST(SimulatedLeases, NoWriterPassesAGuardBesidesAnother) {
  ExpectNoViolation(Recipe::kReadWrite, 200);
}

TEST(SimulatedLeases, NeverMoreHoldersPassAGuardThanThereArePermits) {
  ExpectNoViolation(Recipe::kSemaphore, 200);
}

TEST(SimulatedLeases, LeadersThatTrustTheirLocalStateAreFound) {
  uint64_t first_seed = 0;
  ForEachSeed(40, [&](Simulation& simulation) {
    const int violations = Simulate(simulation, Recipe::kElection, Trust::kHeld).violations;
    if (violations > 0 && first_seed == 0) first_seed = simulation.seed();
  });
  RecordProperty("first_seed", std::to_string(first_seed));
  EXPECT_GT(first_seed, 0u) << "the simulation must find this";
}

// A lock as it is often written: a create whose reply was lost is simply sent again.
void LockNaively(Simulation& simulation, Coordinator& client) {
  std::optional<std::string> mine;
  while (!mine.has_value() && !simulation.crashed()) {
    auto created = client.Create("/naive/n-", "", CreateMode::kEphemeralSequential);
    if (created.ok()) mine = *created;
  }
  while (!simulation.crashed() && client.session().state() != SessionState::kLost) {
    const auto names = client.List("/naive");
    if (names.ok() && !names->empty() && "/naive/" + names->front() == *mine) break;
    simulation.clock().Wait(std::chrono::seconds(1));
  }
  while (!client.Remove(*mine, kAnyVersion).ok()) {
    if (simulation.crashed() || !client.Find(*mine).ok()) return;
    if (!client.Find(*mine)->has_value()) return;
  }
}

TEST(SimulatedLeases, CreatesThatAreSentTwiceAreFound) {
  uint64_t first_seed = 0;
  ForEachSeed(
      20,
      [&](Simulation& simulation) {
        auto observer = simulation.MakeClient();
        EXPECT_TRUE(EnsurePath(*observer, "/naive").ok());
        for (int c = 0; c < 4; ++c) {
          simulation.Spawn(fmt::format("client-{}", c), [&] {
            auto client = simulation.MakeClient({.lost_reply = 0.05});
            for (int n = 0; n < 3; ++n) LockNaively(simulation, *client);
            simulation.clock().Wait(std::chrono::minutes(50));  // its session goes on living
          });
        }
        const bool all_got_it = simulation.Run().ok();
        if (!all_got_it && first_seed == 0) first_seed = simulation.seed();
      },
      {.horizon = std::chrono::hours(1)});
  RecordProperty("first_seed", std::to_string(first_seed));
  EXPECT_GT(first_seed, 0u) << "the simulation must find this";
}

}  // namespace
}  // namespace pk::coordination
