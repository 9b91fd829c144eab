#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "parkeeper/storage/folders_internal.h"

namespace pk::storage {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
// Folders remembered as durable: about 100 bytes each. Beyond it they are forgotten and fsynced
// once more.
constexpr size_t kMaxDurable = 65'536;

Descriptor OpenAt2(int folder, const char* path, int flags) {
  open_how how{};
  how.flags = uint64_t(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long fd = syscall(SYS_openat2, folder, path, &how, sizeof how);
  return Descriptor(fd >= 0 ? int(fd) : -errno);
}

bool IsSymbolicLink(int folder, const char* name) {
  struct stat status;
  return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
}

}  // namespace

bool HasOpenat2(int folder) { return OpenAt2(folder, ".", O_PATH | O_DIRECTORY).ok(); }

Descriptor OpenStep(int folder, const std::string& name, int flags) {
  const int fd = openat(folder, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd >= 0) return Descriptor(fd);
  int error = errno;
  // With O_DIRECTORY the kernel calls a link "not a directory".
  if (error == ENOTDIR && IsSymbolicLink(folder, name.c_str())) error = ELOOP;
  return Descriptor(-error);
}

std::pair<std::string_view, std::string_view> SplitPath(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

int SyncFolder(int folder) {
  // EINVAL: a file system that has nothing to do for a folder.
  return fsync(folder) == 0 || errno == EINVAL ? 0 : errno;
}

Folders::Folders(Descriptor root, bool use_openat2)
    : root_(std::move(root)), use_openat2_(use_openat2) {}

Descriptor Folders::Open(std::string_view path, int flags) const {
  if (path.empty()) path = ".";
  return use_openat2_ ? OpenAtOnce(path, flags) : OpenStepwise(path, flags);
}

Descriptor Folders::OpenAtOnce(std::string_view path, int flags) const {
  return OpenAt2(root_.get(), std::string(path).c_str(), flags);
}

Descriptor Folders::OpenStepwise(std::string_view path, int flags) const {
  Descriptor held(-ENOENT);
  int folder = root_.get();
  for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/')) {
    held = OpenStep(folder, std::string(path.substr(0, slash)), O_PATH | O_DIRECTORY);
    if (!held.ok()) return held;
    folder = held.get();
    path.remove_prefix(slash + 1);
  }
  return OpenStep(folder, std::string(path), flags);
}

Descriptor Folders::Make(std::string_view path) const {
  Descriptor folder = Open(path, kFolderFlags);
  if (folder.error() != ENOENT) return folder;
  // The longest part that is there, then down again, one name at a time.
  size_t end = path.size();
  while (folder.error() == ENOENT && end > 0) {
    end = path.rfind('/', end - 1);
    if (end == path.npos) end = 0;
    folder = Open(path.substr(0, end), kFolderFlags);
  }
  while (folder.ok() && end < path.size()) {
    const size_t begin = end == 0 ? 0 : end + 1;
    end = std::min(path.find('/', begin), path.size());
    const std::string name(path.substr(begin, end - begin));
    if (mkdirat(folder.get(), name.c_str(), 0777) != 0 && errno != EEXIST)
      return Descriptor(-errno);
    folder = OpenStep(folder.get(), name, kFolderFlags);
  }
  return folder;
}

bool Folders::IsDurable(const std::string& path) {
  std::lock_guard lock(mutex_);
  return durable_.contains(path);
}

int Folders::MakeDurable(std::string_view path) {
  if (path.empty() || IsDurable(std::string(path))) return 0;
  // Whoever made a folder may not have fsynced its name yet, so one that was there counts as new.
  const auto above = SplitPath(path).first;
  const int failed = MakeDurable(above);
  if (failed != 0) return failed;
  const Descriptor folder = Open(above, kFolderFlags);
  if (!folder.ok()) return folder.error();
  if (const int number = SyncFolder(folder.get()); number != 0) return number;
  std::lock_guard lock(mutex_);
  if (durable_.size() >= kMaxDurable) durable_.clear();
  durable_.emplace(path);
  return 0;
}

}  // namespace pk::storage
