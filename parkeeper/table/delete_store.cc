#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/base/parallel.h"
#include "parkeeper/table/delete_store_internal.h"

namespace pk::table {

using datafile::EqualityDeletes;
using datafile::PositionDeletes;
using datafile::RowDeletes;

DeleteStore::DeleteStore(storage::Storage& storage, const ScanPlan& plan,
                         const std::vector<const FileTask*>& readers, const ScanOptions& options,
                         int threads)
    : storage_(storage),
      plan_(plan),
      threads_(threads),
      most_bytes_(options.delete_bytes),
      stop_(options.stop),
      files_(plan.deletes.size()) {
  for (size_t i = 0; i < files_.size(); ++i) {
    const DeleteFile& file = plan_.deletes[i];
    if (!file.file.equality_ids.empty()) files_[i].group = &GroupOf(file);
  }
  for (const FileTask* task : readers) Count(*task);
}

void DeleteStore::Count(const FileTask& task) {
  for (const int32_t number : NeededBy(task)) {
    File& file = files_[size_t(number)];
    ++file.readers;
    if (file.group != nullptr) {
      ++file.group->readers;
    } else {
      file.wanted.insert(task.file.location);
    }
  }
}

std::vector<int32_t> DeleteStore::NeededBy(const FileTask& task) {
  std::vector<int32_t> numbers = task.deletes;
  if (!task.only_hidden_by) return numbers;
  numbers.insert(numbers.end(), task.only_hidden_by->begin(), task.only_hidden_by->end());
  std::ranges::sort(numbers);
  const auto rest = std::ranges::unique(numbers);
  numbers.erase(rest.begin(), rest.end());
  return numbers;
}

// Deletes of other partitions have a table of their own, so that it is gone when the partition is
// read.
DeleteStore::KeyGroup& DeleteStore::GroupOf(const DeleteFile& file) {
  std::vector<int32_t> ids = file.file.equality_ids;
  ids.push_back(file.file.spec_id);
  KeyGroup& group = groups_[{std::move(ids), file.file.partition}];
  group.ids = file.file.equality_ids;
  return group;
}

Result<DeleteStore::Acquired> DeleteStore::Acquire(const FileTask& task) {
  PK_TRY(Load(task));
  std::lock_guard lock(mutex_);
  Acquired acquired{.deletes = Pick(task.deletes), .only_hidden_by = std::nullopt};
  if (task.only_hidden_by) acquired.only_hidden_by = Pick(*task.only_hidden_by);
  return acquired;
}

void DeleteStore::Release(const FileTask& task) {
  std::lock_guard lock(mutex_);
  for (const int32_t number : NeededBy(task)) {
    File& file = files_[size_t(number)];
    if (--file.readers == 0 && file.positions != nullptr) {
      bytes_ -= file.positions->bytes();
      file.positions.reset();
    }
    if (file.group != nullptr && --file.group->readers == 0 && file.group->keys != nullptr) {
      bytes_ -= file.group->keys->bytes();
      file.group->keys.reset();
    }
  }
}

// Reads what nobody has begun to read, then waits for what others are reading: they wait for
// nothing before they have read it.
Result<> DeleteStore::Load(const FileTask& task) {
  const std::vector<int32_t> needed = NeededBy(task);
  std::vector<int32_t> own;
  {
    std::lock_guard lock(mutex_);
    for (const int32_t number : needed) {
      File& file = files_[size_t(number)];
      if (file.stage != Stage::kUnread) continue;
      file.stage = Stage::kReading;
      own.push_back(number);
    }
  }
  // Each is tried, for others wait for it.
  PK_TRY(ParallelFor(own.size(), threads_, [&](size_t index) -> Result<> {
    Result<> result = Read(own[index]);
    std::lock_guard lock(mutex_);
    File& file = files_[size_t(own[index])];
    file.stage = Stage::kRead;
    if (!result.ok()) file.failure = std::move(result).error();
    read_.notify_all();
    return {};
  }));
  std::unique_lock lock(mutex_);
  for (const int32_t number : needed) {
    const File& file = files_[size_t(number)];
    read_.wait(lock, [&] { return file.stage == Stage::kRead; });
    if (file.failure) return *file.failure;
  }
  return {};
}

Result<> DeleteStore::Read(int32_t number) {
  const DeleteFile& listed = plan_.deletes[size_t(number)];
  File& file = files_[size_t(number)];
  const auto charge = [this](int64_t bytes) { return Charge(bytes); };
  PK_TRY(Charge(0));
  if (file.group == nullptr) {
    auto positions = PK_TRY(PositionDeletes::Read(storage_, listed.file, file.wanted, charge));
    std::lock_guard lock(mutex_);
    file.positions = std::move(positions);
    return {};
  }
  std::shared_ptr<EqualityDeletes> keys;
  {
    std::lock_guard lock(mutex_);
    if (file.group->keys == nullptr) {
      file.group->keys = PK_TRY(EqualityDeletes::Make(*plan_.delete_schema, file.group->ids));
      bytes_ += file.group->keys->bytes();
    }
    keys = file.group->keys;
  }
  return keys->Read(storage_, listed.file, number, plan_.name_mapping, charge);
}

Result<> DeleteStore::Charge(int64_t bytes) {
  if (stopped_ || stop_.stop_requested()) return Cancelled("the scan was stopped");
  std::lock_guard lock(mutex_);
  bytes_ += bytes;
  PK_CHECK(bytes_ <= most_bytes_,
           Unsupported(fmt::format("the delete files that are needed at a time take more than {} "
                                   "bytes of memory: read fewer partitions or rows at once, or "
                                   "compact the table",
                                   most_bytes_)));
  return {};
}

RowDeletes DeleteStore::Pick(const std::vector<int32_t>& numbers) {
  RowDeletes picked;
  for (const int32_t number : numbers) {
    const File& file = files_[size_t(number)];
    if (file.group == nullptr) {
      picked.positions.push_back(file.positions);
      continue;
    }
    const auto same = std::ranges::find(picked.keys, file.group->keys,
                                        [](const auto& keys) { return keys.deletes; });
    if (same != picked.keys.end()) {
      same->files.push_back(number);
    } else {
      picked.keys.push_back({.deletes = file.group->keys, .files = {number}});
    }
  }
  return picked;
}

}  // namespace pk::table
