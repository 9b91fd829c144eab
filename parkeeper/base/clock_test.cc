#include "parkeeper/base/clock.h"

#include <gtest/gtest.h>

#include <thread>

namespace pk {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

std::stop_token Stopped() {
  std::stop_source source;
  source.request_stop();
  return source.get_token();
}

TEST(ManualClock, StandsStillUntilItIsMoved) {
  ManualClock clock(1'000);
  const SteadyTime start = clock.Now();
  EXPECT_EQ(clock.WallMs(), 1'000);
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(milliseconds(250));
  EXPECT_EQ(clock.WallMs(), 1'250);
  EXPECT_EQ(clock.Now() - start, milliseconds(250));
}

TEST(ManualClock, LosesNoPartOfAMillisecond) {
  ManualClock clock(0);
  for (int i = 0; i < 10; ++i) clock.Advance(std::chrono::microseconds(100));
  EXPECT_EQ(clock.WallMs(), 1);
}

TEST(ManualClock, WaitsByMovingAtOnce) {
  ManualClock clock(0);
  EXPECT_TRUE(clock.Wait(hours(24)));
  EXPECT_EQ(clock.WallMs(), 86'400'000);
}

TEST(ManualClock, DoesNotMoveWhenItIsToldToStop) {
  ManualClock clock(0);
  EXPECT_FALSE(clock.Wait(hours(1), Stopped()));
  EXPECT_EQ(clock.WallMs(), 0);
}

TEST(ManualClock, NeverGoesBack) {
  ManualClock clock(0);
  clock.Advance(milliseconds(5));
  EXPECT_TRUE(clock.Wait(milliseconds(-3)));
  clock.Advance(milliseconds(-3));
  EXPECT_EQ(clock.WallMs(), 5);
}

TEST(ManualClock, JumpsItsWallClockAlone) {
  ManualClock clock(10'000);
  const SteadyTime start = clock.Now();
  clock.JumpWall(milliseconds(-4'000));
  EXPECT_EQ(clock.WallMs(), 6'000);
  EXPECT_EQ(clock.Now(), start);
}

TEST(SystemClock, TellsTheTimeOfTheMachine) {
  EXPECT_GT(SystemClock().WallMs(), 1'600'000'000'000);
  const SteadyTime before = SystemClock().Now();
  EXPECT_TRUE(SystemClock().Wait(milliseconds(2)));
  EXPECT_GE(SystemClock().Now() - before, milliseconds(2));
}

TEST(SystemClock, WaitsNoTimeForNoneAndLess) {
  EXPECT_TRUE(SystemClock().Wait(Duration::zero()));
  EXPECT_TRUE(SystemClock().Wait(Duration::min()));
}

TEST(SystemClock, StopsWaitingWhenToldTo) {
  EXPECT_FALSE(SystemClock().Wait(hours(24), Stopped()));
  std::stop_source source;
  std::jthread stopper([&] { source.request_stop(); });
  EXPECT_FALSE(SystemClock().Wait(Duration::max(), source.get_token()));
}

}  // namespace
}  // namespace pk
