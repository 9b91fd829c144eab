#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/memory_pool.h>
#include <fmt/format.h>
#include <parquet/arrow/schema.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <algorithm>
#include <mutex>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/parquet_file_internal.h"

namespace pk::datafile {
namespace {

constexpr int64_t kTailBytes = 64 << 10;

class StorageInput : public arrow::io::RandomAccessFile {
 public:
  StorageInput(storage::RandomAccessFile& file, std::atomic<int64_t>* bytes_read)
      : file_(file), bytes_read_(bytes_read) {
    set_mode(arrow::io::FileMode::READ);
  }

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override {
    if (position < 0) return arrow::Status::Invalid("seek before the start of the file");
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> GetSize() override { return file_.size(); }

  using arrow::io::RandomAccessFile::ReadAt;

  arrow::Result<int64_t> ReadAt(int64_t position, int64_t length, void* out) override {
    if (position < 0 || length < 0) return arrow::Status::Invalid("read of a negative range");
    length = std::clamp<int64_t>(file_.size() - position, 0, length);
    if (length == 0) return 0;
    const int64_t tail_begin = std::max<int64_t>(0, file_.size() - kTailBytes);
    if (position >= tail_begin) {
      ARROW_RETURN_NOT_OK(FetchTail(tail_begin));
      std::memcpy(out, tail_.data() + (position - tail_begin), static_cast<size_t>(length));
      return length;
    }
    ARROW_RETURN_NOT_OK(Fetch(position, {static_cast<char*>(out), static_cast<size_t>(length)}));
    return length;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t length) override {
    // Never trust a length that the file states with an allocation beyond the file.
    length = std::clamp<int64_t>(length, 0, std::max<int64_t>(0, file_.size() - position));
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(length));
    ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position, length, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got, /*shrink_to_fit=*/false));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

  arrow::Result<int64_t> Read(int64_t length, void* out) override {
    ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position_, length, out));
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t length) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, length));
    position_ += buffer->size();
    return buffer;
  }

 private:
  arrow::Status Fetch(int64_t position, std::span<char> out) {
    Result<> read = file_.Read(position, out);
    if (!read.ok()) return ToArrow(std::move(read).error());
    if (bytes_read_ != nullptr) *bytes_read_ += static_cast<int64_t>(out.size());
    return arrow::Status::OK();
  }
  arrow::Status FetchTail(int64_t begin) {
    std::lock_guard lock(tail_mutex_);
    if (!tail_.empty()) return arrow::Status::OK();
    std::vector<char> tail(static_cast<size_t>(file_.size() - begin));
    ARROW_RETURN_NOT_OK(Fetch(begin, tail));
    tail_ = std::move(tail);
    return arrow::Status::OK();
  }

  storage::RandomAccessFile& file_;
  std::atomic<int64_t>* bytes_read_;
  std::mutex tail_mutex_;
  std::vector<char> tail_;  // written once
  int64_t position_ = 0;
  bool closed_ = false;
};

bool AnyId(const parquet::arrow::SchemaField& field) {
  return FieldIdOf(*field.field).has_value() ||
         std::any_of(field.children.begin(), field.children.end(), AnyId);
}

FileField ByOwnIds(const parquet::arrow::SchemaField& field) {
  FileField out{.id = FieldIdOf(*field.field).value_or(0), .field = &field, .children = {}};
  for (const auto& child : field.children) out.children.push_back(ByOwnIds(child));
  return out;
}

const iceberg::MappedField* FindMapped(const std::vector<iceberg::MappedField>& mapped,
                                       const std::string& name) {
  for (const auto& field : mapped) {
    if (std::find(field.names.begin(), field.names.end(), name) != field.names.end()) return &field;
  }
  return nullptr;
}

FileField ByMapping(const parquet::arrow::SchemaField& field, const std::string& name,
                    const std::vector<iceberg::MappedField>& siblings);

// Lists and maps name their parts differently in each writer; the mapping calls them element, key
// and value.
std::vector<FileField> ChildrenByMapping(const parquet::arrow::SchemaField& field,
                                         const std::vector<iceberg::MappedField>& mapped) {
  std::vector<FileField> out;
  const auto kind = field.field->type()->id();
  if (kind == arrow::Type::MAP && field.children.size() == 1) {
    FileField entries{.id = 0, .field = &field.children[0], .children = {}};
    const auto& parts = field.children[0].children;
    for (size_t i = 0; i < parts.size(); ++i) {
      entries.children.push_back(ByMapping(parts[i], i == 0 ? "key" : "value", mapped));
    }
    out.push_back(std::move(entries));
    return out;
  }
  const bool is_list = kind == arrow::Type::LIST || kind == arrow::Type::LARGE_LIST ||
                       kind == arrow::Type::FIXED_SIZE_LIST;
  for (const auto& child : field.children) {
    out.push_back(ByMapping(child, is_list ? "element" : child.field->name(), mapped));
  }
  return out;
}

FileField ByMapping(const parquet::arrow::SchemaField& field, const std::string& name,
                    const std::vector<iceberg::MappedField>& siblings) {
  static const std::vector<iceberg::MappedField> kNone;
  const iceberg::MappedField* mapped = FindMapped(siblings, name);
  return {.id = mapped != nullptr ? mapped->field_id.value_or(0) : 0,
          .field = &field,
          .children = ChildrenByMapping(field, mapped != nullptr ? mapped->fields : kNone)};
}

}  // namespace

std::shared_ptr<arrow::io::RandomAccessFile> AsArrowFile(storage::RandomAccessFile& file,
                                                         std::atomic<int64_t>* bytes_read) {
  return std::make_shared<StorageInput>(file, bytes_read);
}

parquet::ArrowReaderProperties ReadingProperties() {
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  properties.set_pre_buffer(false);
  return properties;
}

parquet::ReaderProperties CheckingProperties() {
  parquet::ReaderProperties properties;
  properties.set_page_checksum_verification(true);
  return properties;
}

Result<ParquetFile> OpenParquetFile(std::shared_ptr<arrow::io::RandomAccessFile> input,
                                    const iceberg::NameMapping& mapping, bool by_name) {
  ParquetFile file;
  file.input = std::move(input);
  file.manifest = std::make_unique<parquet::arrow::SchemaManifest>();
  PK_TRY(Guarded(ErrorCode::kCorrupt, [&] {
    file.reader = parquet::ParquetFileReader::Open(file.input, CheckingProperties());
    file.metadata = file.reader->metadata();
    // Without the Arrow schema that a writer may have stored: the columns as Parquet types them.
    auto types = ReadingProperties();
    types.set_arrow_extensions_enabled(true);  // tells uuid from fixed
    return parquet::arrow::SchemaManifest::Make(file.metadata->schema(), nullptr, types,
                                                file.manifest.get());
  }));
  const auto& roots = file.manifest->schema_fields;
  file.has_field_ids = std::any_of(roots.begin(), roots.end(), AnyId);
  for (const auto& root : roots) {
    const bool own = file.has_field_ids && !by_name;
    file.fields.push_back(own ? ByOwnIds(root)
                              : ByMapping(root, root.field->name(), mapping.fields));
  }
  return file;
}

int64_t FirstByte(const parquet::RowGroupMetaData& group) {
  if (group.num_columns() == 0) return group.file_offset();
  auto chunk = group.ColumnChunk(0);
  int64_t first = chunk->data_page_offset();
  if (chunk->has_dictionary_page() && chunk->dictionary_page_offset() > 0) {
    first = std::min(first, chunk->dictionary_page_offset());
  }
  return first;
}

}  // namespace pk::datafile
