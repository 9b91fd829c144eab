#include "parkeeper/datafile/input.h"

#include <arrow/io/interfaces.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/convert_internal.h"
#include "parkeeper/datafile/parquet_file_internal.h"
#include "parkeeper/datafile/parquet_source_internal.h"
#include "parkeeper/datafile/text_input_internal.h"
#include "parkeeper/datafile/text_stream_internal.h"

namespace pk::datafile {
namespace {

using iceberg::Schema;

constexpr ErrorCode kBad = ErrorCode::kInvalidArgument;

struct Format {
  InputFormat format = InputFormat::kCsv;
  bool tabs = false;
};

Result<Format> FormatOf(const std::string& path, const InputOptions& options) {
  std::string name = path;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  if (name.ends_with(".zst")) name.resize(name.size() - 4);
  const bool tabs = name.ends_with(".tsv");
  if (options.format) return Format{*options.format, tabs};
  if (name.ends_with(".parquet")) return Format{InputFormat::kParquet};
  if (tabs || name.ends_with(".csv")) return Format{InputFormat::kCsv, tabs};
  for (const char* ending : {".jsonl", ".ndjson", ".json"}) {
    if (name.ends_with(ending)) return Format{InputFormat::kJsonLines};
  }
  for (const char* ending : {".arrow", ".feather", ".ipc"}) {
    if (name.ends_with(ending)) return Format{InputFormat::kArrowIpc};
  }
  return InvalidArgument(fmt::format(
      "{}: the name does not tell the format (.parquet, .csv, .tsv, .jsonl, .ndjson, .json, "
      ".arrow, .feather, .ipc)",
      path));
}

// Batches with the columns of another schema, by name.
class ConformingSource : public BatchSource {
 public:
  ConformingSource(std::string path, std::unique_ptr<BatchSource> source,
                   std::shared_ptr<const Schema> schema, int64_t rows_before)
      : path_(std::move(path)),
        source_(std::move(source)),
        schema_(std::move(schema)),
        rows_before_(rows_before) {}

  const Schema& schema() const override { return *schema_; }

  Result<std::optional<Batch>> Next() override {
    auto batch = source_->Next();
    // Whatever is wrong with somebody's file is no damage of ours.
    if (!batch.ok() && batch.error().code() == ErrorCode::kCorrupt) {
      return InvalidArgument(batch.error().message());
    }
    if (!batch.ok() || !*batch) return batch;
    const int64_t rows = (*batch)->rows->num_rows();
    auto conformed = Conform(**batch, source_->schema(), *schema_);
    if (!conformed.ok()) {
      return std::move(conformed).error().With(
          rows_before_ == 0 ? path_ : fmt::format("{} behind row {}", path_, rows_before_));
    }
    rows_before_ += rows;
    return std::optional<Batch>(std::move(*conformed));
  }

 private:
  std::string path_;
  std::unique_ptr<BatchSource> source_;
  std::shared_ptr<const Schema> schema_;
  int64_t rows_before_;
};

// An Arrow IPC file or stream.
class IpcSource : public BatchSource {
 public:
  static Result<std::unique_ptr<IpcSource>> Open(const std::string& path) {
    auto source = std::make_unique<IpcSource>();
    source->path_ = path;
    auto input = PK_TRY(OpenLocalFile(path));
    char magic[6] = {};
    const int64_t got = PK_TRY(FromArrow(input->ReadAt(0, sizeof(magic), magic)));
    PK_TRY(FromArrow(input->Seek(0)));
    if (got == 6 && std::string_view(magic, 6) == "ARROW1") {
      source->file_ =
          PK_TRY(FromArrow(arrow::ipc::RecordBatchFileReader::Open(input), kBad).With(path));
    } else {
      source->stream_ =
          PK_TRY(FromArrow(arrow::ipc::RecordBatchStreamReader::Open(input), kBad).With(path));
    }
    const auto schema = source->file_ ? source->file_->schema() : source->stream_->schema();
    source->schema_ = PK_TRY(FromArrowSchema(*schema).With(path));
    return source;
  }

  const Schema& schema() const override { return schema_; }

  Result<std::optional<Batch>> Next() override {
    std::shared_ptr<arrow::RecordBatch> batch;
    if (stream_ != nullptr) {
      PK_TRY(FromArrow(stream_->ReadNext(&batch), kBad).With(path_));
    } else if (next_ < file_->num_record_batches()) {
      batch = PK_TRY(FromArrow(file_->ReadRecordBatch(next_++), kBad).With(path_));
    }
    if (batch == nullptr) return std::optional<Batch>();
    PK_TRY(FromArrow(batch->ValidateFull(), kBad).With(path_));
    return std::optional<Batch>(Batch{PK_TRY(Normalise(batch, schema_).With(path_))});
  }

 private:
  std::string path_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> file_;
  std::shared_ptr<arrow::RecordBatchReader> stream_;
  Schema schema_;
  int next_ = 0;
};

// kInvalidArgument for kCorrupt: the file is the caller's, not ours.
template <class T>
Result<T> AsInput(Result<T> result) {
  if (!result.ok() && result.error().code() == ErrorCode::kCorrupt) {
    return InvalidArgument(result.error().message());
  }
  return result;
}

Result<std::unique_ptr<BatchSource>> OpenParquetInput(const std::string& path, const Schema& wanted,
                                                      const InputOptions& options) {
  ParquetInput input;
  input.bytes = PK_TRY(OpenLocalFile(path));
  input.name = path;
  input.by_name = true;
  input.exact = true;
  input.row_groups = options.row_groups;
  const Schema stored = PK_TRY(AsInput(DescribeParquetBytes(input.bytes, path))).schema;
  PK_TRY(CheckConforms(stored, wanted).With(path));
  ReaderOptions reading;
  reading.projection = std::make_shared<const Schema>(stored);
  reading.table_schema = reading.projection;
  reading.batch_rows = options.batch_rows;
  return AsInput(OpenParquetSource(std::move(input), {}, reading));
}

// Row groups [first, last) for each piece.
Result<std::vector<InputOptions>> SplitRowGroups(const parquet::FileMetaData& metadata,
                                                 const InputOptions& options, int64_t pieces,
                                                 int64_t least_bytes) {
  std::vector<InputOptions> split;
  PK_TRY(Guarded(ErrorCode::kCorrupt, [&]() -> arrow::Status {
    const int groups = metadata.num_row_groups();
    int64_t total = 0, rows = 0;
    for (int i = 0; i < groups; ++i) total += metadata.RowGroup(i)->total_byte_size();
    const int64_t count = std::clamp<int64_t>(
        std::min(pieces, total / std::max<int64_t>(least_bytes, 1)), 1, std::max(groups, 1));
    for (int64_t i = 0; i < count; ++i) {
      InputOptions piece = options;
      piece.row_groups = {int(groups * i / count), int(groups * (i + 1) / count)};
      piece.rows_before = rows;
      for (int group = piece.row_groups->first; group < piece.row_groups->second; ++group) {
        rows += metadata.RowGroup(group)->num_rows();
      }
      split.push_back(std::move(piece));
    }
    return arrow::Status::OK();
  }));
  return split;
}

}  // namespace

Result<Schema> InferSchema(const std::string& path, const InputOptions& options) {
  const Format format = PK_TRY(FormatOf(path, options));
  switch (format.format) {
    case InputFormat::kParquet: {
      auto bytes = PK_TRY(OpenLocalFile(path));
      return PK_TRY(AsInput(DescribeParquetBytes(std::move(bytes), path))).schema;
    }
    case InputFormat::kArrowIpc:
      return PK_TRY(IpcSource::Open(path))->schema();
    case InputFormat::kJsonLines:
      return InferJsonLines(path);
    case InputFormat::kCsv:
      break;
  }
  InputOptions csv = options;
  if (format.tabs && csv.delimiter == ',') csv.delimiter = '\t';
  return InferCsv(path, csv);
}

Result<std::unique_ptr<BatchSource>> OpenInput(const std::string& path,
                                               std::shared_ptr<const Schema> schema,
                                               const InputOptions& options) {
  const Format format = PK_TRY(FormatOf(path, options));
  switch (format.format) {
    case InputFormat::kParquet: {
      auto source = PK_TRY(OpenParquetInput(path, *schema, options));
      return std::make_unique<ConformingSource>(path, std::move(source), std::move(schema),
                                                options.row_groups ? options.rows_before : 0);
    }
    case InputFormat::kArrowIpc: {
      auto source = PK_TRY(IpcSource::Open(path));
      PK_TRY(CheckConforms(source->schema(), *schema).With(path));
      return std::make_unique<ConformingSource>(path, std::move(source), std::move(schema), 0);
    }
    case InputFormat::kJsonLines:
      return OpenJsonLines(path, std::move(schema), options);
    case InputFormat::kCsv:
      break;
  }
  InputOptions csv = options;
  if (format.tabs && csv.delimiter == ',') csv.delimiter = '\t';
  return OpenCsv(path, std::move(schema), csv);
}

Result<std::vector<InputOptions>> SplitInput(const std::string& path, const InputOptions& options,
                                             int64_t pieces, int64_t least_bytes) {
  const Format format = PK_TRY(FormatOf(path, options));
  if (format.format != InputFormat::kParquet || options.row_groups || pieces < 2)
    return {{options}};
  const ParquetFile file =
      PK_TRY(AsInput(OpenParquetFile(PK_TRY(OpenLocalFile(path)), {}, true).With(path)));
  return PK_TRY(AsInput(SplitRowGroups(*file.metadata, options, pieces, least_bytes).With(path)));
}

}  // namespace pk::datafile
