// A cache of 100,000 nodes of a real ensemble: what loading, a change and a reconnect cost. The
// figures are properties of the test's XML report. PARKEEPER_TEST_ZOOKEEPER is the connect string.

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

#include "parkeeper/coordination/subtree_cache.h"
#include "tests/zookeeper/zookeeper_fixture.h"

namespace pk::coordination {
namespace {

constexpr int kFolders = 100, kEach = 1'000;
const std::string kValue(100, 'v');

size_t ResidentMegabytes() {
  size_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE)) >> 20;
}

// Counts what is read.
class CountingCoordinator final : public Coordinator {
 public:
  explicit CountingCoordinator(Coordinator& inner) : inner_(inner) {}

  size_t value_bytes = 0, lists = 0, stats = 0;

  Result<Node> Get(std::string_view path) override { return inner_.Get(path); }
  Result<std::vector<std::string>> List(std::string_view path) override {
    return inner_.List(path);
  }
  Result<std::vector<Result<ReadReply>>> Read(const std::vector<ReadRequest>& requests) override {
    auto replies = inner_.Read(requests);
    for (size_t i = 0; replies.ok() && i < requests.size(); ++i) {
      if (requests[i].children) ++lists;
      if ((*replies)[i].ok()) value_bytes += (*replies)[i]->node.value.size();
    }
    return replies;
  }
  Result<std::vector<Result<NodeStat>>> Stats(const std::vector<std::string>& paths) override {
    stats += paths.size();
    return inner_.Stats(paths);
  }
  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    return inner_.Commit(transaction);
  }
  Result<std::unique_ptr<Watch>> StartWatch(std::string_view path, WatchScope scope) override {
    return inner_.StartWatch(path, scope);
  }
  Result<> Sync() override { return inner_.Sync(); }
  Session& session() override { return inner_.session(); }

 private:
  Coordinator& inner_;
};

class CacheOfAnEnsemble : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(client_, nullptr) << "set PARKEEPER_TEST_ZOOKEEPER=host:port,...";
    ASSERT_THAT(client_->Create("/c", ""), testing::IsOk());
    for (int f = 0; f < kFolders; ++f) {
      Transaction make;
      make.Create(fmt::format("/c/{}", f), "");
      for (int n = 0; n < kEach; ++n) make.Create(fmt::format("/c/{}/{}", f, n), kValue);
      ASSERT_THAT(client_->Commit(make), testing::IsOk());
    }
  }
  void TearDown() override {
    for (int f = 0; f < kFolders && client_ != nullptr; ++f) {
      Transaction remove;
      for (int n = 0; n < kEach; ++n) remove.Remove(fmt::format("/c/{}/{}", f, n), kAnyVersion);
      EXPECT_THAT(client_->Commit(remove), testing::IsOk());
    }
  }
  // How long `work` takes, noted under `name`.
  void Measure(const std::string& name, const std::function<void()>& work) {
    const SteadyTime begin = clock_.Now();
    work();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Now() - begin);
    RecordProperty(name + "_ms", std::to_string(took.count()));
  }
  Until Soon() { return {.deadline = clock_.Now() + std::chrono::seconds(60), .stop = {}}; }

  Clock& clock_ = SystemClock();
  ZooKeeperFixture fixture_;
  std::unique_ptr<Coordinator> client_ = Ensemble().empty() ? nullptr : fixture_.Connect();
};

TEST_F(CacheOfAnEnsemble, HoldsAHundredThousandNodesAndReadsAfterAReconnectOnlyWhatHasChanged) {
  ASSERT_NE(client_, nullptr);
  CountingCoordinator counting(*client_);
  const size_t before = ResidentMegabytes();
  std::optional<SubtreeCache> cache;
  Measure("load", [&] {
    PK_ASSERT_OK(auto loaded, SubtreeCache::Load(counting, "/c"));
    cache.emplace(std::move(loaded));
  });
  ASSERT_TRUE(cache.has_value());
  EXPECT_EQ(cache->size(), size_t{1 + kFolders + kFolders * kEach});
  const size_t megabytes = ResidentMegabytes() - before;
  RecordProperty("resident_mb", std::to_string(megabytes));
  EXPECT_LT(megabytes, 200u);

  const auto writer = fixture_.Connect();
  ASSERT_NE(writer, nullptr);
  Measure("change", [&] {
    ASSERT_THAT(writer->Set("/c/7/7", "new", 0), testing::IsOk());
    PK_ASSERT_OK(const auto changed, cache->WaitAndRefresh(Soon()));
    EXPECT_THAT(changed, ::testing::ElementsAre("/c/7/7"));
  });

  RecordProperty("load_value_bytes", std::to_string(counting.value_bytes));
  counting.value_bytes = counting.lists = counting.stats = 0;
  Measure("reconnect", [&] {
    BreakConnection(*client_);
    ASSERT_THAT(writer->Set("/c/8/8", "new", 0), testing::IsOk());
    std::vector<std::string> changed;
    const Until soon = Soon();
    while (changed.empty() && clock_.Now() < soon.deadline) {
      auto refreshed = cache->WaitAndRefresh(soon);
      if (refreshed.ok()) changed = std::move(*refreshed);
    }
    EXPECT_THAT(changed, ::testing::ElementsAre("/c/8/8")) << "and nothing else";
  });
  RecordProperty("reconnect_value_bytes", std::to_string(counting.value_bytes));
  RecordProperty("reconnect_stats", std::to_string(counting.stats));
  EXPECT_EQ(counting.lists, 0u) << "no folder has another child";
  // A reconnect in the middle of it begins anew, and reads the changed value again.
  EXPECT_LE(counting.value_bytes, 10 * std::string_view("new").size());
  EXPECT_GE(counting.stats, cache->size());
}

}  // namespace
}  // namespace pk::coordination
