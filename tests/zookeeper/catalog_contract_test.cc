// The contract of the catalog over a real ZooKeeper ensemble, with local files.

#include <mutex>

#include "parkeeper/storage/local.h"
#include "tests/conformance/catalog_contract.h"
#include "tests/support/temp_folder.h"
#include "tests/zookeeper/zookeeper_fixture.h"

namespace pk::catalog {
namespace {

// Each catalog has a session of its own, as another process would.
class LakeOnZooKeeper final : public CatalogFixture {
 public:
  std::unique_ptr<Catalog> Connect() override {
    std::lock_guard lock(mutex_);
    sessions_.push_back(std::make_unique<coordination::SessionSource>(
        [this]() -> Result<std::unique_ptr<coordination::Coordinator>> {
          return coordination::OpenZooKeeper(
              {.connect = coordination::Ensemble() + chroot_, .create_chroot = true});
        }));
    auto catalog = OpenCatalog(*sessions_.back(), *storage_, {});
    EXPECT_THAT(catalog, testing::IsOk());
    return catalog.ok() ? std::move(catalog).value() : nullptr;
  }
  storage::Storage& storage() override { return *storage_; }

 private:
  const std::string chroot_ = "/catalog-" + SystemIds().NewUuid4().ToString();
  testing::TempFolder folder_;
  std::unique_ptr<storage::Storage> storage_ = storage::OpenLocal(folder_.path()).value();
  std::mutex mutex_;  // of sessions_
  std::vector<std::unique_ptr<coordination::SessionSource>> sessions_;
};

std::vector<MakeCatalogFixture> Lakes() {
  if (coordination::Ensemble().empty()) return {};
  return {[] { return std::unique_ptr<CatalogFixture>(new LakeOnZooKeeper); }};
}

INSTANTIATE_TEST_SUITE_P(ZooKeeper, CatalogContract, ::testing::ValuesIn(Lakes()));

}  // namespace
}  // namespace pk::catalog
