#include "parkeeper/table/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

#include "parkeeper/base/parallel.h"
#include "parkeeper/table/delete_store_internal.h"
#include "parkeeper/table/planning_internal.h"

namespace pk::table {

using datafile::Batch;
using datafile::BatchSource;

namespace {

// A file, or some of its row groups, read by one thread.
struct Unit {
  const FileTask* task = nullptr;
  int64_t begin = 0;
  int64_t end = INT64_MAX;
};

const iceberg::PartitionSpec* SpecOf(const ScanPlan& plan, int32_t id) {
  for (const iceberg::PartitionSpec& spec : plan.specs) {
    if (spec.spec_id == id) return &spec;
  }
  return nullptr;
}

// Enough units that no thread is idle while another has a large file left.
constexpr size_t kUnitsPerThread = 4;

std::vector<Unit> MakeUnits(const ScanPlan& plan, int threads) {
  std::vector<Unit> units;
  const bool split = plan.tasks.size() < size_t(threads) * kUnitsPerThread;
  for (const FileTask& task : plan.tasks) {
    std::vector<int64_t> offsets = task.file.split_offsets;
    std::sort(offsets.begin(), offsets.end());
    if (!split || offsets.size() < 2) {
      units.push_back({&task});
      continue;
    }
    for (size_t i = 0; i < offsets.size(); ++i) {
      units.push_back(
          {&task, i == 0 ? 0 : offsets[i], i + 1 < offsets.size() ? offsets[i + 1] : INT64_MAX});
    }
  }
  return units;
}

std::vector<const FileTask*> TasksOf(const std::vector<Unit>& units) {
  std::vector<const FileTask*> tasks;
  for (const Unit& unit : units) tasks.push_back(unit.task);
  return tasks;
}

// What tells a change is the same in all rows of a task.
std::map<int32_t, iceberg::Value> ConstantsOf(const FileTask& task) {
  std::map<int32_t, iceberg::Value> constants;
  if (!task.change) return constants;
  for (const iceberg::Field& column : ChangeColumns()) {
    iceberg::Value& value = constants[column.id];
    if (column.name == kChangeTypeColumn) {
      value = std::string(task.change->is_delete ? "delete" : "insert");
    } else if (column.name == kChangeOrdinalColumn) {
      value = task.change->ordinal;
    } else {
      value = task.change->snapshot_id;
    }
  }
  return constants;
}

// Threads read units ahead of the consumer; what waits for it is bounded by bytes. In order, each
// unit has a lane of its own and the consumer takes lane after lane; else all share one.
class ParallelScan final : public BatchSource {
 public:
  ParallelScan(storage::Storage& storage, ScanPlan plan, const ScanOptions& options, int threads)
      : storage_(storage),
        plan_(std::move(plan)),
        options_(options),
        left_(plan_.limit.value_or(INT64_MAX)),
        units_(left_ == 0 ? std::vector<Unit>() : MakeUnits(plan_, threads)),
        deletes_(storage_, plan_, TasksOf(units_), options_, threads),
        lanes_(options.keep_order ? units_.size() : 1) {}

  // As many threads as the system gives; with none there is an error.
  Result<> Start(int threads) {
    const size_t count = std::min(size_t(threads), units_.size());
    std::lock_guard lock(mutex_);
    try {
      while (running_ < count) {
        threads_.emplace_back([this] { Work(); });
        ++running_;
      }
    } catch (const std::system_error& failure) {
      PK_CHECK(running_ > 0,
               Unavailable(fmt::format("no thread to read with: {}", failure.what())));
    }
    return {};
  }

  ~ParallelScan() override {
    std::unique_lock lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
    lock.unlock();
    deletes_.Stop();
    threads_.clear();
  }

  const iceberg::Schema& schema() const override { return *plan_.projection; }

  Result<std::optional<Batch>> Next() override {
    if (left_ == 0) return std::nullopt;
    std::unique_lock lock(mutex_);
    for (;;) {
      if (failure_) return *failure_;
      if (options_.stop.stop_requested()) return Cancelled("the scan was stopped");
      if (lane_ == lanes_.size()) return std::nullopt;
      Lane& lane = lanes_[lane_];
      if (!lane.batches.empty()) return Take(lane);
      if (options_.keep_order ? lane.done : running_ == 0) {
        ++lane_;
        changed_.notify_all();
        continue;
      }
      changed_.wait(lock, options_.stop, [&] {
        return failure_ || !lane.batches.empty() ||
               (options_.keep_order ? lane.done : running_ == 0);
      });
    }
  }

 private:
  struct Waiting {
    Batch batch;
    int64_t bytes = 0;
  };
  struct Lane {
    std::list<Waiting> batches;  // takes no memory while it is empty
    bool done = false;
  };

  Batch Take(Lane& lane) {
    auto [batch, bytes] = std::move(lane.batches.front());
    lane.batches.pop_front();
    waiting_bytes_ -= bytes;
    if (batch.num_rows() > left_) batch = batch.Slice(0, left_);
    left_ -= batch.num_rows();
    if (left_ == 0) stopped_ = true;
    changed_.notify_all();
    return std::move(batch);
  }

  void Work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      if (stopped_ || options_.stop.stop_requested() || next_ == units_.size()) break;
      const size_t index = next_++;
      lock.unlock();
      Result<> read = ReadUnit(index);
      lock.lock();
      lanes_[options_.keep_order ? index : 0].done = true;
      if (!read.ok() && !failure_) {
        failure_ = std::move(read).error();
        stopped_ = true;
      }
      changed_.notify_all();
    }
    std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  }

  Result<> ReadUnit(size_t index) {
    const FileTask& task = *units_[index].task;
    Result<> read = ReadRows(index, PK_TRY(deletes_.Acquire(task)));
    deletes_.Release(task);
    return read;
  }

  Result<> ReadRows(size_t index, DeleteStore::Acquired deletes) {
    const Unit& unit = units_[index];
    datafile::ReaderOptions reader{.projection = plan_.projection,
                                   .filter = unit.task->residual,
                                   .table_schema = plan_.table_schema,
                                   .name_mapping = plan_.name_mapping,
                                   .spec = SpecOf(plan_, unit.task->file.spec_id),
                                   .deletes = std::move(deletes.deletes),
                                   .only_hidden_by = std::move(deletes.only_hidden_by),
                                   .constants = ConstantsOf(*unit.task),
                                   .dictionaries = options_.dictionaries,
                                   .begin = unit.begin,
                                   .end = unit.end,
                                   .counters = options_.counters};
    const auto source = PK_TRY(datafile::OpenParquet(storage_, unit.task->file, reader));
    for (;;) {
      if (options_.stop.stop_requested()) return Cancelled("the scan was stopped");
      std::optional<Batch> batch = PK_TRY(source->Next());
      if (!batch) return {};
      if (batch->num_rows() > 0 && !Put(index, *std::move(batch))) return {};
    }
  }

  // False: nobody wants more.
  bool Put(size_t index, Batch batch) {
    const int64_t bytes = batch.bytes();
    std::unique_lock lock(mutex_);
    const size_t place = options_.keep_order ? index : 0;
    // The lane that the consumer waits for may always go on, or nothing would move.
    changed_.wait(lock, [&] {
      return stopped_ || waiting_bytes_ + bytes <= options_.memory_bytes ||
             (place == lane_ && lanes_[place].batches.empty());
    });
    if (stopped_) return false;
    waiting_bytes_ += bytes;
    lanes_[place].batches.push_back({std::move(batch), bytes});
    changed_.notify_all();
    return true;
  }

  storage::Storage& storage_;
  const ScanPlan plan_;
  const ScanOptions options_;
  int64_t left_;  // rows until the limit

  std::mutex mutex_;
  std::condition_variable_any changed_;
  const std::vector<Unit> units_;
  DeleteStore deletes_;
  std::vector<Lane> lanes_;
  size_t lane_ = 0;  // that the consumer takes from
  size_t next_ = 0;  // unit to be read
  size_t running_ = 0;
  int64_t waiting_bytes_ = 0;
  bool stopped_ = false;
  std::optional<Error> failure_;
  std::vector<std::jthread> threads_;  // last, so that they end before what they use
};

}  // namespace

Result<std::unique_ptr<BatchSource>> Scan(storage::Storage& storage, const ScanPlan& plan,
                                          const ScanOptions& options) {
  const int threads = options.threads > 0 ? options.threads : AvailableCores();
  PK_CHECK(plan.limit.value_or(0) >= 0, InvalidArgument("a limit must not be negative"));
  auto scan = std::make_unique<ParallelScan>(storage, plan, options, threads);
  PK_TRY(scan->Start(threads));
  return scan;
}

}  // namespace pk::table
