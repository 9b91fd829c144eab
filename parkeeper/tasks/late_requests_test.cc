// Requests that lie in a server that stands still and are carried out later.

#include <gtest/gtest.h>

#include "parkeeper/tasks/caretaker.h"
#include "parkeeper/tasks/nodes_internal.h"
#include "parkeeper/tasks/queues.h"
#include "parkeeper/tasks/worker.h"
#include "tests/support/late_requests.h"

namespace pk::tasks {
namespace {

using coordination::Coordinator;
using coordination::Transaction;
using testing::IsError;
using testing::IsOk;

// One process whose requests can be held back, and another one beside it.
class LateTasks : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(other_.CreateQueue("q", {.shards = 2}), IsOk()); }

  SubmitRequest Request() {
    return {.id = ids_.NewUuid7(clock_),
            .kind = "k",
            .first_delay = std::chrono::milliseconds(0),
            .progress_limit = std::chrono::milliseconds(1'000)};
  }
  Uuid Submit() {
    const SubmitRequest request = Request();
    EXPECT_THAT(other_.Submit("q", request), IsOk());
    return request.id;
  }
  ClaimedTask Claim(Worker& worker) {
    const auto claims = worker.Claim({"q"}, 1);
    EXPECT_TRUE(claims.ok() && claims->size() == 1);
    return claims.ok() && !claims->empty() ? claims->at(0) : ClaimedTask();
  }
  // The first copy of the next modification is held back; nothing after it is answered.
  void HoldAndCutOff() { stopped_ = {.holds = 1, .cut_off = true, .held = {}}; }
  // Carries out what was held back, and all is well again.
  void Deliver() {
    stopped_.cut_off = false;
    EXPECT_EQ(stopped_.holds, 0) << "nothing was sent";
    const auto coordinator = coordination::OpenMemory(tree_);
    for (const Transaction& transaction : stopped_.held) {
      EXPECT_THAT(coordinator->Commit(transaction), IsOk());
    }
    stopped_.held.clear();
  }
  TaskState StateOf(const Uuid& id) {
    const auto task = other_.Find("q", id);
    EXPECT_THAT(task, IsOk());
    return task->state;
  }
  size_t Claims() {
    size_t count = 0;
    const auto coordinator = coordination::OpenMemory(tree_);
    const auto workers = coordinator->List(kRunsPath).value();
    for (const std::string& worker : workers) count += coordinator->List(RunPath(worker))->size();
    return count;
  }

  ManualClock clock_;
  SeededIds ids_{1};
  testing::Stopped stopped_;
  std::shared_ptr<coordination::MemoryTree> tree_ = coordination::MakeMemoryTree(clock_);
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory("lake", clock_);
  coordination::SessionSource held_sessions_{[this]() -> Result<std::unique_ptr<Coordinator>> {
                                               return std::make_unique<testing::HoldingCoordinator>(
                                                   coordination::OpenMemory(tree_), stopped_);
                                             },
                                             clock_};
  coordination::SessionSource sessions_{
      [this]() -> Result<std::unique_ptr<Coordinator>> { return coordination::OpenMemory(tree_); },
      clock_};
  const TasksOptions options_{.clock = &clock_, .ids = &ids_};
  Queues queues_{held_sessions_, *storage_, options_};
  Worker worker_{held_sessions_, *storage_, "held", options_};
  Queues other_{sessions_, *storage_, options_};
  Worker other_worker_{sessions_, *storage_, "other", options_};
  Caretaker caretaker_{sessions_, *storage_, options_};
};

TEST_F(LateTasks, AClaimWithoutAReplyIsFoundAgain) {
  const Uuid id = Submit();
  ASSERT_THAT(worker_.Heartbeat(), IsOk());
  HoldAndCutOff();
  EXPECT_THAT(worker_.Claim({"q"}, 1), IsError(ErrorCode::kOutcomeUnknown));
  Deliver();
  EXPECT_EQ(Claims(), 1u);
  const ClaimedTask claim = Claim(worker_);
  EXPECT_EQ(claim.task.id(), id);
  PK_ASSERT_OK(const auto refused, worker_.Complete(claim, ""));
  EXPECT_FALSE(refused.has_value());
}

TEST_F(LateTasks, AClaimThatOneCallIsAboutToHoldIsNotGivenToAnother) {
  const Uuid id = Submit();
  ASSERT_THAT(worker_.Heartbeat(), IsOk());
  stopped_.after = [&] {
    clock_.Advance(std::chrono::minutes(2));  // it is time to look for forgotten claims
    const auto claims = worker_.Claim({"q"}, 1);
    ASSERT_THAT(claims, IsOk());
    EXPECT_EQ(claims->size(), 0u);
  };
  EXPECT_EQ(Claim(worker_).task.id(), id);
  EXPECT_EQ(Claims(), 1u);
}

TEST_F(LateTasks, AClaimThatComesAfterAPauseIsRefused) {
  Submit();
  ASSERT_THAT(worker_.Heartbeat(), IsOk());
  HoldAndCutOff();
  EXPECT_THAT(worker_.Claim({"q"}, 1), IsError(ErrorCode::kOutcomeUnknown));
  ASSERT_THAT(other_.SetQueueState("q", QueueState::kPaused), IsOk());
  Deliver();
  EXPECT_EQ(Claims(), 0u);
}

TEST_F(LateTasks, ASubmissionThatComesAfterTheDrainingIsRefused) {
  HoldAndCutOff();
  EXPECT_THAT(queues_.Submit("q", Request()), IsError(ErrorCode::kOutcomeUnknown));
  ASSERT_THAT(other_.SetQueueState("q", QueueState::kDraining), IsOk());
  Deliver();
  EXPECT_EQ(other_.DescribeQueue("q")->offered, 0);
}

TEST_F(LateTasks, ASubmissionThatComesAfterTheSealingIsRefused) {
  SubmitRequest request = Request();
  request.stage = Request().id;
  ASSERT_THAT(other_.CreateStage(*request.stage, "s"), IsOk());
  HoldAndCutOff();
  EXPECT_THAT(queues_.Submit("q", request), IsError(ErrorCode::kOutcomeUnknown));
  ASSERT_THAT(other_.SealStage(*request.stage), IsOk());
  Deliver();
  EXPECT_EQ(other_.DescribeStage(*request.stage)->left, 0);
  EXPECT_EQ(other_.DescribeQueue("q")->offered, 0);
}

TEST_F(LateTasks, WhoLinesUpWhenTheStageIsOverIsNotLeftWaiting) {
  const Uuid stage = Request().id;
  ASSERT_THAT(other_.CreateStage(stage, "s"), IsOk());
  SubmitRequest request = Request();
  request.after = {stage};
  HoldAndCutOff();
  EXPECT_THAT(queues_.Submit("q", request), IsError(ErrorCode::kOutcomeUnknown));
  ASSERT_THAT(other_.SealStage(stage), IsOk());
  Deliver();
  EXPECT_THAT(other_.Find("q", request.id), IsError(ErrorCode::kNotFound));
  ASSERT_THAT(queues_.Submit("q", request), IsOk());
  EXPECT_EQ(Claim(other_worker_).task.id(), request.id);
}

TEST_F(LateTasks, ACompletionCountsIfItComesBeforeTheClaimIsTakenBackAndNeverAfter) {
  const Uuid in_time = Submit();
  ClaimedTask claim = Claim(worker_);
  HoldAndCutOff();
  EXPECT_THAT(worker_.Complete(claim, "r", Transaction().Create("/ledger", "")),
              IsError(ErrorCode::kOutcomeUnknown));
  Deliver();
  PK_ASSERT_OK(const auto refused,
               worker_.Complete(claim, "r", Transaction().Create("/ledger", "")));
  EXPECT_FALSE(refused.has_value()) << "it was done already";
  EXPECT_EQ(StateOf(in_time), TaskState::kDone);

  const Uuid late = Submit();
  claim = Claim(worker_);
  HoldAndCutOff();
  EXPECT_THAT(worker_.Complete(claim, "r", Transaction().Create("/late", "")),
              IsError(ErrorCode::kOutcomeUnknown));
  clock_.Advance(std::chrono::hours(1));
  CareReport report;
  ASSERT_THAT(caretaker_.TakeBack(report), IsOk());
  EXPECT_EQ(report.taken_back, 1);
  Deliver();
  EXPECT_EQ(StateOf(late), TaskState::kOpen);
  EXPECT_THAT(coordination::OpenMemory(tree_)->Get("/late"), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(worker_.Complete(claim, "r"), IsError(ErrorCode::kConflict));
}

TEST_F(LateTasks, ARetryThatComesTwiceDoesNotReviveWhatDiedAgain) {
  const Uuid id = Submit();
  ASSERT_THAT(other_worker_.Fail(Claim(other_worker_), "no", Retry::kNever), IsOk());
  stopped_.holds = 1;
  ASSERT_THAT(queues_.RetryDead("q", id), IsOk()) << "it is sent again";
  ASSERT_THAT(other_worker_.Fail(Claim(other_worker_), "no", Retry::kNever), IsOk());
  Deliver();
  EXPECT_EQ(StateOf(id), TaskState::kDead);
  EXPECT_EQ(other_.DescribeQueue("q")->dead, 1);
  EXPECT_EQ(other_.DescribeQueue("q")->offered, 0);
}

TEST_F(LateTasks, ACancelledTaskIsNotCompletedByWhatWasSentBefore) {
  const Uuid id = Submit();
  const ClaimedTask claim = Claim(worker_);
  HoldAndCutOff();
  EXPECT_THAT(worker_.Complete(claim, "", Transaction().Create("/late", "")),
              IsError(ErrorCode::kOutcomeUnknown));
  ASSERT_THAT(other_.Cancel("q", id), IsOk());
  Deliver();
  EXPECT_EQ(StateOf(id), TaskState::kCancelled);
  EXPECT_THAT(coordination::OpenMemory(tree_)->Get("/late"), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(worker_.Complete(claim, ""), IsError(ErrorCode::kConflict));
  EXPECT_EQ(Claims(), 0u) << "nothing is left of the claim";
}

TEST_F(LateTasks, ARefusedExtraAfterALostReplyIsUnknownUntilTheClaimEnds) {
  const Uuid id = Submit();
  const ClaimedTask claim = Claim(worker_);
  const Transaction extra = Transaction().Create("/taken/child", "");
  stopped_.holds = 1;
  EXPECT_THAT(worker_.Complete(claim, "", extra), IsError(ErrorCode::kOutcomeUnknown));
  ASSERT_THAT(worker_.Release(claim), IsOk());
  ASSERT_THAT(coordination::OpenMemory(tree_)->Create("/taken", ""), IsOk());
  Deliver();
  EXPECT_EQ(StateOf(id), TaskState::kOpen);
}

// An earlier copy of a commit with links may come between: what is released then is not the task.
TEST_F(LateTasks, AClaimThatWasHandedOverMeanwhileIsNotSaidToBeReleasedOrFailed) {
  for (const bool fails : {false, true}) {
    const Uuid id = Submit();
    const ClaimedTask claim = Claim(worker_);
    const auto step = CommittingTransaction(claim, "{}", clock_.WallMs());
    ASSERT_THAT(step, IsOk());
    stopped_.holds = 1;
    stopped_.meanwhile = [&] {
      EXPECT_THAT(coordination::OpenMemory(tree_)->Commit(step->transaction), IsOk());
    };
    EXPECT_THAT(fails ? worker_.Fail(claim, "", Retry::kAgain) : worker_.Release(claim),
                IsError(ErrorCode::kConflict));
    EXPECT_EQ(StateOf(id), TaskState::kCommitting);
    stopped_ = {};
  }
}

}  // namespace
}  // namespace pk::tasks
