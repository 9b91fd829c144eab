#include "parkeeper/jobs/jobs.h"

#include <gtest/gtest.h>

#include "parkeeper/jobs/nodes_internal.h"
#include "parkeeper/jobs/seen.h"
#include "tests/support/jobs_in_memory.h"

namespace pk::jobs {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;

class JobsTest : public JobsInMemory {
 protected:
  // A job whose submitter died as soon as it was there.
  Job Abandoned(int sources, JobState state = JobState::kPlanning) {
    // What a submission makes first.
    EXPECT_THAT(jobs_->Submit(IngestOf(1)), IsOk());
    Job job = IngestOf(sources);
    job.id = SystemIds().NewUuid7(clock_);
    job.state = state;
    job.table_key = catalog_->LoadTable({{{"ns"}}, "t"}).value().key;
    job.count = sources;
    EXPECT_THAT((*sessions_.Get())->Create(JobPath(job.id), Encode(job)), IsOk());
    return job;
  }

  JobCounts CountOf(const Job& job) {
    const auto tasks = jobs_->Tasks(job);
    EXPECT_THAT(tasks, IsOk());
    return tasks.ok() ? Count(*tasks) : JobCounts{};
  }
};

TEST_F(JobsTest, HaveATaskForEachSource) {
  const auto job = jobs_->Submit(IngestOf(3));
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ(job->state, JobState::kRunning);
  const auto tasks = jobs_->Tasks(*job);
  ASSERT_THAT(tasks, IsOk());
  ASSERT_EQ(tasks->size(), 3);
  EXPECT_EQ((*tasks)[1].part, "/data/00001.csv");
  ASSERT_TRUE((*tasks)[1].task);
  const auto body = DecodeJobTaskBody((*tasks)[1].task->request.body);
  ASSERT_THAT(body, IsOk());
  EXPECT_EQ(*body, (JobTaskBody{.job = job->id, .part = "/data/00001.csv"}));
  EXPECT_EQ(job->table_key, catalog_->LoadTable({{{"ns"}}, "t"}).value().key);
  const auto status = jobs_->Describe(job->id);
  ASSERT_THAT(status, IsOk());
  EXPECT_FALSE(status->over);
  EXPECT_EQ(status->left, 3);
}

TEST_F(JobsTest, NeedATable) {
  Job job = IngestOf(1);
  job.table = "ns.other";
  EXPECT_THAT(jobs_->Submit(job), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(jobs_->List(), IsOk());
  EXPECT_EQ(jobs_->List()->size(), 0);
}

TEST_F(JobsTest, KeepLongListsOfSourcesInStorage) {
  const auto job = jobs_->Submit(IngestOf(3'000));
  ASSERT_THAT(job, IsOk());
  EXPECT_TRUE(job->parts_in_file);
  const auto tasks = jobs_->Tasks(*job);
  ASSERT_THAT(tasks, IsOk());
  ASSERT_EQ(tasks->size(), 3'000);
  EXPECT_EQ(tasks->back().part, "/data/02999.csv");
  EXPECT_EQ(Count(*tasks).waiting, 3'000);
  EXPECT_TRUE(tasks->back().task);
}

TEST_F(JobsTest, AreOverWhenAllOfTheirTasksAreDoneOrCancelled) {
  const auto job = jobs_->Submit(IngestOf(4));
  ASSERT_THAT(job, IsOk());
  int ended = 0;
  EXPECT_EQ(Each([&](tasks::Worker& worker, const tasks::ClaimedTask& claim) {
              if (++ended % 2 == 0) {
                EXPECT_THAT(worker.Complete(claim, "{}"), IsOk());
              } else {
                EXPECT_THAT(worker.Fail(claim, "bad file", tasks::Retry::kNever), IsOk());
              }
            }),
            4);
  EXPECT_FALSE(jobs_->Describe(job->id)->over);
  EXPECT_EQ(CountOf(*job).dead, 2);
  EXPECT_EQ(CountOf(*job).done, 2);

  EXPECT_EQ(jobs_->Retry(job->id).value(), 2);
  EXPECT_EQ(jobs_->Retry(job->id).value(), 0);
  EXPECT_EQ(Each([&](tasks::Worker& worker, const tasks::ClaimedTask& claim) {
              EXPECT_THAT(worker.Complete(claim, "{}"), IsOk());
            }),
            2);
  EXPECT_TRUE(jobs_->Describe(job->id)->over);
  EXPECT_EQ(CountOf(*job).done, 4);
  EXPECT_THAT(jobs_->Cancel(job->id), IsError(ErrorCode::kFailedPrecondition));
}

TEST_F(JobsTest, ThatTheirSubmitterLeftArePlannedToTheEnd) {
  const Job job = Abandoned(150);
  EXPECT_EQ(jobs_->Care().value(), 0);  // he may be at it still
  clock_.Advance(std::chrono::seconds(11));
  EXPECT_EQ(jobs_->Care().value(), 1);
  const auto status = jobs_->Describe(job.id);
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(status->job.state, JobState::kRunning);
  EXPECT_EQ(status->left, 150);
  EXPECT_EQ(jobs_->Care().value(), 0);
}

TEST_F(JobsTest, ThatWereSubmittedInPartArePlannedToTheEnd) {
  const Job job = Abandoned(150);
  ASSERT_THAT(parts_->queues().CreateStage(job.id, "ingest into ns.t"), IsOk());
  clock_.Advance(std::chrono::seconds(11));
  EXPECT_EQ(jobs_->Care().value(), 1);
  // As of a planner that is late.
  ASSERT_THAT(Update(*parts_, job.id,
                     [](const Job& present) {
                       Job next = present;
                       next.state = JobState::kPlanning;
                       return std::optional(next);
                     }),
              IsOk());
  EXPECT_EQ(jobs_->Care().value(), 1);
  EXPECT_EQ(jobs_->Describe(job.id)->left, 150);
  EXPECT_EQ(CountOf(job).waiting, 150);
}

TEST_F(JobsTest, ThatAreCancelledHaveNoTasksAnyMore) {
  const auto job = jobs_->Submit(IngestOf(3));
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ(jobs_->Cancel(job->id).value(), 3);
  EXPECT_EQ(jobs_->Cancel(job->id).value(), 0);
  const auto status = jobs_->Describe(job->id);
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(status->job.state, JobState::kCancelled);
  EXPECT_TRUE(status->over);
  EXPECT_EQ(Each([](tasks::Worker&, const tasks::ClaimedTask&) {}), 0);
}

TEST_F(JobsTest, CancelledInTheMiddleOfPlanningGetNoMoreTasks) {
  const Job job = Abandoned(150, JobState::kCancelling);
  EXPECT_EQ(jobs_->Care().value(), 1);
  EXPECT_EQ(jobs_->Describe(job.id)->job.state, JobState::kCancelled);
  // Whoever plans it still.
  auto queues = parts_->queues();
  const tasks::SubmitRequest late{.id = TaskIdOf(job.id, 149), .stage = job.id};
  EXPECT_THAT(queues.Submit(kDefaultQueue, late), IsError(ErrorCode::kFailedPrecondition));
}

TEST_F(JobsTest, ThatAreCommittedAtOnceEndWithATaskThatWaitsForTheOthers) {
  Job plan = IngestOf(0);
  plan.plan = TransformPlan{.sql = "select 1", .inputs = {{}}, .split = 0, .at_once = true};
  plan.parts = {"[]", "[]"};
  const auto job = jobs_->Submit(plan);
  ASSERT_THAT(job, IsOk());
  int ended = 0;
  const auto complete = [&](tasks::Worker& worker, const tasks::ClaimedTask& claim) {
    const bool is_last = claim.task.request.kind == kFinishKind;
    EXPECT_EQ(is_last, ++ended == 3);
    EXPECT_THAT(worker.Complete(claim, "{}"), IsOk());
  };
  EXPECT_EQ(jobs_->Tasks(*job)->size(), 3);
  EXPECT_EQ(Each(complete), 3);
  EXPECT_TRUE(jobs_->Describe(job->id)->over);
}

TEST_F(JobsTest, ThatAreCommittedAtOnceHaveNoLastTaskOnceTheyAreCancelled) {
  Job plan = IngestOf(0);
  plan.plan = TransformPlan{.sql = "select 1", .inputs = {{}}, .split = 0, .at_once = true};
  plan.parts = {"[]", "[]"};
  const auto job = jobs_->Submit(plan);
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ(jobs_->Cancel(job->id).value(), 3);
  EXPECT_EQ(Each([](tasks::Worker&, const tasks::ClaimedTask&) {}), 0);
  EXPECT_TRUE(jobs_->Describe(job->id)->over);
}

TEST_F(JobsTest, KeepTheLogsOfAttempts) {
  const auto job = jobs_->Submit(IngestOf(2));
  ASSERT_THAT(job, IsOk());
  tasks::Task task = *jobs_->Tasks(*job).value()[1].task;
  WriteLog(*storage_, job->id, task, "first");
  WriteLog(*storage_, job->id, task, "of somebody who was late");
  task.attempt = 10;
  WriteLog(*storage_, job->id, task, "tenth");
  const auto logs = jobs_->ListLogs(*job);
  ASSERT_THAT(logs, IsOk());
  ASSERT_EQ(logs->size(), 2);
  EXPECT_EQ((*logs)[0].task, task.id());
  EXPECT_EQ((*logs)[1].attempt, 10);
  EXPECT_EQ(jobs_->ReadLog((*logs)[0]).value(), "first");
}

TEST_F(JobsTest, OfAKindThatIsNotKnownHinderNoOther) {
  const auto job = jobs_->Submit(IngestOf(1));
  ASSERT_THAT(job, IsOk());
  const std::string other = JobPath(SystemIds().NewUuid7(clock_));
  ASSERT_THAT((*sessions_.Get())->Create(other, R"({"kind": "dance", "plan": {}})"), IsOk());
  const auto listed = jobs_->List();
  ASSERT_THAT(listed, IsOk());
  ASSERT_EQ(listed->size(), 1);
  EXPECT_EQ(listed->front().job.id, job->id);
  EXPECT_THAT(jobs_->Care(), IsOk());
}

TEST_F(JobsTest, AreListedInTheOrderOfTheirSubmission) {
  std::vector<Uuid> submitted;
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(std::chrono::milliseconds(1));
    submitted.push_back(jobs_->Submit(IngestOf(1))->id);
  }
  const auto ids = [&](size_t most) {
    std::vector<Uuid> found;
    const auto listed = jobs_->List(most).value();
    for (const JobStatus& status : listed) found.push_back(status.job.id);
    return found;
  };
  EXPECT_EQ(ids(SIZE_MAX), submitted);
  EXPECT_EQ(ids(2), std::vector(submitted.end() - 2, submitted.end()));
  EXPECT_EQ(ids(0).size(), 0u);
}

TEST_F(JobsTest, OfALaterLayoutAreLeftAlone) {
  ASSERT_THAT((*sessions_.Get())->Create("/jobs", R"({"layout": 2})"), IsOk());
  EXPECT_THAT(jobs_->Submit(IngestOf(1)), IsErrorWith(ErrorCode::kFailedPrecondition, "layout 2"));
}

TEST_F(JobsTest, KnowASourceByTheTaskThatBringsIt) {
  const auto job = jobs_->Submit(IngestOf(1));
  ASSERT_THAT(job, IsOk());
  const SourceIdentity source{.path = "/data/00000.csv", .size = 1, .modified_ns = 2};
  EXPECT_EQ(LookUpSource(*parts_, "key", source)->state, SourceState::kNew);
  tasks::Worker worker(sessions_, *storage_, "w", {.clock = &clock_});
  const auto claims = worker.Claim({kDefaultQueue}, 1);
  ASSERT_THAT(claims, IsOk());
  ASSERT_EQ(claims->size(), 1);
  const auto& claim = claims->front();
  const std::string marker = MarkerPath("key", source);

  auto step = tasks::CommittingTransaction(claim, "{}", clock_.WallMs());
  ASSERT_THAT(step, IsOk());
  step->transaction.Create(marker, EncodeMarker(claim.task, source));
  auto& session = **sessions_.Get();
  ASSERT_THAT(session.Commit(step->transaction), IsOk());
  EXPECT_EQ(LookUpSource(*parts_, "key", source)->state, SourceState::kCommitting);
  EXPECT_EQ(LookUpSource(*parts_, "other", source)->state, SourceState::kNew);

  coordination::Transaction committed;
  for (const auto& operation : step->links.if_committed) {
    if (const auto* set = std::get_if<coordination::SetOperation>(&operation)) {
      committed.Set(set->path, set->value, set->version);
    }
  }
  ASSERT_THAT(session.Commit(committed), IsOk());
  const auto seen = LookUpSource(*parts_, "key", source);
  ASSERT_THAT(seen, IsOk());
  EXPECT_EQ(seen->state, SourceState::kIngested);
  EXPECT_EQ(seen->by, claim.task.id().ToString());
}

}  // namespace
}  // namespace pk::jobs
