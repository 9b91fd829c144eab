// The contract of the catalog over what a lake in a folder is made of: SQLite and local files.

#include <mutex>

#include "parkeeper/coordination_sqlite/sqlite_coordinator.h"
#include "parkeeper/storage/local.h"
#include "tests/conformance/catalog_contract.h"
#include "tests/conformance/feed_contract.h"
#include "tests/support/temp_folder.h"

namespace pk::catalog {
namespace {

// Each catalog has a session of its own, as another process would.
class LakeInAFolder final : public CatalogFixture {
 public:
  std::unique_ptr<Catalog> Connect() override {
    std::lock_guard lock(mutex_);
    sessions_.push_back(std::make_unique<coordination::SessionSource>(
        [this]() -> Result<std::unique_ptr<coordination::Coordinator>> {
          return coordination::OpenSqlite(folder_ / ".parkeeper", {});
        }));
    auto catalog = OpenCatalog(*sessions_.back(), *storage_, {});
    EXPECT_THAT(catalog, testing::IsOk());
    return catalog.ok() ? std::move(catalog).value() : nullptr;
  }
  storage::Storage& storage() override { return *storage_; }

 private:
  testing::TempFolder folder_;
  std::unique_ptr<storage::Storage> storage_ = storage::OpenLocal(folder_.path()).value();
  std::mutex mutex_;  // of sessions_
  std::vector<std::unique_ptr<coordination::SessionSource>> sessions_;
};

INSTANTIATE_TEST_SUITE_P(SqliteAndLocal, CatalogContract, ::testing::Values([] {
                           return std::unique_ptr<CatalogFixture>(new LakeInAFolder);
                         }));
INSTANTIATE_TEST_SUITE_P(SqliteAndLocal, FeedContract, ::testing::Values([] {
                           return std::unique_ptr<CatalogFixture>(new LakeInAFolder);
                         }));

}  // namespace
}  // namespace pk::catalog
