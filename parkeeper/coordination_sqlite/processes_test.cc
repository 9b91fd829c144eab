// Several processes over one file, killed and stopped.

#include <gmock/gmock.h>

#include <fstream>

#include "parkeeper/base/ids.h"
#include "parkeeper/coordination_sqlite/child_process_internal.h"
#include "parkeeper/coordination_sqlite/opened_internal.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::coordination {
namespace {

using std::chrono::microseconds;
using std::chrono_literals::operator""s;
using pk::testing::IsError;
using pk::testing::IsOk;
using pk::testing::IsOkAnd;
using pk::testing::TempFolder;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

// Waits until /e has no children, by a watch alone.
void WaitUntilEphemeralsAreGone(Coordinator& coordinator, SteadyTime deadline) {
  PK_ASSERT_OK(const auto watch, coordinator.StartWatch("/e", WatchScope::kChildren));
  while (!coordinator.List("/e")->empty()) ASSERT_TRUE(watch->Wait(deadline));
}

// Lets a writer that begins at `acknowledged` make `steps`, and then as many as it can in `longer`;
// kills it and gives the last count that it has acknowledged.
int WriteUntilKilled(Child& child, int acknowledged, int steps, microseconds longer) {
  const int least = acknowledged + steps;
  const auto read = [&](SteadyTime deadline) {
    const auto line = child.Read(deadline);
    if (!line.has_value()) return false;
    EXPECT_NE(*line, "failed");
    acknowledged = std::atoi(line->c_str());
    return true;
  };
  while (acknowledged < least && read(In(30s))) {
  }
  EXPECT_GE(acknowledged, least);
  const SteadyTime deadline = In(0s) + longer;
  while (read(deadline)) {
  }
  child.Kill();
  while (read(In(30s))) {
  }
  return acknowledged;
}

// Gives the count that is found.
int FindWholeSteps(Coordinator& coordinator, const std::string& name, int acknowledged) {
  const std::string at = "/w/" + name;
  const auto replies =
      coordinator.Read({{.path = at}, {.path = at + "-copy"}, {.path = at, .children = true}})
          .value();
  const int count = std::atoi(replies[0]->node.value.c_str());
  EXPECT_GE(count, acknowledged) << "an acknowledged commit is lost";
  EXPECT_LE(count, acknowledged + 1);
  EXPECT_EQ(std::atoi(replies[1]->node.value.c_str()), count) << "a commit is half applied";
  EXPECT_EQ(replies[2]->children.size(), size_t(std::min(count, 3)));
  EXPECT_EQ(coordinator.Find(at + "/" + std::to_string(count))->has_value(), count > 0);
  return count;
}

TEST(SqliteProcesses, LoseNothingAcknowledgedAndHalfApplyNothingWhenKilled) {
  const TempFolder folder;
  {
    auto coordinator = OpenOrDie(folder.path());
    for (const char* path : {"/e", "/w", "/w/a", "/w/b", "/w/a-copy", "/w/b-copy"}) {
      ASSERT_THAT(coordinator->Create(path, ""), IsOk());
    }
  }
  const uint64_t seed = SystemIds().Random64();
  SCOPED_TRACE(seed);
  SeededIds random(seed);
  int count_a = 0, count_b = 0;
  for (int round = 0; round < 24; ++round) {
    // With another process alive the shared index goes on; without, the log is recovered.
    std::unique_ptr<Coordinator> witness;
    if (round % 2 == 0) witness = OpenOrDie(folder.path());
    const std::string size = round % 3 == 0 ? "large-" : "small-";
    Child a("write-" + size + "a", folder.path());
    Child b("write-" + size + "b", folder.path());
    ASSERT_THAT(a.Read(In(30s)), Optional(std::string("ready")));
    ASSERT_THAT(b.Read(In(30s)), Optional(std::string("ready")));
    // In every fourth pair of rounds before anything is acknowledged, perhaps.
    const int acknowledged_a =
        WriteUntilKilled(a, count_a, round / 2 % 4, microseconds(random.Random64() % 30'000));
    const int acknowledged_b =
        WriteUntilKilled(b, count_b, round / 2 % 4, microseconds(random.Random64() % 10'000));
    if (witness == nullptr) witness = OpenOrDie(folder.path());
    count_a = FindWholeSteps(*witness, "a", acknowledged_a);
    count_b = FindWholeSteps(*witness, "b", acknowledged_b);
    WaitUntilEphemeralsAreGone(*witness, In(30s));
  }
  EXPECT_GT(count_a, 24);
  EXPECT_GT(count_b, 24);
}

TEST(SqliteProcesses, LoseTheirEphemeralsAtTheNextOpeningWhenNobodyWasThere) {
  const TempFolder folder;
  {
    Child child("hold", folder.path());
    ASSERT_THAT(child.Read(In(30s)), Optional(std::string("ok")));
  }
  EXPECT_THAT(OpenOrDie(folder.path())->List("/"), IsOkAnd(IsEmpty()));
}

TEST(SqliteProcesses, AreLostAndCannotWriteWhenTheyWereStoppedForLongerThanTheTimeout) {
  const TempFolder folder;
  auto coordinator = OpenOrDie(folder.path());
  Child child("hold", folder.path());
  ASSERT_THAT(child.Read(In(30s)), Optional(std::string("ok")));
  PK_ASSERT_OK(const auto watch, coordinator->StartWatch("/held", WatchScope::kNode));
  child.Stop();
  const SteadyTime deadline = In(30s);
  while (coordinator->Find("/held")->has_value()) ASSERT_TRUE(watch->Wait(deadline));
  child.Send("go on");
  child.Continue();
  EXPECT_THAT(child.Read(In(30s)), Optional(std::string("unavailable")));
  EXPECT_THAT(child.Read(In(30s)), Optional(std::string("lost")));
  EXPECT_THAT(coordinator->List("/"), IsOkAnd(IsEmpty()));
}

TEST(SqliteProcesses, RaceForVersionsAndEachIsWonOnce) {
  const TempFolder folder;
  auto coordinator = OpenOrDie(folder.path());
  ASSERT_THAT(coordinator->Create("/n", ""), IsOk());
  Child a("race", folder.path()), b("race", folder.path());
  for (Child* child : {&a, &b}) {
    ASSERT_THAT(child->Read(In(30s)), Optional(std::string("ready")));
  }
  for (Child* child : {&a, &b}) child->Send("40");
  for (Child* child : {&a, &b}) {
    ASSERT_THAT(child->Read(In(30s)), Optional(std::string("done")));
  }
  EXPECT_EQ(coordinator->Get("/n")->stat.version, 80);
}

TEST(SqliteProcesses, SeeTheLastChangeOfAnotherProcess) {
  const TempFolder folder;
  auto coordinator = OpenOrDie(folder.path());
  ASSERT_THAT(coordinator->Create("/n", ""), IsOk());
  Child follower("follow", folder.path());
  ASSERT_THAT(follower.Read(In(30s)), Optional(std::string("ready")));
  for (int version = 1; version <= 50; ++version) {
    ASSERT_THAT(coordinator->Set("/n", "", kAnyVersion), IsOk());
    // Now and then wait until it has caught up, so that it is also met asleep.
    if (version % 5 != 0) continue;
    std::optional<std::string> seen;
    do {
      seen = follower.Read(In(30s));
      ASSERT_TRUE(seen.has_value()) << "missed version " << version;
    } while (std::atoi(seen->c_str()) < version);
  }
}

TEST(SqliteProcesses, ApplyAllOrNothingWhenTheLogCannotGrow) {
  const TempFolder folder;
  Child child("limit", folder.path());
  EXPECT_THAT(child.Read(In(30s)), Optional(std::string("outcome_unknown")));
  EXPECT_THAT(child.Read(In(30s)), Optional(std::string("not_found")));
  EXPECT_THAT(child.Read(In(30s)), Optional(std::string("ok")));
  PK_ASSERT_OK(const Node node, OpenOrDie(folder.path())->Get("/a"));
  EXPECT_EQ(node.value.size(), 400'000u);
}

}  // namespace
}  // namespace pk::coordination
