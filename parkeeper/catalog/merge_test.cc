#include "parkeeper/catalog/merge_internal.h"

#include <gtest/gtest.h>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/coordination/memory.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using iceberg::ManifestFile;
using testing::IsOk;

ManifestFile OfBytes(int64_t bytes, int32_t spec_id = 0) {
  ManifestFile manifest;
  manifest.length = bytes;
  manifest.spec_id = spec_id;
  return manifest;
}

TEST(ChooseMerge, TakesTheSmallestOnceThereAreEnough) {
  std::vector<ManifestFile> manifests(9, OfBytes(4'000));
  EXPECT_TRUE(ChooseMerge(manifests, {.min_count = 10}).empty());
  manifests.insert(manifests.begin() + 3, OfBytes(1'000'000));
  manifests.push_back(OfBytes(5'000));
  EXPECT_EQ(ChooseMerge(manifests, {.min_count = 10}),
            (std::vector<size_t>{0, 1, 2, 4, 5, 6, 7, 8, 9, 10}));
}

TEST(ChooseMerge, TakesEightOfALargerSize) {
  std::vector<ManifestFile> manifests(8, OfBytes(100'000));
  EXPECT_EQ(ChooseMerge(manifests, {}).size(), 8u);
  manifests.pop_back();
  EXPECT_TRUE(ChooseMerge(manifests, {}).empty());
}

TEST(ChooseMerge, LeavesLargeOnesDeletesAndOtherSpecsAlone) {
  EXPECT_TRUE(ChooseMerge(std::vector<ManifestFile>(50, OfBytes(5 << 20)), {}).empty());
  std::vector<ManifestFile> deletes(200, OfBytes(4'000));
  for (ManifestFile& manifest : deletes) manifest.content = iceberg::ManifestContent::kDeletes;
  EXPECT_TRUE(ChooseMerge(deletes, {}).empty());
  std::vector<ManifestFile> mixed(99, OfBytes(4'000, 0));
  mixed.resize(198, OfBytes(4'000, 1));
  EXPECT_TRUE(ChooseMerge(mixed, {}).empty());
}

// Many small commits to one table, in memory.
class Merging : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    auto opened = OpenCatalog(sessions_, *storage_, {.clock = &clock_, .ids = &ids_});
    ASSERT_THAT(opened, IsOk());
    catalog_ = *std::move(opened);
    ASSERT_THAT(catalog_->CreateNamespace({{"n"}}, {}), IsOk());
  }

  void Append(const LoadedTable& table, int commits) {
    for (int i = 0; i < commits; ++i) {
      iceberg::DataFile file;
      file.location = table.metadata->location + "/data/" + std::to_string(i);
      file.record_count = 1;
      file.file_size = 100;
      iceberg::AppendFiles append;
      append.files = {file};
      const auto result = catalog_->Commit(
          table.key, {.id = ids_.NewUuid7(clock_), .change = append, .oldest_file_ms = 0},
          CommitId::kNew);
      ASSERT_THAT(result, IsOk());
      ASSERT_TRUE(std::holds_alternative<Committed>(*result));
    }
  }

  std::vector<ManifestFile> Manifests(const iceberg::TableMetadata& metadata) {
    const auto list = manifest::ReadManifestList(
        *storage::ReadAll(*storage_, metadata.current_snapshot()->manifest_list));
    EXPECT_THAT(list, IsOk());
    return *list;
  }

  ManualClock clock_;
  SeededIds ids_{1};
  std::shared_ptr<coordination::MemoryTree> tree_ = coordination::MakeMemoryTree(clock_);
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory();
  coordination::SessionSource sessions_{
      [this]() -> Result<std::unique_ptr<coordination::Coordinator>> {
        return coordination::OpenMemory(tree_);
      },
      clock_};
  std::unique_ptr<Catalog> catalog_;
};

TEST_P(Merging, KeepsEveryFileWithItsSnapshotAndSequenceNumber) {
  NewTableRequest request;
  request.properties = {{"format-version", std::to_string(GetParam())},
                        {"commit.manifest.min-count-to-merge", "5"}};
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable({{{"n"}}, "t"}, request));
  Append(table, 33);
  PK_ASSERT_OK(const LoadedTable after, catalog_->LoadTable({{{"n"}}, "t"}));
  const auto manifests = Manifests(*after.metadata);
  EXPECT_LE(manifests.size(), 6u);
  std::map<std::string, int> seen;
  for (const ManifestFile& each : manifests) {
    const auto entries = manifest::ReadEntries(*storage::ReadAll(*storage_, each.location), each,
                                               after.metadata->spec(), after.metadata->schema());
    ASSERT_THAT(entries, IsOk());
    for (const iceberg::ManifestEntry& entry : *entries) {
      ++seen[entry.file.location];
      const auto snapshot = after.metadata->FindSnapshot(*entry.snapshot_id);
      ASSERT_NE(snapshot, nullptr);
      EXPECT_EQ(entry.sequence_number.value_or(0), snapshot->sequence_number);
      EXPECT_GE(entry.sequence_number.value_or(0), each.min_sequence_number);
    }
  }
  EXPECT_EQ(seen.size(), 33u);
  for (const auto& [file, times] : seen) EXPECT_EQ(times, 1) << file;
}

INSTANTIATE_TEST_SUITE_P(FormatVersions, Merging, ::testing::Values(1, 2));

using Bounded = Merging;

TEST_F(Bounded, KeepsNoMoreSnapshotsThanTheTableWantsButThoseWithANameOfTheirOwn) {
  NewTableRequest request;
  request.properties = {{"commit.max-snapshots", "10"}};
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable({{{"n"}}, "t"}, request));
  Append(table, 1);
  PK_ASSERT_OK(const LoadedTable first, catalog_->LoadTable({{{"n"}}, "t"}));
  const int64_t tagged = first.metadata->current_snapshot()->snapshot_id;
  iceberg::UpdateTable update;
  update.updates.emplace_back(
      iceberg::SetSnapshotRef{"release", {.snapshot_id = tagged, .is_tag = true}});
  ASSERT_THAT(catalog_->Commit(table.key,
                               {.id = ids_.NewUuid7(clock_), .change = update, .oldest_file_ms = 0},
                               CommitId::kNew),
              IsOk());
  Append(table, 30);
  PK_ASSERT_OK(const LoadedTable after, catalog_->LoadTable({{{"n"}}, "t"}));
  EXPECT_EQ(after.metadata->snapshots.size(), 10u);
  EXPECT_NE(after.metadata->FindSnapshot(tagged), nullptr);
}

TEST_F(Bounded, RemovesOldMetadataFilesOfATableThatWantsIt) {
  NewTableRequest request;
  request.properties = {{"write.metadata.delete-after-commit.enabled", "true"},
                        {"write.metadata.previous-versions-max", "3"}};
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable({{{"n"}}, "t"}, request));
  Append(table, 20);
  int files = 0;
  const auto count = [&](const storage::FileStatus& file) -> Result<> {
    files += file.location.ends_with(".metadata.json") ? 1 : 0;
    return {};
  };
  ASSERT_THAT(storage_->List(table.metadata->location, count), IsOk());
  EXPECT_EQ(files, 4) << "the present one and those in its log";
}

TEST_F(Bounded, RemovesNoMetadataFilesThatMayBeAnotherTables) {
  NewTableRequest request;
  request.properties = {{"write.metadata.delete-after-commit.enabled", "true"},
                        {"write.metadata.previous-versions-max", "3"},
                        {"gc.enabled", "false"}};
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable({{{"n"}}, "t"}, request));
  Append(table, 20);
  int files = 0;
  const auto count = [&](const storage::FileStatus& file) -> Result<> {
    files += file.location.ends_with(".metadata.json") ? 1 : 0;
    return {};
  };
  ASSERT_THAT(storage_->List(table.metadata->location, count), IsOk());
  EXPECT_EQ(files, 21);
}

}  // namespace
}  // namespace pk::catalog
