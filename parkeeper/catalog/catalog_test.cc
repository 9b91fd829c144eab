#include "parkeeper/catalog/catalog.h"

#include <gtest/gtest.h>

#include <mutex>

#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/coordination/memory.h"
#include "parkeeper/storage/memory.h"
#include "tests/conformance/catalog_contract.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using testing::IsErrorWith;
using testing::IsOk;

// A lake in memory; each catalog has a session of its own.
class MemoryLake final : public CatalogFixture {
 public:
  // Who waits for other threads needs a clock that does not run ahead of them.
  explicit MemoryLake(Clock& clock) : tree_(coordination::MakeMemoryTree(clock)) {}
  MemoryLake() : MemoryLake(SystemClock()) {}

  std::unique_ptr<Catalog> Connect() override { return Open({}); }

  std::unique_ptr<Catalog> Open(CatalogOptions options) {
    std::lock_guard lock(mutex_);
    sessions_.push_back(std::make_unique<coordination::SessionSource>(
        [this]() -> Result<std::unique_ptr<coordination::Coordinator>> {
          return coordination::OpenMemory(tree_);
        }));
    auto catalog = OpenCatalog(*sessions_.back(), *storage_, options);
    EXPECT_THAT(catalog, IsOk());
    return catalog.ok() ? std::move(catalog).value() : nullptr;
  }

  storage::Storage& storage() override { return *storage_; }
  std::unique_ptr<coordination::Coordinator> Coordinator() {
    return coordination::OpenMemory(tree_);
  }

 private:
  const std::shared_ptr<coordination::MemoryTree> tree_;
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory();
  std::mutex mutex_;  // of sessions_
  std::vector<std::unique_ptr<coordination::SessionSource>> sessions_;
};

INSTANTIATE_TEST_SUITE_P(Memory, CatalogContract, ::testing::Values([] {
                           return std::unique_ptr<CatalogFixture>(new MemoryLake);
                         }));

TEST(Catalog, RefusesANewerLayout) {
  MemoryLake lake;
  ASSERT_NE(lake.Connect(), nullptr);
  const auto coordinator = lake.Coordinator();
  ASSERT_THAT(coordinator->Set(kLayoutPath, R"({"layout": 2, "lake": "x"})", 0), IsOk());
  coordination::SessionSource sessions(
      [&] { return Result<std::unique_ptr<coordination::Coordinator>>(lake.Coordinator()); });
  EXPECT_THAT(OpenCatalog(sessions, lake.storage()),
              IsErrorWith(ErrorCode::kFailedPrecondition, "layout version 2"));
}

TEST(Catalog, RefusesACoordinatorOfAnotherApplication) {
  MemoryLake lake;
  ASSERT_THAT(lake.Coordinator()->Create("/ns", "somebody else's"), IsOk());
  coordination::SessionSource sessions(
      [&] { return Result<std::unique_ptr<coordination::Coordinator>>(lake.Coordinator()); });
  EXPECT_THAT(OpenCatalog(sessions, lake.storage()),
              IsErrorWith(ErrorCode::kFailedPrecondition, "another application"));
}

iceberg::TableCommit SetProperty(Clock& clock, const std::string& value) {
  iceberg::UpdateTable update;
  update.updates.emplace_back(iceberg::SetProperties{{{"p", value}}});
  return {.id = SystemIds().NewUuid7(clock), .change = update, .oldest_file_ms = 0};
}

class Sweeping : public ::testing::Test {
 protected:
  void SetUp() override {
    catalog_ = lake_.Open({.clock = &clock_});
    ASSERT_THAT(catalog_->CreateNamespace({{"n"}}, {}), IsOk());
    PK_ASSERT_OK(table_, catalog_->CreateTable({{{"n"}}, "t"}, {}));
  }
  Result<CommitResult> Commit(const iceberg::TableCommit& commit, CommitId id) {
    return catalog_->Commit(table_.key, commit, id);
  }
  size_t Records() { return lake_.Coordinator()->List(RecordsPath(table_.key))->size(); }

  ManualClock clock_;
  MemoryLake lake_{clock_};
  std::unique_ptr<Catalog> catalog_;
  LoadedTable table_;
};

TEST_F(Sweeping, KeepsRecordsForTheRetentionAndThenRemovesThemInTheRound) {
  for (int i = 0; i < 200; ++i) {
    ASSERT_THAT(Commit(SetProperty(clock_, std::to_string(i)), CommitId::kNew), IsOk());
  }
  EXPECT_EQ(Records(), 200u);
  clock_.Advance(std::chrono::minutes(31));
  // Ages are counted to the head's last modification, so the first commit after a pause sweeps
  // nothing.
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(Commit(SetProperty(clock_, "late"), CommitId::kNew), IsOk());
  }
  EXPECT_LT(Records(), 64u + 5u);
}

TEST_F(Sweeping, RefusesAnIdWhoseRecordMayBeGone) {
  const iceberg::TableCommit old = SetProperty(clock_, "old");
  ASSERT_THAT(Commit(old, CommitId::kNew), IsOk());
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(Commit(SetProperty(clock_, std::to_string(i)), CommitId::kNew), IsOk());
  }
  clock_.Advance(std::chrono::minutes(31));
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(Commit(SetProperty(clock_, "late"), CommitId::kNew), IsOk());
  }
  // A process that has not seen the record.
  const auto catalog = lake_.Open({.clock = &clock_});
  EXPECT_THAT(catalog->Commit(table_.key, old, CommitId::kMaybeRepeated),
              IsErrorWith(ErrorCode::kOutcomeUnknown, "too old to judge"));
}

TEST_F(Sweeping, NeverForgetsAnIdThatIsAheadOfTheCoordinatorsClock) {
  ManualClock ahead(clock_.WallMs() + 3'600'000);
  const iceberg::TableCommit early = SetProperty(ahead, "early");
  ASSERT_THAT(Commit(early, CommitId::kNew), IsOk());
  for (int minutes = 0; minutes < 80; minutes += 10) {
    clock_.Advance(std::chrono::minutes(10));
    for (int i = 0; i < 64; ++i) {
      ASSERT_THAT(Commit(SetProperty(clock_, "x"), CommitId::kNew), IsOk());
    }
    const auto again = Commit(early, CommitId::kMaybeRepeated);
    ASSERT_THAT(again, IsOk());
    const auto* committed = std::get_if<Committed>(&*again);
    ASSERT_NE(committed, nullptr) << std::get<Rejected>(*again).reason;
    EXPECT_EQ(committed->table.version, 1);
  }
}

TEST_F(Sweeping, RejectsFilesThatOrphanRemovalCouldTake) {
  iceberg::TableCommit commit = SetProperty(clock_, "x");
  commit.oldest_file_ms = clock_.WallMs() - 37LL * 3'600'000;
  const auto result = Commit(commit, CommitId::kNew);
  ASSERT_THAT(result, IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*result));
  EXPECT_THAT(std::get<Rejected>(*result).reason, ::testing::HasSubstr("36 hours"));
}

TEST_F(Sweeping, RemovesWhatIsLeftOfTablesADayAfterTheirDrop) {
  SeededIds ids(1);
  const auto catalog = lake_.Open({.clock = &clock_, .ids = &ids});
  const iceberg::TableCommit commit = SetProperty(clock_, "x");
  ASSERT_THAT(Commit(commit, CommitId::kNew), IsOk());
  ASSERT_THAT(catalog->DropTable({{{"n"}}, "t"}, false), IsOk());
  const auto there = [&](const std::string& key) {
    return lake_.Coordinator()->Get(HeadPath(key)).ok();
  };
  // Until one falls into the same bucket.
  const auto drop_others = [&](const std::string& key) {
    PK_ASSERT_OK(const LoadedTable live, catalog->CreateTable({{{"n"}}, "live"}, {}));
    for (int i = 0; i < 3'000 && there(key); ++i) {
      ASSERT_THAT(catalog->CreateTable({{{"n"}}, "other"}, {}), IsOk());
      ASSERT_THAT(catalog->DropTable({{{"n"}}, "other"}, true), IsOk());
    }
    EXPECT_TRUE(there(live.key));
    ASSERT_THAT(catalog->DropTable({{{"n"}}, "live"}, true), IsOk());
  };
  clock_.Advance(std::chrono::hours(23));
  drop_others(table_.key);
  EXPECT_TRUE(there(table_.key));
  clock_.Advance(std::chrono::hours(2));
  drop_others(table_.key);
  EXPECT_FALSE(there(table_.key));

  const auto fresh = Commit(SetProperty(clock_, "y"), CommitId::kNew);
  ASSERT_THAT(fresh, IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*fresh));
  EXPECT_THAT(std::get<Rejected>(*fresh).reason, ::testing::HasSubstr("dropped"));
  EXPECT_THAT(Commit(commit, CommitId::kMaybeRepeated),
              testing::IsError(ErrorCode::kOutcomeUnknown))
      << "it was committed, and nobody knows any more";
}

}  // namespace
}  // namespace pk::catalog
