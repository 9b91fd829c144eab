#include "parkeeper/table/scan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "apps/parkeeper/command.h"
#include "parkeeper/datafile/output.h"
#include "parkeeper/iceberg/value.h"

namespace pk::cli {
namespace {

struct Arguments {
  std::string name, where, as_of, format = "table", output;
  std::vector<std::string> columns;
  int64_t limit = -1;
  int threads = 0;
  bool explain = false, files = false, count = false;
};

// A snapshot id, a time ("2026-11-22", "2026-11-22T20:15:00", UTC unless it has a zone), or a
// branch or tag.
Result<table::SnapshotSelector> ParseAsOf(const std::string& text) {
  if (text.empty()) return table::SnapshotSelector();
  int64_t id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (failure == std::errc() && end == text.data() + text.size())
    return table::SnapshotSelector(id);
  for (const auto kind :
       {iceberg::PrimitiveKind::kTimestamptz, iceberg::PrimitiveKind::kTimestamp}) {
    const auto time = iceberg::ParseValue(text, {.kind = kind});
    if (time.ok()) {
      return table::SnapshotSelector(table::AsOfTime{std::get<int64_t>(*time) / 1'000});
    }
  }
  const auto day = iceberg::ParseValue(text, {.kind = iceberg::PrimitiveKind::kDate});
  if (day.ok()) {
    return table::SnapshotSelector(table::AsOfTime{std::get<int32_t>(*day) * int64_t{86'400'000}});
  }
  return table::SnapshotSelector(text);
}

// Where rows go: standard output, or a file that appears whole under its name.
class Output {
 public:
  static Result<Output> Open(const std::string& path) {
    if (path.empty()) return Output(path, STDOUT_FILENO);
    const int file =
        open((path + ".partial").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    PK_CHECK(file >= 0, Unavailable(fmt::format("cannot write {}: {}", path, strerror(errno))));
    return Output(path, file);
  }
  Output(Output&& other) noexcept
      : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}
  Output& operator=(Output&&) = delete;
  ~Output() {
    if (path_.empty() || file_ < 0) return;
    close(file_);
    unlink((path_ + ".partial").c_str());
  }

  Result<> Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      PK_CHECK(written >= 0, Unavailable(fmt::format("cannot write {}: {}",
                                                     path_.empty() ? "standard output" : path_,
                                                     strerror(errno))));
      bytes.remove_prefix(size_t(written));
    }
    return {};
  }

  Result<> Finish() {
    if (path_.empty()) return {};
    const bool done = fsync(file_) == 0 && rename((path_ + ".partial").c_str(), path_.c_str()) == 0;
    PK_CHECK(done, Unavailable(fmt::format("cannot write {}: {}", path_, strerror(errno))));
    close(std::exchange(file_, -1));
    return {};
  }

 private:
  Output(std::string path, int file) : path_(std::move(path)), file_(file) {}
  std::string path_;
  int file_;
};

Result<datafile::OutputFormat> FormatOf(const Arguments& arguments, bool json) {
  static const std::map<std::string, datafile::OutputFormat> kFormats = {
      {"table", datafile::OutputFormat::kTable},
      {"csv", datafile::OutputFormat::kCsv},
      {"json", datafile::OutputFormat::kJsonLines},
      {"arrow", datafile::OutputFormat::kArrowIpc},
      {"parquet", datafile::OutputFormat::kParquet}};
  const auto format = kFormats.at(json && arguments.format == "table" ? "json" : arguments.format);
  const bool binary =
      format == datafile::OutputFormat::kArrowIpc || format == datafile::OutputFormat::kParquet;
  PK_CHECK(!binary || !arguments.output.empty() || isatty(STDOUT_FILENO) == 0,
           InvalidArgument("a terminal cannot show this format: use --output FILE"));
  return format;
}

Result<> CountRows(datafile::BatchSource& rows, bool json) {
  int64_t count = 0;
  while (auto batch = PK_TRY(rows.Next())) count += batch->num_rows();
  return Print(json ? fmt::format("{{\"count\": {}}}", count) : std::to_string(count));
}

Result<> Run(const Global& global, const Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.name));
  table::ScanRequest request;
  if (!arguments.where.empty()) {
    request.filter = PK_TRY(iceberg::ParseExpression(arguments.where).With("--where"));
  }
  request.columns = arguments.columns;
  request.snapshot = PK_TRY(ParseAsOf(arguments.as_of));
  if (arguments.limit >= 0) request.limit = arguments.limit;
  const auto format = PK_TRY(FormatOf(arguments, global.json));
  const auto lake = PK_TRY(global.OpenLake());
  const auto loaded = PK_TRY(lake->catalog().LoadTable(name));
  const table::ScanPlan plan =
      PK_TRY(table::PlanScan(lake->storage(), *loaded.metadata, request).With(arguments.name));
  if (arguments.explain) {
    return Print(global.json ? table::ToJson(plan) : table::Explain(plan, arguments.files));
  }
  const auto rows =
      PK_TRY(table::Scan(lake->storage(), plan,
                         {.threads = arguments.threads, .keep_order = true, .stop = global.stop}));
  if (arguments.count) return CountRows(*rows, global.json);
  Output output = PK_TRY(Output::Open(arguments.output));
  const int64_t count = PK_TRY(datafile::WriteOutput(
      *rows, format, [&](std::string_view bytes) { return output.Write(bytes); }));
  PK_TRY(output.Finish());
  if (!arguments.output.empty() && !global.quiet && !global.json) {
    return Print(fmt::format("{} rows in {}", count, arguments.output));
  }
  return {};
}

}  // namespace

void AddScanCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("scan", "read rows of a table");
  command->fallthrough();
  command->footer(
      "Examples:\n"
      "  parkeeper scan sales.orders --where \"total > 100 and ts >= '2026-01-01'\" --limit 20\n"
      "  parkeeper scan sales.orders --columns id,total --format parquet --output orders.parquet\n"
      "  parkeeper scan sales.orders --as-of 2026-11-01 --count\n"
      "  parkeeper scan sales.orders --where 'id = 7' --explain");
  command->add_option("name", arguments->name, "the table")->required();
  command->add_option("--where", arguments->where, "a filter as in SQL");
  command->add_option("--columns", arguments->columns, "names, with commas between")
      ->delimiter(',');
  command->add_option("--limit", arguments->limit, "at most this many rows")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--as-of", arguments->as_of, "snapshot id, time (UTC), branch or tag");
  command->add_flag("--explain", arguments->explain,
                    "say what would be read, and why not the rest");
  command->add_flag("--files", arguments->files, "with --explain: each file");
  command->add_flag("--count", arguments->count, "only the number of rows");
  command->add_option("--format", arguments->format, "of the rows")
      ->check(CLI::IsMember({"table", "csv", "json", "arrow", "parquet"}));
  command->add_option("--output", arguments->output, "a file instead of standard output");
  command->add_option("--threads", arguments->threads, "that read; 0: one per core");
  command->callback([&chosen, &global, arguments] {
    chosen = [&global, arguments] { return Run(global, *arguments); };
  });
}

}  // namespace pk::cli
