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

TEST_F(CacheOfAnEnsemble, HoldsAHundredThousandNodesAndReportsNothingAfterAMereReconnect) {
  ASSERT_NE(client_, nullptr);
  const size_t before = ResidentMegabytes();
  std::optional<SubtreeCache> cache;
  Measure("load", [&] {
    PK_ASSERT_OK(auto loaded, SubtreeCache::Load(*client_, "/c"));
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

  Measure("reconnect", [&] {
    const auto hosts = zookeeper::ParseConnectString(Ensemble());
    ASSERT_TRUE(hosts.ok());
    const zookeeper::SessionKey key = zookeeper::KeyOf(*client_);
    {
      // The server moves the session here and hangs up on its client, which takes it back.
      RawConnection thief(hosts->hosts[0]);
      thief.Send(zookeeper::EncodeConnect(
          {.timeout_ms = 10'000, .session = key.id, .password = key.password}));
      static_cast<void>(thief.Receive());
    }
    ASSERT_THAT(writer->Set("/c/8/8", "new", 0), testing::IsOk());
    std::vector<std::string> changed;
    const Until soon = Soon();
    while (changed.empty() && clock_.Now() < soon.deadline) {
      auto refreshed = cache->WaitAndRefresh(soon);
      if (refreshed.ok()) changed = std::move(*refreshed);
    }
    EXPECT_THAT(changed, ::testing::ElementsAre("/c/8/8")) << "and nothing else";
  });
}

}  // namespace
}  // namespace pk::coordination
