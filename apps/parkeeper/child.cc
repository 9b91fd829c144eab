#include "apps/parkeeper/child.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

extern char** environ;

namespace pk::cli {
namespace {

Error SystemError(std::string_view what, int error) {
  return Unavailable(fmt::format("{}: {}", what, std::generic_category().message(error)));
}

Result<std::string> Contents(int file) {
  std::string text;
  char bytes[4096];
  off_t at = 0;
  for (;;) {
    const ssize_t got = pread(file, bytes, sizeof(bytes), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("cannot read what a process said", errno);
    if (got == 0) return text;
    text.append(bytes, size_t(got));
    at += got;
  }
}

}  // namespace

Result<Child> Child::Start(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), "parkeeper");
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Child child(-1, memfd_create("out", MFD_CLOEXEC), memfd_create("err", MFD_CLOEXEC));
  if (child.out_ < 0 || child.err_ < 0) return SystemError("cannot make a memory file", errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, child.out_, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, child.err_, STDERR_FILENO);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return SystemError("cannot start a process", error);
  child.pid_ = pid;
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_(std::exchange(other.out_, -1)),
      err_(std::exchange(other.err_, -1)),
      ended_(other.ended_),
      status_(other.status_) {}

Child::~Child() {
  if (pid_ > 0 && running()) {
    Kill();
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) continue;
  }
  if (out_ >= 0) close(out_);
  if (err_ >= 0) close(err_);
}

bool Child::running() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) != 0;
  return !ended_;
}

void Child::Kill() {
  if (running()) kill(pid_, SIGKILL);
}

Result<Finished> Child::Wait() {
  while (!ended_) {
    const pid_t ended = waitpid(pid_, &status_, 0);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) return SystemError("cannot wait for a process", errno);
    ended_ = true;
  }
  Finished finished;
  finished.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  finished.signal = WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
  finished.out = PK_TRY(Contents(out_));
  finished.err = PK_TRY(Contents(err_));
  return finished;
}

}  // namespace pk::cli
