#pragma once

// Writing rows of many partitions into one file per partition, by several threads, in bounded
// memory.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
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
  std::stop_token stop = {};
};

// Rows wait in memory by partition, and are encoded a row group at a time: into the partition's
// open file, or, in a table with a sort order, sorted into files of their own. A file ends with the
// batch that brings it to the target size. A partition that several threads write at once gets a
// file for each of them only once it is large, so that small ones stay whole.
//
// Memory: about `memory_bytes` of rows that wait or are being encoded (sorting copies those that it
// sorts), plus a batch per thread, and a buffer per open file. When it is full the partition with
// the most is encoded early, and threads with new rows wait for those that encode. Thread-safe, but
// for TakeFiles.
class PartitionedWriter {
 public:
  PartitionedWriter(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                    PartitionedWriterOptions options, IdSource& ids);
  ~PartitionedWriter();

  Result<> Write(const datafile::Batch& batch);
  // Encodes what waits and finishes every file, `threads` at a time. After it nothing is written
  // any more.
  Result<> FinishAll(int threads);
  // Files that are durable; after an error also those that may be, by location at least, as when
  // the reply to the request that made one was lost.
  std::vector<iceberg::DataFile> TakeFiles();

  int64_t files_finished() const { return files_finished_; }
  int64_t bytes_finished() const { return bytes_finished_; }

 private:
  struct Lane;
  struct Partition;
  struct OpenFile {
    std::string location;
    std::unique_ptr<datafile::ParquetWriter> writer;
  };
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
  Result<> EncodeIntoLane(Load load);
  Result<> EncodeSorted(Load load);
  Lane* AcquireLane(Partition& partition);
  void ReleaseLane(Partition& partition, Lane* lane);
  Result<> WriteToLane(Lane& lane, const Partition& partition, const Load& load);
  Result<> WriteAndRoll(OpenFile& file, const Partition& partition, const datafile::Batch& batch);
  Result<OpenFile> Open(const Partition& partition);
  Result<> FinishFile(OpenFile file, const Partition& partition);

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
  std::condition_variable lane_free_, room_;
  std::map<std::vector<iceberg::Value>, std::unique_ptr<Partition>, iceberg::TupleLess> partitions_;
  int64_t waiting_bytes_ = 0;
  int64_t encoding_bytes_ = 0;
  int64_t open_files_ = 0;
  std::vector<iceberg::DataFile> files_;
};

}  // namespace pk::table
