#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "parkeeper/coordination_sqlite/file_lock_internal.h"

namespace pk::coordination::sqlite {
namespace {

struct flock ByteLock(short type, int64_t byte) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

}  // namespace

Result<FileWithLocks> FileWithLocks::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) {
    const int code = errno;
    const std::string message =
        fmt::format("open {}: {}", path, std::generic_category().message(code));
    if (code == EACCES || code == EPERM || code == EROFS) {
      return Error(ErrorCode::kPermissionDenied, message);
    }
    return Unavailable(message);
  }
  return FileWithLocks(path, fd);
}

FileWithLocks::FileWithLocks(FileWithLocks&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

FileWithLocks::~FileWithLocks() {
  if (fd_ >= 0) close(fd_);
}

bool FileWithLocks::TryLock(int64_t byte) {
  struct flock lock = ByteLock(F_WRLCK, byte);
  return fcntl(fd_, F_OFD_SETLK, &lock) == 0;
}

// Its thread may be cancelled in here; AddressSanitizer does not know that such a frame has left
// the stack.
[[gnu::no_sanitize("address")]] void FileWithLocks::LockAndWait(int64_t byte) {
  struct flock lock = ByteLock(F_WRLCK, byte);
  while (fcntl(fd_, F_OFD_SETLKW, &lock) != 0 && errno == EINTR) {
  }
}

void FileWithLocks::Unlock(int64_t byte) {
  struct flock lock = ByteLock(F_UNLCK, byte);
  fcntl(fd_, F_OFD_SETLK, &lock);
}

bool FileWithLocks::LockedByOther(int64_t byte) const {
  struct flock lock = ByteLock(F_WRLCK, byte);
  // When the kernel cannot tell, nobody is declared dead by this test alone.
  return fcntl(fd_, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

Result<> FileWithLocks::Write(int64_t offset, const void* bytes, size_t size) {
  const ssize_t written = pwrite(fd_, bytes, size, offset);
  if (written == ssize_t(size)) return {};
  return Unavailable(
      fmt::format("write {}: {}", path_,
                  written < 0 ? std::generic_category().message(errno) : "written only in part"));
}

bool FileWithLocks::Read(int64_t offset, void* bytes, size_t size) const {
  return pread(fd_, bytes, size, offset) == ssize_t(size);
}

}  // namespace pk::coordination::sqlite
