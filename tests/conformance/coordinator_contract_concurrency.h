#pragma once

// Part of coordinator_contract.h: many sessions and many threads at once.

#include <atomic>
#include <mutex>
#include <set>

#include "parkeeper/coordination/path.h"
#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

TEST_P(CoordinatorContract, ConditionalSetsLoseNoUpdate) {
  constexpr int kActors = 4, kEach = 15;
  ASSERT_THAT(a().Create("/counter", "0"), testing::IsOk());
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < kActors; ++i) {
    actors.push_back([this] {
      const auto client = fixture().Connect();
      for (int done = 0; done < kEach;) {
        PK_ASSERT_OK(const Node seen, client->Get("/counter"));
        const std::string next = std::to_string(std::stoi(seen.value) + 1);
        const auto set = client->Set("/counter", next, seen.stat.version);
        if (set.ok()) {
          ++done;
        } else {
          ASSERT_THAT(set, testing::IsError(ErrorCode::kConflict));
        }
      }
    });
  }
  ASSERT_THAT(a().Sync(), testing::IsOk());
  fixture().RunAll(std::move(actors));
  const auto last = Latest(b(), "/counter");
  EXPECT_EQ(last->value, std::to_string(kActors * kEach));
  EXPECT_EQ(last->stat.version, kActors * kEach);
}

TEST_P(CoordinatorContract, ThreadsMayShareOneCoordinator) {
  constexpr int kActors = 4, kEach = 10;
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < kActors; ++i) {
    actors.push_back([this, i] {
      for (int j = 0; j < kEach; ++j) {
        const std::string path = "/n" + std::to_string(i) + "-" + std::to_string(j);
        EXPECT_THAT(a().Create(path, "x", CreateMode::kEphemeral), testing::IsOk());
        EXPECT_EQ(a().Get(path)->value, "x") << "it sees its own writes";
        PK_ASSERT_OK(const auto watch, a().StartWatch(path, WatchScope::kNode));
        EXPECT_THAT(a().Set(path, "y", 0), testing::IsOk());
        EXPECT_TRUE(watch->Wait(Soon()));
      }
    });
  }
  fixture().RunAll(std::move(actors));
  EXPECT_EQ(a().List("/")->size(), size_t{kActors * kEach});
}

TEST_P(CoordinatorContract, OfManyCreatorsOfOneNodeExactlyOneWins) {
  std::atomic<int> winners = 0;
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < 6; ++i) {
    actors.push_back([this, &winners] {
      const auto client = fixture().Connect();
      for (int round = 0; round < 5; ++round) {
        const auto made = client->Create("/n" + std::to_string(round), "");
        if (made.ok()) {
          ++winners;
        } else {
          EXPECT_THAT(made, testing::IsError(ErrorCode::kAlreadyExists));
        }
      }
    });
  }
  fixture().RunAll(std::move(actors));
  EXPECT_EQ(winners, 5);
}

TEST_P(CoordinatorContract, SequentialNodesOfManyCreatorsAreAllDifferentAndGrowForEach) {
  ASSERT_THAT(EnsurePath(a(), "/q"), testing::IsOk());
  std::mutex mutex;
  std::set<std::string> all;
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < 4; ++i) {
    actors.push_back([&] {
      const auto client = fixture().Connect();
      std::string last;
      for (int j = 0; j < 10; ++j) {
        PK_ASSERT_OK(const std::string path,
                     client->Create("/q/n", "", CreateMode::kPersistentSequential));
        EXPECT_GT(path, last);
        last = path;
        const std::lock_guard lock(mutex);
        all.insert(path);
      }
    });
  }
  fixture().RunAll(std::move(actors));
  EXPECT_EQ(all.size(), 40u);
}

TEST_P(CoordinatorContract, NoModificationLiesBetweenTheReadsOfOneCall) {
  // Each transaction moves one unit between the two nodes and replaces the child by its successor.
  ASSERT_THAT(a().Commit(Transaction().Create("/x", "50").Create("/y", "50").Create("/y/c0", "")),
              testing::IsOk());
  ASSERT_THAT(b().Sync(), testing::IsOk());
  constexpr int kMoves = 40;
  const auto write = [&] {
    for (int i = 0; i < kMoves; ++i) {
      Transaction move;
      move.Set("/x", std::to_string(50 - i - 1), i).Remove("/y/c" + std::to_string(i), 0);
      move.Set("/y", std::to_string(50 + i + 1), i).Create("/y/c" + std::to_string(i + 1), "");
      PK_ASSERT_OK(const CommitOutcome outcome, a().Commit(move));
      ASSERT_TRUE(std::holds_alternative<Applied>(outcome));
    }
  };
  const auto read = [&](Coordinator& reader) {
    int32_t version = 0;
    const SteadyTime deadline = Soon();
    while (version < kMoves && Now() < deadline) {
      PK_ASSERT_OK(const auto seen,
                   reader.Read({{.path = "/x"}, {.path = "/y"}, {.path = "/y", .children = true}}));
      EXPECT_EQ(std::stoi(seen[0]->node.value) + std::stoi(seen[1]->node.value), 100);
      EXPECT_EQ(seen[0]->node.stat.version, seen[1]->node.stat.version);
      EXPECT_GE(seen[0]->node.stat.version, version) << "reads never go back";
      version = seen[0]->node.stat.version;
      EXPECT_EQ(seen[2]->children, std::vector<std::string>{"c" + std::to_string(version)});
      EXPECT_THAT(reader.Sync(), testing::IsOk());
    }
    EXPECT_EQ(version, kMoves);
  };
  fixture().RunAll({write, [&] { read(b()); }, [&] { read(*fixture().Connect()); }});
}

TEST_P(CoordinatorContract, LaterStatsOfOneCallAreNeverOfAnEarlierMoment) {
  // Every transaction sets both, so whoever asks for one and then for the other finds the second as
  // new as the first, or newer.
  ASSERT_THAT(a().Commit(Transaction().Create("/x", "").Create("/y", "")), testing::IsOk());
  ASSERT_THAT(b().Sync(), testing::IsOk());
  constexpr int32_t kSets = 40;
  const auto write = [&] {
    for (int32_t i = 0; i < kSets; ++i) {
      PK_ASSERT_OK(const CommitOutcome outcome,
                   a().Commit(Transaction().Set("/x", "", i).Set("/y", "", i)));
      ASSERT_TRUE(std::holds_alternative<Applied>(outcome));
    }
  };
  const auto read = [&] {
    int32_t version = 0;
    const SteadyTime deadline = Soon();
    while (version < kSets && Now() < deadline) {
      PK_ASSERT_OK(const auto seen, b().Stats({"/x", "/y", "/x"}));
      EXPECT_GE(seen[0]->version, version) << "reads never go back";
      EXPECT_LE(seen[0]->version, seen[1]->version);
      EXPECT_LE(seen[1]->version, seen[2]->version);
      version = seen[2]->version;
      EXPECT_THAT(b().Sync(), testing::IsOk());
    }
    EXPECT_EQ(version, kSets);
  };
  fixture().RunAll({write, read});
}

TEST_P(CoordinatorContract, AfterASyncReadsSeeWhatEndedBeforeIt) {
  ASSERT_THAT(a().Create("/n", ""), testing::IsOk());
  for (int32_t version = 0; version < 20; ++version) {
    ASSERT_THAT(a().Set("/n", "", version), testing::IsOk());
    ASSERT_THAT(b().Sync(), testing::IsOk());
    EXPECT_EQ(b().Get("/n")->stat.version, version + 1);
  }
}

TEST_P(CoordinatorContract, ManyMayEnsureOnePathAtOnce) {
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < 6; ++i) {
    actors.push_back([this, i] {
      const auto client = fixture().Connect();
      EXPECT_THAT(EnsurePath(*client, "/p/q/r/s" + std::to_string(i % 2)), testing::IsOk());
    });
  }
  fixture().RunAll(std::move(actors));
  EXPECT_EQ(Latest(a(), "/p/q/r")->stat.children, 2);
}

}  // namespace pk::coordination
