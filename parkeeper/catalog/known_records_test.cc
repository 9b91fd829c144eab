#include "parkeeper/catalog/known_records_internal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "parkeeper/coordination/memory.h"
#include "tests/support/forwarding_coordinator.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::Coordinator;
using coordination::Transaction;
using testing::IsOk;

constexpr int64_t kMany = 6'000;  // more than are remembered without need

// Counts the records that are read.
class CountsRecords final : public testing::ForwardingCoordinator {
 public:
  CountsRecords(std::unique_ptr<Coordinator> inner, std::atomic<int64_t>& count)
      : ForwardingCoordinator(std::move(inner)), count_(count) {}
  Result<std::vector<Result<coordination::ReadReply>>> Read(
      const std::vector<coordination::ReadRequest>& requests) override {
    count_ += int64_t(requests.size());
    return ForwardingCoordinator::Read(requests);
  }

 private:
  std::atomic<int64_t>& count_;
};

// A table of which there are only records; each names one id.
class Records : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(coordination::EnsurePath(*client_, RecordsPath(key_)), IsOk());
  }

  void Make(int64_t last) {
    while (int64_t(made_.size()) < last) {
      Transaction records;
      for (int i = 0; i < 500 && int64_t(made_.size()) < last; ++i) {
        made_.push_back(ids_.NewUuid7(clock_));
        const int64_t version = int64_t(made_.size());
        records.Create(RecordPath(key_, version), Encode(Record(version)));
      }
      ASSERT_THAT(client_->Commit(records), IsOk());
    }
  }
  RecordNode Record(int64_t version) const {
    return {.round = "r",
            .dropped = false,
            .metadata_location = "m" + std::to_string(version),
            .commits = {{.id = IdOf(version), .committed = true}}};
  }
  const Uuid& IdOf(int64_t version) const { return made_[size_t(version) - 1]; }

  Result<KnownRecords::View> Learn(int64_t version, int64_t since, int64_t floor = 1) {
    Backoff backoff({}, clock_, ids_);
    ReadHead head;
    head.node.version = version;
    head.node.floor = floor;
    return records_->Learn(sessions_, key_, head, since, backoff);
  }
  // What it reads when somebody asks that.
  int64_t ReadFor(int64_t version, int64_t since, int64_t floor = 1) {
    const int64_t before = read_;
    EXPECT_THAT(Learn(version, since, floor), IsOk());
    return read_ - before;
  }

  ManualClock clock_;
  SeededIds ids_{1};
  const std::string key_ = "5c1f";
  std::shared_ptr<coordination::MemoryTree> tree_ = coordination::MakeMemoryTree(clock_);
  const std::unique_ptr<Coordinator> client_ = coordination::OpenMemory(tree_);
  std::atomic<int64_t> read_ = 0;
  coordination::SessionSource sessions_{[this]() -> Result<std::unique_ptr<Coordinator>> {
    return std::make_unique<CountsRecords>(coordination::OpenMemory(tree_), read_);
  }};
  std::vector<Uuid> made_;  // by version, from 1
  const std::shared_ptr<KnownRecords> records_ = std::make_shared<KnownRecords>();
};

TEST_F(Records, AreReadOnceForThoseWhoAskFromTheStartAgainAndAgain) {
  Make(kMany);
  EXPECT_EQ(ReadFor(kMany, 0), kMany);
  for (int64_t version = kMany; version < kMany + 30; version += 3) {
    Make(version + 3);
    EXPECT_EQ(ReadFor(version + 3, 0), 3);
    EXPECT_EQ(ReadFor(version + 3, version + 3), 0);
  }
}

TEST_F(Records, OfTheTimeBetweenAreReadTooWhenSomebodyAskedFromTheStartLately) {
  Make(kMany + 20);
  EXPECT_EQ(ReadFor(kMany, 0), kMany);
  EXPECT_EQ(ReadFor(kMany + 10, kMany + 10), 0);
  EXPECT_EQ(ReadFor(kMany + 12, kMany + 11), 12) << "one is asked for, but what is known is kept";
  EXPECT_EQ(ReadFor(kMany + 20, 0), 8);
}

TEST_F(Records, AreNotReadForThoseWhoAskForTheLatest) {
  Make(kMany);
  for (int64_t version = 0; version < kMany; version += 100)
    EXPECT_EQ(ReadFor(version, version), 0);
}

TEST_F(Records, AreForgottenWhenNobodyAsksForOldOnesAnyMore) {
  Make(2 * kMany);
  EXPECT_EQ(ReadFor(kMany, 0), kMany);
  for (int64_t version = kMany + 1; version <= 2 * kMany; ++version) {
    records_->Learn(version, Record(version));
    if (version % 100 == 0) {
      EXPECT_EQ(ReadFor(version, version), 0);
    }
  }
  EXPECT_EQ(ReadFor(2 * kMany, 0), 2 * kMany - 4'096);
}

TEST_F(Records, ThatAreSweptAreForgottenAndNotAskedFor) {
  Make(kMany);
  EXPECT_EQ(ReadFor(kMany, 0), kMany);
  for (int64_t version = 1; version <= 5'000; ++version) {
    ASSERT_THAT(client_->Remove(RecordPath(key_, version), 0), IsOk());
  }
  PK_ASSERT_OK(const auto view, Learn(kMany, 0, 5'001));
  EXPECT_EQ(view.cover(), KnownRecords::Cover::kKept);
  EXPECT_EQ(read_, kMany);
  EXPECT_TRUE(view.Find(IdOf(5'001)));
}

TEST_F(Records, SayWhatTheFirstOneSays) {
  Make(3);
  RecordNode later = Record(4);
  later.commits = {{.id = IdOf(2), .committed = false}};
  ASSERT_THAT(client_->Create(RecordPath(key_, 4), Encode(later)), IsOk());
  PK_ASSERT_OK(const auto latest, Learn(4, 3));
  EXPECT_EQ(latest.Find(IdOf(2))->version, 4);
  PK_ASSERT_OK(const auto all, Learn(4, 0));
  EXPECT_EQ(all.cover(), KnownRecords::Cover::kAll);
  EXPECT_EQ(all.Find(IdOf(2))->version, 2);
  EXPECT_TRUE(all.Find(IdOf(2))->commit.committed);
  EXPECT_EQ(all.Find(IdOf(2))->metadata_location, "m2");
}

TEST_F(Records, StayAsLongAsSomebodyLooksAtThem) {
  Make(2 * kMany + 1);
  PK_ASSERT_OK(const auto first, Learn(10, 0));
  // Others who are elsewhere do not take them away, nor do they need what lies between.
  EXPECT_EQ(ReadFor(kMany, kMany - 5), 5);
  EXPECT_EQ(ReadFor(kMany, kMany), 0);
  for (int64_t version = 11; version <= 2 * kMany; ++version) {
    records_->Learn(version, Record(version));
  }
  EXPECT_EQ(ReadFor(2 * kMany, 2 * kMany), 0);
  EXPECT_EQ(first.Find(IdOf(1))->version, 1);
}

TEST_F(Records, BeforeThoseThatAreKnownAreReadAloneByWhoIsBehind) {
  Make(12);
  for (int64_t version = 13; version < 20; ++version) made_.push_back(ids_.NewUuid7(clock_));
  RecordNode latest = Record(1);
  EXPECT_EQ(ReadFor(20, 20), 0);
  records_->Learn(21, latest);
  // 13 to 20 are not there yet for whoever reads at a server that is behind.
  PK_ASSERT_OK(const auto behind, Learn(12, 0));
  EXPECT_EQ(behind.cover(), KnownRecords::Cover::kAll);
  EXPECT_EQ(read_, 12);
  EXPECT_TRUE(behind.Find(IdOf(12)));
}

TEST_F(Records, ThatAreMissingAreToldFromThoseThatAreSwept) {
  Make(10);
  ASSERT_THAT(client_->Remove(RecordPath(key_, 7), 0), IsOk());
  PK_ASSERT_OK(const auto gone, Learn(10, 0));
  EXPECT_EQ(gone.cover(), KnownRecords::Cover::kGone);
  PK_ASSERT_OK(const auto after, Learn(10, 7));
  EXPECT_EQ(after.cover(), KnownRecords::Cover::kAll);
}

TEST_F(Records, AreSharedByThreadsThatAskForAnyOfThem) {
  Make(kMany);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      SeededIds random{uint64_t(t)};
      for (int i = 0; i < 200; ++i) {
        const int64_t version = 1 + int64_t(random.Random64() % kMany);
        const int64_t since = int64_t(random.Random64() % uint64_t(version));
        const auto view = Learn(version, since);
        ASSERT_THAT(view, IsOk());
        EXPECT_EQ(view->cover(), KnownRecords::Cover::kAll);
        const int64_t asked = since + 1 + int64_t(random.Random64() % uint64_t(version - since));
        const auto outcome = view->Find(IdOf(asked));
        ASSERT_TRUE(outcome) << asked << " of " << since << " to " << version;
        EXPECT_EQ(outcome->version, asked);
      }
    });
  }
}

}  // namespace
}  // namespace pk::catalog
