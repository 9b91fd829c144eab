#pragma once

// Part of task_contract.h: claims, how they end, who loses them.

#include "tests/conformance/task_contract_fixture.h"

namespace pk::coordination {

using tasks::Retry;
using tasks::TaskState;

TEST_P(TaskContract, AClaimedTaskIsDoneWithItsResult) {
  MakeQueue("q");
  const Uuid id = Submit("q", Request("body"));
  const auto claim = ClaimOne(second());
  EXPECT_EQ(claim.task.id(), id);
  EXPECT_EQ(claim.task.attempt, 1);
  EXPECT_THAT(second().worker.LoadBody(claim), testing::IsOkAnd(::testing::Eq("body")));
  EXPECT_TRUE(Claim(first(), 5).empty()) << "somebody has it";
  PK_ASSERT_OK(const auto refused, second().worker.Complete(claim, "three files"));
  EXPECT_FALSE(refused.has_value());
  EXPECT_EQ(StateOf(id), TaskState::kDone);
  EXPECT_EQ(Find(id).result, "three files");
  EXPECT_THAT(second().worker.Complete(claim, "three files"), testing::IsOk())
      << "asked again, it says the same";
  EXPECT_THAT(second().worker.Fail(claim, "no", Retry::kAgain),
              testing::IsError(ErrorCode::kConflict));
  EXPECT_EQ(StateOf(id), TaskState::kDone);
}

TEST_P(TaskContract, ACompletionCarriesOutWhatTheCallerAddsOrNothing) {
  MakeQueue("q");
  const Uuid id = Submit("q", Request());
  const auto claim = ClaimOne(second());
  ASSERT_THAT(b().Create("/taken", ""), testing::IsOk());
  Transaction extra;
  extra.Create("/ledger", "").Create("/taken", "");
  PK_ASSERT_OK(const auto refused, second().worker.Complete(claim, "", extra));
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->operation, 1u);
  EXPECT_EQ(refused->reason.code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Latest(b(), "/ledger"), std::nullopt);
  EXPECT_EQ(StateOf(id), TaskState::kOpen) << "the claim stands";
  PK_ASSERT_OK(const auto done,
               second().worker.Complete(claim, "", Transaction().Create("/ledger", "")));
  EXPECT_FALSE(done.has_value());
  EXPECT_NE(Latest(b(), "/ledger"), std::nullopt);
}

TEST_P(TaskContract, TheMoreUrgentTaskIsClaimedFirst) {
  MakeQueue("q", 1);
  std::vector<Uuid> by_priority(3);
  for (const int priority : {9, 0, 5}) {
    tasks::SubmitRequest request = Request();
    request.priority = priority;
    by_priority[priority == 0 ? 0 : priority == 5 ? 1 : 2] = Submit("q", request);
  }
  for (const Uuid& id : by_priority) EXPECT_EQ(ClaimOne(second()).task.id(), id);
}

TEST_P(TaskContract, ADelayedTaskIsClaimedWhenItsTimeHasCome) {
  MakeQueue("q");
  tasks::SubmitRequest request = Request();
  request.not_before_ms = clock().WallMs() + 3'600'000;
  Submit("q", request);
  EXPECT_TRUE(Claim(second(), 5).empty());
  clock().Shift(std::chrono::hours(1));
  EXPECT_EQ(Claim(second(), 5).size(), 1u);
}

TEST_P(TaskContract, AFailedTaskIsOfferedAgainLaterAndDeadAfterTooManyFailures) {
  MakeQueue("q");
  tasks::SubmitRequest request = Request();
  request.most_failures = 2;
  request.first_delay = std::chrono::hours(1);
  request.longest_delay = std::chrono::hours(2);
  const Uuid id = Submit("q", request);
  const auto claim = ClaimOne(second());
  ASSERT_THAT(second().worker.Fail(claim, "disk full", Retry::kAgain), testing::IsOk());
  EXPECT_EQ(Find(id).error, "disk full");
  EXPECT_TRUE(Claim(second(), 5).empty()) << "not at once";
  clock().Shift(std::chrono::hours(1));
  const auto again = ClaimOne(first());
  EXPECT_EQ(again.task.attempt, 2);
  EXPECT_EQ(again.task.failures, 1);
  ASSERT_THAT(first().worker.Fail(again, "disk still full", Retry::kAgain), testing::IsOk());
  EXPECT_EQ(StateOf(id), TaskState::kDead);
  PK_ASSERT_OK(const auto dead, first().queues.ListDead("q", {}));
  ASSERT_EQ(dead.items.size(), 1u);
  EXPECT_EQ(dead.items[0].error, "disk still full");
  EXPECT_EQ(first().queues.DescribeQueue("q")->dead, 1);

  ASSERT_THAT(first().queues.RetryDead("q", id), testing::IsOk());
  EXPECT_EQ(first().queues.DescribeQueue("q")->dead, 0);
  const auto retried = ClaimOne(second());
  EXPECT_EQ(retried.task.failures, 0);
  EXPECT_EQ(retried.task.attempt, 3);
  Complete(second(), retried);
}

TEST_P(TaskContract, AFailureForGoodMakesADeadLetterThatCanBeCancelled) {
  MakeQueue("q");
  const Uuid id = Submit("q", Request());
  ASSERT_THAT(second().worker.Fail(ClaimOne(second()), "no such table", Retry::kNever),
              testing::IsOk());
  EXPECT_EQ(StateOf(id), TaskState::kDead);
  ASSERT_THAT(first().queues.Cancel("q", id), testing::IsOk());
  EXPECT_EQ(StateOf(id), TaskState::kCancelled);
  EXPECT_TRUE(first().queues.ListDead("q", {})->items.empty());
}

TEST_P(TaskContract, AReleasedTaskIsOfferedAtOnceWithoutAFailure) {
  MakeQueue("q");
  Submit("q", Request());
  const auto claim = ClaimOne(second());
  ASSERT_THAT(second().worker.Release(claim), testing::IsOk());
  EXPECT_THAT(second().worker.Complete(claim, ""), testing::IsError(ErrorCode::kConflict));
  const auto again = ClaimOne(first());
  EXPECT_EQ(again.task.failures, 0);
  EXPECT_EQ(again.task.attempt, 2);
  ASSERT_THAT(first().worker.Leave(), testing::IsOk());
  EXPECT_EQ(Offered(), 1) << "who leaves gives back what it has";
  PK_ASSERT_OK(const auto runs, first().session().List("/tasks/run"));
  EXPECT_EQ(runs.size(), 1u) << "of the second";
}

TEST_P(TaskContract, NoTaskIsClaimedTwiceHoweverManyWorkersThereAre) {
  MakeQueue("q", 3);
  constexpr size_t kTasks = 60;
  ASSERT_THAT(first().queues.SubmitBatch("q", Requests(kTasks)), testing::IsOk());
  ASSERT_THAT(first().session().Create("/ledger", ""), testing::IsOk());
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < 4; ++i) {
    actors.push_back([this, i] {
      const auto process = Start("worker " + std::to_string(i));
      process->Synced();
      for (int idle = 0; idle < 3;) {
        PK_ASSERT_OK(const auto claims, process->worker.Claim({"q"}, 1 + size_t(i)));
        idle = claims.empty() ? idle + 1 : 0;
        for (const auto& claim : claims) {
          const std::string node = "/ledger/" + claim.task.id().ToString();
          PK_ASSERT_OK(const auto refused,
                       process->worker.Complete(claim, "", Transaction().Create(node, "")));
          EXPECT_FALSE(refused.has_value());
        }
        if (claims.empty()) process->Synced();
      }
    });
  }
  fixture().RunAll(std::move(actors));
  PK_ASSERT_OK(const auto ledger, first().Synced().session().List("/ledger"));
  EXPECT_EQ(ledger.size(), kTasks);
  EXPECT_EQ(Offered(), 0);
}

TEST_P(TaskContract, ALongQueueDoesNotKeepAShortOneWaiting) {
  MakeQueue("q");
  MakeQueue("long");
  ASSERT_THAT(first().queues.SubmitBatch("long", Requests(40)), testing::IsOk());
  ASSERT_THAT(first().queues.SubmitBatch("q", Requests(5)), testing::IsOk());
  const auto claims = Claim(second(), 10, {"long", "q"});
  EXPECT_EQ(claims.size(), 10u);
  size_t of_q = 0;
  for (const auto& claim : claims) of_q += claim.task.queue == "q" ? 1 : 0;
  EXPECT_EQ(of_q, 5u);
  EXPECT_EQ(Claim(second(), 10, {"q", "long"}).size(), 10u) << "an empty one costs no share";
}

TEST_P(TaskContract, TheClaimsOfAWorkerWhoseSessionIsOverAreTakenBack) {
  MakeQueue("q");
  tasks::SubmitRequest request = Request();
  request.first_delay = std::chrono::milliseconds(0);
  const Uuid id = Submit("q", request);
  const auto claim = ClaimOne(second());
  tasks::CareReport report;
  ASSERT_THAT(first().Synced().caretaker.TakeBack(report), testing::IsOk());
  EXPECT_EQ(report.taken_back, 0) << "it lives";
  fixture().ExpireSession(second().session());
  ASSERT_THAT(first().Synced().caretaker.TakeBack(report), testing::IsOk());
  EXPECT_EQ(report.taken_back, 1);
  EXPECT_EQ(report.workers_removed, 1);
  EXPECT_EQ(Find(id).failures, 1);
  EXPECT_THAT(Find(id).error, ::testing::HasSubstr("session"));
  const auto again = ClaimOne(first());
  EXPECT_THAT(second().worker.Complete(claim, "late"), testing::IsError(ErrorCode::kConflict));
  Complete(first(), again);
  EXPECT_EQ(Find(id).result, "");
  // It goes on under another name.
  const std::string before = second().worker.guid();
  Submit("q", Request());
  Complete(second(), ClaimOne(second()));
  EXPECT_NE(second().worker.guid(), before);
}

TEST_P(TaskContract, AWorkerGoesOnWithItsClaimsInAnotherSession) {
  MakeQueue("q");
  const Uuid id = Submit("q", Request());
  const auto claim = ClaimOne(second());
  const std::string guid = second().worker.guid();
  fixture().ExpireSession(second().session());
  PK_ASSERT_OK(const auto lost, second().worker.Heartbeat());
  EXPECT_TRUE(lost.empty());
  EXPECT_EQ(second().worker.guid(), guid);
  tasks::CareReport report;
  ASSERT_THAT(first().Synced().caretaker.TakeBack(report), testing::IsOk());
  EXPECT_EQ(report.taken_back, 0);
  Complete(second(), claim);
  EXPECT_EQ(StateOf(id), TaskState::kDone);
}

TEST_P(TaskContract, AClaimWithoutProgressIsTakenBack) {
  MakeQueue("q");
  tasks::SubmitRequest request = Request();
  request.progress_limit = std::chrono::milliseconds(1);
  const Uuid id = Submit("q", request);
  const auto claim = ClaimOne(second());
  ASSERT_THAT(second().worker.Heartbeat(), testing::IsOk());
  // Until the coordinator's clock has gone on.
  const std::string clock_node = "/tasks/clock";
  PK_ASSERT_OK(const auto start, a().Set(clock_node, "", kAnyVersion));
  for (int64_t now_ms = start.mtime_ms; now_ms < start.mtime_ms + 5;) {
    PK_ASSERT_OK(const auto stat, a().Set(clock_node, "", kAnyVersion));
    now_ms = stat.mtime_ms;
  }
  tasks::CareReport report;
  ASSERT_THAT(first().Synced().caretaker.TakeBack(report), testing::IsOk());
  EXPECT_EQ(report.taken_back, 1);
  EXPECT_THAT(Find(id).error, ::testing::HasSubstr("no progress"));
  PK_ASSERT_OK(const auto lost, second().Synced().worker.Heartbeat());
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_THAT(second().worker.Complete(claim, ""), testing::IsError(ErrorCode::kConflict));
}

TEST_P(TaskContract, ProgressKeepsAClaim) {
  MakeQueue("q");
  Submit("q", Request());
  const auto claim = ClaimOne(second());
  second().worker.Report(claim, {.fraction = 0.5, .note = "half \xFF"});
  ASSERT_THAT(second().worker.Heartbeat(), testing::IsOk());
  tasks::CareReport report;
  ASSERT_THAT(first().Synced().caretaker.TakeBack(report), testing::IsOk());
  EXPECT_EQ(report.taken_back, 0);
  const auto node = Latest(b(), "/tasks/alive/" + second().worker.guid());
  ASSERT_TRUE(node.has_value());
  EXPECT_THAT(node->value, ::testing::HasSubstr("half"));
  Complete(second(), claim);
}

TEST_P(TaskContract, ACommitDecidesWhatBecomesOfACommittingTask) {
  MakeQueue("q");
  tasks::SubmitRequest request = Request();
  request.most_failures = 2;
  request.first_delay = std::chrono::milliseconds(0);
  const Uuid rejected = Submit("q", request);
  for (int attempt = 1; attempt <= 2; ++attempt) {
    const auto claim = ClaimOne(second());
    PK_ASSERT_OK(auto step, tasks::CommittingTransaction(claim, "r", clock().WallMs()));
    EXPECT_LE(step.links.if_committed.size(), tasks::kMostLinks);
    EXPECT_LE(step.links.if_rejected.size(), tasks::kMostLinks);
    ASSERT_TRUE(IsApplied(second().session().Commit(step.transaction)));
    second().worker.Forget(claim);
    EXPECT_EQ(StateOf(rejected), TaskState::kCommitting);
    EXPECT_THAT(first().queues.Cancel("q", rejected),
                testing::IsErrorWith(ErrorCode::kFailedPrecondition, "committing"));
    EXPECT_FALSE(IsApplied(second().session().Commit(step.transaction))) << "once";
    CarryOut(step.links.if_rejected);
  }
  EXPECT_EQ(StateOf(rejected), TaskState::kDead);
  EXPECT_THAT(Find(rejected).error, ::testing::HasSubstr("rejected"));

  const Uuid committed = Submit("q", Request());
  const auto claim = ClaimOne(second());
  PK_ASSERT_OK(auto step, tasks::CommittingTransaction(claim, "r", clock().WallMs()));
  ASSERT_TRUE(IsApplied(second().session().Commit(step.transaction)));
  CarryOut(step.links.if_committed);
  EXPECT_EQ(StateOf(committed), TaskState::kDone);
  EXPECT_EQ(Find(committed).result, "r");
}

}  // namespace pk::coordination
