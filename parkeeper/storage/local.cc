#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "parkeeper/storage/local_internal.h"
#include "parkeeper/storage/location.h"
#include "parkeeper/storage/random_access_internal.h"

namespace pk::storage {
namespace {

namespace fs = std::filesystem;

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// What a read finds at a path: below a file there is nothing.
Error ReadError(int number, std::string_view doing, std::string_view location) {
  return SystemError(number == ENOTDIR ? ENOENT : number, doing, location);
}

Result<> CheckRegular(const struct stat& status, std::string_view location) {
  if (S_ISREG(status.st_mode)) return {};
  if (S_ISDIR(status.st_mode))
    return NotFound(fmt::format("it is a folder, not a file: {}", location));
  if (S_ISLNK(status.st_mode)) return SystemError(ELOOP, "cannot open", location);
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("neither a file nor a folder: {}", location));
}

FileStatus StatusOf(const struct stat& status, std::string location) {
  return {std::move(location), int64_t(status.st_size),
          int64_t(status.st_mtim.tv_sec) * 1000 + status.st_mtim.tv_nsec / 1'000'000};
}

class LocalFile final : public RandomAccessFile {
 public:
  LocalFile(Descriptor file, int64_t size, std::string location)
      : file_(std::move(file)), size_(size), location_(std::move(location)) {}

  int64_t size() const override { return size_; }
  const std::string& location() const override { return location_; }
  Result<> Read(int64_t offset, std::span<char> out) override;

 private:
  const Descriptor file_;
  const int64_t size_;
  const std::string location_;
};

Result<> LocalFile::Read(int64_t offset, std::span<char> out) {
  PK_TRY(CheckRange(*this, offset, out.size()));
  while (!out.empty()) {
    const ssize_t read = pread(file_.get(), out.data(), out.size(), offset);
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return SystemError(errno, "cannot read", location_);
    PK_CHECK(read > 0,
             Corrupt(fmt::format("file became shorter than its {} bytes: {}", size_, location_)));
    offset += read;
    out = out.subspan(size_t(read));
  }
  return {};
}

// One level of a folder, closed by its end.
class Listing {
 public:
  explicit Listing(Descriptor folder) : stream_(fdopendir(folder.get())) {
    if (stream_ != nullptr) folder.release();
  }
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;
  ~Listing() {
    if (stream_ != nullptr) closedir(stream_);
  }

  bool ok() const { return stream_ != nullptr; }
  int folder() const { return dirfd(stream_); }
  // Null at the end, and on an error with errno set.
  const dirent* Next() {
    errno = 0;
    return readdir(stream_);
  }

 private:
  DIR* stream_;
};

bool Skipped(std::string_view name) {
  return name == "." || name == ".." || name.starts_with(kReservedPrefix);
}

bool MayBeFolder(const dirent& entry) {
  return entry.d_type == DT_DIR || entry.d_type == DT_UNKNOWN;
}

// What was a folder a moment ago is gone, or something else.
bool NoFolder(const Descriptor& opened) {
  return opened.error() == ENOENT || opened.error() == ENOTDIR || opened.error() == ELOOP;
}

using Visit = std::function<Result<>(const FileStatus&)>;

// Calls `visit` for the files below an open folder, called `location`. Holds one descriptor and one
// buffer per level.
Result<> ListBelow(Descriptor folder, const std::string& location, int levels, const Visit& visit) {
  PK_CHECK(levels > 0, Unsupported(fmt::format("folders are nested deeper than {} levels: {}",
                                               kMaxSegments, location)));
  Listing listing(std::move(folder));
  if (!listing.ok()) return SystemError(errno, "cannot list", location);
  while (const dirent* entry = listing.Next()) {
    const std::string name = entry->d_name;
    if (Skipped(name)) continue;
    std::string below = location + "/" + name;
    struct stat status;
    const bool is_folder = entry->d_type == DT_DIR;
    if (!is_folder) {
      if (fstatat(listing.folder(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;  // removed meanwhile
        return SystemError(errno, "cannot list", below);
      }
      if (S_ISREG(status.st_mode)) {
        PK_TRY(visit(StatusOf(status, std::move(below))));
        continue;
      }
      if (!S_ISDIR(status.st_mode)) continue;
    }
    Descriptor inner = OpenStep(listing.folder(), name, kFolderFlags);
    if (NoFolder(inner)) continue;
    if (!inner.ok()) return SystemError(inner.error(), "cannot list", below);
    PK_TRY(ListBelow(std::move(inner), below, levels - 1, visit));
  }
  if (errno != 0) return SystemError(errno, "cannot list", location);
  return {};
}

class LocalStorage final : public Storage {
 public:
  LocalStorage(std::string root, std::string path, Descriptor folder, LocalMeans means)
      : root_(std::move(root)),
        path_(std::move(path)),
        means_(means),
        folders_(std::move(folder), means.openat2) {}

  const std::string& path() const { return path_; }

  const std::string& root() const override { return root_; }
  Result<std::unique_ptr<RandomAccessFile>> Open(std::string_view location) override;
  Result<std::unique_ptr<FileWriter>> Create(std::string_view location) override;
  Result<FileStatus> Stat(std::string_view location) override;
  Result<> List(std::string_view location, const Visit& visit) override;
  Result<> Remove(std::string_view location) override;

 private:
  const std::string root_;
  const std::string path_;
  const LocalMeans means_;
  Folders folders_;
};

Result<std::unique_ptr<RandomAccessFile>> LocalStorage::Open(std::string_view location) {
  const std::string_view path = PK_TRY(FileBelow(root_, location));
  // Not blocking: somebody may have put a pipe there.
  Descriptor file = folders_.Open(path, O_RDONLY | O_NONBLOCK);
  if (!file.ok()) return ReadError(file.error(), "cannot open", location);
  struct stat status;
  if (fstat(file.get(), &status) != 0) return SystemError(errno, "cannot open", location);
  PK_TRY(CheckRegular(status, location));
  return std::make_unique<LocalFile>(std::move(file), int64_t(status.st_size),
                                     LocationOf(root_, path));
}

Result<std::unique_ptr<FileWriter>> LocalStorage::Create(std::string_view location) {
  const std::string_view path = PK_TRY(FileBelow(root_, location));
  return CreateLocalFile(folders_, path, LocationOf(root_, path), means_);
}

Result<FileStatus> LocalStorage::Stat(std::string_view location) {
  const std::string_view path = PK_TRY(FileBelow(root_, location));
  const Descriptor file = folders_.Open(path, O_PATH);
  if (!file.ok()) return ReadError(file.error(), "cannot look up", location);
  struct stat status;
  if (fstat(file.get(), &status) != 0) return SystemError(errno, "cannot look up", location);
  PK_TRY(CheckRegular(status, location));
  return StatusOf(status, LocationOf(root_, path));
}

Result<> LocalStorage::List(std::string_view location, const Visit& visit) {
  const std::string_view path = PK_TRY(FolderBelow(root_, location));
  Descriptor folder = folders_.Open(path, kFolderFlags);
  if (folder.error() == ENOENT || folder.error() == ENOTDIR) return {};
  if (!folder.ok()) return SystemError(folder.error(), "cannot list", location);
  const std::string base = path.empty() ? root_ : LocationOf(root_, path);
  return ListBelow(std::move(folder), base, kMaxSegments, visit);
}

Result<> LocalStorage::Remove(std::string_view location) {
  const std::string_view path = PK_TRY(FileBelow(root_, location));
  const auto [above, name_view] = SplitPath(path);
  const std::string name(name_view);
  const Descriptor folder = folders_.Open(above, O_PATH | O_DIRECTORY);
  if (!folder.ok()) return ReadError(folder.error(), "cannot remove", location);
  struct stat status;
  if (fstatat(folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return SystemError(errno, "cannot remove", location);
  PK_TRY(CheckRegular(status, location));
  if (unlinkat(folder.get(), name.c_str(), 0) != 0)
    return SystemError(errno, "cannot remove", location);
  return {};
}

Error CannotOpen(const std::string& path, std::string_view why) {
  return Unavailable(fmt::format("cannot open the folder {}: {}", path, why));
}

// Makes the folder and those above it, durably.
Result<> MakeRoot(const std::string& path) {
  std::error_code failure;
  std::vector<fs::path> above;
  for (fs::path at = fs::absolute(path, failure); !fs::exists(at, failure) && at.has_parent_path();
       at = at.parent_path())
    above.push_back(at.parent_path());
  fs::create_directories(path, failure);
  if (failure) return CannotOpen(path, failure.message());
  for (const fs::path& folder : above) {
    const Descriptor opened = OpenStep(AT_FDCWD, folder.string() + "/.", kFolderFlags);
    const int number = opened.ok() ? SyncFolder(opened.get()) : opened.error();
    if (number != 0) return CannotOpen(path, strerrordesc_np(number));
  }
  return {};
}

Result<int64_t> RemoveTemporariesIn(Descriptor folder, const std::string& location, int levels) {
  int64_t removed = 0;
  Listing listing(std::move(folder));
  if (!listing.ok()) return SystemError(errno, "cannot list", location);
  while (const dirent* entry = listing.Next()) {
    const std::string name = entry->d_name;
    if (name.starts_with(kReservedPrefix) && name.ends_with(kTemporarySuffix)) {
      const Descriptor file = OpenStep(listing.folder(), name, O_RDONLY | O_NONBLOCK);
      if (file.ok() && flock(file.get(), LOCK_EX | LOCK_NB) == 0 &&
          unlinkat(listing.folder(), name.c_str(), 0) == 0)
        ++removed;
    } else if (!Skipped(name) && levels > 0 && MayBeFolder(*entry)) {
      Descriptor inner = OpenStep(listing.folder(), name, kFolderFlags);
      if (NoFolder(inner)) continue;
      const std::string below = location + "/" + name;
      if (!inner.ok()) return SystemError(inner.error(), "cannot list", below);
      removed += PK_TRY(RemoveTemporariesIn(std::move(inner), below, levels - 1));
    }
  }
  return removed;
}

}  // namespace

Result<std::unique_ptr<Storage>> OpenLocalWith(const std::string& path, const LocalOptions& options,
                                               LocalMeans means) {
  PK_CHECK(!path.empty() && path.find('\0') == path.npos,
           InvalidArgument(fmt::format("not a folder's path: '{}'", path)));
  PK_TRY(MakeRoot(path));
  std::error_code failure;
  const std::string absolute = fs::canonical(path, failure).string();
  if (failure) return CannotOpen(path, failure.message());
  const std::string root =
      PK_TRY(ParseRoot(options.root_uri.empty() ? absolute : options.root_uri));
  Descriptor folder = OpenStep(AT_FDCWD, absolute, kFolderFlags);
  if (!folder.ok()) return CannotOpen(path, strerrordesc_np(folder.error()));
  means.openat2 = means.openat2 && HasOpenat2(folder.get());
  // A file without a name gets one through /proc.
  means.unnamed_files = means.unnamed_files && access("/proc/self/fd", X_OK) == 0;
  return std::make_unique<LocalStorage>(root, absolute, std::move(folder), means);
}

Result<std::unique_ptr<Storage>> OpenLocal(const std::string& path, const LocalOptions& options) {
  return OpenLocalWith(path, options, LocalMeans{});
}

std::optional<std::string> LocalFolder(const Storage& storage) {
  const auto* local = dynamic_cast<const LocalStorage*>(&storage);
  return local == nullptr ? std::nullopt : std::optional(local->path());
}

Result<int64_t> RemoveTemporaries(const std::string& path) {
  Descriptor folder = OpenStep(AT_FDCWD, path + "/.", kFolderFlags);
  if (!folder.ok()) return CannotOpen(path, strerrordesc_np(folder.error()));
  return RemoveTemporariesIn(std::move(folder), path, kMaxSegments);
}

}  // namespace pk::storage
