#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "parkeeper/base/ids.h"
#include "parkeeper/storage/local_internal.h"
#include "parkeeper/storage/location.h"

namespace pk::storage {
namespace {

constexpr size_t kBuffer = size_t{1} << 20;

class LocalWriter final : public FileWriter {
 public:
  // `temporary`: the name in `folder`, empty when the file has none.
  LocalWriter(Folders& folders, std::string_view path, std::string location, LocalMeans means,
              Descriptor folder, Descriptor file, std::string temporary)
      : folders_(folders),
        path_(path),
        location_(std::move(location)),
        means_(means),
        folder_(std::move(folder)),
        file_(std::move(file)),
        temporary_(std::move(temporary)) {}

  ~LocalWriter() override {
    if (!temporary_.empty()) unlinkat(folder_.get(), temporary_.c_str(), 0);
  }

  Result<> Append(std::string_view bytes) override;
  int64_t size() const override { return size_; }
  Result<> Finish() override;

 private:
  Result<> Write(std::string_view bytes);
  Result<> Fail(int number, std::string_view doing);
  int Publish(const std::string& name);
  int Link(const std::string& name);
  int Rename(const std::string& name);

  Folders& folders_;
  const std::string path_;
  const std::string location_;
  const LocalMeans means_;
  const Descriptor folder_;
  const Descriptor file_;
  std::string temporary_;
  std::string buffer_;
  int64_t size_ = 0;
  // After an error, and after Finish(), what every call returns: a file with a hole must never
  // become visible.
  std::optional<Error> ended_;
};

Result<> LocalWriter::Fail(int number, std::string_view doing) {
  ended_ = SystemError(number, doing, location_);
  return *ended_;
}

Result<> LocalWriter::Append(std::string_view bytes) {
  if (ended_) return *ended_;
  size_ += int64_t(bytes.size());
  if (buffer_.size() + bytes.size() < kBuffer) {
    // Not by doubling, which would end beyond kBuffer.
    if (buffer_.size() + bytes.size() > kBuffer / 8) buffer_.reserve(kBuffer);
    buffer_.append(bytes);
    return {};
  }
  if (!buffer_.empty()) {
    // Fills the buffer up, so that the disk sees whole blocks.
    const size_t part = std::min(kBuffer - buffer_.size(), bytes.size());
    buffer_.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
    PK_TRY(Write(buffer_));
    buffer_.clear();
  }
  const size_t direct = bytes.size() - bytes.size() % kBuffer;
  PK_TRY(Write(bytes.substr(0, direct)));
  buffer_.append(bytes.substr(direct));
  return {};
}

Result<> LocalWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Fail(errno, "cannot write");
    bytes.remove_prefix(size_t(written));
  }
  return {};
}

Result<> LocalWriter::Finish() {
  if (ended_) return *ended_;
  PK_TRY(Write(buffer_));
  if (fdatasync(file_.get()) != 0) return Fail(errno, "cannot sync");
  const auto [above, name] = SplitPath(path_);
  if (const int number = folders_.MakeDurable(above); number != 0)
    return Fail(number, "cannot sync the folders");
  const std::string own_name(name);
  if (const int number = Publish(own_name); number != 0) return Fail(number, "cannot create");
  if (const int number = SyncFolder(folder_.get()); number != 0) {
    // The caller is told that there is no file, so there must be none.
    unlinkat(folder_.get(), own_name.c_str(), 0);
    return Fail(number, "cannot sync the folder");
  }
  ended_ = Internal(fmt::format("a finished file takes no more calls: {}", location_));
  return {};
}

int LocalWriter::Publish(const std::string& name) {
  const int number = means_.links ? Link(name) : EOPNOTSUPP;
  const bool no_links = number == EPERM || number == EOPNOTSUPP || number == ENOSYS;
  if (no_links && !temporary_.empty()) return Rename(name);
  if (number == 0 && !temporary_.empty()) {
    // A second name that cannot be removed is only untidy: RemoveTemporaries() finds it.
    unlinkat(folder_.get(), temporary_.c_str(), 0);
    temporary_.clear();
  }
  // Somebody removed the temporary, or the whole folder.
  return number == ENOENT ? ESTALE : number;
}

int LocalWriter::Link(const std::string& name) {
  const std::string from =
      temporary_.empty() ? fmt::format("/proc/self/fd/{}", file_.get()) : temporary_;
  const int at = temporary_.empty() ? AT_FDCWD : folder_.get();
  const int flags = temporary_.empty() ? AT_SYMLINK_FOLLOW : 0;
  return linkat(at, from.c_str(), folder_.get(), name.c_str(), flags) == 0 ? 0 : errno;
}

int LocalWriter::Rename(const std::string& name) {
  if (renameat2(folder_.get(), temporary_.c_str(), folder_.get(), name.c_str(), RENAME_NOREPLACE) !=
      0)
    return errno == EINVAL ? EOPNOTSUPP : errno;
  temporary_.clear();
  return 0;
}

// A new file under a temporary name, held by a lock as long as its writer lives.
Descriptor OpenTemporary(int folder, std::string& name) {
  name = fmt::format("{}-{:016x}{:016x}{}", kReservedPrefix, SystemIds().Random64(),
                     SystemIds().Random64(), kTemporarySuffix);
  Descriptor file = OpenStep(folder, name, O_WRONLY | O_CREAT | O_EXCL);
  // Taken already: RemoveTemporaries() came upon it in this moment and removes it.
  if (file.ok() && flock(file.get(), LOCK_EX | LOCK_NB) != 0) return Descriptor(-ESTALE);
  return file;
}

}  // namespace

Result<std::unique_ptr<FileWriter>> CreateLocalFile(Folders& folders, std::string_view path,
                                                    std::string location, LocalMeans means) {
  Descriptor folder = folders.Make(SplitPath(path).first);
  if (!folder.ok()) return SystemError(folder.error(), "cannot create", location);
  std::string temporary;
  Descriptor file(-EOPNOTSUPP);
  if (means.unnamed_files) file = OpenStep(folder.get(), ".", O_TMPFILE | O_WRONLY);
  if (!file.ok()) file = OpenTemporary(folder.get(), temporary);
  if (!file.ok()) return SystemError(file.error(), "cannot create", location);
  return std::make_unique<LocalWriter>(folders, path, std::move(location), means, std::move(folder),
                                       std::move(file), std::move(temporary));
}

}  // namespace pk::storage
