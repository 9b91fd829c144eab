#include "tests/conformance/storage_contract.h"
#include "parkeeper/storage/faulty.h"
#include "parkeeper/storage/local_internal.h"
#include "parkeeper/storage/memory.h"
#include "tests/conformance/storage_contract_names.h"
#include "tests/support/temp_folder.h"

namespace pk::testing {
namespace {

class MemoryFixture final : public StorageFixture {
 public:
  storage::Storage& storage() override { return *storage_; }

 private:
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory();
};

class LocalFixture final : public StorageFixture {
 public:
  LocalFixture(storage::LocalOptions options, storage::LocalMeans means)
      : storage_(storage::OpenLocalWith(folder_ / "lake", options, means).value()) {}
  storage::Storage& storage() override { return *storage_; }

 private:
  TempFolder folder_;
  std::unique_ptr<storage::Storage> storage_;
};

class FaultlessFixture final : public StorageFixture {
 public:
  storage::Storage& storage() override { return *faulty_; }

 private:
  std::unique_ptr<storage::Storage> inner_ = storage::MakeMemory();
  std::unique_ptr<storage::Storage> faulty_ = storage::MakeFaulty(*inner_, {});
};

StorageMaker Local(std::string name, storage::LocalMeans means,
                   storage::LocalOptions options = {}) {
  return {std::move(name), [=] { return std::make_unique<LocalFixture>(options, means); }};
}

INSTANTIATE_TEST_SUITE_P(
    , StorageContract,
    ::testing::Values(StorageMaker{"Memory", [] { return std::make_unique<MemoryFixture>(); }},
                      StorageMaker{"Faultless",
                                   [] { return std::make_unique<FaultlessFixture>(); }},
                      Local("Local", {}),
                      Local("LocalUnderAnotherRoot", {}, {.root_uri = "s3://bucket/old lake"}),
                      Local("LocalWithoutOpenat2", {.openat2 = false}),
                      Local("LocalWithTemporaryNames", {.unnamed_files = false}),
                      Local("LocalWithoutLinks", {.unnamed_files = false, .links = false})),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace pk::testing
