#include <gtest/gtest.h>

#include <fstream>

#include "parkeeper/jobs/completion_internal.h"
#include "parkeeper/jobs/ingest.h"
#include "parkeeper/jobs/nodes_internal.h"
#include "parkeeper/jobs/seen.h"
#include "tests/support/jobs_in_memory.h"
#include "tests/support/temp_folder.h"

namespace pk::jobs {
namespace {

using testing::IsError;
using testing::IsOk;

class CompletionTest : public JobsInMemory {
 protected:
  void SetUp() override {
    JobsInMemory::SetUp();
    const auto job = jobs_->Submit(IngestOf(2));
    ASSERT_THAT(job, IsOk());
    worker_.emplace(sessions_, *storage_, "w", tasks::TasksOptions{.clock = &clock_});
    auto claims = worker_->Claim({kDefaultQueue}, 2);
    ASSERT_THAT(claims, IsOk());
    ASSERT_EQ(claims->size(), 2);
    claims_ = *std::move(claims);
    LookUpSource(*parts_, Table().key, Source()).value();
  }

  static SourceIdentity Source() { return {.path = "/data/x.csv", .size = 1, .modified_ns = 2}; }

  // Of a file with three rows.
  iceberg::TableCommit Append() {
    const std::string path = folder_ / "x.csv";
    std::ofstream(path) << "id\n1\n2\n3\n";
    auto ingested = Ingest(*storage_, *Table().metadata, path, {}, {.writers = 1});
    EXPECT_THAT(ingested, IsOk());
    auto commit = table::MakeAppendCommit(std::move(ingested->files), *Table().metadata, clock_);
    commit.oldest_file_ms = clock_.WallMs();
    return commit;
  }

  Outcome WithMarker(const tasks::ClaimedTask& claim, iceberg::TableCommit commit) {
    const std::string marker = MarkerPath(Table().key, Source());
    Outcome outcome{.commit = std::move(commit), .with = {}, .if_rejected = {}, .result = "{}"};
    outcome.with.Create(marker, EncodeMarker(claim.task, Source()));
    outcome.if_rejected.push_back(coordination::RemoveOperation{marker, coordination::kAnyVersion});
    return outcome;
  }

  Result<Completion> End(const tasks::ClaimedTask& claim, const Outcome& outcome) {
    return PK_TRY(Complete(*parts_, *worker_, claim, Table().key, outcome, false)).how;
  }

  SourceState StateOfSource() { return LookUpSource(*parts_, Table().key, Source())->state; }
  tasks::TaskState StateOf(const tasks::ClaimedTask& claim) {
    return parts_->queues().Find(kDefaultQueue, claim.task.id())->state;
  }
  int64_t Rows() {
    const auto snapshot = Table().metadata->current_snapshot();
    return snapshot == nullptr ? 0 : std::stoll(snapshot->summary.at("total-records"));
  }

  testing::TempFolder folder_;
  std::optional<tasks::Worker> worker_;
  std::vector<tasks::ClaimedTask> claims_;
};

TEST_F(CompletionTest, PutsTheRowsIntoTheTableAndTheTaskIsDone) {
  EXPECT_EQ(End(claims_[0], WithMarker(claims_[0], Append())).value(), Completion::kDone);
  EXPECT_EQ(Rows(), 3);
  EXPECT_EQ(StateOf(claims_[0]), tasks::TaskState::kDone);
  EXPECT_EQ(StateOfSource(), SourceState::kIngested);
}

TEST_F(CompletionTest, OfTwoTasksThatBringOneFileIsRefusedToTheSecond) {
  ASSERT_EQ(End(claims_[0], WithMarker(claims_[0], Append())).value(), Completion::kDone);
  EXPECT_EQ(End(claims_[1], WithMarker(claims_[1], Append())).value(), Completion::kRefused);
  EXPECT_EQ(Rows(), 3);
  EXPECT_THAT(worker_->Fail(claims_[1], "", tasks::Retry::kAgain), IsOk());  // the claim stood
}

TEST_F(CompletionTest, CommitsNothingOnceTheClaimIsLost) {
  ASSERT_THAT(parts_->queues().Cancel(kDefaultQueue, claims_[0].task.id()), IsOk());
  EXPECT_EQ(End(claims_[0], WithMarker(claims_[0], Append())).value(), Completion::kLost);
  EXPECT_EQ(Rows(), 0);
  EXPECT_EQ(StateOfSource(), SourceState::kNew);
}

TEST_F(CompletionTest, OffersTheTaskAgainWhenItsCommitIsRejected) {
  iceberg::TableCommit commit = Append();
  commit.properties = {{.name = "parkeeper.position.n", .expected = "other", .value = "new"}};
  EXPECT_EQ(End(claims_[0], WithMarker(claims_[0], std::move(commit))).value(),
            Completion::kRejected);
  EXPECT_EQ(Rows(), 0);
  EXPECT_EQ(StateOf(claims_[0]), tasks::TaskState::kOpen);
  EXPECT_EQ(StateOfSource(), SourceState::kNew);  // so that the next attempt can bring it
}

TEST_F(CompletionTest, EndsATaskThatHasNothingToCommit) {
  Outcome outcome{.commit = {}, .with = {}, .if_rejected = {}, .result = "{}"};
  EXPECT_EQ(End(claims_[0], outcome).value(), Completion::kDone);
  EXPECT_EQ(End(claims_[0], outcome).value(), Completion::kDone);  // it is known to be
  EXPECT_EQ(StateOf(claims_[0]), tasks::TaskState::kDone);
  ASSERT_THAT(parts_->queues().Cancel(kDefaultQueue, claims_[1].task.id()), IsOk());
  EXPECT_EQ(End(claims_[1], outcome).value(), Completion::kLost);
}

TEST_F(CompletionTest, HasNothingToCommitWhenNothingIsToStandForNoRows) {
  const auto empty = Merge(*parts_, {}, Table().metadata.get());
  ASSERT_THAT(empty, IsOk());
  const int64_t version = Table().version;
  const Outcome outcome{.commit = *empty, .with = {}, .if_rejected = {}, .result = "{}"};
  EXPECT_EQ(End(claims_[0], outcome).value(), Completion::kDone);
  EXPECT_EQ(Table().version, version);
}

TEST_F(CompletionTest, MergesPartsIntoOneAppendOrInsteadOfAllRows) {
  ASSERT_EQ(End(claims_[0], WithMarker(claims_[0], Append())).value(), Completion::kDone);
  std::vector<iceberg::TableCommit> parts;
  parts.push_back(Append());
  parts.push_back(Append());
  parts[0].oldest_file_ms = 5;
  const auto append = Merge(*parts_, parts, nullptr);
  ASSERT_THAT(append, IsOk());
  EXPECT_EQ(std::get<iceberg::AppendFiles>(append->change).files.size(), 2);
  EXPECT_EQ(append->oldest_file_ms, 5);
  EXPECT_NE(append->id, parts[0].id);

  auto overwrite = Merge(*parts_, parts, Table().metadata.get());
  ASSERT_THAT(overwrite, IsOk());
  overwrite->oldest_file_ms = clock_.WallMs();
  const Outcome outcome{.commit = *overwrite, .with = {}, .if_rejected = {}, .result = "{}"};
  EXPECT_EQ(End(claims_[1], outcome).value(), Completion::kDone);
  EXPECT_EQ(Rows(), 6);
}

}  // namespace
}  // namespace pk::jobs
