#pragma once

// Writing rows of many partitions into one file per partition, by several threads, in bounded
// memory.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/parquet_writer.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/iceberg/tuple.h"
#include "parkeeper/storage/storage.h"

namespace pk::table {

struct PartitionedWriterOptions {
  datafile::WriterOptions parquet;
  int64_t target_file_bytes = 0;
  int64_t memory_bytes = 0;
  int lanes = 1;  // threads that write at once
};

// Rows wait in memory by partition, and are encoded a row group at a time: into the partition's
// open file, or, in a table with a sort order, sorted into a file of their own. A partition that
// several threads write at once gets a file for each of them only once it is large, so that small
// ones stay whole.
//
// Memory: about `memory_bytes` of rows that wait, plus a batch per thread. When it is full the
// partition with the most is encoded early. Thread-safe, but for TakeFiles.
class PartitionedWriter {
 public:
  PartitionedWriter(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                    PartitionedWriterOptions options, IdSource& ids);
  ~PartitionedWriter();

  Result<> Write(const datafile::Batch& batch);
  // Encodes what waits and finishes every file, `threads` at a time. After it nothing is written
  // any more.
  Result<> FinishAll(int threads);
  // Files that are durable, also after an error.
  std::vector<iceberg::DataFile> TakeFiles();

  int64_t files_finished() const { return files_finished_; }
  int64_t bytes_finished() const { return bytes_finished_; }

 private:
  struct Lane;
  struct Partition;
  // Rows taken out of a partition to be encoded.
  struct Load {
    Partition* partition = nullptr;
    std::vector<datafile::Batch> batches;
    int64_t bytes = 0;
  };

  Partition& PartitionOf(const std::vector<iceberg::Value>& values);
  // Adds rows; what must be encoded now comes back.
  std::vector<Load> Enqueue(std::vector<datafile::PartitionRows> rows);
  Load TakeAll(Partition& partition);
  Result<> Encode(Load load);
  Result<> EncodeSorted(Load load);
  Lane* AcquireLane(Partition& partition);
  void ReleaseLane(Partition& partition, Lane* lane);
  Result<> WriteToLane(Lane& lane, const Partition& partition, const Load& load);
  Result<std::unique_ptr<datafile::ParquetWriter>> OpenFile(const Partition& partition);
  Result<> FinishFile(std::unique_ptr<datafile::ParquetWriter> writer, const Partition& partition);

  storage::Storage& storage_;
  const std::shared_ptr<const iceberg::Schema> schema_;
  const iceberg::PartitionSpec spec_;
  const iceberg::SortOrder order_;
  const std::string data_folder_;
  const std::string write_id_;
  const PartitionedWriterOptions options_;

  std::atomic<int64_t> files_finished_{0};
  std::atomic<int64_t> bytes_finished_{0};
  std::atomic<int64_t> next_file_{0};

  std::mutex mutex_;  // of what follows
  std::condition_variable lane_free_;
  std::map<std::vector<iceberg::Value>, std::unique_ptr<Partition>, iceberg::TupleLess> partitions_;
  int64_t waiting_bytes_ = 0;
  int64_t open_files_ = 0;
  std::vector<iceberg::DataFile> files_;
};

}  // namespace pk::table
