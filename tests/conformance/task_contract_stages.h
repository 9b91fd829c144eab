#pragma once

// Part of task_contract.h: tasks that wait for others.

#include "tests/conformance/task_contract_fixture.h"

namespace pk::coordination {

TEST_P(TaskContract, ATaskWaitsUntilAllOfAStageAreDoneOrCancelled) {
  MakeQueue("q");
  const Uuid stage = Request().id;
  ASSERT_THAT(first().queues.CreateStage(stage, "load"), testing::IsOk());
  ASSERT_THAT(first().queues.CreateStage(stage, "load"), testing::IsOk()) << "again is fine";
  auto loads = Requests(3);
  for (auto& load : loads) load.stage = stage;
  ASSERT_THAT(first().queues.SubmitBatch("q", loads), testing::IsOk());
  tasks::SubmitRequest after = Request("compact");
  after.after = {stage};
  Submit("q", after);
  ASSERT_THAT(first().queues.SealStage(stage), testing::IsOk());
  tasks::SubmitRequest late = Request();
  late.stage = stage;
  EXPECT_THAT(first().queues.Submit("q", late),
              testing::IsErrorWith(ErrorCode::kFailedPrecondition, "sealed"));
  PK_ASSERT_OK(const auto again, first().queues.SubmitBatch("q", loads));
  EXPECT_EQ(again.present, 3) << "what is there already may still be submitted again";

  auto claims = Claim(second(), 10);
  ASSERT_EQ(claims.size(), 3u);
  Complete(second(), claims[0]);
  ASSERT_THAT(second().worker.Fail(claims[1], "no", tasks::Retry::kNever), testing::IsOk());
  Complete(second(), claims[2]);
  PK_ASSERT_OK(const auto status, first().Synced().queues.DescribeStage(stage));
  EXPECT_TRUE(status.sealed);
  EXPECT_EQ(status.left, 1) << "a dead letter holds up what waits";
  EXPECT_EQ(status.waiting, 1);
  EXPECT_THAT(first().queues.OpenStage(stage), testing::IsOkAnd(::testing::IsFalse()));
  EXPECT_TRUE(Claim(second(), 10).empty());

  ASSERT_THAT(first().queues.Cancel("q", claims[1].task.id()), testing::IsOk());
  EXPECT_THAT(first().queues.OpenStage(stage), testing::IsOkAnd(::testing::IsTrue()));
  const auto compact = ClaimOne(second());
  EXPECT_EQ(compact.task.request.body, "compact");
  EXPECT_TRUE(first().queues.DescribeStage(stage)->over);
  // Who comes when it is over does not wait.
  tasks::SubmitRequest last = Request("last");
  last.after = {stage};
  Submit("q", last);
  EXPECT_EQ(ClaimOne(second()).task.request.body, "last");
}

TEST_P(TaskContract, WhoCompletesTheLastOfAStageOffersWhatWaits) {
  MakeQueue("q");
  const Uuid stage = Request().id;
  ASSERT_THAT(first().queues.CreateStage(stage, "load"), testing::IsOk());
  auto loads = Requests(20);
  for (auto& load : loads) load.stage = stage;
  ASSERT_THAT(first().queues.SubmitBatch("q", loads), testing::IsOk());
  auto afters = Requests(250);
  for (auto& after : afters) after.after = {stage};
  ASSERT_THAT(first().queues.SubmitBatch("q", afters), testing::IsOk());
  ASSERT_THAT(first().queues.SealStage(stage), testing::IsOk());
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < 2; ++i) {
    actors.push_back([this] {
      const auto process = Start("worker");
      process->Synced();
      for (int n = 0; n < 200; ++n) {
        PK_ASSERT_OK(const auto claims, process->Synced().worker.Claim({"q"}, 1));
        if (claims.empty()) continue;
        if (!claims[0].task.request.stage) return;
        EXPECT_THAT(process->worker.Complete(claims[0], ""), testing::IsOk());
      }
    });
  }
  fixture().RunAll(std::move(actors));
  PK_ASSERT_OK(const auto status, first().Synced().queues.DescribeStage(stage));
  EXPECT_EQ(status.left, 0);
  EXPECT_TRUE(status.over) << "nobody needed to look";
  EXPECT_EQ(status.waiting, 0);
  EXPECT_GE(Offered(), 250 - 2);
}

TEST_P(TaskContract, AStageThatIsStillFilledIsNotOver) {
  MakeQueue("q");
  const Uuid stage = Request().id;
  ASSERT_THAT(first().queues.CreateStage(stage, "load"), testing::IsOk());
  tasks::SubmitRequest load = Request();
  load.stage = stage;
  Submit("q", load);
  tasks::SubmitRequest after = Request();
  after.after = {stage};
  const Uuid id = Submit("q", after);
  Complete(second(), ClaimOne(second()));
  EXPECT_TRUE(Claim(second(), 5).empty());
  ASSERT_THAT(first().Synced().queues.SealStage(stage), testing::IsOk());
  EXPECT_EQ(ClaimOne(second()).task.id(), id);
}

TEST_P(TaskContract, ATaskWaitsForSeveralStages) {
  MakeQueue("q");
  std::vector<Uuid> stages = {Request().id, Request().id, Request().id};
  for (const Uuid& stage : stages) {
    ASSERT_THAT(first().queues.CreateStage(stage, "some"), testing::IsOk());
  }
  tasks::SubmitRequest after = Request();
  after.after = stages;
  const Uuid id = Submit("q", after);
  for (const size_t i : {1u, 0u, 2u}) {
    EXPECT_TRUE(Claim(second(), 5).empty());
    ASSERT_THAT(first().queues.SealStage(stages[i]), testing::IsOk());
  }
  EXPECT_EQ(ClaimOne(second()).task.id(), id);
  tasks::SubmitRequest lost = Request();
  lost.after = {Request().id};
  EXPECT_THAT(first().queues.Submit("q", lost), testing::IsError(ErrorCode::kNotFound));
}

TEST_P(TaskContract, ATaskThatIsCancelledWhileItWaitsIsNeverWorkedOn) {
  MakeQueue("q");
  const Uuid stage = Request().id;
  ASSERT_THAT(first().queues.CreateStage(stage, "load"), testing::IsOk());
  tasks::SubmitRequest after = Request();
  after.after = {stage};
  const Uuid id = Submit("q", after);
  ASSERT_THAT(first().queues.Cancel("q", id), testing::IsOk());
  ASSERT_THAT(first().queues.SealStage(stage), testing::IsOk());
  EXPECT_TRUE(Claim(second(), 5).empty());
  EXPECT_EQ(Offered(), 0) << "and what is left of it is cleared away";
  const std::string claims = "/tasks/run/" + second().worker.guid();
  EXPECT_THAT(second().session().List(claims), testing::IsOkAnd(::testing::IsEmpty()));
  EXPECT_EQ(StateOf(id), tasks::TaskState::kCancelled);
}

TEST_P(TaskContract, ACaretakerOpensAStageWhoseLastWorkerDied) {
  MakeQueue("q");
  const Uuid stage = Request().id;
  ASSERT_THAT(first().queues.CreateStage(stage, "load"), testing::IsOk());
  tasks::SubmitRequest load = Request();
  load.stage = stage;
  Submit("q", load);
  tasks::SubmitRequest after = Request();
  after.after = {stage};
  const Uuid id = Submit("q", after);
  ASSERT_THAT(first().queues.SealStage(stage), testing::IsOk());
  // By a commit round, which knows nothing of stages.
  const auto claim = ClaimOne(second());
  PK_ASSERT_OK(auto step, tasks::CommittingTransaction(claim, "", clock().WallMs()));
  EXPECT_LE(step.links.if_committed.size(), tasks::kMostLinks);
  ASSERT_TRUE(IsApplied(second().session().Commit(step.transaction)));
  CarryOut(step.links.if_committed);
  EXPECT_TRUE(Claim(second(), 5).empty());
  PK_ASSERT_OK(const auto report, first().Synced().caretaker.Care());
  EXPECT_EQ(report.stages_over, 1);
  EXPECT_EQ(ClaimOne(second()).task.id(), id);
}

}  // namespace pk::coordination
