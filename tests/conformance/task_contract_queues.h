#pragma once

// Part of task_contract.h: submitting, listing, cancelling, pausing.

#include "tests/conformance/task_contract_fixture.h"

namespace pk::coordination {

using tasks::QueueState;
using tasks::TaskState;

TEST_P(TaskContract, AQueueIsCreatedOnceUnderAnyName) {
  const std::string name = "nightly loads/für \"alle\".";
  ASSERT_THAT(first().queues.CreateQueue(name, {.shards = 3}), testing::IsOk());
  EXPECT_THAT(first().queues.CreateQueue(name, {}),
              testing::IsErrorWith(ErrorCode::kAlreadyExists, name));
  EXPECT_THAT(first().queues.ListQueues(), testing::IsOkAnd(::testing::ElementsAre(name)));
  PK_ASSERT_OK(const auto status, first().queues.DescribeQueue(name));
  EXPECT_EQ(status.shards, 3);
  EXPECT_EQ(status.offered, 0);
  EXPECT_THAT(first().queues.CreateQueue("", {}), testing::IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(first().queues.CreateQueue("a\nb", {}),
              testing::IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(first().queues.CreateQueue("q", {.shards = 0}),
              testing::IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(first().queues.DescribeQueue("other"),
              testing::IsErrorWith(ErrorCode::kNotFound, "queue other"));
}

TEST_P(TaskContract, WhatIsSubmittedIsThereAndSubmittedOnce) {
  MakeQueue("q");
  const tasks::SubmitRequest request = Request(R"({"files": 3})");
  PK_ASSERT_OK(const auto report, first().queues.Submit("q", request));
  EXPECT_EQ(report.submitted, 1);
  PK_ASSERT_OK(const auto again, first().queues.Submit("q", request));
  EXPECT_EQ(again.submitted, 0);
  EXPECT_EQ(again.present, 1);
  PK_ASSERT_OK(const auto elsewhere, second().queues.Submit("q", request));
  EXPECT_EQ(elsewhere.present, 1);
  tasks::SubmitRequest other = request;
  other.body = "another";
  EXPECT_THAT(first().queues.Submit("q", other), testing::IsError(ErrorCode::kAlreadyExists));
  EXPECT_EQ(Offered(), 1);
  const tasks::Task task = Find(request.id);
  EXPECT_EQ(task.request, request);
  EXPECT_EQ(task.state, TaskState::kOpen);
  EXPECT_THAT(first().queues.Find("q", Request().id), testing::IsError(ErrorCode::kNotFound));
}

TEST_P(TaskContract, ManyTasksAreFoundAtOnceInTheOrderOfTheirIds) {
  MakeQueue("q");
  const auto requests = Requests(450);
  ASSERT_THAT(first().queues.SubmitBatch("q", requests), testing::IsOk());
  std::vector<Uuid> ids;
  for (const auto& request : requests) ids.push_back(request.id);
  ids[201] = Request().id;
  PK_ASSERT_OK(const auto found, first().queues.FindAll("q", ids));
  ASSERT_EQ(found.size(), ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(found[i].has_value(), i != 201) << i;
    if (found[i]) {
      ASSERT_EQ(found[i]->request, requests[i]) << i;
    }
  }
}

TEST_P(TaskContract, WorkersAreSeenWithWhatTheySayAndHoldUntilTheyLeave) {
  PK_ASSERT_OK(const auto nobody, first().queues.ListWorkers());
  EXPECT_TRUE(nobody.empty());
  MakeQueue("q");
  const Uuid id = Submit("q", Request());
  tasks::Worker worker(first().sessions, storage(),
                       tasks::WorkerProfile{.name = "w", .labels = {{"slots", "4"}}},
                       {.clock = &clock()});
  PK_ASSERT_OK(const auto claims, worker.Claim({"q"}, 1));
  ASSERT_EQ(claims.size(), 1u);
  worker.Report(claims[0], {.fraction = 0.5, .note = "half"});
  ASSERT_THAT(worker.Heartbeat(), testing::IsOk());
  PK_ASSERT_OK(const auto workers, second().Synced().queues.ListWorkers());
  ASSERT_EQ(workers.size(), 1u);
  EXPECT_EQ(workers[0].guid, worker.guid());
  EXPECT_EQ(workers[0].name, "w");
  EXPECT_EQ(workers[0].labels.at("slots"), "4");
  ASSERT_EQ(workers[0].claims.size(), 1u);
  EXPECT_EQ(workers[0].claims[0].task, id);
  EXPECT_EQ(workers[0].claims[0].fraction, 0.5);
  EXPECT_EQ(workers[0].claims[0].note, "half");
  ASSERT_THAT(worker.Leave(), testing::IsOk());
  PK_ASSERT_OK(const auto left, second().Synced().queues.ListWorkers());
  EXPECT_TRUE(left.empty());
}

TEST_P(TaskContract, ABatchIsSubmittedInChunksAndWhatIsThereOfItIsLeft) {
  MakeQueue("q");
  const auto requests = Requests(250);
  const std::vector<tasks::SubmitRequest> some(requests.begin() + 90, requests.begin() + 130);
  ASSERT_THAT(second().queues.SubmitBatch("q", some), testing::IsOk());
  PK_ASSERT_OK(const auto report, first().queues.SubmitBatch("q", requests));
  EXPECT_EQ(report.submitted, 210);
  EXPECT_EQ(report.present, 40);
  EXPECT_EQ(Offered(), 250);
  auto twice = requests;
  twice.push_back(requests[0]);
  EXPECT_THAT(first().queues.SubmitBatch("q", twice),
              testing::IsError(ErrorCode::kInvalidArgument));
}

TEST_P(TaskContract, RequestsThatMakeNoSenseAreRefused) {
  MakeQueue("q");
  const auto refuses = [&](auto change) {
    tasks::SubmitRequest request = Request();
    change(request);
    EXPECT_THAT(first().queues.Submit("q", request), testing::IsError(ErrorCode::kInvalidArgument));
  };
  refuses([](auto& r) { r.priority = 10; });
  refuses([](auto& r) { r.priority = -1; });
  refuses([](auto& r) { r.body = "\xFF"; });
  refuses([](auto& r) { r.id = SystemIds().NewUuid4(); });
  refuses([](auto& r) { r.most_failures = 0; });
  refuses([](auto& r) { r.not_before_ms = int64_t{1} << 60; });
  refuses([](auto& r) { r.stage = r.id, r.after = {r.id}; });
  // The node of an id so old may be forgotten already.
  const tasks::SubmitRequest old = Request();
  clock().Shift(std::chrono::hours(24 * 7));
  EXPECT_THAT(first().queues.Submit("q", old),
              testing::IsErrorWith(ErrorCode::kInvalidArgument, "older"));
  EXPECT_EQ(Offered(), 0);
}

TEST_P(TaskContract, LongBodiesAndResultsLieInStorage) {
  MakeQueue("q");
  const std::string body(100'000, 'b'), result(100'000, 'r');
  const Uuid id = Submit("q", Request(body));
  const auto claim = ClaimOne(second());
  EXPECT_TRUE(claim.task.request.body.empty());
  EXPECT_THAT(second().worker.LoadBody(claim), testing::IsOkAnd(::testing::Eq(body)));
  PK_ASSERT_OK(const auto refused, second().worker.Complete(claim, result));
  EXPECT_FALSE(refused.has_value());
  const tasks::Task task = Find(id);
  EXPECT_THAT(first().queues.LoadResult(task), testing::IsOkAnd(::testing::Eq(result)));
  tasks::SubmitRequest other = Request(body);
  other.id = id;
  other.body[0] = 'c';
  EXPECT_THAT(first().queues.Submit("q", other), testing::IsError(ErrorCode::kAlreadyExists));
}

TEST_P(TaskContract, TasksAreListedInPages) {
  MakeQueue("q");
  const auto requests = Requests(45);
  ASSERT_THAT(first().queues.SubmitBatch("q", requests), testing::IsOk());
  std::set<Uuid> listed;
  tasks::PageRequest page{.token = "", .size = 10};
  int pages = 0;
  do {
    PK_ASSERT_OK(const auto tasks, first().queues.List("q", page));
    EXPECT_LE(tasks.items.size(), 10u);
    for (const tasks::Task& task : tasks.items) EXPECT_TRUE(listed.insert(task.id()).second);
    page.token = tasks.next;
    ASSERT_LT(++pages, 20);
  } while (!page.token.empty());
  EXPECT_EQ(listed.size(), requests.size());
  page.token = "x";
  EXPECT_THAT(first().queues.List("q", page), testing::IsError(ErrorCode::kInvalidArgument));
}

TEST_P(TaskContract, ACancelledTaskNeverCompletes) {
  MakeQueue("q");
  const Uuid offered = Submit("q", Request());
  ASSERT_THAT(first().queues.Cancel("q", offered), testing::IsOk());
  EXPECT_THAT(first().queues.Cancel("q", offered), testing::IsOk()) << "it is, that is all";
  EXPECT_EQ(Offered(), 0);

  const Uuid id = Submit("q", Request());
  const auto claim = ClaimOne(second());
  ASSERT_THAT(first().queues.Cancel("q", id), testing::IsOk());
  Transaction extra;
  extra.Create("/ledger", "");
  EXPECT_THAT(second().worker.Complete(claim, "", extra), testing::IsError(ErrorCode::kConflict));
  EXPECT_EQ(Latest(b(), "/ledger"), std::nullopt);
  EXPECT_EQ(StateOf(id), TaskState::kCancelled);
  EXPECT_THAT(first().queues.RetryDead("q", id), testing::IsError(ErrorCode::kFailedPrecondition));
  EXPECT_TRUE(Claim(second(), 5).empty());
}

TEST_P(TaskContract, AWorkerHearsAtItsHeartbeatWhatWasCancelled) {
  MakeQueue("q");
  const Uuid id = Submit("q", Request());
  Submit("q", Request());
  ASSERT_EQ(Claim(second(), 2).size(), 2u);
  PK_ASSERT_OK(const auto none, second().worker.Heartbeat());
  EXPECT_TRUE(none.empty());
  ASSERT_THAT(first().queues.Cancel("q", id), testing::IsOk());
  PK_ASSERT_OK(const auto lost, second().Synced().worker.Heartbeat());
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].task.id(), id);
  PK_ASSERT_OK(const auto again, second().worker.Heartbeat());
  EXPECT_TRUE(again.empty());
}

TEST_P(TaskContract, WhatIsDoneIsNotCancelled) {
  MakeQueue("q");
  const Uuid id = Submit("q", Request());
  Complete(second(), ClaimOne(second()));
  EXPECT_THAT(first().Synced().queues.Cancel("q", id),
              testing::IsErrorWith(ErrorCode::kFailedPrecondition, "done"));
}

TEST_P(TaskContract, OfAPausedQueueNothingIsClaimed) {
  MakeQueue("q");
  Submit("q", Request());
  ASSERT_THAT(first().queues.SetQueueState("q", QueueState::kPaused), testing::IsOk());
  EXPECT_TRUE(Claim(second(), 5).empty());
  const Uuid id = Submit("q", Request());
  EXPECT_EQ(StateOf(id), TaskState::kOpen) << "submitting goes on";
  ASSERT_THAT(first().queues.SetQueueState("q", QueueState::kRunning), testing::IsOk());
  EXPECT_EQ(Claim(second(), 5).size(), 2u);
}

TEST_P(TaskContract, ADrainingQueueIsWorkedOffAndTakesNothing) {
  MakeQueue("q");
  Submit("q", Request());
  ASSERT_THAT(second().queues.SetQueueState("q", QueueState::kDraining), testing::IsOk());
  EXPECT_THAT(first().Synced().queues.Submit("q", Request()),
              testing::IsErrorWith(ErrorCode::kFailedPrecondition, "drains"));
  Complete(second(), ClaimOne(second()));
  PK_ASSERT_OK(const auto status, first().Synced().queues.DescribeQueue("q"));
  EXPECT_EQ(status.state, QueueState::kDraining);
  EXPECT_EQ(status.offered, 0);
}

TEST_P(TaskContract, AFullQueueRefusesMore) {
  MakeQueue("q", 1);
  for (int i = 0; i < 5; ++i) {
    Transaction fill;
    for (int k = 0; k < 1'000; ++k)
      fill.Create("/tasks/q/q/ready/00/x" + std::to_string(i * 1'000 + k), "");
    ASSERT_TRUE(IsApplied(a().Commit(fill)));
  }
  EXPECT_THAT(first().Synced().queues.Submit("q", Request()),
              testing::IsErrorWith(ErrorCode::kUnavailable, "full"));
}

}  // namespace pk::coordination
