#pragma once

// The contract of Feed (parkeeper/catalog/feed.h) as tests, over a CatalogFixture whose clock runs.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/conformance/catalog_contract_fixture.h"

namespace pk::catalog {

class FeedContract : public CatalogContract {
 protected:
  void SetUp() override {
    CatalogContract::SetUp();
    if (catalog_ != nullptr) table_ = MakeTable(kOrders);
  }

  std::unique_ptr<Feed> Follow(const FeedStart& start) {
    auto feed = catalog_->Follow(table_.key, start);
    EXPECT_THAT(feed, testing::IsOk());
    return feed.ok() ? std::move(feed).value() : nullptr;
  }

  // The id of the snapshot that an append by somebody else made.
  int64_t AppendFile(const std::string& file) {
    const auto result =
        fixture_->Connect()->Commit(table_.key, Append(table_, file, 1), CommitId::kNew);
    const Committed* committed = AsCommitted(result);
    return committed == nullptr ? 0 : committed->snapshot_id.value_or(0);
  }

  static SteadyTime Soon() { return SystemClock().Now() + std::chrono::minutes(1); }

  // What is there already, or comes within a minute.
  static FeedChange NextOf(Feed& feed) {
    const auto change = feed.Next(Soon());
    EXPECT_THAT(change, testing::IsOk());
    EXPECT_TRUE(!change.ok() || change->has_value()) << "nothing came";
    return change.ok() && change->has_value() ? **change : FeedChange{};
  }
  static bool IsQuiet(Feed& feed) {
    const auto change = feed.Next(SystemClock().Now());
    EXPECT_THAT(change, testing::IsOk());
    return change.ok() && !change->has_value();
  }

  static std::vector<int64_t> Ids(const FeedChange& change) {
    std::vector<int64_t> ids;
    for (const auto& snapshot : change.snapshots) ids.push_back(snapshot->snapshot_id);
    return ids;
  }

  LoadedTable table_;
};

using SnapshotIds = std::vector<int64_t>;

TEST_P(FeedContract, TellsEachVersionOnceAndInOrder) {
  AppendFile("before");
  const auto feed = Follow(FromNow{});
  ASSERT_NE(feed, nullptr);
  EXPECT_EQ(feed->version(), 1);
  EXPECT_TRUE(IsQuiet(*feed));

  const auto commit = Append(table_, "a", 5);
  const auto result = fixture_->Connect()->Commit(table_.key, commit, CommitId::kNew);
  ASSERT_NE(AsCommitted(result), nullptr);
  const int64_t second = AppendFile("b");
  FeedChange change = NextOf(*feed);
  EXPECT_EQ(change.version, 2);
  EXPECT_EQ(Ids(change), SnapshotIds{*AsCommitted(result)->snapshot_id});
  EXPECT_EQ(change.snapshots[0]->summary.at("operation"), "append");
  EXPECT_EQ(change.snapshots[0]->summary.at("added-records"), "5");
  EXPECT_EQ(change.commits, std::vector<Uuid>{commit.id});
  EXPECT_EQ(change.metadata_location, AsCommitted(result)->table.metadata_location);
  EXPECT_EQ(change.snapshot_id, AsCommitted(result)->snapshot_id);
  EXPECT_GT(change.time_ms, 0);
  EXPECT_TRUE(change.has_new_metadata);
  EXPECT_FALSE(change.condensed || change.rewound || change.dropped);

  change = NextOf(*feed);
  EXPECT_EQ(change.version, 3);
  EXPECT_EQ(Ids(change), SnapshotIds{second});
  EXPECT_EQ(feed->version(), 3);
  EXPECT_TRUE(IsQuiet(*feed));

  ASSERT_NE(AsCommitted(catalog_->Commit(table_.key, SetProperty("p", "1"), CommitId::kNew)),
            nullptr);
  change = NextOf(*feed);
  EXPECT_EQ(change.version, 4);
  EXPECT_TRUE(change.snapshots.empty());
  EXPECT_EQ(change.snapshot_id, second);
  EXPECT_TRUE(change.has_new_metadata);
  EXPECT_TRUE(IsQuiet(*feed));
}

TEST_P(FeedContract, WakesForWhatOthersCommit) {
  const auto feed = Follow(FromNow{});
  ASSERT_NE(feed, nullptr);
  std::vector<int64_t> told;
  std::jthread follower([&] {
    while (told.size() < 20) {
      const FeedChange change = NextOf(*feed);
      if (change.version == 0) return;
      for (const int64_t id : Ids(change)) told.push_back(id);
    }
  });
  std::vector<int64_t> made;
  for (int i = 0; i < 20; ++i) made.push_back(AppendFile(std::to_string(i)));
  follower.join();
  EXPECT_EQ(told, made);
}

TEST_P(FeedContract, TellsOfManyWritersEachSnapshotOnce) {
  const auto feed = Follow(FromNow{});
  ASSERT_NE(feed, nullptr);
  constexpr int kWriters = 3, kEach = 15;  // more versions than one read has
  std::vector<std::jthread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_NE(AppendFile(std::to_string(writer) + "-" + std::to_string(i)), 0);
      }
    });
  }
  SnapshotIds told;
  size_t commits = 0;  // those that met may be one version
  for (int64_t version = 1; commits < kWriters * kEach; ++version) {
    const FeedChange change = NextOf(*feed);
    ASSERT_EQ(change.version, version);
    commits += change.commits.size();
    for (const int64_t id : Ids(change)) told.push_back(id);
  }
  EXPECT_EQ(commits, size_t(kWriters * kEach));
  writers.clear();
  EXPECT_TRUE(IsQuiet(*feed));
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  SnapshotIds history;
  for (const auto& snapshot : loaded.metadata->snapshots) history.push_back(snapshot->snapshot_id);
  EXPECT_EQ(told, history);
}

TEST_P(FeedContract, GoesOnAfterAVersionAndAfterASnapshot) {
  SnapshotIds made;
  for (int i = 0; i < 4; ++i) made.push_back(AppendFile(std::to_string(i)));
  for (int64_t version = 0; version < 4; ++version) {
    const auto feed = Follow(AfterVersion{version});
    ASSERT_NE(feed, nullptr);
    for (int64_t next = version + 1; next <= 4; ++next) {
      const FeedChange change = NextOf(*feed);
      EXPECT_EQ(change.version, next);
      EXPECT_EQ(Ids(change), SnapshotIds{made[size_t(next) - 1]});
    }
    EXPECT_TRUE(IsQuiet(*feed));
  }
  const auto feed = Follow(AfterSnapshot{made[1]});
  ASSERT_NE(feed, nullptr);
  FeedChange change = NextOf(*feed);
  EXPECT_TRUE(change.condensed);
  EXPECT_EQ(change.version, 4);
  EXPECT_EQ(Ids(change), (SnapshotIds{made[2], made[3]}));
  EXPECT_TRUE(IsQuiet(*feed));
  const int64_t fifth = AppendFile("5");
  EXPECT_EQ(Ids(NextOf(*feed)), SnapshotIds{fifth});
  const auto current = Follow(AfterSnapshot{fifth});
  ASSERT_NE(current, nullptr);
  EXPECT_TRUE(IsQuiet(*current));
}

TEST_P(FeedContract, FromTheStartTellsAllThatIsThere) {
  const auto empty = Follow(FromStart{});
  ASSERT_NE(empty, nullptr);
  EXPECT_TRUE(IsQuiet(*empty));
  SnapshotIds made;
  for (int i = 0; i < 3; ++i) made.push_back(AppendFile(std::to_string(i)));
  const auto feed = Follow(FromStart{});
  ASSERT_NE(feed, nullptr);
  EXPECT_EQ(Ids(NextOf(*feed)), made);
  EXPECT_TRUE(IsQuiet(*feed));
  for (const int64_t id : made) EXPECT_EQ(Ids(NextOf(*empty)), SnapshotIds{id});
}

TEST_P(FeedContract, FollowsTheTableNotTheNameUntilItIsDropped) {
  const auto feed = Follow(FromNow{});
  ASSERT_NE(feed, nullptr);
  const TableName renamed{kSales, "renamed"};
  ASSERT_THAT(catalog_->RenameTable(kOrders, renamed), testing::IsOk());
  MakeTable(kOrders);
  FeedChange change = NextOf(*feed);
  EXPECT_EQ(change.version, 1);
  EXPECT_FALSE(change.has_new_metadata);
  EXPECT_TRUE(change.snapshots.empty());
  const int64_t id = AppendFile("a");
  ASSERT_THAT(catalog_->DropTable(renamed, true), testing::IsOk());
  change = NextOf(*feed);
  EXPECT_EQ(Ids(change), SnapshotIds{id});
  EXPECT_FALSE(change.dropped);
  change = NextOf(*feed);
  EXPECT_EQ(change.version, 3);
  EXPECT_TRUE(change.dropped);
  EXPECT_THAT(feed->Next(Soon()), testing::IsErrorWith(ErrorCode::kNotFound, "dropped"));
  for (const FeedStart& start : {FeedStart(FromNow{}), FeedStart(AfterVersion{3})}) {
    EXPECT_THAT(catalog_->Follow(table_.key, start),
                testing::IsErrorWith(ErrorCode::kNotFound, "dropped"));
  }
  // Somebody who remembers nothing of the files.
  const auto other = fixture_->Connect();
  PK_ASSERT_OK(const auto late, other->Follow(table_.key, AfterVersion{1}));
  EXPECT_EQ(Ids(NextOf(*late)), SnapshotIds{id});
  EXPECT_TRUE(NextOf(*late).dropped);
}

TEST_P(FeedContract, SaysWhereItCannotBegin) {
  AppendFile("a");
  const auto follow = [&](const FeedStart& start) { return catalog_->Follow(table_.key, start); };
  EXPECT_THAT(follow(AfterVersion{2}),
              testing::IsErrorWith(ErrorCode::kInvalidArgument, "no version 2 yet, only 1"));
  EXPECT_THAT(follow(AfterVersion{-1}), testing::IsError(ErrorCode::kInvalidArgument));
  PK_ASSERT_OK(const LoadedTable loaded, catalog_->LoadTable(kOrders));
  const std::string current = std::to_string(loaded.metadata->current_snapshot()->snapshot_id);
  EXPECT_THAT(follow(AfterSnapshot{5}),
              testing::IsErrorWith(ErrorCode::kFailedPrecondition, "follow from " + current));
  EXPECT_THAT(catalog_->Follow("no key", FromNow{}), testing::IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(catalog_->Follow(SystemIds().NewUuid4().ToString(), FromNow{}),
              testing::IsError(ErrorCode::kNotFound));
}

TEST_P(FeedContract, EndsItsWaitWhenAskedTo) {
  const auto feed = Follow(FromNow{});
  ASSERT_NE(feed, nullptr);
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_THAT(feed->Next(Soon(), stop.get_token()), testing::IsError(ErrorCode::kCancelled));
  const int64_t id = AppendFile("a");
  EXPECT_EQ(Ids(NextOf(*feed)), SnapshotIds{id});
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FeedContract);

}  // namespace pk::catalog
