#include "parkeeper/lake/delete.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/parkeeper/command.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;

struct Arguments {
  std::string table, where;
  std::optional<int> threads, tries;
};

Result<> Run(const Global& global, const Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.table));
  const auto filter = PK_TRY(iceberg::ParseExpression(arguments.where));
  lake::DeleteOptions options;
  options.threads = PK_TRY(Positive("--threads", arguments.threads));
  if (arguments.tries) options.tries = PK_TRY(Positive("--tries", arguments.tries));
  options.stop = global.stop;
  const auto lake = PK_TRY(global.OpenLake());
  ProgressLine line(global.quiet || global.json);
  options.progress = [&](const table::DeleteProgress& progress) {
    line.Show(
        double(progress.files_done) / double(std::max<int64_t>(progress.files, 1)),
        fmt::format("{} rows found, {} written", Count(progress.rows), Bytes(progress.bytes)));
  };
  const lake::DeleteResult result = PK_TRY(lake::Delete(*lake, name, filter, options));
  if (global.json) {
    bj::object object{{"table", catalog::ToString(name)},
                      {"rows", result.rows},
                      {"removed-files", result.files_removed},
                      {"rewritten-files", result.files_rewritten},
                      {"data-files", result.data_files},
                      {"bytes", result.bytes},
                      {"tries", result.tries},
                      {"snapshot-id", nullptr}};
    if (result.snapshot_id) object["snapshot-id"] = *result.snapshot_id;
    return PrintJson(object);
  }
  if (!result.snapshot_id) {
    return Print(fmt::format("no row of {} matches: nothing to delete", catalog::ToString(name)));
  }
  return Print(
      fmt::format("deleted {} rows from {}: {} files removed, {} written again ({}), snapshot {}",
                  result.rows, catalog::ToString(name), result.files_removed,
                  result.files_rewritten, Bytes(result.bytes), *result.snapshot_id));
}

}  // namespace

void AddDeleteCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("delete", "remove the rows that match, in one commit, all or none");
  command->fallthrough();
  command->footer(
      "Examples:\n"
      "  parkeeper delete sales.orders --where \"status = 'cancelled' and ts < '2025-01-01'\"\n"
      "  parkeeper delete sales.orders --where true\n"
      "Files all of whose rows match are removed unread, the others written again without them.\n"
      "When somebody changes these files or adds matching rows meanwhile, it is done anew.");
  command->add_option("table", arguments->table, "as in sales.orders")->required();
  command->add_option("--where", arguments->where, "which rows; true: all")->required();
  command->add_option("--threads", arguments->threads, "one per core when not given");
  command->add_option("--tries", arguments->tries,
                      "how often it is done anew before it is a conflict; 10 when not given");
  command->callback([&chosen, &global, arguments] {
    chosen = [&global, arguments] { return Run(global, *arguments); };
  });
}

}  // namespace pk::cli
