// What an hour of twenty rounds a second leaves behind, by the real catalog on a clock that is
// moved: nothing that grows with the number of rounds, but for the files that no state names any
// more.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/coordination/memory.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using testing::IsOk;

constexpr int kRounds = 72'000;
constexpr int kBetweenLooks = 6'000;
// Kept, of the usual 1,000: each is some 0.6 kB of the metadata, which every round writes.
constexpr int kSnapshots = 25;
const TableName kEvents{{{"n"}}, "events"};

// What there is at one time.
struct Sizes {
  size_t head_bytes = 0;
  size_t records = 0;
  size_t metadata_bytes = 0;
  size_t snapshots = 0;
  size_t manifests = 0;              // of the current snapshot
  std::set<std::string> named = {};  // files of metadata that the current state names
  size_t orphans = 0;                // those that it does not name
};

class HourOfRounds : public ::testing::Test {
 protected:
  void SetUp() override {
    PK_ASSERT_OK(catalog_, OpenCatalog(sessions_, *storage_,
                                       {.write_threads = 1, .clock = &clock_, .ids = &ids_}));
    ASSERT_THAT(catalog_->CreateNamespace(kEvents.ns, {}), IsOk());
    NewTableRequest request;
    request.properties = {{"commit.max-snapshots", std::to_string(kSnapshots)},
                          {"write.metadata.delete-after-commit.enabled", "true"}};
    PK_ASSERT_OK(table_, catalog_->CreateTable(kEvents, request));
  }

  void Append(int number) {
    iceberg::DataFile file;
    file.location = fmt::format("{}/data/{:08}.parquet", table_.metadata->location, number);
    file.record_count = 1'000;
    file.file_size = 50'000;
    iceberg::AppendFiles append;
    append.files = {file};
    const auto result = catalog_->Commit(
        table_.key,
        {.id = ids_.NewUuid7(clock_), .change = append, .oldest_file_ms = clock_.WallMs()},
        CommitId::kNew);
    ASSERT_THAT(result, IsOk());
    ASSERT_TRUE(std::holds_alternative<Committed>(*result));
  }

  std::vector<iceberg::ManifestFile> Manifests(const iceberg::Snapshot& snapshot) {
    const auto bytes = storage::ReadAll(*storage_, snapshot.manifest_list);
    EXPECT_THAT(bytes, IsOk());
    auto manifests = manifest::ReadManifestList(*bytes);
    EXPECT_THAT(manifests, IsOk());
    return *std::move(manifests);
  }

  void Look(Sizes& sizes) {
    PK_ASSERT_OK(const auto node, client_->Get(HeadPath(table_.key)));
    PK_ASSERT_OK(const HeadNode head, DecodeHead(node.value));
    PK_ASSERT_OK(const auto records, client_->List(RecordsPath(table_.key)));
    EXPECT_EQ(int64_t(records.size()), head.version - head.floor + 1);
    PK_ASSERT_OK(const auto json, storage::ReadAll(*storage_, head.metadata_location));
    PK_ASSERT_OK(const auto metadata, iceberg::ParseTableMetadata(json));
    sizes = {.head_bytes = node.value.size(),
             .records = records.size(),
             .metadata_bytes = json.size(),
             .snapshots = metadata.snapshots.size(),
             .manifests = Manifests(*metadata.current_snapshot()).size()};
    sizes.named.insert(head.metadata_location);
    for (const auto& entry : metadata.metadata_log) sizes.named.insert(entry.metadata_file);
    for (const auto& snapshot : metadata.snapshots) {
      sizes.named.insert(snapshot->manifest_list);
      for (const auto& manifest : Manifests(*snapshot)) sizes.named.insert(manifest.location);
    }
  }

  // As a removal of orphans would; counts them.
  void RemoveOrphans(Sizes& sizes) {
    std::vector<std::string> orphans;
    size_t named = 0;
    ASSERT_THAT(storage_->List(table_.metadata->location + "/metadata",
                               [&](const storage::FileStatus& file) -> Result<> {
                                 if (sizes.named.contains(file.location)) {
                                   ++named;
                                 } else {
                                   orphans.push_back(file.location);
                                 }
                                 return {};
                               }),
                IsOk());
    EXPECT_EQ(named, sizes.named.size()) << "a file is missing";
    for (const std::string& each : orphans) ASSERT_THAT(storage_->Remove(each), IsOk());
    sizes.orphans = orphans.size();
  }

  ManualClock clock_;
  SeededIds ids_{1};
  std::shared_ptr<coordination::MemoryTree> tree_ = coordination::MakeMemoryTree(clock_);
  const std::unique_ptr<coordination::Coordinator> client_ = coordination::OpenMemory(tree_);
  const std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory();
  coordination::SessionSource sessions_{
      [this]() -> Result<std::unique_ptr<coordination::Coordinator>> {
        return coordination::OpenMemory(tree_);
      }};
  std::unique_ptr<Catalog> catalog_;
  LoadedTable table_;
};

TEST_F(HourOfRounds, LeavesNothingThatGrowsWithTheRounds) {
  const int64_t begin_ms = clock_.WallMs();
  for (int round = 1; round <= kRounds && !HasFailure(); ++round) {
    clock_.Advance(std::chrono::milliseconds(50));
    Append(round);
    if (round % kBetweenLooks != 0) continue;
    Sizes sizes;
    Look(sizes);
    RemoveOrphans(sizes);
    std::cout << fmt::format(
                     "round {}, after {} s: head {} B, {} records, metadata {} B of {} snapshots, "
                     "{} manifests, {} files named and {} not\n",
                     round, (clock_.WallMs() - begin_ms) / 1'000, sizes.head_bytes, sizes.records,
                     sizes.metadata_bytes, sizes.snapshots, sizes.manifests, sizes.named.size(),
                     sizes.orphans)
              << std::flush;
    EXPECT_LT(sizes.head_bytes, 1'000u);
    // Those of the time before rounds keep a distance are over-aged after half an hour.
    EXPECT_LE(sizes.records, round <= kRounds / 2 ? 35'100u : 20'100u);
    EXPECT_LE(sizes.snapshots, size_t(kSnapshots));
    EXPECT_LT(sizes.metadata_bytes, 1'000u * kSnapshots + 200 * 100) << "the log has 100 entries";
    EXPECT_LE(sizes.manifests, 130u) << "100 small ones, and eight of each larger size";
    // The manifests that are current, those that a merge has replaced since the oldest snapshot,
    // lists, and the metadata files that the log names.
    EXPECT_LT(sizes.named.size(), 130u + 108 + kSnapshots + 101);
    EXPECT_LT(sizes.orphans, 3u * kBetweenLooks) << "manifests, lists and what a merge replaced";
  }
}

}  // namespace
}  // namespace pk::catalog
