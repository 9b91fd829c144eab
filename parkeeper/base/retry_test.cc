#include "parkeeper/base/retry.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pk {
namespace {

using std::chrono::milliseconds;

// Draws the same bits always.
class ConstantIds final : public IdSource {
 public:
  explicit ConstantIds(uint64_t bits) : bits_(bits) {}
  uint64_t Random64() override { return bits_; }

 private:
  uint64_t bits_;
};

Duration NextDelay(Backoff& backoff, Clock& clock) {
  const SteadyTime before = clock.Now();
  EXPECT_TRUE(backoff.Wait());
  return clock.Now() - before;
}

TEST(Backoff, DrawsFromZeroToAnEndThatDoublesUpToTheMost) {
  const RetryPolicy policy{
      .first = milliseconds(10), .most = milliseconds(100), .within = milliseconds(3'600'000)};
  Duration longest[8] = {};
  Duration shortest[8];
  std::ranges::fill(shortest, Duration::max());
  SeededIds ids(1);
  for (int round = 0; round < 400; ++round) {
    ManualClock clock;
    Backoff backoff(policy, clock, ids);
    for (int i = 0; i < 8; ++i) {
      const Duration delay = NextDelay(backoff, clock);
      longest[i] = std::max(longest[i], delay);
      shortest[i] = std::min(shortest[i], delay);
    }
    EXPECT_EQ(backoff.attempts(), 8);
  }
  const int upper_ms[8] = {10, 20, 40, 80, 100, 100, 100, 100};
  for (int i = 0; i < 8; ++i) {
    EXPECT_LT(longest[i], milliseconds(upper_ms[i]));
    EXPECT_GT(longest[i], milliseconds(upper_ms[i]) * 9 / 10);
    EXPECT_LT(shortest[i], milliseconds(upper_ms[i]) / 10);
  }
}

TEST(Backoff, NeverWaitsLongerThanTheMostEvenAtFirst) {
  ManualClock clock;
  ConstantIds ids(999'999'999);
  Backoff backoff({.first = milliseconds(5'000), .most = milliseconds(1'000)}, clock, ids);
  EXPECT_LE(NextDelay(backoff, clock), milliseconds(1'000));
}

TEST(Backoff, GivesUpAtTheDeadlineAndNotBeyondIt) {
  ManualClock clock;
  SeededIds ids(2);
  const SteadyTime start = clock.Now();
  Backoff backoff(
      {.first = milliseconds(40), .most = milliseconds(40), .within = milliseconds(500)}, clock,
      ids);
  EXPECT_EQ(backoff.deadline() - start, milliseconds(500));
  while (backoff.Wait()) {
  }
  EXPECT_EQ(clock.Now() - start, milliseconds(500));
  EXPECT_GE(backoff.attempts(), 12);
  EXPECT_FALSE(backoff.Wait());
}

TEST(Backoff, CountsTheTimeOfTheWorkBetween) {
  ManualClock clock;
  SeededIds ids(3);
  Backoff backoff({.within = milliseconds(1'000)}, clock, ids);
  clock.Advance(milliseconds(1'000));
  EXPECT_FALSE(backoff.Wait());
  EXPECT_EQ(backoff.attempts(), 0);
}

TEST(Backoff, GivesUpWhenItIsToldToStop) {
  ManualClock clock;
  SeededIds ids(4);
  std::stop_source source;
  Backoff backoff({}, clock, ids, source.get_token());
  EXPECT_TRUE(backoff.Wait());
  source.request_stop();
  EXPECT_FALSE(backoff.Wait());
  EXPECT_EQ(backoff.attempts(), 1);
}

TEST(Backoff, TriesAgainAtOnceUnderAPolicyWithoutDelay) {
  ManualClock clock;
  SeededIds ids(5);
  Backoff backoff({.first = milliseconds(0), .most = milliseconds(0)}, clock, ids);
  EXPECT_EQ(NextDelay(backoff, clock), Duration::zero());
}

TEST(Backoff, TakesAPolicyThatNeverEnds) {
  ManualClock clock;
  SeededIds ids(6);
  const milliseconds max = milliseconds::max();
  Backoff backoff({.first = max, .most = max, .within = max}, clock, ids);
  EXPECT_TRUE(backoff.Wait());
  EXPECT_GT(backoff.deadline(), clock.Now());
}

}  // namespace
}  // namespace pk
