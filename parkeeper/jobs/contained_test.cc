#include "parkeeper/jobs/contained.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::jobs {
namespace {

using testing::IsOk;

ContainedCommand Shell(const std::string& text) {
  return {.arguments = {"/bin/sh", "-c", text},
          .input = {},
          .within = std::chrono::minutes(1),
          .memory_bytes = 0};
}

Ending RunShell(const std::string& text) {
  const auto ending = RunContained(Shell(text), {});
  EXPECT_THAT(ending, IsOk());
  return ending.ok() ? *ending : Ending{.how = Ending::How::kStopped};
}

TEST(Contained, GivesInputAndTakesOutputErrorsAndTheExitCode) {
  ContainedCommand command = Shell("cat; echo no >&2; exit 3");
  command.input = std::string(300'000, 'x');
  const auto ending = RunContained(command, {});
  ASSERT_THAT(ending, IsOk());
  EXPECT_EQ(ending->how, Ending::How::kExited);
  EXPECT_EQ(ending->code, 3);
  EXPECT_EQ(ending->out, command.input);
  EXPECT_EQ(ending->err, "no\n");
  EXPECT_EQ(Describe(*ending), "exited with code 3");
}

TEST(Contained, KeepsTheEndOfWhatItComplainedOf) {
  const Ending ending = RunShell("head -c 1000000 /dev/zero >&2; echo last >&2");
  EXPECT_EQ(int64_t(ending.err.size()), kMostErrorBytes);
  EXPECT_TRUE(ending.err.ends_with("last\n"));
  EXPECT_EQ(Describe(ending), "");
}

TEST(Contained, SurvivesACrash) {
  const Ending ending = RunShell("kill -SEGV $$");
  EXPECT_EQ(ending.how, Ending::How::kKilled);
  EXPECT_EQ(ending.code, SIGSEGV);
  EXPECT_EQ(Describe(ending), "crashed (signal 11)");
}

TEST(Contained, KillsWhatTakesTooLong) {
  ContainedCommand command = Shell("while :; do :; done");
  command.within = std::chrono::milliseconds(200);
  const auto ending = RunContained(command, {});
  ASSERT_THAT(ending, IsOk());
  EXPECT_EQ(ending->how, Ending::How::kTooLong);
}

TEST(Contained, KillsWhatSaysTooMuch) {
  // The first two do not end by themselves, the last may between two looks.
  for (const char* text : {"head -c 300M /dev/zero; kill -STOP $$",
                           "head -c 300M /dev/zero >&2; kill -STOP $$", "head -c 300M /dev/zero"}) {
    const Ending ending = RunShell(text);
    EXPECT_EQ(ending.how, Ending::How::kTooMuch);
    EXPECT_EQ(Describe(ending), "said more than 256 MiB");
  }
}

TEST(Contained, KillsAStoppedProcessWhenItIsAskedTo) {
  std::stop_source stop;
  ContainedCommand command = Shell("printf 'half of it' >&3; kill -STOP $$");
  // It is under way once it says so.
  command.progress = [&](std::string_view text) {
    EXPECT_EQ(text, "half of it");
    stop.request_stop();
  };
  const auto ending = RunContained(command, stop.get_token());
  ASSERT_THAT(ending, IsOk());
  EXPECT_EQ(ending->how, Ending::How::kStopped);
}

TEST(Contained, GivesNoMoreMemoryThanItMayHave) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "not held in builds with sanitizers";
#endif
  // One line without end, all of which it keeps.
  ContainedCommand command = Shell("exec tail /dev/zero");
  command.memory_bytes = int64_t{64} << 20;
  const auto ending = RunContained(command, {});
  ASSERT_THAT(ending, IsOk());
  EXPECT_EQ(ending->how, Ending::How::kExited);
  EXPECT_EQ(ending->code, 1);
  EXPECT_THAT(ending->err, ::testing::HasSubstr("memory exhausted"));
}

TEST(Contained, DiesWithTheProcessThatStartedIt) {
  // The task holds a pipe open, whose other end sees it die.
  const testing::TempFolder folder;
  const std::string fifo = folder / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const pid_t worker = fork();
  if (worker == 0) {
    ContainedCommand command = Shell("exec 1>" + fifo + "; echo up; printf up >&3; kill -STOP $$");
    command.progress = [](std::string_view) { kill(getpid(), SIGKILL); };
    static_cast<void>(RunContained(command, {}));
    _exit(0);
  }
  std::ifstream pipe(fifo);
  std::string line;
  EXPECT_TRUE(std::getline(pipe, line));
  EXPECT_EQ(line, "up");
  EXPECT_FALSE(std::getline(pipe, line));
  waitpid(worker, nullptr, 0);
}

TEST(Contained, SaysSoWhenThereIsNoSuchProgram) {
  const auto ending = RunContained({.arguments = {"/no/such/program"},
                                    .input = {},
                                    .within = std::chrono::minutes(1),
                                    .memory_bytes = 0},
                                   {});
  ASSERT_THAT(ending, IsOk());
  EXPECT_EQ(ending->code, 127);
  EXPECT_EQ(ending->err, "the program of the task cannot be run\n");
}

}  // namespace
}  // namespace pk::jobs
