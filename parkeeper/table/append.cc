#include "parkeeper/table/append.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>

#include "parkeeper/base/parallel.h"
#include "parkeeper/datafile/parquet_writer.h"
#include "parkeeper/table/partition_writer_internal.h"

namespace pk::table {

using datafile::Batch;
using datafile::BatchSource;

namespace {

constexpr int64_t kDefaultTargetBytes = int64_t{512} << 20;
constexpr const char* kTargetBytesProperty = "write.target-file-size-bytes";

Result<int64_t> TargetBytes(const iceberg::TableMetadata& metadata, const AppendOptions& options) {
  if (options.target_file_bytes > 0) return options.target_file_bytes;
  const std::string text = metadata.Property(kTargetBytesProperty, "");
  if (text.empty()) return kDefaultTargetBytes;
  int64_t bytes = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size() && bytes > 0,
           InvalidArgument(fmt::format("property {} must be a positive number of bytes, not '{}'",
                                       kTargetBytesProperty, text)));
  return bytes;
}

// Several threads take sources in turn, split what they read by partition, and write.
class Appending {
 public:
  Appending(const NextSource& next, const AppendOptions& options, PartitionedWriter& writer,
            const iceberg::Schema& schema)
      : next_(next), options_(options), writer_(writer), schema_(schema) {}

  // The work of one thread.
  Result<> Work() {
    for (;;) {
      std::unique_ptr<BatchSource> source = PK_TRY(NextOne());
      if (source == nullptr) return {};
      PK_TRY(Drain(*source));
    }
  }

 private:
  Result<std::unique_ptr<BatchSource>> NextOne() {
    std::lock_guard lock(mutex_);
    if (exhausted_) return std::unique_ptr<BatchSource>();
    Result<std::unique_ptr<BatchSource>> source = next_();
    exhausted_ = !source.ok() || *source == nullptr;
    return source;
  }

  Result<> Drain(BatchSource& source) {
    PK_CHECK(
        source.schema().fields().size() == schema_.fields().size(),
        InvalidArgument(fmt::format("a source has {} columns, the table {}",
                                    source.schema().fields().size(), schema_.fields().size())));
    for (;;) {
      PK_CHECK(!options_.stop.stop_requested(), Cancelled("the append was stopped"));
      std::optional<Batch> batch = PK_TRY(source.Next());
      if (!batch) return {};
      if (batch->num_rows() == 0) continue;
      PK_TRY(writer_.Write(*batch));
      Report(batch->num_rows());
    }
  }

  void Report(int64_t rows) {
    std::lock_guard lock(mutex_);
    progress_.rows += rows;
    if (!options_.progress) return;
    progress_.files = writer_.files_finished();
    progress_.bytes = writer_.bytes_finished();
    options_.progress(progress_);
  }

  const NextSource& next_;
  const AppendOptions& options_;
  PartitionedWriter& writer_;
  const iceberg::Schema& schema_;
  std::mutex mutex_;
  bool exhausted_ = false;
  AppendProgress progress_;
};

}  // namespace

Result<AppendedFiles> WriteDataFiles(storage::Storage& storage,
                                     const iceberg::TableMetadata& metadata, const NextSource& next,
                                     const AppendOptions& options, Clock& clock, IdSource& ids) {
  const int threads = options.writers > 0 ? options.writers : AvailableCores();
  AppendedFiles result;
  result.oldest_file_ms = clock.WallMs();
  PartitionedWriter writer(
      storage, metadata,
      {.parquet = PK_TRY(datafile::WriterOptionsFrom(metadata.properties, metadata.schema())),
       .target_file_bytes = PK_TRY(TargetBytes(metadata, options)),
       .memory_bytes = options.memory_bytes,
       .lanes = threads},
      ids);
  Appending appending(next, options, writer, metadata.schema());
  Result<> done = ParallelFor(size_t(threads), threads, [&](size_t) { return appending.Work(); });
  if (done.ok()) done = writer.FinishAll(threads);
  result.files = writer.TakeFiles();
  if (!done.ok()) {
    RemoveFiles(storage, result.files);
    return std::move(done).error();
  }
  for (const iceberg::DataFile& file : result.files) {
    result.rows += file.record_count;
    result.bytes += file.file_size;
  }
  return result;
}

iceberg::TableCommit MakeAppendCommit(AppendedFiles files, const iceberg::TableMetadata& metadata,
                                      Clock& clock, IdSource& ids) {
  iceberg::AppendFiles append;
  append.files = std::move(files.files);
  append.schema_id = metadata.current_schema_id;
  return {.id = ids.NewUuid7(clock),
          .change = std::move(append),
          .oldest_file_ms = files.oldest_file_ms};
}

void RemoveFiles(storage::Storage& storage, const std::vector<iceberg::DataFile>& files) {
  for (const iceberg::DataFile& file : files) static_cast<void>(storage.Remove(file.location));
}

}  // namespace pk::table
