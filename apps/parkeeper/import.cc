#include "parkeeper/lake/import.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/parkeeper/file_arguments.h"
#include "parkeeper/datafile/source_paths.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;

struct Arguments {
  FileArguments files;
  NewTableArguments table;
  std::string into;
  lake::ImportOptions options;
  std::optional<int> writers;
};

Result<> Run(const Global& global, Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.into));
  lake::ImportOptions& options = arguments.options;
  options.create = arguments.table.create;
  options.partition_by = arguments.table.partition_by;
  options.sort_by = arguments.table.sort_by;
  options.properties = PK_TRY(ParseProperties(arguments.table.properties));
  options.input = PK_TRY(arguments.files.Input());
  options.writers = PK_TRY(Positive("--writers", arguments.writers));
  PK_CHECK(options.commit_every >= 0,
           InvalidArgument(
               fmt::format("--commit-every must not be negative: {}", options.commit_every)));
  options.stop = global.stop;
  const std::vector<std::string> paths = PK_TRY(datafile::ExpandPaths(arguments.files.files));
  const auto lake = PK_TRY(global.OpenLake(!options.create));
  ProgressLine line(global.quiet || global.json);
  options.progress = [&](const lake::ImportProgress& progress) {
    line.Show(double(progress.files_done) / double(progress.files),
              fmt::format("{} rows, {} written", Count(progress.rows), Bytes(progress.bytes)));
  };
  const lake::ImportResult result = PK_TRY(lake::Import(*lake, name, paths, options));
  if (global.json) {
    bj::array snapshots(result.snapshots.begin(), result.snapshots.end());
    return PrintJson(bj::object{{"table", catalog::ToString(name)},
                                {"created", result.created},
                                {"files", result.files},
                                {"rows", result.rows},
                                {"data-files", result.data_files},
                                {"bytes", result.bytes},
                                {"snapshots", std::move(snapshots)}});
  }
  return Print(fmt::format("imported {} rows of {} files into {}: {} data files, {}, {} commit{}",
                           result.rows, result.files, catalog::ToString(name), result.data_files,
                           Bytes(result.bytes), result.snapshots.size(),
                           result.snapshots.size() == 1 ? "" : "s"));
}

}  // namespace

void AddImportCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "import",
      "put files (Parquet, CSV, JSON lines, Arrow IPC) into a table, whole or not at all");
  command->fallthrough();
  command->footer(
      "Examples:\n"
      "  parkeeper import 'data/*.parquet' --into sales.orders --create --partition-by 'day(ts)'\n"
      "  parkeeper import lines.csv.gz --into sales.lines --delimiter ';'");
  arguments->files.AddTo(*command);
  command->add_option("--into", arguments->into, "the table")->required();
  arguments->table.AddTo(*command);
  command->add_option("--writers", arguments->writers, "threads; one per core when not given");
  command->add_option("--commit-every", arguments->options.commit_every,
                      "commit after this many files; 0: one commit for all");
  command->callback([&chosen, &global, arguments] {
    chosen = [&global, arguments] { return Run(global, *arguments); };
  });
}

}  // namespace pk::cli
