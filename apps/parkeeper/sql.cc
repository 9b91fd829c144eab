#include "parkeeper/lake/sql.h"

#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <iterator>

#include "apps/parkeeper/command.h"
#include "apps/parkeeper/row_output.h"

namespace pk::cli {
namespace {

struct Arguments {
  std::string query, file, library;
  RowOutput output;
  std::optional<int> threads;
  uint64_t memory_bytes = 0;
  bool explain = false;
};

Result<std::string> QueryOf(const Arguments& arguments) {
  PK_CHECK(arguments.query.empty() != arguments.file.empty(),
           InvalidArgument("give a query, or --file with one in it"));
  if (arguments.file.empty()) return arguments.query;
  if (arguments.file == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  std::ifstream in(arguments.file);
  std::string text(std::istreambuf_iterator<char>(in), {});
  PK_CHECK(in.good() || in.eof(), NotFound(fmt::format("cannot read the file {}", arguments.file)));
  return text;
}

Result<> Run(const Global& global, const Arguments& arguments) {
  const std::string query = PK_TRY(QueryOf(arguments));
  const int threads = PK_TRY(Positive("--threads", arguments.threads));
  const auto format = PK_TRY(FormatOf(arguments.output, global.json));
  Output output = PK_TRY(Output::Open(arguments.explain ? "" : arguments.output.path, global.stop));
  const auto lake = PK_TRY(global.OpenLake());
  const auto session =
      PK_TRY(lake::OpenSql(*lake, {.library = arguments.library,
                                   .threads = threads,
                                   .memory_bytes = static_cast<int64_t>(arguments.memory_bytes)}));
  if (arguments.explain) {
    const auto explanation = PK_TRY(session->Explain(query, global.stop));
    return Print(global.json ? sql::ToJson(explanation) : sql::ToText(explanation));
  }
  const auto answer = PK_TRY(session->Query(query, global.stop));
  return WriteRows(*answer.rows, format, output, arguments.output, global);
}

}  // namespace

void AddSqlCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("sql", "run a query over tables, by DuckDB");
  command->fallthrough();
  command->footer(
      "Examples:\n"
      "  parkeeper sql \"select kind, count(*), sum(total) from sales.orders group by kind\"\n"
      "  parkeeper sql \"select * from sales.orders o join sales.customers c using (customer_id)\n"
      "    where o.order_date >= date '2026-01-01'\" --format parquet --output joined.parquet\n"
      "  parkeeper sql \"select count(*) from sales.orders at (timestamp => '2026-11-01')\"\n"
      "  parkeeper sql --file report.sql --format csv\n"
      "  parkeeper sql \"select max(total) from sales.orders where id < 100\" --explain\n"
      "DuckDB's library is needed for it; './dev duckdb' fetches one.");
  command->add_option("query", arguments->query, "SQL: one query");
  command->add_option("--file", arguments->file, "a file with the query; - is standard input");
  command->add_flag("--explain", arguments->explain,
                    "say what would be read of each table, and how DuckDB goes about it");
  AddRowOutput(*command, arguments->output);
  command->add_option("--threads", arguments->threads, "of DuckDB; one per core when not given");
  command
      ->add_option("--memory", arguments->memory_bytes,
                   "that DuckDB may use, as in 4GB; most of the machine's when not given")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--library", arguments->library,
                      "DuckDB's libduckdb.so, instead of the one that is found");
  command->callback([&chosen, &global, arguments] {
    chosen = [&global, arguments] { return Run(global, *arguments); };
  });
}

}  // namespace pk::cli
