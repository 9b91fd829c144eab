#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "parkeeper/ensemble/process_internal.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::ensemble {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;

constexpr std::chrono::seconds kLong{30};

std::string Mark(const testing::TempFolder& folder) { return folder / "followed"; }

// Stands still until it is told to end.
Program Idle(const testing::TempFolder& folder) {
  std::ofstream(Mark(folder)).close();
  return {.arguments = {"/usr/bin/tail", "-f", Mark(folder)}, .output_file = folder / "log"};
}

TEST(Process, IsFoundByItsMarkAndEndsBySignal) {
  const testing::TempFolder folder;
  PK_ASSERT_OK(const pid_t pid, StartDetached(Idle(folder)));
  const auto process = FoundProcess::Find(pid, Mark(folder));
  ASSERT_TRUE(process.has_value());
  EXPECT_EQ(process->pid(), pid);
  EXPECT_FALSE(process->WaitForEnd(SystemClock(), SystemClock().Now()));
  process->Signal(SIGTERM);
  EXPECT_TRUE(process->WaitForEnd(SystemClock(), SystemClock().Now() + kLong));
  EXPECT_FALSE(FoundProcess::Find(pid, Mark(folder)).has_value());
}

TEST(Process, OfAnotherIsNeverFound) {
  constexpr const char* kMark = "no such argument";
  EXPECT_FALSE(FoundProcess::Find(getpid(), kMark).has_value());
  EXPECT_FALSE(FoundProcess::Find(0, kMark).has_value());
  EXPECT_FALSE(FoundProcess::Find(-1, kMark).has_value());
}

TEST(Process, ThatWasKilledIsNotFoundThoughNobodyReapedIt) {
  const testing::TempFolder folder;
  PK_ASSERT_OK(const pid_t pid, StartDetached(Idle(folder)));
  siginfo_t ended;
  kill(pid, SIGKILL);
  ASSERT_EQ(waitid(P_PID, id_t(pid), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(FoundProcess::Find(pid, Mark(folder)).has_value());
}

TEST(Process, TakesSignalsThoughItsParentBlocksThem) {
  const testing::TempFolder folder;
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto pid = StartDetached(Idle(folder));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_THAT(pid, IsOk());
  const auto process = FoundProcess::Find(*pid, Mark(folder));
  ASSERT_TRUE(process.has_value());
  process->Signal(SIGTERM);
  EXPECT_TRUE(process->WaitForEnd(SystemClock(), SystemClock().Now() + kLong));
}

TEST(Process, ThatCannotRunIsAnError) {
  const testing::TempFolder folder;
  EXPECT_THAT(StartDetached({.arguments = {"/no/such/program"}, .output_file = folder / "log"}),
              IsErrorWith(ErrorCode::kUnavailable, "/no/such/program"));
}

TEST(Program, RunsToItsEnd) {
  const testing::TempFolder folder;
  EXPECT_THAT(
      RunToEnd({.arguments = {"/bin/sh", "-c", "echo done"}, .output_file = folder / "log"}),
      IsOk());
  EXPECT_EQ(EndOfFile(folder / "log"), "done\n");
}

TEST(Program, ThatFailsShowsWhatItSaid) {
  const testing::TempFolder folder;
  EXPECT_THAT(RunToEnd({.arguments = {"/bin/sh", "-c", "echo no disk >&2; exit 3"},
                        .output_file = folder / "log"}),
              IsErrorWith(ErrorCode::kUnavailable, "no disk"));
}

TEST(Program, EndsWhenStopIsRequested) {
  const testing::TempFolder folder;
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(RunToEnd(Idle(folder), stop.get_token()), IsError(ErrorCode::kCancelled));
}

TEST(EndOfFile, IsWholeLinesAtTheEnd) {
  const testing::TempFolder folder;
  EXPECT_EQ(EndOfFile(folder / "none"), "");
  {
    std::ofstream file(folder / "log");
    for (int i = 0; i < 1'000; ++i) file << "line " << i << "\n";
  }
  const std::string end = EndOfFile(folder / "log");
  EXPECT_TRUE(end.starts_with("line ")) << end;
  EXPECT_TRUE(end.ends_with("line 999\n")) << end;
  EXPECT_LT(end.size(), 1'100u);
}

}  // namespace
}  // namespace pk::ensemble
