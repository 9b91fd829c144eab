#include "parkeeper/catalog/feed.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/coordination/memory.h"
#include "parkeeper/storage/memory.h"
#include "tests/conformance/feed_contract.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using testing::IsErrorWith;
using testing::IsOk;

// A lake in memory; each catalog has a session of its own.
class LakeInMemory final : public CatalogFixture {
 public:
  explicit LakeInMemory(Clock& clock = SystemClock())
      : clock_(clock), tree_(coordination::MakeMemoryTree(clock)) {}

  std::unique_ptr<Catalog> Connect() override {
    std::lock_guard lock(mutex_);
    sessions_.push_back(std::make_unique<coordination::SessionSource>(
        [this]() -> Result<std::unique_ptr<coordination::Coordinator>> {
          auto session = coordination::OpenMemory(tree_);
          last_session_ = session->session().id();
          return session;
        }));
    auto catalog = OpenCatalog(*sessions_.back(), *storage_, {.clock = &clock_});
    EXPECT_THAT(catalog, IsOk());
    return catalog.ok() ? std::move(catalog).value() : nullptr;
  }
  storage::Storage& storage() override { return *storage_; }

  // Of the sessions that were opened.
  void ExpireLastSession() { coordination::ExpireSession(*tree_, last_session_); }
  std::unique_ptr<coordination::Coordinator> Coordinator() {
    return coordination::OpenMemory(tree_);
  }

 private:
  Clock& clock_;
  std::shared_ptr<coordination::MemoryTree> tree_;
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory();
  std::mutex mutex_;  // of sessions_
  std::vector<std::unique_ptr<coordination::SessionSource>> sessions_;
  std::atomic<uint64_t> last_session_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Memory, FeedContract, ::testing::Values([] {
                           return std::unique_ptr<CatalogFixture>(new LakeInMemory);
                         }));

// A table whose records are swept when the test says so, and its feed.
class FeedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    catalog_ = lake_.Connect();
    ASSERT_NE(catalog_, nullptr);
    ASSERT_THAT(catalog_->CreateNamespace({{"n"}}, {}), IsOk());
    PK_ASSERT_OK(table_, catalog_->CreateTable({{{"n"}}, "t"}, {}));
  }

  Committed Commit(iceberg::TableChange change) {
    const auto result = catalog_->Commit(
        table_.key,
        {.id = SystemIds().NewUuid7(clock_), .change = std::move(change), .oldest_file_ms = 0},
        CommitId::kNew);
    EXPECT_THAT(result, IsOk());
    const auto* committed = result.ok() ? std::get_if<Committed>(&*result) : nullptr;
    EXPECT_NE(committed, nullptr);
    return committed == nullptr ? Committed{} : *committed;
  }
  Committed Update(std::vector<iceberg::TableUpdate> updates) {
    return Commit(iceberg::UpdateTable{.requirements = {}, .updates = std::move(updates)});
  }
  int64_t Append() {
    iceberg::DataFile file;
    file.location = table_.metadata->location + "/data/" + std::to_string(++files_);
    file.record_count = 1;
    file.file_size = 100;
    iceberg::AppendFiles append;
    append.files = {file};
    append.schema_id = table_.metadata->current_schema_id;
    return Commit(append).snapshot_id.value_or(0);
  }
  int64_t SetCurrent(int64_t snapshot_id) {
    return Update({iceberg::SetSnapshotRef{"main", {.snapshot_id = snapshot_id}}}).table.version;
  }

  HeadNode Head() {
    return DecodeHead(lake_.Coordinator()->Get(HeadPath(table_.key))->value).value();
  }

  // Commits that change nothing of note, until the records so far are gone.
  void SweepRecords() {
    const int64_t last = Head().version;
    for (int i = 0; i < 64; ++i) Update({iceberg::SetProperties{{{"p", std::to_string(i)}}}});
    clock_.Advance(std::chrono::minutes(31));
    for (int i = 0; i < 5 || Head().floor <= last; ++i) {
      ASSERT_LT(i, 100) << "nothing is swept";
      Update({iceberg::SetProperties{{{"p", "late"}}}});
    }
  }

  std::unique_ptr<Feed> Follow(const FeedStart& start) {
    auto feed = catalog_->Follow(table_.key, start);
    EXPECT_THAT(feed, IsOk());
    return feed.ok() ? std::move(feed).value() : nullptr;
  }
  Result<std::optional<FeedChange>> Next(Feed& feed) { return feed.Next(clock_.Now()); }
  FeedChange Told(Feed& feed) {
    const auto change = Next(feed);
    EXPECT_THAT(change, IsOk());
    EXPECT_TRUE(!change.ok() || change->has_value());
    return change.ok() && change->has_value() ? **change : FeedChange{};
  }
  static std::vector<int64_t> Ids(const FeedChange& change) {
    std::vector<int64_t> ids;
    for (const auto& snapshot : change.snapshots) ids.push_back(snapshot->snapshot_id);
    return ids;
  }

  ManualClock clock_;
  LakeInMemory lake_{clock_};
  std::unique_ptr<Catalog> catalog_;
  LoadedTable table_;
  int files_ = 0;
};

using Ints = std::vector<int64_t>;

TEST_F(FeedTest, GoesOnThroughSnapshotsOnceItsRecordsAreSwept) {
  const auto feed = Follow(FromNow{});
  const int64_t first = Append();
  EXPECT_EQ(Ids(Told(*feed)), Ints{first});
  Ints made;
  for (int i = 0; i < 3; ++i) made.push_back(Append());
  SweepRecords();
  EXPECT_THAT(catalog_->Follow(table_.key, AfterVersion{1}),
              IsErrorWith(ErrorCode::kFailedPrecondition, "kept for 30 minutes"));
  const FeedChange change = Told(*feed);
  EXPECT_TRUE(change.condensed);
  EXPECT_EQ(change.version, Head().version);
  EXPECT_EQ(Ids(change), made);
  const int64_t next = Append();
  EXPECT_EQ(Ids(Told(*feed)), Ints{next});
  const auto again = Follow(AfterSnapshot{first});
  made.push_back(next);
  EXPECT_EQ(Ids(Told(*again)), made);
}

TEST_F(FeedTest, CatchesUpWithMoreVersionsThanOneReadHas) {
  for (int i = 0; i < 70; ++i) Update({iceberg::SetProperties{{{"p", std::to_string(i)}}}});
  const auto feed = Follow(AfterVersion{0});
  for (int64_t version = 1; version <= 70; ++version) EXPECT_EQ(Told(*feed).version, version);
}

TEST_F(FeedTest, GoesOnAfterTheVersionBeforeTheOldestRecord) {
  Append();
  SweepRecords();
  const int64_t floor = Head().floor;
  const auto feed = Follow(AfterVersion{floor - 1});
  for (int64_t version = floor; version <= Head().version; ++version) {
    const FeedChange change = Told(*feed);
    EXPECT_EQ(change.version, version);
    EXPECT_TRUE(change.snapshots.empty()) << "told a second time";
    EXPECT_FALSE(change.condensed);
  }
}

TEST_F(FeedTest, SaysWhereToBeginAgainWhenSnapshotsHaveExpired) {
  const auto feed = Follow(FromNow{});
  const int64_t first = Append();
  EXPECT_EQ(Ids(Told(*feed)), Ints{first});
  const int64_t second = Append();
  const int64_t third = Append();
  Update({iceberg::RemoveSnapshots{{first, second}}});
  // The records know what the metadata does not.
  const auto known = Follow(AfterSnapshot{first});
  EXPECT_EQ(Ids(Told(*known)), Ints{second});
  EXPECT_EQ(Ids(Told(*known)), Ints{third});
  SweepRecords();
  const std::string where = "follow from " + std::to_string(third);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Next(*feed), IsErrorWith(ErrorCode::kFailedPrecondition, where));
  }
  for (const FeedStart& start : {FeedStart(AfterSnapshot{first}), FeedStart(FromStart{})}) {
    EXPECT_THAT(catalog_->Follow(table_.key, start),
                IsErrorWith(ErrorCode::kFailedPrecondition, where));
  }
  // Expired itself, but its child is there: nothing is missing.
  EXPECT_EQ(Ids(Told(*Follow(AfterSnapshot{second}))), Ints{third});
}

TEST_F(FeedTest, TellsThatMainWasRolledBack) {
  const auto feed = Follow(FromNow{});
  const int64_t first = Append();
  const int64_t second = Append();
  EXPECT_FALSE(Told(*feed).rewound);
  EXPECT_EQ(Ids(Told(*feed)), Ints{second});
  const int64_t version = SetCurrent(first);
  const int64_t third = Append();
  FeedChange change = Told(*feed);
  EXPECT_EQ(change.version, version);
  EXPECT_TRUE(change.rewound);
  EXPECT_TRUE(change.snapshots.empty());
  EXPECT_EQ(change.snapshot_id, first);
  change = Told(*feed);
  EXPECT_FALSE(change.rewound);
  EXPECT_EQ(Ids(change), Ints{third});
  // Its record tells what the history of main does not.
  const auto again = Follow(AfterSnapshot{second});
  EXPECT_TRUE(Told(*again).rewound);
  EXPECT_EQ(Ids(Told(*again)), Ints{third});
  SweepRecords();
  EXPECT_THAT(catalog_->Follow(table_.key, AfterSnapshot{second}),
              IsErrorWith(ErrorCode::kFailedPrecondition, "no ancestor"));
}

TEST_F(FeedTest, TellsARollbackOfSweptVersionsToo) {
  const int64_t first = Append();
  Append();
  const auto feed = Follow(FromNow{});
  SetCurrent(first);
  const int64_t third = Append();
  SweepRecords();
  const FeedChange change = Told(*feed);
  EXPECT_TRUE(change.condensed);
  EXPECT_TRUE(change.rewound);
  EXPECT_EQ(Ids(change), Ints{third});
}

TEST_F(FeedTest, TellsTheDropOfATableWhoseRecordsAreSwept) {
  const auto feed = Follow(FromNow{});
  Append();
  SweepRecords();
  ASSERT_THAT(catalog_->DropTable({{{"n"}}, "t"}, true), IsOk());
  const FeedChange change = Told(*feed);
  EXPECT_TRUE(change.condensed);
  EXPECT_TRUE(change.dropped);
  EXPECT_THAT(Next(*feed), IsErrorWith(ErrorCode::kNotFound, "dropped"));
}

TEST_F(FeedTest, GoesOnInANewSession) {
  const auto feed = Follow(FromNow{});
  const int64_t first = Append();
  EXPECT_EQ(Ids(Told(*feed)), Ints{first});
  for (int i = 0; i < 3; ++i) {
    lake_.ExpireLastSession();
    const int64_t next = Append();
    EXPECT_EQ(Ids(Told(*feed)), Ints{next});
  }
}

TEST_F(FeedTest, NamesAMetadataFileThatIsMissing) {
  const auto other = lake_.Connect();  // without what the first remembers
  PK_ASSERT_OK(const auto feed, other->Follow(table_.key, FromNow{}));
  Append();
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable({{{"n"}}, "t"}));
  ASSERT_THAT(lake_.storage().Remove(loaded.metadata_location), IsOk());
  EXPECT_THAT(Next(*feed), IsErrorWith(ErrorCode::kCorrupt, loaded.metadata_location));
}

TEST_F(FeedTest, NamesARecordThatIsMissing) {
  const auto feed = Follow(FromNow{});
  Append();
  const std::string path = RecordPath(table_.key, 1);
  ASSERT_THAT(lake_.Coordinator()->Remove(path, coordination::kAnyVersion), IsOk());
  EXPECT_THAT(Next(*feed), IsErrorWith(ErrorCode::kCorrupt, path));
}

}  // namespace
}  // namespace pk::catalog
