#include "parkeeper/jobs/contained.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace pk::jobs {
namespace {

// How often its progress is looked at.
constexpr int kLookMs = 100;
// Above those that a process has as its own.
constexpr int kLeastFile = 10;
constexpr int kCannotRun = 127;
// A sanitizer's shadow counts as data, and is larger than any limit.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLimitsMemory = false;
#else
constexpr bool kLimitsMemory = true;
#endif

Error SystemError(std::string_view what, int error) {
  return Unavailable(fmt::format("{}: {}", what, std::generic_category().message(error)));
}

// The C library's header of it is not one for C++ everywhere.
int OpenProcess(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

// A descriptor, closed at the end. Move-only.
class File {
 public:
  explicit File(int number = -1) : number_(number) {}
  File(File&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~File() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

Result<File> MemoryFile(std::string_view text) {
  const File first(memfd_create("task", MFD_CLOEXEC));
  if (first.number() < 0) return SystemError("cannot make a memory file", errno);
  File file(fcntl(first.number(), F_DUPFD_CLOEXEC, kLeastFile));
  if (file.number() < 0) return SystemError("cannot make a memory file", errno);
  off_t at = 0;
  while (!text.empty()) {
    const ssize_t written = pwrite(file.number(), text.data(), text.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError("cannot fill a memory file", errno);
    at += written;
    text.remove_prefix(size_t(written));
  }
  return file;
}

// The last `most` bytes.
Result<std::string> Contents(const File& file, int64_t most) {
  const off_t size = lseek(file.number(), 0, SEEK_END);
  if (size < 0) return SystemError("cannot read what a process said", errno);
  std::string text(size_t(std::min<int64_t>(size, most)), '\0');
  off_t at = size - off_t(text.size());
  for (size_t read = 0; read < text.size();) {
    const ssize_t got = pread(file.number(), text.data() + read, text.size() - read, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("cannot read what a process said", errno);
    if (got == 0) break;
    read += size_t(got);
    at += got;
  }
  return text;
}

struct Files {
  File in, out, err, progress;
};

bool SaidTooMuch(const Files& files) {
  const auto is_large = [](const File& file) {
    struct stat status{};
    return fstat(file.number(), &status) == 0 && status.st_size > kMostSaidBytes;
  };
  return is_large(files.out) || is_large(files.err);
}

// Between fork and exec, so nothing here may take a lock or memory.
[[noreturn]] void Become(const Files& files, char* const* argv, pid_t parent, int64_t memory) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kCannotRun);
  const int numbers[] = {files.in.number(), files.out.number(), files.err.number(),
                         files.progress.number()};
  for (int i = 0; i < 4; ++i) {
    if (dup2(numbers[i], i) < 0) _exit(kCannotRun);
  }
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  const rlimit data{rlim_t(memory), rlim_t(memory)};
  if (memory > 0 && kLimitsMemory) setrlimit(RLIMIT_DATA, &data);
  sigset_t all;
  sigemptyset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  signal(SIGPIPE, SIG_DFL);
  execv(argv[0], argv);
  constexpr char kText[] = "the program of the task cannot be run\n";
  static_cast<void>(!write(STDERR_FILENO, kText, sizeof(kText) - 1));
  _exit(kCannotRun);
}

// A process that runs. The destructor kills it.
class Process {
 public:
  explicit Process(pid_t pid) : pid_(pid), handle_(OpenProcess(pid)) {}
  Process(const Process&) = delete;
  ~Process() {
    if (!ended_) End(Ending::How::kStopped);
  }
  const File& handle() const { return handle_; }

  // Kills it, and says why it ended, unless it ended by itself just now.
  Ending End(Ending::How how) {
    kill(pid_, SIGKILL);
    Ending ending = Reap();
    if (ending.how == Ending::How::kKilled && ending.code == SIGKILL) ending.how = how;
    return ending;
  }
  Ending Reap() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    ended_ = true;
    if (WIFEXITED(status)) return {.how = Ending::How::kExited, .code = WEXITSTATUS(status)};
    return {.how = Ending::How::kKilled, .code = WTERMSIG(status)};
  }

 private:
  pid_t pid_;
  File handle_;
  bool ended_ = false;
};

Ending Watch(Process& process, const ContainedCommand& command, const Files& files,
             const File& stopped, const std::stop_token& stop) {
  const auto until = std::chrono::steady_clock::now() + command.within;
  std::string told;
  for (;;) {
    pollfd wait[2] = {{process.handle().number(), POLLIN, 0}, {stopped.number(), POLLIN, 0}};
    const int ready = poll(wait, 2, kLookMs);
    if (ready > 0 && wait[0].revents != 0) return process.Reap();
    if (stop.stop_requested()) return process.End(Ending::How::kStopped);
    if (std::chrono::steady_clock::now() >= until) return process.End(Ending::How::kTooLong);
    if (SaidTooMuch(files)) return process.End(Ending::How::kTooMuch);
    const Result<std::string> progress = Contents(files.progress, kProgressBytes);
    if (!command.progress || !progress.ok() || *progress == told) continue;
    told = *progress;
    command.progress(told.substr(0, told.find('\0')));
  }
}

}  // namespace

Result<Ending> RunContained(const ContainedCommand& command, std::stop_token stop) {
  std::vector<std::string> words = command.arguments;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Files files;
  files.in = PK_TRY(MemoryFile(command.input));
  files.out = PK_TRY(MemoryFile(""));
  files.err = PK_TRY(MemoryFile(""));
  files.progress = PK_TRY(MemoryFile(""));
  const File stopped(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (stopped.number() < 0) return SystemError("cannot make an event", errno);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return SystemError("cannot start a process", errno);
  if (pid == 0) Become(files, argv.data(), parent, command.memory_bytes);
  Process process(pid);
  if (process.handle().number() < 0) return SystemError("cannot watch a process", errno);
  const std::stop_callback wake(stop, [&] { eventfd_write(stopped.number(), 1); });
  Ending ending = Watch(process, command, files, stopped, stop);
  // Between two looks; what is kept of it would not be all.
  const bool exited = ending.how == Ending::How::kExited;
  if (exited && SaidTooMuch(files)) ending.how = Ending::How::kTooMuch;
  ending.out = PK_TRY(Contents(files.out, kMostSaidBytes));
  ending.err = PK_TRY(Contents(files.err, kMostErrorBytes));
  return ending;
}

std::string Describe(const Ending& ending) {
  switch (ending.how) {
    case Ending::How::kExited:
      return ending.code == 0 ? "" : fmt::format("exited with code {}", ending.code);
    case Ending::How::kKilled:
      return fmt::format("crashed (signal {})", ending.code);
    case Ending::How::kTooLong:
      return "took longer than it may";
    case Ending::How::kTooMuch:
      return fmt::format("said more than {} MiB", kMostSaidBytes >> 20);
    case Ending::How::kStopped:
      return "was stopped";
  }
  return "";
}

void TellProgress(std::string_view text) {
  char record[kProgressBytes] = {};
  std::copy_n(text.data(), std::min(text.size(), kProgressBytes - 1), record);
  static_cast<void>(!pwrite(kProgressFile, record, sizeof(record), 0));
}

}  // namespace pk::jobs
