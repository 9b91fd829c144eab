#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "parkeeper/ensemble/process_internal.h"

// glibc 2.36 forgets to say that these are C.
extern "C" {
#include <sys/pidfd.h>
}

extern char** environ;

namespace pk::ensemble {
namespace {

constexpr std::streamoff kTailBytes = 1'000;
constexpr std::chrono::milliseconds kStartsWithin{500};
constexpr int kFirstOtherDescriptor = 3;

// What posix_spawn wants, freed together.
struct SpawnSettings {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;

  SpawnSettings() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
};

std::vector<std::string> CommandLine(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  return arguments;
}

// A child of ours that has ended leaves the process table.
void Reap(pid_t pid) { waitpid(pid, nullptr, WNOHANG); }

}  // namespace

Result<pid_t> StartDetached(const Program& program) {
  SpawnSettings settings;
  posix_spawn_file_actions_addopen(&settings.files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&settings.files, STDOUT_FILENO, program.output_file.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&settings.files, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&settings.files, kFirstOtherDescriptor);
  // A program that takes its signals in one thread blocks them, and a child would inherit that.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  posix_spawnattr_setsigdefault(&settings.attributes, &all);
  posix_spawnattr_setflags(&settings.attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> arguments;
  for (const std::string& argument : program.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int failure = posix_spawn(&pid, arguments[0], &settings.files, &settings.attributes,
                                  arguments.data(), environ);
  PK_CHECK(failure == 0,
           Unavailable(fmt::format("run {} with output to {}: {}", program.arguments[0],
                                   program.output_file, std::strerror(failure))));
  return pid;
}

Result<> RunToEnd(const Program& program, std::stop_token stop) {
  const pid_t pid = PK_TRY(StartDetached(program));
  // The whole session: a script's children too.
  const std::stop_callback end(stop, [pid] { kill(-pid, SIGTERM); });
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  PK_CHECK(!stop.stop_requested(), Cancelled("stopped"));
  PK_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0,
           Unavailable(fmt::format("it failed and said:\n{}", EndOfFile(program.output_file))));
  return {};
}

std::string EndOfFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return "";
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - kTailBytes));
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (size > kTailBytes) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  return text;
}

std::optional<FoundProcess> FoundProcess::Find(pid_t pid, std::string_view mark) {
  if (pid <= 0) return std::nullopt;
  Descriptor descriptor(pidfd_open(pid, 0));
  if (!descriptor) return std::nullopt;
  // Read after the descriptor was taken, so it is of the process that the descriptor holds, or of
  // nobody. A process that has ended has no command line; nor has one for a moment at its start.
  const SteadyTime deadline = SystemClock().Now() + kStartsWithin;
  FoundProcess process(pid, std::move(descriptor));
  for (;;) {
    const std::vector<std::string> arguments = CommandLine(pid);
    if (std::ranges::find(arguments, mark) != arguments.end()) return process;
    const SteadyTime soon = SystemClock().Now() + std::chrono::milliseconds(1);
    if (!arguments.empty() || soon > deadline) return std::nullopt;
    if (process.WaitForEnd(SystemClock(), soon)) return std::nullopt;
  }
}

void FoundProcess::Signal(int signal) const {
  pidfd_send_signal(descriptor_.number(), signal, nullptr, 0);
}

bool FoundProcess::WaitForEnd(Clock& clock, SteadyTime deadline) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock.Now()).count();
    if (left <= 0) return false;
    pollfd ended{.fd = descriptor_.number(), .events = POLLIN, .revents = 0};
    if (poll(&ended, 1, int(std::min<int64_t>(left, 60'000))) > 0) {
      Reap(pid_);
      return true;
    }
  }
}

}  // namespace pk::ensemble
