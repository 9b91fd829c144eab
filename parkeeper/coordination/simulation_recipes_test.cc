// Counter, membership, double barrier and cache under faults. Leases: simulation_leases_test.cc.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "parkeeper/coordination/barrier.h"
#include "parkeeper/coordination/counter.h"
#include "parkeeper/coordination/double_barrier.h"
#include "parkeeper/coordination/membership.h"
#include "parkeeper/coordination/simulation.h"
#include "parkeeper/coordination/subtree_cache.h"
#include "tests/simulation/for_each_seed.h"

namespace pk::coordination {
namespace {

constexpr uint64_t kSeeds = 200;

// A process: its session is opened again when it is lost.
class Process {
 public:
  Process(Simulation& simulation, const Faults& faults)
      : simulation_(simulation), faults_(faults) {}
  bool alive() const { return !simulation_.crashed(); }
  Coordinator& client() {
    if (client_ == nullptr || client_->session().state() == SessionState::kLost) {
      client_ = simulation_.MakeClient(faults_);
    }
    return *client_;
  }
  Party party() { return {client(), simulation_.clock(), simulation_.ids()}; }
  // Its session lives on when the process has done its work.
  std::unique_ptr<Coordinator> Take() { return std::move(client_); }

 private:
  Simulation& simulation_;
  const Faults faults_;
  std::unique_ptr<Coordinator> client_;
};

TEST(SimulatedCounter, CountsEachAdditionOnce) {
  int settled = 0;
  ForEachSeed(kSeeds, [&](Simulation& simulation) {
    auto observer = simulation.MakeClient();
    int64_t added = 0, open = 0;
    for (int c = 0; c < 5; ++c) {
      simulation.Spawn(fmt::format("client-{}", c), [&] {
        Process process(simulation, Faults::All(0.05));
        for (int n = 0; n < 6 && process.alive(); ++n) {
          const auto result = AddToCounter(process.party(), "/count", 1, {});
          added += result.ok();
          open += !result.ok() && result.error().code() == ErrorCode::kOutcomeUnknown;
        }
      });
    }
    EXPECT_TRUE(simulation.Run().ok());
    EXPECT_TRUE(observer->Sync().ok());
    const auto count = ReadCounter(*observer, "/count");
    ASSERT_TRUE(count.ok());
    EXPECT_GE(*count, added);
    EXPECT_LE(*count, added + open);
    settled += int(added);
  });
  EXPECT_GT(settled, int(kSeeds) * 20);
}

TEST(SimulatedMembership, LeavesNothingBehindAndKeepsTheLastPayload) {
  int kept = 0;
  ForEachSeed(kSeeds, [&](Simulation& simulation) {
    auto observer = simulation.MakeClient();
    EXPECT_TRUE(EnsurePath(*observer, "/group").ok());
    std::vector<std::unique_ptr<Coordinator>> living;
    std::map<std::string, std::string> said;  // by those who stay
    std::vector<Membership> staying;
    for (int c = 0; c < 5; ++c) {
      simulation.Spawn(fmt::format("client-{}", c), [&, c] {
        Process process(simulation, Faults::All(0.04));
        for (int n = 0; n < 3 && process.alive(); ++n) {
          auto joined = Membership::Join(process.party(), "/group", "new", {});
          if (!joined.ok()) continue;
          bool last_said = false;
          for (const char* payload : {"busy", "idle", "done"}) {
            last_said = joined->SetPayload(payload, {}).ok();
          }
          if (n == 2 && last_said && c % 2 == 0) {
            said[joined->node()] = "done";
            staying.push_back(std::move(*joined));
          }
        }
        if (process.alive()) living.push_back(process.Take());
      });
    }
    EXPECT_TRUE(simulation.Run().ok());
    EXPECT_TRUE(observer->Sync().ok());
    const auto members = ListMembers(*observer, "/group");
    ASSERT_TRUE(members.ok());
    EXPECT_LE(members->size(), said.size());
    for (const Member& member : *members) {
      EXPECT_EQ(member.payload, said[member.node]) << "no late request undoes it";
      ++kept;
    }
    staying.clear();
    simulation.clock().Wait(std::chrono::minutes(1));  // a session was lost over it, maybe
    EXPECT_TRUE(observer->Sync().ok());
    EXPECT_TRUE(ListMembers(*observer, "/group")->empty());
  });
  EXPECT_GT(kept, int(kSeeds));
}

// Everything but the end of a session, which lets a round go on without its member.
Faults Harmless(double odds) {
  Faults faults = Faults::All(odds);
  faults.session_loss = faults.crash = 0;
  faults.longest_suspension = std::chrono::seconds(6);
  return faults;
}

TEST(SimulatedDoubleBarrier, KeepsRoundsApart) {
  constexpr int kMembers = 3, kRounds = 3;
  ForEachSeed(kSeeds, [&](Simulation& simulation) {
    int come = 0, done = 0, early = 0;
    for (int m = 0; m < kMembers; ++m) {
      simulation.Spawn(fmt::format("member-{}", m), [&] {
        Process process(simulation, Harmless(0.05));
        for (int round = 1; round <= kRounds; ++round) {
          ++come;
          auto barrier = DoubleBarrier::Enter(process.party(), "/rounds", kMembers, {});
          ASSERT_TRUE(barrier.ok()) << barrier.error().ToString();
          early += come < kMembers * round;
          ++done;
          ASSERT_TRUE(barrier->Leave({}).ok());
          early += done < kMembers * round;
        }
      });
    }
    EXPECT_TRUE(simulation.Run().ok());
    EXPECT_EQ(done, kMembers * kRounds);
    EXPECT_EQ(early, 0);
  });
}

TEST(SimulatedBarrier, StaysAsTheLastOneToChangeItLeftIt) {
  ForEachSeed(kSeeds, [&](Simulation& simulation) {
    auto observer = simulation.MakeClient();
    bool last_ok = false;
    simulation.Spawn("gatekeeper", [&] {
      Process process(simulation, Harmless(0.15));
      for (int n = 0; n < 5; ++n) {
        EXPECT_TRUE(CloseBarrier(process.party(), "/barrier", {}).ok());
        last_ok = OpenBarrier(process.party(), "/barrier", {}).ok();
      }
    });
    EXPECT_TRUE(simulation.Run().ok());
    EXPECT_TRUE(last_ok);
    EXPECT_TRUE(observer->Sync().ok());
    EXPECT_EQ(observer->Get("/barrier")->value, "open") << "no late request closed it again";
  });
}

// Creates, sets and removes under /c at random.
void Disturb(Simulation& simulation, Coordinator& client, int times) {
  for (int n = 0; n < times && !simulation.crashed(); ++n) {
    const std::string parent = fmt::format("/c/{}", simulation.Random(3));
    const std::string path =
        simulation.Random(2) == 0 ? parent : fmt::format("{}/{}", parent, simulation.Random(3));
    switch (simulation.Random(3)) {
      case 0:
        static_cast<void>(client.Create(path, "new"));
        break;
      case 1:
        static_cast<void>(client.Set(path, std::to_string(n), kAnyVersion));
        break;
      default:
        static_cast<void>(client.Remove(path, kAnyVersion));
    }
    simulation.clock().Wait(std::chrono::milliseconds(simulation.Random(500)));
  }
}

// All that a cache holds, from its root on.
std::map<std::string, Node> Content(const SubtreeCache& cache, const std::string& path) {
  std::map<std::string, Node> content;
  if (cache.Find(path) == nullptr) return content;
  content[path] = *cache.Find(path);
  for (const std::string& child : cache.List(path))
    content.merge(Content(cache, path + "/" + child));
  return content;
}

TEST(SimulatedCache, MissesNoChangeAndNeverGoesBack) {
  int compared = 0;
  ForEachSeed(kSeeds, [&](Simulation& simulation) {
    auto observer = simulation.MakeClient();
    EXPECT_TRUE(EnsurePath(*observer, "/c").ok());
    for (int c = 0; c < 3; ++c) {
      simulation.Spawn(fmt::format("writer-{}", c), [&] {
        auto client = simulation.MakeClient(Faults::All(0.03));
        Disturb(simulation, *client, 30);
      });
    }
    auto watcher = simulation.MakeClient();
    auto cache = SubtreeCache::Load(*watcher, "/c");
    ASSERT_TRUE(cache.ok());
    simulation.SetFaults(*watcher, Harmless(0.05));
    simulation.Spawn("watcher", [&] {
      std::map<std::string, uint64_t> seen;
      const SteadyTime end = simulation.clock().Now() + std::chrono::minutes(2);
      while (simulation.clock().Now() < end) {
        const auto changed = cache->WaitAndRefresh({.deadline = end, .stop = {}});
        if (!changed.ok()) continue;
        for (const std::string& path : *changed) {
          const Node* node = cache->Find(path);
          if (node == nullptr) continue;
          EXPECT_GE(node->stat.mzxid, seen[path]) << path;
          seen[path] = node->stat.mzxid;
        }
      }
    });
    EXPECT_TRUE(simulation.Run().ok());
    simulation.SetFaults(*watcher, {});
    ASSERT_TRUE(cache->Refresh().ok());
    EXPECT_TRUE(observer->Sync().ok());
    const auto truth = SubtreeCache::Load(*observer, "/c");
    ASSERT_TRUE(truth.ok());
    const auto mine = Content(*cache, "/c"), theirs = Content(*truth, "/c");
    EXPECT_EQ(mine.size(), cache->size());
    ASSERT_EQ(mine.size(), theirs.size());
    for (const auto& [path, node] : theirs) {
      ASSERT_TRUE(mine.contains(path)) << path;
      EXPECT_EQ(mine.at(path), node) << path;
    }
    compared += int(mine.size());
  });
  EXPECT_GT(compared, int(kSeeds) * 2);
}

}  // namespace
}  // namespace pk::coordination
