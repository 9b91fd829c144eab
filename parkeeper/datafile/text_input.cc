#include <arrow/array/builder_base.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/csv_records_internal.h"
#include "parkeeper/datafile/text_cell_internal.h"
#include "parkeeper/datafile/text_input_internal.h"

namespace pk::datafile {
namespace {

using iceberg::Field;
using iceberg::PrimitiveKind;
using iceberg::Schema;

// A batch is handed over when its text has reached this, however few rows it holds.
constexpr int64_t kBatchBytes = int64_t{32} << 20;

class CsvSource : public BatchSource {
 public:
  CsvSource(std::string path, CsvRecords records, RowBuilder rows, const InputOptions& options)
      : path_(std::move(path)),
        records_(std::move(records)),
        rows_(std::move(rows)),
        options_(options) {}

  const Schema& schema() const override { return rows_.schema(); }

  // Finds the file's columns in the schema.
  Result<> Open() {
    const auto& fields = schema().fields();
    if (!options_.header) {
      for (size_t i = 0; i < fields.size(); ++i) columns_.push_back(i);
      return {};
    }
    if (!PK_TRY(records_.Next(cells_).With(path_))) {
      return InvalidArgument(fmt::format("{}: there is no line that names the columns", path_));
    }
    std::vector<bool> seen(fields.size(), false);
    for (const CsvCell& cell : cells_) {
      const size_t i = PK_TRY(FindColumn(cell.text));
      PK_CHECK(!seen[i], InvalidArgument(
                             fmt::format("{}: column '{}' is named twice", path_, fields[i].name)));
      seen[i] = true;
      columns_.push_back(i);
    }
    for (size_t i = 0; i < fields.size(); ++i) {
      PK_CHECK(seen[i] || !fields[i].required,
               InvalidArgument(
                   fmt::format("{}: column '{}' is required and missing", path_, fields[i].name)));
      if (!seen[i]) missing_.push_back(i);
    }
    return {};
  }

  Result<std::optional<Batch>> Next() override {
    int64_t count = 0;
    const int64_t begin = records_.bytes();
    while (count < options_.batch_rows && records_.bytes() - begin < kBatchBytes) {
      if (!PK_TRY(records_.Next(cells_).With(path_))) break;
      PK_TRY(AppendRecord());
      ++count;
    }
    if (count == 0) return std::optional<Batch>();
    return std::optional<Batch>(Batch{PK_TRY(rows_.Finish())});
  }

 private:
  std::string Where() const { return fmt::format("{} line {}", path_, records_.line()); }

  Result<size_t> FindColumn(std::string_view name) const {
    const auto& fields = schema().fields();
    const auto at = std::find_if(fields.begin(), fields.end(),
                                 [&](const Field& field) { return field.name == name; });
    if (at != fields.end()) return static_cast<size_t>(at - fields.begin());
    const Field* found =
        PK_TRY(iceberg::FindColumn(schema(), name, /*case_sensitive=*/false).With(path_));
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].id == found->id) return i;
    }
    return InvalidArgument(fmt::format("{}: '{}' is no column of its own", path_, name));
  }

  Result<> AppendRecord() {
    PK_CHECK(cells_.size() == columns_.size(),
             InvalidArgument(fmt::format("{}: {} cells where {} are wanted", Where(), cells_.size(),
                                         columns_.size())));
    for (size_t i = 0; i < cells_.size(); ++i) PK_TRY(AppendCell(cells_[i], columns_[i]));
    for (size_t column : missing_) PK_TRY(FromArrow(rows_.column(column).AppendNull()));
    return {};
  }

  Result<> AppendCell(const CsvCell& cell, size_t column) {
    const Field& field = schema().fields()[column];
    arrow::ArrayBuilder& builder = rows_.column(column);
    const auto* primitive = field.type.primitive();
    const bool is_text = primitive != nullptr && (primitive->kind == PrimitiveKind::kString ||
                                                  primitive->kind == PrimitiveKind::kBinary);
    if (cell.text.empty() && !(is_text && (cell.quoted || field.required))) {
      PK_CHECK(!field.required,
               InvalidArgument(fmt::format("{}: column '{}' is required and the cell is empty",
                                           Where(), field.name)));
      return FromArrow(builder.AppendNull());
    }
    if (primitive == nullptr) {
      auto nested = AppendJson(cell.text, field, field.name, builder);
      if (!nested.ok()) return std::move(nested).error().With(Where());
      return {};
    }
    if (!PK_TRY(AppendText(cell.text, *primitive, builder))) [[unlikely]] {
      return InvalidArgument(
          fmt::format("{}: column '{}': {}", Where(), field.name, IsNot(cell.text, field.type)));
    }
    return {};
  }

  std::string path_;
  CsvRecords records_;
  RowBuilder rows_;
  InputOptions options_;
  std::vector<size_t> columns_;  // of the schema, in the file's order
  std::vector<size_t> missing_;
  std::vector<CsvCell> cells_;
};

class JsonLinesSource : public BatchSource {
 public:
  JsonLinesSource(std::string path, TextStream stream, RowBuilder rows, int64_t batch_rows)
      : path_(std::move(path)),
        stream_(std::move(stream)),
        rows_(std::move(rows)),
        batch_rows_(batch_rows) {}

  const Schema& schema() const override { return rows_.schema(); }

  Result<std::optional<Batch>> Next() override {
    int64_t count = 0;
    for (int64_t bytes = 0; count < batch_rows_ && bytes < kBatchBytes;) {
      const auto line = PK_TRY(NextLine());
      if (!line) break;
      bytes += static_cast<int64_t>(line->size()) + 1;
      if (line->find_first_not_of(" \t\r") == std::string_view::npos) continue;
      PK_TRY(rows_.AppendObject(*line).With(fmt::format("{} line {}", path_, line_)));
      ++count;
    }
    if (count == 0) return std::optional<Batch>();
    return std::optional<Batch>(Batch{PK_TRY(rows_.Finish())});
  }

 private:
  Result<std::optional<std::string_view>> NextLine() {
    stream_.Consume(consumed_);
    consumed_ = 0;
    size_t from = 0;
    while (true) {
      const std::string_view window = stream_.window();
      const size_t end = window.find('\n', from);
      if (end != std::string_view::npos) {
        ++line_;
        consumed_ = end + 1;
        return std::optional(window.substr(0, end));
      }
      from = window.size();
      if (PK_TRY(stream_.Grow())) continue;
      const std::string_view last = stream_.window();
      if (last.empty()) return std::optional<std::string_view>();
      ++line_;
      consumed_ = last.size();
      return std::optional(last);
    }
  }

  std::string path_;
  TextStream stream_;
  RowBuilder rows_;
  int64_t batch_rows_;
  int64_t line_ = 0;
  size_t consumed_ = 0;
};

}  // namespace

Result<std::unique_ptr<BatchSource>> OpenCsv(const std::string& path,
                                             std::shared_ptr<const Schema> schema,
                                             const InputOptions& options) {
  CsvRecords records(PK_TRY(TextStream::Open(path)), options.delimiter);
  auto source = std::make_unique<CsvSource>(path, std::move(records),
                                            PK_TRY(RowBuilder::Make(std::move(schema))), options);
  PK_TRY(source->Open());
  return source;
}

Result<std::unique_ptr<BatchSource>> OpenJsonLines(const std::string& path,
                                                   std::shared_ptr<const Schema> schema,
                                                   const InputOptions& options) {
  auto stream = PK_TRY(TextStream::Open(path));
  auto rows = PK_TRY(RowBuilder::Make(std::move(schema)));
  return std::make_unique<JsonLinesSource>(path, std::move(stream), std::move(rows),
                                           options.batch_rows);
}

}  // namespace pk::datafile
