#include "parkeeper/table/append.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
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

// Names and types are the same; ids and whether values may be missing do not count.
bool SameShape(const iceberg::Type& left, const iceberg::Type& right) {
  if (left.is_primitive() || right.is_primitive()) {
    return left.is_primitive() && right.is_primitive() && *left.primitive() == *right.primitive();
  }
  if (const auto* list = left.list()) {
    return right.list() != nullptr && SameShape(list->element, right.list()->element);
  }
  if (const auto* map = left.map()) {
    return right.map() != nullptr && SameShape(map->key, right.map()->key) &&
           SameShape(map->value, right.map()->value);
  }
  if (right.struct_type() == nullptr) return false;
  return std::ranges::equal(left.struct_type()->fields, right.struct_type()->fields,
                            [](const iceberg::Field& a, const iceberg::Field& b) {
                              return a.name == b.name && SameShape(a.type, b.type);
                            });
}

// Beyond it the kernels that split and sort would read one type as another.
Result<> CheckColumns(const iceberg::Schema& source, const iceberg::Schema& table) {
  PK_CHECK(source.fields().size() == table.fields().size(),
           InvalidArgument(fmt::format("a source has {} columns, the table {}",
                                       source.fields().size(), table.fields().size())));
  for (size_t i = 0; i < table.fields().size(); ++i) {
    const iceberg::Field& have = source.fields()[i];
    const iceberg::Field& want = table.fields()[i];
    PK_CHECK(have.name == want.name && SameShape(have.type, want.type),
             InvalidArgument(fmt::format("a source has '{}' {} where the table has column '{}' {}",
                                         have.name, iceberg::ToString(have.type), want.name,
                                         iceberg::ToString(want.type))));
  }
  return {};
}

// Several threads take sources in turn, split what they read by partition, and write.
class Appending {
 public:
  Appending(const NextSource& next, const AppendOptions& options, PartitionedWriter& writer,
            const iceberg::Schema& schema)
      : next_(next), options_(options), writer_(writer), schema_(schema) {}

  // The work of one thread. After an error of one the others end with their batch.
  Result<> Work() {
    Result<> done = TakeSources();
    if (!done.ok()) failed_ = true;
    return done;
  }

 private:
  Result<> TakeSources() {
    while (!failed_) {
      std::unique_ptr<BatchSource> source = PK_TRY(NextOne());
      if (source == nullptr) return {};
      PK_TRY(Drain(*source));
    }
    return {};
  }

  Result<std::unique_ptr<BatchSource>> NextOne() {
    std::lock_guard lock(mutex_);
    if (exhausted_) return std::unique_ptr<BatchSource>();
    Result<std::unique_ptr<BatchSource>> source = next_();
    exhausted_ = !source.ok() || *source == nullptr;
    return source;
  }

  Result<> Drain(BatchSource& source) {
    PK_TRY(CheckColumns(source.schema(), schema_));
    while (!failed_) {
      PK_CHECK(!options_.stop.stop_requested(), Cancelled("the append was stopped"));
      std::optional<Batch> batch = PK_TRY(source.Next());
      if (!batch) return {};
      if (batch->num_rows() == 0) continue;
      PK_TRY(writer_.Write(*batch));
      Report(batch->num_rows());
    }
    return {};
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
  std::atomic<bool> failed_{false};
  AppendProgress progress_;
};

}  // namespace

Result<int64_t> TargetFileBytes(const iceberg::TableMetadata& metadata, int64_t given) {
  if (given > 0) return given;
  const std::string text = metadata.Property(kTargetBytesProperty, "");
  if (text.empty()) return kDefaultTargetBytes;
  int64_t bytes = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size() && bytes > 0,
           InvalidArgument(fmt::format("property {} must be a positive number of bytes, not '{}'",
                                       kTargetBytesProperty, text)));
  return bytes;
}

Result<AppendedFiles> WriteDataFiles(storage::Storage& storage,
                                     const iceberg::TableMetadata& metadata, const NextSource& next,
                                     const AppendOptions& options, Clock& clock, IdSource& ids) {
  const int threads = options.writers > 0 ? options.writers : AvailableCores();
  AppendedFiles result;
  result.oldest_file_ms = clock.WallMs();
  auto parquet = PK_TRY(datafile::WriterOptionsFrom(metadata.properties, metadata.schema()));
  const int64_t target_bytes = PK_TRY(TargetFileBytes(metadata, options.target_file_bytes));
  PartitionedWriter writer(storage, metadata,
                           {.parquet = std::move(parquet),
                            .target_file_bytes = target_bytes,
                            .memory_bytes = std::max<int64_t>(options.memory_bytes, 0),
                            .lanes = threads,
                            .stop = options.stop},
                           ids);
  Appending appending(next, options, writer, metadata.schema());
  Result<> done = ParallelFor(size_t(threads), threads, [&](size_t) { return appending.Work(); });
  if (done.ok()) done = writer.FinishAll(threads);
  if (done.ok() && options.stop.stop_requested()) done = Cancelled("the append was stopped");
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
