// The code of docs/guide/recipes.md, compiled and run. The last test holds the guide against this
// file.

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "parkeeper/coordination/counter.h"
#include "parkeeper/coordination/double_barrier.h"
#include "parkeeper/coordination/election.h"
#include "parkeeper/coordination/lock.h"
#include "parkeeper/coordination/membership.h"
#include "parkeeper/coordination/memory.h"
#include "parkeeper/coordination/subtree_cache.h"

namespace pk::coordination {
namespace {

Result<> AddLine(Coordinator& coordinator, const std::string& line) {
  const Party party{coordinator};
  const Until soon{.deadline = party.clock.Now() + std::chrono::seconds(30)};
  Lease lease = PK_TRY(LockExclusive(party, "/app/lock", soon));
  PK_TRY(coordinator.Sync());  // what the holder before us wrote
  const Node text = PK_TRY(coordinator.Get("/app/text"));
  const auto outcome = PK_TRY(coordinator.Commit(
      lease.Guard().Set("/app/text", text.value + line + "\n", text.stat.version)));
  PK_CHECK(std::holds_alternative<Applied>(outcome), Conflict("the lock was lost"));
  return lease.Release();
}

Result<> LeadOnce(Coordinator& coordinator, std::stop_token stop) {
  const Party party{coordinator};
  Lease lead = PK_TRY(BecomeLeader(party, "/app/leader", "host-a:7000", {.stop = stop}));
  for (int step = 0; step < 3 && lead.held() && !stop.stop_requested(); ++step) {
    const auto outcome = PK_TRY(coordinator.Commit(
        lead.Guard().Create("/app/log/step-", "done", CreateMode::kPersistentSequential)));
    if (std::holds_alternative<Refused>(outcome)) break;  // no longer the leader
  }
  return lead.Release();
}

Result<Membership> Announce(Coordinator& coordinator) {
  return Membership::Join({coordinator}, "/app/workers", R"({"slots": 4})", {});
}

Result<size_t> CountWorkers(Coordinator& coordinator) {
  return PK_TRY(ListMembers(coordinator, "/app/workers")).size();
}

Result<> Follow(Coordinator& coordinator, std::stop_token stop,
                const std::function<void(const std::string&, const Node*)>& changed) {
  SubtreeCache cache = PK_TRY(SubtreeCache::Load(coordinator, "/app/config"));
  while (!stop.stop_requested()) {
    const auto paths = cache.WaitAndRefresh({.stop = stop});
    if (coordinator.session().state() == SessionState::kLost) break;
    if (!paths.ok()) continue;  // out of touch for a while; what is missing is read then
    for (const std::string& path : *paths) changed(path, cache.Find(path));
  }
  return {};
}

Result<int64_t> TakeNumber(Coordinator& coordinator) {
  return AddToCounter({coordinator}, "/app/numbers", 1, {});
}

Result<> WorkInStep(Coordinator& coordinator, int workers, const std::function<void()>& work) {
  DoubleBarrier round = PK_TRY(DoubleBarrier::Enter({coordinator}, "/app/round", workers, {}));
  work();
  return round.Leave({});
}

class RecipesGuide : public ::testing::Test {
 protected:
  std::shared_ptr<MemoryTree> tree_ = MakeMemoryTree();
  std::unique_ptr<Coordinator> a_ = OpenMemory(tree_);
  std::unique_ptr<Coordinator> b_ = OpenMemory(tree_);
};

TEST_F(RecipesGuide, WritesUnderALock) {
  ASSERT_TRUE(EnsurePath(*a_, "/app/text").ok());
  EXPECT_TRUE(AddLine(*a_, "one").ok());
  EXPECT_TRUE(AddLine(*b_, "two").ok());
  EXPECT_EQ(a_->Get("/app/text")->value, "one\ntwo\n");
}

TEST_F(RecipesGuide, Leads) {
  ASSERT_TRUE(EnsurePath(*a_, "/app/log").ok());
  EXPECT_TRUE(LeadOnce(*a_, {}).ok());
  EXPECT_TRUE(LeadOnce(*b_, {}).ok());
  EXPECT_EQ(a_->List("/app/log")->size(), 6u);
}

TEST_F(RecipesGuide, CountsWorkers) {
  const auto mine = Announce(*a_);
  EXPECT_TRUE(mine.ok());
  EXPECT_EQ(*CountWorkers(*b_), 1u);
}

TEST_F(RecipesGuide, FollowsASubtree) {
  std::stop_source stop;
  ASSERT_TRUE(EnsurePath(*b_, "/app/config").ok());
  std::jthread writer([this, &stop] {
    // Until it is followed: the first change may come before the cache is loaded.
    while (!stop.stop_requested()) EXPECT_TRUE(b_->Set("/app/config", "new", kAnyVersion).ok());
  });
  EXPECT_TRUE(Follow(*a_, stop.get_token(), [&](const std::string& path, const Node* node) {
                EXPECT_EQ(path, "/app/config");
                EXPECT_EQ(node->value, "new");
                stop.request_stop();
              }).ok());
}

TEST_F(RecipesGuide, CountsAndMeets) {
  EXPECT_EQ(*TakeNumber(*a_), 1);
  EXPECT_EQ(*TakeNumber(*b_), 2);
  bool worked = false;
  EXPECT_TRUE(WorkInStep(*a_, 1, [&] { worked = true; }).ok());
  EXPECT_TRUE(worked);
}

std::string ReadSource(const std::string& name) {
  std::ifstream file(std::string(PARKEEPER_SOURCE_DIR) + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(RecipesGuideText, ShowsTheCodeThatIsTestedHere) {
  const std::string guide = ReadSource("docs/guide/recipes.md");
  const std::string here = ReadSource("parkeeper/coordination/recipes_guide_test.cc");
  const std::string begin = "```cpp\n", end = "```\n";
  int blocks = 0;
  for (size_t at = guide.find(begin); at != std::string::npos; at = guide.find(begin, at)) {
    at += begin.size();
    const std::string block = guide.substr(at, guide.find(end, at) - at);
    EXPECT_NE(here.find(block), std::string::npos) << block;
    ++blocks;
  }
  EXPECT_EQ(blocks, 5);
}

}  // namespace
}  // namespace pk::coordination
