#include "apps/parkeeper/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <utility>

namespace pk::cli {
namespace {

// How often a wait for a pipe's reader looks whether it is to stop.
constexpr int kLookMs = 50;

Error Failure(const std::string& path) {
  return Unavailable(fmt::format("cannot write {}: {}", path, strerror(errno)));
}

bool IsDevicePath(const std::string& path) {
  return path.starts_with("/dev/") || path.starts_with("/proc/");
}

}  // namespace

Error WriteFailure(std::string_view where) {
  if (errno == EPIPE) return Cancelled("the reader of the output went away");
  return Unavailable(fmt::format("cannot write {}: {}", where, strerror(errno)));
}

Result<Output> Output::Open(const std::string& path, std::stop_token stop) {
  const bool standard = path.empty() || path == "/dev/stdout";
  Output output(standard ? "standard output" : path, std::move(stop));
  struct stat present{};
  if (standard) {
    output.file_ = STDOUT_FILENO;
    output.may_block_ = fstat(STDOUT_FILENO, &present) != 0 || !S_ISREG(present.st_mode);
    return output;
  }
  const bool exists = stat(path.c_str(), &present) == 0;
  PK_CHECK(!exists || !S_ISDIR(present.st_mode),
           InvalidArgument(fmt::format("--output names a folder: {}", path)));
  if (exists && (!S_ISREG(present.st_mode) || IsDevicePath(path))) {
    PK_TRY(output.OpenPipe());
    return output;
  }
  std::error_code failure;
  // Through a symbolic link: the file is replaced, not the link.
  if (exists) output.path_ = std::filesystem::canonical(path, failure).string();
  PK_CHECK(!failure, Unavailable(fmt::format("cannot write {}: {}", path, failure.message())));
  output.partial_ = fmt::format("{}.{}.partial", output.path_, getpid());
  output.file_ = open(output.partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (output.file_ < 0) return Failure(path);
  return output;
}

// A pipe can be opened once it has a reader.
Result<> Output::OpenPipe() {
  may_block_ = true;
  for (;;) {
    file_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (file_ >= 0) return {};
    if (errno != ENXIO) return Failure(path_);
    poll(nullptr, 0, kLookMs);
    PK_CHECK(!stop_.stop_requested(), Cancelled("the scan was stopped"));
  }
}

Output::Output(Output&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::move(other.partial_)),
      stop_(std::move(other.stop_)),
      file_(std::exchange(other.file_, -1)),
      may_block_(other.may_block_) {}

Output::~Output() {
  if (file_ < 0 || file_ == STDOUT_FILENO) return;
  close(file_);
  if (!partial_.empty()) unlink(partial_.c_str());
}

Result<> Output::AwaitRoom() const {
  pollfd wait{.fd = file_, .events = POLLOUT, .revents = 0};
  while (poll(&wait, 1, kLookMs) == 0) {
    PK_CHECK(!stop_.stop_requested(), Cancelled("the scan was stopped"));
  }
  return {};
}

Result<> Output::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    // A pipe with room at all has room for this much, and then the write does not wait.
    const size_t part = may_block_ ? std::min(bytes.size(), size_t{PIPE_BUF}) : bytes.size();
    if (may_block_) PK_TRY(AwaitRoom());
    const ssize_t written = write(file_, bytes.data(), part);
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) return WriteFailure(path_);
    bytes.remove_prefix(size_t(written));
  }
  return {};
}

Result<> Output::Finish() {
  if (partial_.empty()) return {};
  const bool done = fsync(file_) == 0 && rename(partial_.c_str(), path_.c_str()) == 0;
  if (!done) return Failure(path_);
  close(std::exchange(file_, -1));
  return {};
}

}  // namespace pk::cli
