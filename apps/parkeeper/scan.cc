#include "parkeeper/table/scan.h"

#include <fmt/format.h>

#include <charconv>

#include "apps/parkeeper/command.h"
#include "apps/parkeeper/row_output.h"
#include "parkeeper/iceberg/value.h"

namespace pk::cli {
namespace {

struct Arguments {
  std::string name, where, as_of, to;
  RowOutput output;
  std::vector<std::string> columns;
  std::optional<int64_t> limit, from;
  std::optional<int> threads;
  bool changes = false, explain = false, files = false, count = false;
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

Result<> CountRows(datafile::BatchSource& rows, bool json) {
  int64_t count = 0;
  while (auto batch = PK_TRY(rows.Next())) count += batch->num_rows();
  return Print(json ? fmt::format("{{\"count\": {}}}", count) : std::to_string(count));
}

Result<table::ScanRequest> RequestOf(const Arguments& arguments) {
  PK_CHECK(arguments.limit.value_or(0) >= 0,
           InvalidArgument(fmt::format("--limit must not be negative: {}", *arguments.limit)));
  table::ScanRequest request;
  if (!arguments.where.empty()) {
    request.filter = PK_TRY(iceberg::ParseExpression(arguments.where).With("--where"));
  }
  PK_CHECK(arguments.to.empty() || arguments.from,
           InvalidArgument("--to goes with --from; --as-of reads all rows of a snapshot"));
  PK_CHECK(!arguments.changes || arguments.from,
           InvalidArgument("--changes goes with --from: the snapshot after which they are told"));
  PK_CHECK(arguments.as_of.empty() || !arguments.from,
           InvalidArgument("--as-of and --from exclude each other: use --to with --from"));
  request.columns = arguments.columns;
  request.snapshot = PK_TRY(ParseAsOf(arguments.as_of + arguments.to));
  request.after_snapshot = arguments.from;
  request.changes = arguments.changes;
  request.limit = arguments.limit;
  return request;
}

Result<table::ScanPlan> PlanOf(lake::Lake& lake, const catalog::TableName& name,
                               const Arguments& arguments) {
  const table::ScanRequest request = PK_TRY(RequestOf(arguments));
  const auto loaded = PK_TRY(lake.catalog().LoadTable(name));
  auto plan = table::PlanScan(lake.storage(), *loaded.metadata, request);
  const bool named = std::holds_alternative<std::string>(request.snapshot);
  if (!plan.ok() && named && plan.error().code() == ErrorCode::kNotFound) {
    plan = std::move(plan).With(
        fmt::format("{} '{}' is no snapshot id and no time such as 2026-11-22T20:15:00",
                    arguments.from ? "--to" : "--as-of", arguments.as_of + arguments.to));
  }
  return std::move(plan).With(arguments.name);
}

Result<> Run(const Global& global, const Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.name));
  PK_TRY(RequestOf(arguments));
  const int threads = PK_TRY(Positive("--threads", arguments.threads));
  const auto format = PK_TRY(FormatOf(arguments.output, global.json));
  const bool rows_wanted = !arguments.explain && !arguments.count;
  Output output = PK_TRY(Output::Open(rows_wanted ? arguments.output.path : "", global.stop));
  const auto lake = PK_TRY(global.OpenLake());
  const table::ScanPlan plan = PK_TRY(PlanOf(*lake, name, arguments));
  if (arguments.explain) {
    return Print(global.json ? table::ToJson(plan) : table::Explain(plan, arguments.files));
  }
  const auto rows = PK_TRY(table::Scan(
      lake->storage(), plan, {.threads = threads, .keep_order = true, .stop = global.stop}));
  if (arguments.count) return CountRows(*rows, global.json);
  return WriteRows(*rows, format, output, arguments.output, global);
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
      "  parkeeper scan sales.orders --from 4311223344556677 --format json\n"
      "  parkeeper scan sales.orders --from 4311223344556677 --changes --format json\n"
      "  parkeeper scan sales.orders --where 'id = 7' --explain");
  command->add_option("name", arguments->name, "the table")->required();
  command->add_option("--where", arguments->where, "a filter as in SQL");
  command->add_option("--columns", arguments->columns, "names, with commas between")
      ->delimiter(',');
  command->add_option("--limit", arguments->limit, "at most this many rows");
  command->add_option("--as-of", arguments->as_of, "snapshot id, time (UTC), branch or tag");
  command->add_option("--from", arguments->from,
                      "a snapshot id: only rows that were appended after it");
  command->add_option("--to", arguments->to,
                      "with --from: up to and including this snapshot id, time (UTC), branch or "
                      "tag; the present when not given");
  command->add_flag("--changes", arguments->changes,
                    "with --from: deleted rows too; each row with _change_type ('insert' or "
                    "'delete'), _change_ordinal and _commit_snapshot_id");
  command->add_flag("--explain", arguments->explain,
                    "say what would be read, and why not the rest");
  command->add_flag("--files", arguments->files, "with --explain: each file");
  command->add_flag("--count", arguments->count, "only the number of rows");
  AddRowOutput(*command, arguments->output);
  command->add_option("--threads", arguments->threads, "that read; one per core when not given");
  command->callback([&chosen, &global, arguments] {
    chosen = [&global, arguments] { return Run(global, *arguments); };
  });
}

}  // namespace pk::cli
