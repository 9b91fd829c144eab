#include "parkeeper/base/parallel.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <latch>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/matchers.h"

namespace pk {
namespace {

using testing::IsErrorWith;
using testing::IsOk;

TEST(ParallelFor, RunsEachIndexOnce) {
  for (const int threads : {-1, 0, 1, 2, 7, 64}) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{3}, size_t{500}}) {
      std::vector<std::atomic<int>> calls(count);
      EXPECT_THAT(ParallelFor(count, threads,
                              [&](size_t index) -> Result<> {
                                ++calls[index];
                                return {};
                              }),
                  IsOk());
      for (const auto& called : calls) EXPECT_EQ(called, 1);
    }
  }
}

TEST(ParallelFor, RunsInTheCallingThreadWhenItHasOnlyOne) {
  std::vector<size_t> order;
  EXPECT_THAT(ParallelFor(5, 1,
                          [&](size_t index) -> Result<> {
                            order.push_back(index);
                            return {};
                          }),
              IsOk());
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST(ParallelFor, RunsAsManyAtATimeAsItHasThreads) {
  // Each call waits for two others: with fewer at a time this would never end.
  std::latch all_here(3);
  std::atomic<int> running = 0, most = 0;
  EXPECT_THAT(ParallelFor(30, 3,
                          [&](size_t index) -> Result<> {
                            const int now = ++running;
                            for (int seen = most;
                                 now > seen && !most.compare_exchange_weak(seen, now);) {
                            }
                            if (index < 3) all_here.arrive_and_wait();
                            --running;
                            return {};
                          }),
              IsOk());
  EXPECT_EQ(most, 3);
}

TEST(ParallelFor, StartsNothingAfterAnErrorAndReturnsIt) {
  std::vector<size_t> called;
  EXPECT_THAT(ParallelFor(100, 1,
                          [&](size_t index) -> Result<> {
                            called.push_back(index);
                            if (index == 2) return Corrupt("at 2");
                            return {};
                          }),
              IsErrorWith(ErrorCode::kCorrupt, "at 2"));
  EXPECT_THAT(called, ::testing::ElementsAre(0, 1, 2));
}

TEST(ParallelFor, LetsTheRunningOnesEndAndReturnsTheFirstError) {
  std::latch failed(1);
  std::atomic<int> ended = 0, started = 0;
  EXPECT_THAT(ParallelFor(1'000, 2,
                          [&](size_t index) -> Result<> {
                            ++started;
                            if (index == 0) {
                              // Still running while the other one fails.
                              failed.wait();
                              ++ended;
                              return {};
                            }
                            failed.count_down();
                            return Corrupt("at " + std::to_string(index));
                          }),
              IsErrorWith(ErrorCode::kCorrupt, "at 1"));
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(started, 2);
}

TEST(ParallelFor, DoesWithFewerThreadsWhenTheSystemGivesNoMore) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "this sanitizer allows no threads in a forked child";
#endif
  const std::string said = testing::InChild([]() -> std::string {
    // The limit is one of all processes of a user, and none of the superuser's.
    const rlimit limit{1, 1};
    if (setrlimit(RLIMIT_NPROC, &limit) != 0) return "cannot limit";
    if (geteuid() == 0 && setuid(65534) != 0) return "cannot become nobody";
    std::set<std::thread::id> threads;
    int calls = 0;
    const Result<> done = ParallelFor(100, 8, [&](size_t) -> Result<> {
      threads.insert(std::this_thread::get_id());
      ++calls;
      return {};
    });
    if (!done.ok()) return done.error().ToString();
    return std::to_string(calls) + " calls by " + std::to_string(threads.size());
  });
  EXPECT_EQ(said, "100 calls by 1");
}

TEST(ParallelFor, CountsTheCoresOfThisProcess) {
  EXPECT_GE(AvailableCores(), 1);
  EXPECT_LE(AvailableCores(), int(std::max(1u, std::thread::hardware_concurrency())));
}

}  // namespace
}  // namespace pk
