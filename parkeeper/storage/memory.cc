#include "parkeeper/storage/memory.h"

#include <fmt/format.h>

#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "parkeeper/storage/location.h"
#include "parkeeper/storage/random_access_internal.h"

namespace pk::storage {
namespace {

struct MemoryFile {
  std::shared_ptr<const std::string> bytes;
  int64_t modified_ms = 0;
};

class MemoryReader final : public RandomAccessFile {
 public:
  MemoryReader(std::string location, std::shared_ptr<const std::string> bytes)
      : location_(std::move(location)), bytes_(std::move(bytes)) {}

  int64_t size() const override { return int64_t(bytes_->size()); }
  const std::string& location() const override { return location_; }
  Result<> Read(int64_t offset, std::span<char> out) override {
    PK_TRY(CheckRange(*this, offset, out.size()));
    if (!out.empty()) std::memcpy(out.data(), bytes_->data() + offset, out.size());
    return {};
  }

 private:
  const std::string location_;
  const std::shared_ptr<const std::string> bytes_;
};

class MemoryStorage final : public Storage {
 public:
  MemoryStorage(std::string root, Clock& clock) : root_(std::move(root)), clock_(clock) {}

  const std::string& root() const override { return root_; }
  Result<std::unique_ptr<RandomAccessFile>> Open(std::string_view location) override;
  Result<std::unique_ptr<FileWriter>> Create(std::string_view location) override;
  Result<FileStatus> Stat(std::string_view location) override;
  Result<> List(std::string_view location,
                const std::function<Result<>(const FileStatus&)>& visit) override;
  Result<> Remove(std::string_view location) override;

  Result<> Add(const std::string& path, std::string bytes);

 private:
  using Files = std::map<std::string, MemoryFile, std::less<>>;

  Error Missing(std::string_view path) const {
    return NotFound(fmt::format("file does not exist: {}", LocationOf(root_, path)));
  }
  Result<> CheckFolders(std::string_view path) const;
  FileStatus StatusOf(const Files::value_type& file) const {
    return {LocationOf(root_, file.first), int64_t(file.second.bytes->size()),
            file.second.modified_ms};
  }
  // The first file below `folder` after the path `last`.
  std::optional<std::pair<std::string, FileStatus>> Next(const std::string& folder,
                                                         const std::string& last) const;

  const std::string root_;
  Clock& clock_;
  mutable std::shared_mutex mutex_;
  Files files_;
};

class MemoryWriter final : public FileWriter {
 public:
  MemoryWriter(MemoryStorage& storage, std::string path)
      : storage_(storage), path_(std::move(path)) {}

  Result<> Append(std::string_view bytes) override {
    PK_CHECK(!finished_, Internal("append to a finished file: " + path_));
    bytes_.append(bytes);
    size_ += int64_t(bytes.size());
    return {};
  }
  int64_t size() const override { return size_; }
  Result<> Finish() override {
    PK_CHECK(!finished_, Internal("finish a finished file: " + path_));
    finished_ = true;
    return storage_.Add(path_, std::move(bytes_));
  }

 private:
  MemoryStorage& storage_;
  const std::string path_;
  std::string bytes_;
  int64_t size_ = 0;
  bool finished_ = false;
};

Result<std::unique_ptr<RandomAccessFile>> MemoryStorage::Open(std::string_view location) {
  const std::string_view path = PK_TRY(FileBelow(root_, location));
  std::shared_lock lock(mutex_);
  const auto found = files_.find(path);
  if (found == files_.end()) return Missing(path);
  return std::make_unique<MemoryReader>(LocationOf(root_, path), found->second.bytes);
}

// No segment before the last is a file.
Result<> MemoryStorage::CheckFolders(std::string_view path) const {
  for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1))
    PK_CHECK(!files_.contains(path.substr(0, slash)),
             FailedPrecondition(fmt::format("a file stands where a folder must be: {}",
                                            LocationOf(root_, path.substr(0, slash)))));
  return {};
}

Result<std::unique_ptr<FileWriter>> MemoryStorage::Create(std::string_view location) {
  const std::string_view path = PK_TRY(FileBelow(root_, location));
  std::shared_lock lock(mutex_);
  PK_TRY(CheckFolders(path));
  return std::make_unique<MemoryWriter>(*this, std::string(path));
}

Result<> MemoryStorage::Add(const std::string& path, std::string bytes) {
  auto shared = std::make_shared<const std::string>(std::move(bytes));
  std::unique_lock lock(mutex_);
  PK_TRY(CheckFolders(path));
  const auto at = files_.lower_bound(path);
  const auto below = files_.lower_bound(path + "/");
  const bool folder = below != files_.end() && below->first.starts_with(path + "/");
  PK_CHECK(!folder && (at == files_.end() || at->first != path),
           AlreadyExists(fmt::format("name is taken: {}", LocationOf(root_, path))));
  files_.emplace_hint(at, path, MemoryFile{std::move(shared), clock_.WallMs()});
  return {};
}

Result<FileStatus> MemoryStorage::Stat(std::string_view location) {
  const std::string_view path = PK_TRY(FileBelow(root_, location));
  std::shared_lock lock(mutex_);
  const auto found = files_.find(path);
  if (found == files_.end()) return Missing(path);
  return StatusOf(*found);
}

std::optional<std::pair<std::string, FileStatus>> MemoryStorage::Next(
    const std::string& folder, const std::string& last) const {
  std::shared_lock lock(mutex_);
  const auto found = files_.upper_bound(last);
  if (found == files_.end() || !found->first.starts_with(folder)) return std::nullopt;
  return std::pair(found->first, StatusOf(*found));
}

Result<> MemoryStorage::List(std::string_view location,
                             const std::function<Result<>(const FileStatus&)>& visit) {
  std::string folder(PK_TRY(FolderBelow(root_, location)));
  if (!folder.empty()) folder += '/';
  // One look-up per file, so that `visit` may call this storage and no copy of the names is held.
  std::string last = folder;
  while (auto next = Next(folder, last)) {
    PK_TRY(visit(next->second));
    last = std::move(next->first);
  }
  return {};
}

Result<> MemoryStorage::Remove(std::string_view location) {
  const std::string_view path = PK_TRY(FileBelow(root_, location));
  std::unique_lock lock(mutex_);
  const auto found = files_.find(path);
  if (found == files_.end()) return Missing(path);
  files_.erase(found);
  return {};
}

}  // namespace

std::unique_ptr<Storage> MakeMemory(std::string name, Clock& clock) {
  return std::make_unique<MemoryStorage>("memory://" + std::move(name), clock);
}

}  // namespace pk::storage
