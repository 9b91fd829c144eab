#pragma once

// The delete files of a running scan, each read once and shared by the readers that need it.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/row_deletes.h"
#include "parkeeper/iceberg/tuple.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/table/scan.h"

namespace pk::table {

// Thread-safe. Files are read by the thread that first needs them, several of them by several
// threads; others that need them wait. Memory: ScanOptions::delete_bytes at most.
class DeleteStore {
 public:
  // `readers` holds the task of each reader that will come: one per call of Acquire. The plan and
  // the storage must outlive the store.
  DeleteStore(storage::Storage& storage, const ScanPlan& plan,
              const std::vector<const FileTask*>& readers, const ScanOptions& options, int threads);

  struct Acquired {
    datafile::RowDeletes deletes;
    std::optional<datafile::RowDeletes> only_hidden_by;
  };
  // What concerns rows of the task. kUnsupported: it would take more memory than allowed.
  Result<Acquired> Acquire(const FileTask& task);
  // Once for each Acquire, when its reader has gone.
  void Release(const FileTask& task);
  // Nobody wants more: what is being read ends soon, with kCancelled.
  void Stop() { stopped_ = true; }

 private:
  // Keys of the deletes over the same columns that concern the same data files.
  struct KeyGroup {
    std::vector<int32_t> ids;
    std::shared_ptr<datafile::EqualityDeletes> keys;  // once needed, until no longer
    int64_t readers = 0;
  };
  enum class Stage { kUnread, kReading, kRead };
  struct File {
    Stage stage = Stage::kUnread;
    std::optional<Error> failure;  // once kRead
    int64_t readers = 0;
    KeyGroup* group = nullptr;                    // of an equality delete
    datafile::PositionDeletes::Locations wanted;  // of a position delete
    std::shared_ptr<const datafile::PositionDeletes> positions;
  };

  void Count(const FileTask& task);
  // Numbers of all deletes that concern the task, each once.
  static std::vector<int32_t> NeededBy(const FileTask& task);
  KeyGroup& GroupOf(const DeleteFile& file);
  Result<> Load(const FileTask& task);
  Result<> Read(int32_t number);
  Result<> Charge(int64_t bytes);
  datafile::RowDeletes Pick(const std::vector<int32_t>& numbers);

  using GroupKey = std::pair<std::vector<int32_t>, std::vector<iceberg::Value>>;
  struct GroupLess {
    bool operator()(const GroupKey& left, const GroupKey& right) const {
      if (left.first != right.first) return left.first < right.first;
      return iceberg::TupleLess()(left.second, right.second);
    }
  };

  storage::Storage& storage_;
  const ScanPlan& plan_;
  const int threads_;
  const int64_t most_bytes_;
  const std::stop_token stop_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable read_;
  std::vector<File> files_;
  std::map<GroupKey, KeyGroup, GroupLess> groups_;
  int64_t bytes_ = 0;
};

}  // namespace pk::table
