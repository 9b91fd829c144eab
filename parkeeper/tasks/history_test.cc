// What is forgotten, and when; on a coordinator whose clock is a test's.

#include <gtest/gtest.h>

#include "parkeeper/coordination/memory.h"
#include "parkeeper/storage/memory.h"
#include "parkeeper/tasks/caretaker.h"
#include "parkeeper/tasks/files_internal.h"
#include "parkeeper/tasks/nodes_internal.h"
#include "parkeeper/tasks/queues.h"
#include "parkeeper/tasks/worker.h"
#include "tests/support/matchers.h"

namespace pk::tasks {
namespace {

using std::chrono::hours;
using testing::IsError;
using testing::IsOk;

class History : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(queues_.CreateQueue("q", {.shards = 2, .retention = hours(48)}), IsOk());
  }
  SubmitRequest Request(const std::string& body = "") {
    return {.id = ids_.NewUuid7(clock_), .kind = "k", .body = body};
  }
  Uuid Submit(const SubmitRequest& request) {
    EXPECT_THAT(queues_.Submit("q", request), IsOk());
    return request.id;
  }
  ClaimedTask Claim() {
    const auto claims = worker_.Claim({"q"}, 1);
    EXPECT_TRUE(claims.ok() && claims->size() == 1);
    return claims->at(0);
  }
  // Looks at every part of every queue.
  CareReport ForgetAll() {
    CareReport report;
    for (int i = 0; i < kDefBuckets; ++i) EXPECT_THAT(caretaker_.Forget(report), IsOk());
    return report;
  }
  int64_t Files() {
    int64_t files = 0;
    EXPECT_THAT(storage_->List(storage_->root() + "/_tasks",
                               [&](const storage::FileStatus&) -> Result<> {
                                 ++files;
                                 return {};
                               }),
                IsOk());
    return files;
  }

  ManualClock clock_;
  SeededIds ids_{1};
  std::shared_ptr<coordination::MemoryTree> tree_ = coordination::MakeMemoryTree(clock_);
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory("lake", clock_);
  coordination::SessionSource sessions_{
      [this]() -> Result<std::unique_ptr<coordination::Coordinator>> {
        return coordination::OpenMemory(tree_);
      },
      clock_};
  const TasksOptions options_{.clock = &clock_, .ids = &ids_};
  Queues queues_{sessions_, *storage_, options_};
  Worker worker_{sessions_, *storage_, "w", options_};
  Caretaker caretaker_{sessions_, *storage_, options_};
};

TEST_F(History, IsKeptForTheRetentionAndThenGoesWithItsFiles) {
  const std::string body(100'000, 'b'), result(100'000, 'r');
  const Uuid done = Submit(Request(body));
  PK_ASSERT_OK(const auto refused, worker_.Complete(Claim(), result));
  ASSERT_FALSE(refused.has_value());
  const Uuid dead = Submit(Request());
  ASSERT_THAT(worker_.Fail(Claim(), "no", Retry::kNever), IsOk());
  const Uuid open = Submit(Request(body));
  EXPECT_EQ(Files(), 3);
  clock_.Advance(hours(47));
  EXPECT_EQ(ForgetAll().tasks_forgotten, 0);
  EXPECT_THAT(queues_.Find("q", done), IsOk());
  clock_.Advance(hours(2));
  EXPECT_EQ(ForgetAll().tasks_forgotten, 2);
  EXPECT_THAT(queues_.Find("q", done), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(queues_.Find("q", dead), IsError(ErrorCode::kNotFound));
  EXPECT_TRUE(queues_.ListDead("q", {})->items.empty());
  EXPECT_THAT(queues_.Find("q", open), IsOk()) << "it has not ended";
  EXPECT_EQ(Files(), 1);
}

TEST_F(History, AnIdIsNeverSubmittedAfterItWasForgotten) {
  const SubmitRequest request = Request();
  Submit(request);
  PK_ASSERT_OK(const auto refused, worker_.Complete(Claim(), ""));
  ASSERT_FALSE(refused.has_value());
  clock_.Advance(hours(47));
  PK_ASSERT_OK(const auto present, queues_.Submit("q", request));
  EXPECT_EQ(present.present, 1) << "as long as it is known";
  clock_.Advance(hours(2));
  EXPECT_EQ(ForgetAll().tasks_forgotten, 1);
  EXPECT_THAT(queues_.Submit("q", request), IsError(ErrorCode::kInvalidArgument));
}

TEST_F(History, TheFileOfALostClaimIsRemovedByItsWorker) {
  Submit(Request());
  const ClaimedTask claim = Claim();
  ASSERT_THAT(queues_.Cancel("q", claim.task.id()), IsOk());
  EXPECT_THAT(worker_.Complete(claim, std::string(20'000, 'r')), IsError(ErrorCode::kConflict));
  EXPECT_EQ(Files(), 0);
}

TEST_F(History, AStageIsForgottenAWeekAfterItWasOver) {
  const Uuid stage = Request().id;
  ASSERT_THAT(queues_.CreateStage(stage, "s"), IsOk());
  clock_.Advance(hours(24 * 30));
  CareReport report;
  ASSERT_THAT(caretaker_.CareForStages(report), IsOk());
  EXPECT_EQ(report.stages_forgotten, 0) << "it is being filled";
  ASSERT_THAT(queues_.SealStage(stage), IsOk());
  clock_.Advance(hours(24 * 7 + 1));
  ASSERT_THAT(caretaker_.CareForStages(report), IsOk());
  EXPECT_EQ(report.stages_forgotten, 1);
  EXPECT_THAT(queues_.DescribeStage(stage), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(queues_.CreateStage(stage, "s"), IsError(ErrorCode::kInvalidArgument));
}

TEST_F(History, ADeadTaskHoldsUpItsStageUntilItIsForgotten) {
  const Uuid stage = Request().id;
  ASSERT_THAT(queues_.CreateStage(stage, "s"), IsOk());
  SubmitRequest request = Request();
  request.stage = stage;
  Submit(request);
  ASSERT_THAT(queues_.SealStage(stage), IsOk());
  ASSERT_THAT(worker_.Fail(Claim(), "no", Retry::kNever), IsOk());
  CareReport report;
  ASSERT_THAT(caretaker_.CareForStages(report), IsOk());
  EXPECT_EQ(report.stages_over, 0);
  clock_.Advance(hours(49));
  ForgetAll();
  ASSERT_THAT(caretaker_.CareForStages(report), IsOk());
  EXPECT_EQ(report.stages_over, 1);
}

TEST_F(History, AClaimWithoutProgressIsJudgedByTheCoordinatorsTimeAlone) {
  SubmitRequest request = Request();
  request.progress_limit = std::chrono::minutes(10);
  Submit(request);
  const ClaimedTask claim = Claim();
  clock_.Advance(std::chrono::minutes(6));
  worker_.Report(claim, {.fraction = 0.5});
  ASSERT_THAT(worker_.Heartbeat(), IsOk());
  clock_.Advance(std::chrono::minutes(6));
  CareReport report;
  ASSERT_THAT(caretaker_.TakeBack(report), IsOk());
  EXPECT_EQ(report.taken_back, 0) << "six minutes ago it came on";
  // Its worker lives, and the task does not come on.
  ASSERT_THAT(worker_.Heartbeat(), IsOk());
  clock_.Advance(std::chrono::minutes(5));
  ASSERT_THAT(caretaker_.TakeBack(report), IsOk());
  EXPECT_EQ(report.taken_back, 1);
}

}  // namespace
}  // namespace pk::tasks
