#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>

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
// A file descriptor and a footer in memory each.
constexpr int64_t kMaxOpenFiles = 500;

}  // namespace

// An open file of a partition; at most one thread writes it at a time.
struct PartitionedWriter::Lane {
  std::unique_ptr<ParquetWriter> writer;
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
      data_folder_(metadata.Property("write.data.path", metadata.location + "/data")),
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
  partition.encoded_bytes += partition.waiting_bytes;
  partition.waiting_bytes = 0;
  return load;
}

std::vector<PartitionedWriter::Load> PartitionedWriter::Enqueue(std::vector<PartitionRows> rows) {
  const int64_t full = order_.unsorted() ? options_.parquet.row_group_bytes
                                         : std::min(options_.target_file_bytes * kMemoryPerFileByte,
                                                    options_.memory_bytes / 2);
  std::vector<Load> loads;
  std::lock_guard lock(mutex_);
  for (PartitionRows& part : rows) {
    Partition& partition = PartitionOf(part.partition);
    const int64_t bytes = part.batch.bytes();
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
  for (Load& load : Enqueue(std::move(rows))) PK_TRY(Encode(std::move(load)));
  return {};
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
  if (load.batches.empty()) return {};
  if (!order_.unsorted()) return EncodeSorted(std::move(load));
  Partition& partition = *load.partition;
  Lane* lane = AcquireLane(partition);
  Result<> written = WriteToLane(*lane, partition, load);
  ReleaseLane(partition, lane);
  return written;
}

Result<> PartitionedWriter::WriteToLane(Lane& lane, const Partition& partition, const Load& load) {
  if (lane.writer == nullptr) lane.writer = PK_TRY(OpenFile(partition));
  for (const Batch& batch : load.batches) PK_TRY(lane.writer->Write(batch));
  PK_TRY(lane.writer->Flush());
  bool crowded = false;
  {
    std::lock_guard lock(mutex_);
    crowded = open_files_ > kMaxOpenFiles;
  }
  if (lane.writer->size() < options_.target_file_bytes && !crowded) return {};
  return FinishFile(std::move(lane.writer), partition);
}

Result<> PartitionedWriter::EncodeSorted(Load load) {
  const Partition& partition = *load.partition;
  std::vector<Batch> sorted = PK_TRY(datafile::Sort(load.batches, *schema_, order_));
  load.batches.clear();
  std::unique_ptr<ParquetWriter> writer = PK_TRY(OpenFile(partition));
  for (Batch& batch : sorted) PK_TRY(writer->Write(std::exchange(batch, {})));
  return FinishFile(std::move(writer), partition);
}

Result<std::unique_ptr<ParquetWriter>> PartitionedWriter::OpenFile(const Partition& partition) {
  {
    std::lock_guard lock(mutex_);
    ++open_files_;
  }
  return ParquetWriter::Open(
      storage_, fmt::format("{}/{:05}-{}.parquet", partition.folder, next_file_++, write_id_),
      schema_, options_.parquet);
}

Result<> PartitionedWriter::FinishFile(std::unique_ptr<ParquetWriter> writer,
                                       const Partition& partition) {
  iceberg::DataFile file = PK_TRY(writer->Finish());
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
    Partition& partition = *all[index];
    Load load;
    {
      std::lock_guard lock(mutex_);
      load = TakeAll(partition);
    }
    PK_TRY(Encode(std::move(load)));
    for (auto& lane : partition.lanes) {
      if (lane->writer != nullptr) PK_TRY(FinishFile(std::move(lane->writer), partition));
    }
    return {};
  });
}

std::vector<iceberg::DataFile> PartitionedWriter::TakeFiles() { return std::move(files_); }

}  // namespace pk::table
