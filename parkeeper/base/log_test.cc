#include "parkeeper/base/log.h"

#include <gmock/gmock.h>

namespace pk {
namespace {

using ::testing::HasSubstr;

std::string Logged(LogLevel level) {
  ::testing::internal::CaptureStderr();
  Log(level, "a message with {braces}");
  return ::testing::internal::GetCapturedStderr();
}

TEST(Log, IsSilentBelowWarningsUntilTheLevelIsChanged) {
  EXPECT_EQ(Logged(LogLevel::kInfo), "");
  EXPECT_THAT(Logged(LogLevel::kWarning), HasSubstr("a message with {braces}\n"));
  SetLogLevel(LogLevel::kDebug);
  EXPECT_TRUE(LogEnabled(LogLevel::kDebug));
  EXPECT_THAT(Logged(LogLevel::kDebug), HasSubstr("debug a message"));
  SetLogLevel(LogLevel::kOff);
  EXPECT_FALSE(LogEnabled(LogLevel::kError));
  EXPECT_EQ(Logged(LogLevel::kError), "");
  SetLogLevel(LogLevel::kWarning);
}

}  // namespace
}  // namespace pk
