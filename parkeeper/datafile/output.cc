#include "parkeeper/datafile/output.h"

#include <arrow/array.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>

#include <algorithm>
#include <vector>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/cell_text_internal.h"

namespace pk::datafile {
namespace {

using iceberg::Field;
using iceberg::PrimitiveKind;

constexpr size_t kFlushBytes = size_t{64} << 10;
// A cell of a table for people is cut beyond this many characters.
constexpr size_t kCellWidth = 80;

// Text on its way, handed on in pieces.
class Pending {
 public:
  explicit Pending(const ByteSink& sink) : sink_(sink) {}
  std::string& text() { return text_; }
  Result<> FlushIfLong() { return text_.size() < kFlushBytes ? Result<>() : Flush(); }
  Result<> Flush() {
    if (text_.empty()) return {};
    Result<> written = sink_(text_);
    text_.clear();
    return written;
  }

 private:
  const ByteSink& sink_;
  std::string text_;
};

class SinkStream : public arrow::io::OutputStream {
 public:
  explicit SinkStream(const ByteSink& sink) : pending_(sink) {}

  arrow::Status Write(const void* data, int64_t bytes) override {
    position_ += bytes;
    pending_.text().append(static_cast<const char*>(data), static_cast<size_t>(bytes));
    return AsStatus(pending_.FlushIfLong());
  }
  using arrow::io::OutputStream::Write;
  arrow::Status Flush() override { return AsStatus(pending_.Flush()); }
  arrow::Status Close() override {
    closed_ = true;
    return Flush();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }

 private:
  static arrow::Status AsStatus(Result<> result) {
    return result.ok() ? arrow::Status::OK() : ToArrow(std::move(result).error());
  }

  Pending pending_;
  int64_t position_ = 0;
  bool closed_ = false;
};

// A source lent to a stream that wants to own one, whose interface in C loses what an error was.
class LentSource : public BatchSource {
 public:
  LentSource(BatchSource& source, std::optional<Error>& failure)
      : source_(source), failure_(failure) {}
  const iceberg::Schema& schema() const override { return source_.schema(); }
  Result<std::optional<Batch>> Next() override {
    auto next = source_.Next();
    if (!next.ok()) failure_ = next.error();
    return next;
  }

 private:
  BatchSource& source_;
  std::optional<Error>& failure_;
};

// Calls `write` with `source` as Arrow batches of one schema; an error of the source comes out as
// it was.
template <class Write>
Result<int64_t> WithReader(BatchSource& source, const Write& write) {
  std::optional<Error> failure;
  ArrowArrayStream stream;
  PK_TRY(ExportStream(std::make_unique<LentSource>(source, failure), &stream));
  const auto reader = PK_TRY(FromArrow(arrow::ImportRecordBatchReader(&stream)));
  auto rows = Guarded(ErrorCode::kInternal, [&] { return write(*reader); });
  if (!rows.ok() && failure) return *std::move(failure);
  return rows;
}

// Hands each batch of `reader` to `write`; returns the number of rows.
template <class Write>
arrow::Result<int64_t> Drain(arrow::RecordBatchReader& reader, const Write& write) {
  int64_t rows = 0;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader.Next());
    if (batch == nullptr) return rows;
    rows += batch->num_rows();
    ARROW_RETURN_NOT_OK(write(*batch));
  }
}

Result<int64_t> WriteIpc(BatchSource& source, const ByteSink& sink) {
  return WithReader(source, [&](arrow::RecordBatchReader& reader) -> arrow::Result<int64_t> {
    SinkStream out(sink);
    ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeStreamWriter(&out, reader.schema()));
    ARROW_ASSIGN_OR_RAISE(int64_t rows, Drain(reader, [&](const arrow::RecordBatch& batch) {
                            return writer->WriteRecordBatch(batch);
                          }));
    ARROW_RETURN_NOT_OK(writer->Close());
    ARROW_RETURN_NOT_OK(out.Close());
    return rows;
  });
}

Result<int64_t> WriteParquet(BatchSource& source, const ByteSink& sink) {
  return WithReader(source, [&](arrow::RecordBatchReader& reader) -> arrow::Result<int64_t> {
    const auto out = std::make_shared<SinkStream>(sink);
    const auto properties = parquet::WriterProperties::Builder()
                                .compression(parquet::Compression::ZSTD)
                                ->enable_store_decimal_as_integer()
                                ->build();
    ARROW_ASSIGN_OR_RAISE(auto writer,
                          parquet::arrow::FileWriter::Open(
                              *reader.schema(), arrow::default_memory_pool(), out, properties));
    ARROW_ASSIGN_OR_RAISE(int64_t rows, Drain(reader, [&](const arrow::RecordBatch& batch) {
                            return writer->WriteRecordBatch(batch);
                          }));
    ARROW_RETURN_NOT_OK(writer->Close());
    ARROW_RETURN_NOT_OK(out->Close());
    return rows;
  });
}

// An empty string is written "", for an empty cell is null.
void AppendCsvCell(std::string_view text, std::string& out) {
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

Result<int64_t> WriteCsv(BatchSource& source, const ByteSink& sink) {
  Pending pending(sink);
  const auto& fields = source.schema().fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) pending.text() += ',';
    AppendCsvCell(fields[i].name, pending.text());
  }
  pending.text() += '\n';
  int64_t total = 0;
  std::string cell;
  while (auto batch = PK_TRY(source.Next())) {
    const arrow::RecordBatch& rows = *batch->rows;
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      for (int i = 0; i < rows.num_columns(); ++i) {
        if (i > 0) pending.text() += ',';
        if (rows.column(i)->IsNull(row)) continue;
        cell.clear();
        AppendPlainText(*rows.column(i), row, fields[static_cast<size_t>(i)].type, cell);
        AppendCsvCell(cell, pending.text());
      }
      pending.text() += '\n';
      PK_TRY(pending.FlushIfLong());
    }
    total += rows.num_rows();
  }
  PK_TRY(pending.Flush());
  return total;
}

Result<int64_t> WriteJsonLines(BatchSource& source, const ByteSink& sink) {
  Pending pending(sink);
  const auto& fields = source.schema().fields();
  std::vector<std::string> keys;
  for (const Field& field : fields) {
    std::string key = keys.empty() ? "" : ",";
    AppendJsonString(field.name, key);
    keys.push_back(key + ":");
  }
  int64_t total = 0;
  while (auto batch = PK_TRY(source.Next())) {
    const arrow::RecordBatch& rows = *batch->rows;
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      pending.text() += '{';
      for (size_t i = 0; i < fields.size(); ++i) {
        pending.text() += keys[i];
        AppendJsonText(*rows.column(static_cast<int>(i)), row, fields[i].type, pending.text());
      }
      pending.text() += "}\n";
      PK_TRY(pending.FlushIfLong());
    }
    total += rows.num_rows();
  }
  PK_TRY(pending.Flush());
  return total;
}

// Characters, roughly columns of a terminal.
size_t Width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// On one line, not too long.
std::string ForTable(std::string_view text) {
  std::string out;
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool starts = (text[i] & 0xC0) != 0x80;
    if (starts && width++ == kCellWidth) return out + "\xE2\x80\xA6";
    const auto byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += text[i];
    }
  }
  return out;
}

bool IsNumber(const Field& field) {
  const auto* primitive = field.type.primitive();
  if (primitive == nullptr) return false;
  switch (primitive->kind) {
    case PrimitiveKind::kInt:
    case PrimitiveKind::kLong:
    case PrimitiveKind::kFloat:
    case PrimitiveKind::kDouble:
    case PrimitiveKind::kDecimal:
      return true;
    default:
      return false;
  }
}

// Lines of cells, padded so that they stand below each other.
class Table {
 public:
  explicit Table(const std::vector<Field>& fields) : fields_(fields) {
    std::vector<std::string> names;
    for (const Field& field : fields) names.push_back(ForTable(field.name));
    Add(std::move(names));
  }

  void Add(std::vector<std::string> cells) {
    widths_.resize(cells.size(), 0);
    for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], Width(cells[i]));
    lines_.push_back(std::move(cells));
  }
  void AddRow(const arrow::RecordBatch& rows, int64_t row) {
    std::vector<std::string> cells;
    for (size_t i = 0; i < fields_.size(); ++i) {
      const arrow::Array& column = *rows.column(static_cast<int>(i));
      std::string cell = "null";
      if (!column.IsNull(row)) {
        cell.clear();
        AppendPlainText(column, row, fields_[i].type, cell);
        cell = ForTable(cell);
      }
      cells.push_back(std::move(cell));
    }
    Add(std::move(cells));
  }
  size_t rows() const { return lines_.size() - 1; }

  std::string Text() const {
    std::string out;
    for (size_t line = 0; line < lines_.size(); ++line) {
      std::string text;
      for (size_t i = 0; i < fields_.size(); ++i) {
        const std::string padding(widths_[i] - Width(lines_[line][i]), ' ');
        const bool right = IsNumber(fields_[i]);
        if (i > 0) text += " | ";
        text += right ? padding + lines_[line][i] : lines_[line][i] + padding;
      }
      text.erase(text.find_last_not_of(' ') + 1);
      out += text + '\n';
      if (line > 0) continue;
      for (size_t i = 0; i < fields_.size(); ++i) {
        if (i > 0) out += "-+-";
        out += std::string(widths_[i], '-');
      }
      out += '\n';
    }
    return out;
  }

 private:
  const std::vector<Field>& fields_;
  std::vector<std::vector<std::string>> lines_;
  std::vector<size_t> widths_;
};

Result<int64_t> WriteTable(BatchSource& source, const ByteSink& sink, int64_t table_rows) {
  Table table(source.schema().fields());
  int64_t total = 0;
  while (auto batch = PK_TRY(source.Next())) {
    const arrow::RecordBatch& rows = *batch->rows;
    const int64_t room = std::max<int64_t>(0, table_rows - static_cast<int64_t>(table.rows()));
    for (int64_t row = 0; row < std::min(room, rows.num_rows()); ++row) table.AddRow(rows, row);
    total += rows.num_rows();
  }
  const int64_t more = total - static_cast<int64_t>(table.rows());
  std::string text = table.Text();
  text += fmt::format("({} row{}", total, total == 1 ? "" : "s");
  text += more > 0 ? fmt::format(", {} of them not shown)\n", more) : ")\n";
  PK_TRY(sink(text));
  return total;
}

}  // namespace

Result<int64_t> WriteOutput(BatchSource& source, OutputFormat format, const ByteSink& sink,
                            int64_t table_rows) {
  switch (format) {
    case OutputFormat::kTable:
      return WriteTable(source, sink, table_rows);
    case OutputFormat::kCsv:
      return WriteCsv(source, sink);
    case OutputFormat::kJsonLines:
      return WriteJsonLines(source, sink);
    case OutputFormat::kArrowIpc:
      return WriteIpc(source, sink);
    case OutputFormat::kParquet:
      return WriteParquet(source, sink);
  }
  return Internal("an output format that does not exist");
}

}  // namespace pk::datafile
