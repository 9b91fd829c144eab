#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "parkeeper/base/parallel.h"
#include "parkeeper/table/partition_writer_internal.h"

namespace pk::table {

using datafile::Batch;
using datafile::ParquetWriter;
using datafile::PartitionRows;

namespace {

// Rows of a partition in memory beyond which a second thread gets a file of its own.
constexpr int64_t kSecondLaneBytes = int64_t{64} << 20;
// Rows of a sorted file in memory take about this many times their size on disk.
constexpr int64_t kMemoryPerFileByte = 3;
// Two file descriptors, a buffer and a footer in memory each.
constexpr int64_t kMaxOpenFiles = 200;
// What a column of a batch takes beside its values: with many partitions batches are small.
constexpr int64_t kColumnOverheadBytes = 512;

std::string DataFolder(const iceberg::TableMetadata& metadata) {
  std::string folder = metadata.Property("write.data.path", metadata.location + "/data");
  while (folder.ends_with('/')) folder.pop_back();
  return folder;
}

}  // namespace

// An open file of a partition; at most one thread writes it at a time.
struct PartitionedWriter::Lane {
  OpenFile file;
  bool busy = false;
};

struct PartitionedWriter::Partition {
  std::vector<iceberg::Value> values;
  std::string folder;
  std::vector<Batch> waiting;
  int64_t waiting_bytes = 0;
  int64_t encoded_bytes = 0;  // in memory, before encoding
  std::vector<std::unique_ptr<Lane>> lanes;
};

PartitionedWriter::PartitionedWriter(storage::Storage& storage,
                                     const iceberg::TableMetadata& metadata,
                                     PartitionedWriterOptions options, IdSource& ids)
    : storage_(storage),
      schema_(std::make_shared<const iceberg::Schema>(metadata.schema())),
      spec_(metadata.spec()),
      order_(metadata.sort_order()),
      data_folder_(DataFolder(metadata)),
      write_id_(ids.NewUuid4().ToString()),
      options_(std::move(options)) {}

PartitionedWriter::~PartitionedWriter() = default;

PartitionedWriter::Partition& PartitionedWriter::PartitionOf(
    const std::vector<iceberg::Value>& values) {
  std::unique_ptr<Partition>& place = partitions_[values];
  if (place == nullptr) {
    place = std::make_unique<Partition>();
    place->values = values;
    const std::string path = iceberg::PartitionPath(spec_, *schema_, values);
    place->folder = path.empty() ? data_folder_ : data_folder_ + "/" + path;
  }
  return *place;
}

PartitionedWriter::Load PartitionedWriter::TakeAll(Partition& partition) {
  Load load{&partition, std::move(partition.waiting), partition.waiting_bytes};
  partition.waiting.clear();
  waiting_bytes_ -= partition.waiting_bytes;
  encoding_bytes_ += partition.waiting_bytes;
  partition.encoded_bytes += partition.waiting_bytes;
  partition.waiting_bytes = 0;
  return load;
}

std::vector<PartitionedWriter::Load> PartitionedWriter::Enqueue(std::vector<PartitionRows> rows) {
  const int64_t of_a_file =
      std::min(options_.target_file_bytes, INT64_MAX / kMemoryPerFileByte) * kMemoryPerFileByte;
  const int64_t full = std::min(
      of_a_file, order_.unsorted() ? options_.parquet.row_group_bytes : options_.memory_bytes / 2);
  const auto bytes_of = [&](const Batch& batch) {
    return batch.bytes() + int64_t(schema_->fields().size()) * kColumnOverheadBytes;
  };
  int64_t incoming = 0;
  for (const PartitionRows& part : rows) incoming += bytes_of(part.batch);
  std::vector<Load> loads;
  std::unique_lock lock(mutex_);
  // Who encodes waits for nobody here, so there will be room.
  room_.wait(lock, [&] {
    return encoding_bytes_ == 0 ||
           waiting_bytes_ + encoding_bytes_ + incoming <= options_.memory_bytes;
  });
  for (PartitionRows& part : rows) {
    Partition& partition = PartitionOf(part.partition);
    const int64_t bytes = bytes_of(part.batch);
    partition.waiting.push_back(std::move(part.batch));
    partition.waiting_bytes += bytes;
    waiting_bytes_ += bytes;
    if (partition.waiting_bytes >= full) loads.push_back(TakeAll(partition));
  }
  while (waiting_bytes_ > options_.memory_bytes) {
    const auto most =
        std::max_element(partitions_.begin(), partitions_.end(), [](const auto& a, const auto& b) {
          return a.second->waiting_bytes < b.second->waiting_bytes;
        });
    loads.push_back(TakeAll(*most->second));
  }
  return loads;
}

Result<> PartitionedWriter::Write(const Batch& batch) {
  std::vector<PartitionRows> rows;
  if (spec_.unpartitioned()) {
    rows.push_back({{}, batch});
  } else {
    rows = PK_TRY(datafile::SplitByPartition(batch, *schema_, spec_));
  }
  // All of them, or others would wait for room for ever.
  Result<> done;
  for (Load& load : Enqueue(std::move(rows))) {
    Result<> encoded = Encode(std::move(load));
    if (done.ok()) done = std::move(encoded);
  }
  return done;
}

PartitionedWriter::Lane* PartitionedWriter::AcquireLane(Partition& partition) {
  std::unique_lock lock(mutex_);
  for (;;) {
    for (auto& lane : partition.lanes) {
      if (lane->busy) continue;
      lane->busy = true;
      return lane.get();
    }
    const bool large = partition.encoded_bytes >= kSecondLaneBytes;
    if (partition.lanes.empty() || (large && int(partition.lanes.size()) < options_.lanes)) {
      partition.lanes.push_back(std::make_unique<Lane>());
      partition.lanes.back()->busy = true;
      return partition.lanes.back().get();
    }
    lane_free_.wait(lock);
  }
}

void PartitionedWriter::ReleaseLane(Partition&, Lane* lane) {
  std::lock_guard lock(mutex_);
  lane->busy = false;
  lane_free_.notify_all();
}

Result<> PartitionedWriter::Encode(Load load) {
  const int64_t bytes = load.bytes;
  Result<> done;
  if (!load.batches.empty()) {
    done = order_.unsorted() ? EncodeIntoLane(std::move(load)) : EncodeSorted(std::move(load));
  }
  std::lock_guard lock(mutex_);
  encoding_bytes_ -= bytes;
  room_.notify_all();
  return done;
}

Result<> PartitionedWriter::EncodeIntoLane(Load load) {
  Partition& partition = *load.partition;
  Lane* lane = AcquireLane(partition);
  Result<> written = WriteToLane(*lane, partition, load);
  // Nobody else may go on with a file that failed.
  if (!written.ok()) lane->file = {};
  ReleaseLane(partition, lane);
  return written;
}

Result<> PartitionedWriter::WriteToLane(Lane& lane, const Partition& partition, const Load& load) {
  for (const Batch& batch : load.batches) PK_TRY(WriteAndRoll(lane.file, partition, batch));
  if (lane.file.writer == nullptr) return {};
  PK_TRY(lane.file.writer->Flush());
  bool crowded = false;
  {
    std::lock_guard lock(mutex_);
    crowded = open_files_ > kMaxOpenFiles;
  }
  if (lane.file.writer->size() < options_.target_file_bytes && !crowded) return {};
  return FinishFile(std::exchange(lane.file, {}), partition);
}

Result<> PartitionedWriter::EncodeSorted(Load load) {
  const Partition& partition = *load.partition;
  std::vector<Batch> sorted = PK_TRY(datafile::Sort(load.batches, *schema_, order_));
  load.batches.clear();
  OpenFile file;
  for (Batch& batch : sorted) PK_TRY(WriteAndRoll(file, partition, std::exchange(batch, {})));
  if (file.writer == nullptr) return {};
  return FinishFile(std::move(file), partition);
}

// Into the open file, or a new one when there is none; ends it when it has its size.
Result<> PartitionedWriter::WriteAndRoll(OpenFile& file, const Partition& partition,
                                         const Batch& batch) {
  if (file.writer == nullptr) file = PK_TRY(Open(partition));
  PK_TRY(file.writer->Write(batch));
  if (file.writer->size() < options_.target_file_bytes) return {};
  return FinishFile(std::exchange(file, {}), partition);
}

Result<PartitionedWriter::OpenFile> PartitionedWriter::Open(const Partition& partition) {
  OpenFile file{
      .location = fmt::format("{}/{:05}-{}.parquet", partition.folder, next_file_++, write_id_),
      .writer = nullptr};
  file.writer = PK_TRY(ParquetWriter::Open(storage_, file.location, schema_, options_.parquet));
  std::lock_guard lock(mutex_);
  ++open_files_;
  return file;
}

Result<> PartitionedWriter::FinishFile(OpenFile open, const Partition& partition) {
  Result<iceberg::DataFile> finished = open.writer->Finish();
  if (!finished.ok()) {
    // It may be there all the same; a file of that name that was there before is not ours.
    if (finished.error().code() != ErrorCode::kAlreadyExists) {
      iceberg::DataFile doubtful;
      doubtful.location = open.location;
      std::lock_guard lock(mutex_);
      files_.push_back(std::move(doubtful));
    }
    return std::move(finished).error();
  }
  iceberg::DataFile file = std::move(finished).value();
  file.spec_id = spec_.spec_id;
  file.partition = partition.values;
  if (!order_.unsorted()) file.sort_order_id = order_.order_id;
  ++files_finished_;
  bytes_finished_ += file.file_size;
  std::lock_guard lock(mutex_);
  --open_files_;
  files_.push_back(std::move(file));
  return {};
}

Result<> PartitionedWriter::FinishAll(int threads) {
  std::vector<Partition*> all;
  for (auto& [values, partition] : partitions_) all.push_back(partition.get());
  return ParallelFor(all.size(), threads, [&](size_t index) -> Result<> {
    PK_CHECK(!options_.stop.stop_requested(), Cancelled("the append was stopped"));
    Partition& partition = *all[index];
    Load load;
    {
      std::lock_guard lock(mutex_);
      load = TakeAll(partition);
    }
    PK_TRY(Encode(std::move(load)));
    for (auto& lane : partition.lanes) {
      if (lane->file.writer == nullptr) continue;
      PK_TRY(FinishFile(std::exchange(lane->file, {}), partition));
    }
    return {};
  });
}

std::vector<iceberg::DataFile> PartitionedWriter::TakeFiles() { return std::move(files_); }

}  // namespace pk::table
