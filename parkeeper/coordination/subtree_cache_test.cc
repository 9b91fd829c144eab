// What a cache asks of the coordinator. What it holds: tests/conformance/recipe_contract_values.h.

#include "parkeeper/coordination/subtree_cache.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "parkeeper/coordination/changed_paths.h"
#include "parkeeper/coordination/simulation.h"

namespace pk::coordination {
namespace {

using Paths = std::vector<std::string>;

class SubtreeCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* path : {"/c/a/1", "/c/a/2", "/c/b/1"}) {
      ASSERT_TRUE(EnsurePath(*writer_, path).ok());
    }
    ASSERT_TRUE(client_->Sync().ok());
  }
  // The requests of the cache's client since the last call, without their time.
  Paths Requests() {
    Paths requests;
    const std::string client = " s1 ";
    for (size_t end; (end = simulation_.trace().find('\n', read_)) != std::string::npos;
         read_ = end + 1) {
      const std::string line = simulation_.trace().substr(read_, end - read_);
      const size_t at = line.find(client);
      if (at != std::string::npos) requests.push_back(line.substr(at + client.size()));
    }
    return requests;
  }
  void BreakConnection() {
    simulation_.SetFaults(*client_,
                          {.suspension = 1, .longest_suspension = std::chrono::seconds(3)});
    EXPECT_FALSE(client_->Sync().ok());
    simulation_.SetFaults(*client_, {});
  }
  static void ExpectSameBelow(const std::string& path, const SubtreeCache& a,
                              const SubtreeCache& b) {
    ASSERT_NE(a.Find(path), nullptr) << path;
    EXPECT_EQ(*a.Find(path), *b.Find(path)) << path;
    ASSERT_EQ(a.List(path), b.List(path)) << path;
    for (const std::string& name : a.List(path)) ExpectSameBelow(path + "/" + name, a, b);
  }
  Until Soon() {
    return {.deadline = simulation_.clock().Now() + std::chrono::seconds(30), .stop = {}};
  }

  Simulation simulation_{1};
  std::unique_ptr<Coordinator> client_ = simulation_.MakeClient();
  std::unique_ptr<Coordinator> writer_ = simulation_.MakeClient();
  size_t read_ = 0;
};

TEST_F(SubtreeCacheTest, LoadsEachNodeOnceAndListsNoLeaf) {
  Requests();
  ASSERT_TRUE(SubtreeCache::Load(*client_, "/c").ok());
  EXPECT_EQ(Requests(), (Paths{"watch /c: ok", "read /c: ok", "read /c/*: ok", "read /c/a /c/b: ok",
                               "read /c/a/* /c/b/*: ok", "read /c/a/1 /c/a/2 /c/b/1: ok"}));
}

TEST_F(SubtreeCacheTest, ReadsOnlyWhatHasChanged) {
  auto cache = SubtreeCache::Load(*client_, "/c");
  ASSERT_TRUE(cache.ok());
  ASSERT_TRUE(writer_->Set("/c/a/2", "new", 0).ok());
  Requests();
  const auto changed = cache->WaitAndRefresh(Soon());
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(*changed, (Paths{"/c/a/2"}));
  EXPECT_EQ(Requests(), (Paths{"read /c/a/2: ok"}));
  ASSERT_TRUE(cache->Refresh().ok());
  EXPECT_EQ(Requests(), Paths{}) << "nothing has changed since";
}

TEST_F(SubtreeCacheTest, LooksAtAllAfterAReconnectAndReportsOnlyWhatIsDifferent) {
  auto cache = SubtreeCache::Load(*client_, "/c");
  ASSERT_TRUE(cache.ok());
  BreakConnection();
  ASSERT_TRUE(writer_->Remove("/c/b/1", 0).ok());
  const auto stale = cache->Refresh();
  ASSERT_TRUE(stale.ok());
  EXPECT_TRUE(stale->empty()) << "while it is suspended it stands still";
  ASSERT_NE(cache->Find("/c/b/1"), nullptr);
  Requests();
  const auto changed = cache->WaitAndRefresh(Soon());
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(*changed, (Paths{"/c/b/1"}));
  EXPECT_EQ(Requests(), (Paths{"stat /c: ok", "stat /c/a /c/b: ok", "stat /c/a/1 /c/a/2: ok"}));
}

TEST_F(SubtreeCacheTest, ReadsAfterAReconnectOnlyTheValuesAndListsThatMayDiffer) {
  auto cache = SubtreeCache::Load(*client_, "/c");
  ASSERT_TRUE(cache.ok());
  BreakConnection();
  // Of each parent the number of children is what it was.
  ASSERT_TRUE(writer_->Set("/c/a/2", "new", 0).ok());
  ASSERT_TRUE(writer_->Remove("/c/b/1", 0).ok());
  ASSERT_TRUE(EnsurePath(*writer_, "/c/b/2/deep").ok());
  Requests();
  const auto changed = cache->WaitAndRefresh(Soon());
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(*changed, (Paths{"/c/a/2", "/c/b/1", "/c/b/2", "/c/b/2/deep"}));
  EXPECT_EQ(cache->Find("/c/a/2")->value, "new");
  EXPECT_EQ(Requests(), (Paths{"stat /c: ok", "stat /c/a /c/b: ok", "stat /c/a/1 /c/a/2 /c/b/1: ok",
                               "read /c/a/2: ok", "read /c/b/*: ok", "read /c/b/2: ok",
                               "read /c/b/2/*: ok", "read /c/b/2/deep: ok"}));
}

TEST_F(SubtreeCacheTest, HoldsAfterAReconnectWhatAnyOtherWouldLoad) {
  auto cache = SubtreeCache::Load(*client_, "/c");
  ASSERT_TRUE(cache.ok());
  const auto path = [&] {
    std::string below = "/c";
    for (uint64_t depth = 1 + simulation_.Random(3); depth > 0; --depth) {
      below += "/" + std::to_string(simulation_.Random(3));
    }
    return below;
  };
  int created = 0, set = 0, removed = 0;
  for (int round = 0; round < 300; ++round) {
    BreakConnection();
    for (uint64_t changes = simulation_.Random(6); changes > 0; --changes) {
      created += writer_->Create(path(), "").ok() ? 1 : 0;
      set += writer_->Set(path(), std::to_string(round), kAnyVersion).ok() ? 1 : 0;
      removed += writer_->Remove(path(), kAnyVersion).ok() ? 1 : 0;
    }
    ASSERT_TRUE(writer_->Sync().ok());
    ASSERT_TRUE(cache->WaitAndRefresh(Soon()).ok());
    ASSERT_TRUE(cache->Sync().ok());
    const auto loaded = SubtreeCache::Load(*writer_, "/c");
    ASSERT_TRUE(loaded.ok());
    ASSERT_EQ(cache->size(), loaded->size()) << "round " << round;
    ExpectSameBelow("/c", *cache, *loaded);
  }
  EXPECT_GT(std::min({created, set, removed}), 50);
}

TEST_F(SubtreeCacheTest, GoesOnWhereARequestFailed) {
  auto cache = SubtreeCache::Load(*client_, "/c");
  ASSERT_TRUE(cache.ok());
  ASSERT_TRUE(writer_->Set("/c/a/2", "new", 0).ok());
  simulation_.clock().Wait(std::chrono::seconds(1));
  simulation_.SetFaults(*client_, {.lost_reply = 1});
  EXPECT_EQ(cache->Refresh().error().code(), ErrorCode::kUnavailable);
  simulation_.SetFaults(*client_, {});
  const auto changed = cache->WaitAndRefresh(Soon());
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(*changed, (Paths{"/c/a/2"}));
  EXPECT_EQ(cache->Find("/c/a/2")->value, "new");
}

TEST(ChangedPaths, AreNamedUntilThereAreTooMany) {
  ChangedPaths changed;
  EXPECT_EQ(changed.Take(), Paths{});
  for (const char* path : {"/b", "/a", "/b"}) changed.Add(path);
  EXPECT_EQ(changed.Take(), (Paths{"/a", "/b"}));
  EXPECT_EQ(changed.Take(), Paths{});
  for (size_t i = 0; i < ChangedPaths::kMost; ++i) changed.Add("/" + std::to_string(i));
  changed.Add("/0");
  EXPECT_EQ(changed.Take()->size(), ChangedPaths::kMost);
  for (size_t i = 0; i <= ChangedPaths::kMost; ++i) changed.Add("/" + std::to_string(i));
  EXPECT_EQ(changed.Take(), std::nullopt);
  changed.AddEverything();
  changed.Add("/a");
  EXPECT_EQ(changed.Take(), std::nullopt);
  EXPECT_EQ(changed.Take(), Paths{});
}

}  // namespace
}  // namespace pk::coordination
