#include "parkeeper/datafile/row_deletes.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include "parkeeper/datafile/parquet_reader.h"
#include "parkeeper/datafile/row_keys_internal.h"

namespace pk::datafile {

using iceberg::PrimitiveKind;

namespace {

const std::shared_ptr<const iceberg::Schema>& PositionSchema() {
  static const auto schema = std::make_shared<const iceberg::Schema>(
      iceberg::StructType{.fields = {{.id = kDeletePathFieldId,
                                      .name = "file_path",
                                      .required = true,
                                      .type = PrimitiveKind::kString},
                                     {.id = kDeletePositionFieldId,
                                      .name = "pos",
                                      .required = true,
                                      .type = PrimitiveKind::kLong}}});
  return schema;
}

// Delete files are sorted by path, so that statistics leave out what is of other data files.
iceberg::BoundExpression PathsBetween(const std::string& first, const std::string& last) {
  using iceberg::BoundPredicate;
  using iceberg::Operator;
  const iceberg::PrimitiveType text{.kind = PrimitiveKind::kString};
  return iceberg::BoundExpression::And{
      {BoundPredicate{Operator::kGreaterOrEqual, kDeletePathFieldId, text, {first}},
       BoundPredicate{Operator::kLessOrEqual, kDeletePathFieldId, text, {last}}}};
}

std::string_view TextAt(const arrow::Array& array, int64_t row) {
  if (array.type_id() == arrow::Type::DICTIONARY) {
    const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
    return TextAt(*coded.dictionary(), coded.GetValueIndex(row));
  }
  if (array.type_id() == arrow::Type::STRING_VIEW) {
    return static_cast<const arrow::StringViewArray&>(array).GetView(row);
  }
  return static_cast<const arrow::StringArray&>(array).GetView(row);
}

iceberg::StructType AllOptional(iceberg::StructType type) {
  for (iceberg::Field& field : type.fields) {
    field.required = false;
    if (const auto* members = field.type.struct_type()) field.type = AllOptional(*members);
  }
  return type;
}

}  // namespace

Result<> CheckDeleteFormat(const iceberg::DataFile& file) {
  PK_CHECK(file.format != "PUFFIN",
           Unsupported(fmt::format("deletion vectors, as format version 3 has them, cannot be "
                                   "applied: {}",
                                   file.location)));
  PK_CHECK(file.format == "PARQUET",
           Unsupported(fmt::format("delete files in format {} cannot be read: {}", file.format,
                                   file.location)));
  return {};
}

Result<std::shared_ptr<const PositionDeletes>> PositionDeletes::Read(storage::Storage& storage,
                                                                     const iceberg::DataFile& file,
                                                                     const Locations& wanted,
                                                                     const MemoryCharge& charge) {
  PK_TRY(CheckDeleteFormat(file));
  auto deletes = std::make_shared<PositionDeletes>();
  if (wanted.empty()) return deletes;
  ReaderOptions options;
  options.projection = PositionSchema();
  options.table_schema = PositionSchema();
  options.filter = PathsBetween(*wanted.begin(), *wanted.rbegin());
  options.columns_must_exist = true;
  const auto source = PK_TRY(OpenParquet(storage, file, options));
  while (auto batch = PK_TRY(source->Next())) {
    const int64_t before = deletes->bytes_;
    PK_TRY(deletes->Add(*batch, wanted).With(fmt::format("delete file {}", file.location)));
    PK_TRY(charge(deletes->bytes_ - before));
  }
  deletes->Sort();
  return deletes;
}

Result<> PositionDeletes::Add(const Batch& batch, const Locations& wanted) {
  const arrow::Array& paths = *batch.rows->column(0);
  const auto& positions = static_cast<const arrow::Int64Array&>(*batch.rows->column(1));
  // Rows of one data file follow each other.
  std::string_view path;
  std::vector<int64_t>* to = nullptr;
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    const std::string_view next = TextAt(paths, row);
    if (row == 0 || next != path) {
      path = next;
      const auto found = wanted.find(path);
      to = found == wanted.end() ? nullptr : &by_file_[*found];
    }
    if (to == nullptr) continue;
    const int64_t position = positions.Value(row);
    PK_CHECK(position >= 0, Corrupt(fmt::format("a row is at position {}", position)));
    to->push_back(position);
    bytes_ += int64_t{sizeof(int64_t)};
  }
  return {};
}

void PositionDeletes::Sort() {
  for (auto& [path, positions] : by_file_) {
    std::ranges::sort(positions);
    const auto rest = std::ranges::unique(positions);
    positions.erase(rest.begin(), rest.end());
    positions.shrink_to_fit();
  }
}

const std::vector<int64_t>* PositionDeletes::Of(std::string_view data_file) const {
  const auto found = by_file_.find(data_file);
  return found == by_file_.end() ? nullptr : &found->second;
}

struct EqualityDeletes::State {
  std::shared_ptr<const iceberg::Schema> keys;
  std::vector<int32_t> ids;
  mutable std::shared_mutex mutex;
  KeyTable table;
};

EqualityDeletes::EqualityDeletes() : state_(std::make_unique<State>()) {}
EqualityDeletes::~EqualityDeletes() = default;

Result<std::shared_ptr<EqualityDeletes>> EqualityDeletes::Make(const iceberg::Schema& columns,
                                                               std::vector<int32_t> ids) {
  std::vector<std::string> names;
  for (const int32_t id : ids) {
    const iceberg::Field* field = columns.FindById(id);
    PK_CHECK(field != nullptr && field->type.is_primitive() && !columns.IsRepeated(id),
             Unsupported(fmt::format("equality deletes over field {}, which is no column of the "
                                     "table that has one value in each row",
                                     id)));
    names.push_back(columns.FullName(id));
  }
  PK_CHECK(!ids.empty(), Unsupported("equality deletes over no column"));
  const iceberg::Schema keys = PK_TRY(iceberg::Select(columns, names));
  const std::shared_ptr<EqualityDeletes> deletes(new EqualityDeletes());
  deletes->state_->keys = std::make_shared<const iceberg::Schema>(AllOptional(keys.type()));
  deletes->state_->ids = std::move(ids);
  return deletes;
}

const iceberg::Schema& EqualityDeletes::keys() const { return *state_->keys; }

Result<> EqualityDeletes::Read(storage::Storage& storage, const iceberg::DataFile& file,
                               int32_t number, const std::optional<iceberg::NameMapping>& mapping,
                               const MemoryCharge& charge) {
  PK_TRY(CheckDeleteFormat(file));
  ReaderOptions options;
  options.projection = state_->keys;
  options.table_schema = state_->keys;
  options.name_mapping = mapping;
  options.columns_must_exist = true;
  const auto source = PK_TRY(OpenParquet(storage, file, options));
  while (auto batch = PK_TRY(source->Next())) {
    RowKeys keys = PK_TRY(RowKeys::Of(*batch, *state_->keys, state_->ids));
    std::unique_lock lock(state_->mutex);
    const int64_t before = state_->table.bytes();
    for (int64_t row = 0; row < batch->num_rows(); ++row) state_->table.Add(keys.At(row), number);
    const int64_t more = state_->table.bytes() - before;
    lock.unlock();
    PK_TRY(charge(more));
  }
  return {};
}

Result<> EqualityDeletes::Find(const Batch& rows, const std::vector<int32_t>& files,
                               std::vector<uint8_t>& hidden) const {
  if (files.empty()) return {};
  RowKeys keys = PK_TRY(RowKeys::Of(rows, *state_->keys, state_->ids));
  const auto applies = [&](int32_t file) {
    return std::binary_search(files.begin(), files.end(), file);
  };
  std::shared_lock lock(state_->mutex);
  for (size_t row = 0; row < hidden.size(); ++row) {
    if (hidden[row] == 0 && state_->table.Contains(keys.At(static_cast<int64_t>(row)), applies)) {
      hidden[row] = 1;
    }
  }
  return {};
}

int64_t EqualityDeletes::bytes() const {
  std::shared_lock lock(state_->mutex);
  return state_->table.bytes();
}

}  // namespace pk::datafile
