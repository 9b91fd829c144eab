// What caring costs when there are many jobs that are over.

#include <gtest/gtest.h>

#include "parkeeper/tasks/caretaker.h"
#include "tests/support/forwarding_coordinator.h"
#include "tests/support/jobs_in_memory.h"

namespace pk::jobs {
namespace {

using testing::IsOk;

constexpr int kJobs = 40;

class CountingCoordinator : public testing::ForwardingCoordinator {
 public:
  CountingCoordinator(std::unique_ptr<Coordinator> inner, int64_t& calls)
      : ForwardingCoordinator(std::move(inner)), calls_(calls) {}

 private:
  void Around(const std::function<void()>& call) override {
    ++calls_;
    call();
  }

  int64_t& calls_;
};

class CareTest : public JobsInMemory {
 protected:
  // How many calls of the coordinator one who cares for all needs.
  int64_t CallsOf(const std::function<void()>& care) {
    calls_ = 0;
    care();
    return calls_;
  }

  int64_t calls_ = 0;
  coordination::SessionSource counted_{
      [this]() -> Result<std::unique_ptr<coordination::Coordinator>> {
        return std::make_unique<CountingCoordinator>(coordination::OpenMemory(tree_), calls_);
      }};
};

TEST_F(CareTest, ReadsNothingOfJobsThatAreOverUntilTheyAreOldEnoughToBeForgotten) {
  // To the time that the coordinator stamps nodes with.
  clock_.Advance(std::chrono::milliseconds(SystemClock().WallMs() - clock_.WallMs()));
  for (int i = 0; i < kJobs; ++i) ASSERT_THAT(jobs_->Submit(IngestOf(1)), IsOk());
  const auto complete = [](tasks::Worker& worker, const tasks::ClaimedTask& claim) {
    EXPECT_THAT(worker.Complete(claim, "{}"), IsOk());
  };
  ASSERT_EQ(Each(complete), kJobs);
  ASSERT_THAT(jobs_->Submit(IngestOf(1)), IsOk());

  const JobsParts parts{counted_, *storage_, *catalog_, {.clock = &clock_}};
  Jobs jobs(parts);
  tasks::Caretaker caretaker(counted_, *storage_, parts.options);
  std::set<Uuid> over;
  const auto care = [&] { EXPECT_THAT(jobs.Care(over), IsOk()); };
  const auto care_for_tasks = [&] {
    tasks::CareReport report;
    EXPECT_THAT(caretaker.CareForStages(report), IsOk());
    EXPECT_EQ(report.stages_over, kJobs);
  };
  EXPECT_GT(CallsOf(care), kJobs);
  EXPECT_GT(CallsOf(care_for_tasks), kJobs);
  EXPECT_EQ(over.size(), kJobs);
  EXPECT_LT(CallsOf(care), 10);
  EXPECT_LT(CallsOf(care_for_tasks), 10);

  clock_.Advance(std::chrono::hours(24 * 9));
  EXPECT_GT(CallsOf(care), kJobs);
  EXPECT_EQ(Each(complete), 1);
}

}  // namespace
}  // namespace pk::jobs
