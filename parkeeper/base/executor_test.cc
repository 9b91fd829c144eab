#include "parkeeper/base/executor.h"

#include <gtest/gtest.h>

#include <atomic>

#include "parkeeper/base/clock.h"

namespace pk {
namespace {

TEST(SystemExecutor, RunsTheBodyAndWaitsForItsEnd) {
  std::atomic<bool> stopped{false};
  {
    const auto task = SystemExecutor().Start("waits for its end", [&](std::stop_token stop) {
      SystemClock().Wait(std::chrono::hours(1), stop);
      stopped = stop.stop_requested();
    });
    EXPECT_FALSE(stopped);
  }
  EXPECT_TRUE(stopped);
}

}  // namespace
}  // namespace pk
