#include "parkeeper/lake/import.h"
#include "parkeeper/datafile/source_paths.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/parkeeper/command.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;

struct Arguments {
  std::vector<std::string> files;
  std::string into, format;
  lake::ImportOptions options;
  std::vector<std::string> properties;
  std::string delimiter = ",";
  std::optional<int> writers;
  bool no_header = false;
};

Result<> Run(const Global& global, Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.into));
  lake::ImportOptions& options = arguments.options;
  for (const std::string& text : arguments.properties) {
    const size_t equals = text.find('=');
    PK_CHECK(equals != std::string::npos && equals > 0,
             InvalidArgument(fmt::format("'{}' is no property: write name=value", text)));
    options.properties[text.substr(0, equals)] = text.substr(equals + 1);
  }
  static const std::map<std::string, datafile::InputFormat> kFormats = {
      {"parquet", datafile::InputFormat::kParquet},
      {"csv", datafile::InputFormat::kCsv},
      {"jsonl", datafile::InputFormat::kJsonLines},
      {"arrow", datafile::InputFormat::kArrowIpc}};
  if (!arguments.format.empty()) options.input.format = kFormats.at(arguments.format);
  PK_CHECK(arguments.delimiter.size() == 1, InvalidArgument("--delimiter takes one character"));
  options.input.delimiter = arguments.delimiter[0];
  options.input.header = !arguments.no_header;
  options.writers = PK_TRY(Positive("--writers", arguments.writers));
  PK_CHECK(options.commit_every >= 0,
           InvalidArgument(
               fmt::format("--commit-every must not be negative: {}", options.commit_every)));
  options.stop = global.stop;
  const std::vector<std::string> paths = PK_TRY(datafile::ExpandPaths(arguments.files));
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
  command->add_option("files", arguments->files, "files or patterns such as 'data/*.csv'")
      ->required();
  command->add_option("--into", arguments->into, "the table")->required();
  lake::ImportOptions& options = arguments->options;
  command->add_flag("--create", options.create, "make the table when it is missing");
  command->add_option("--partition-by", options.partition_by, "of a table that is made");
  command->add_option("--sort-by", options.sort_by, "of a table that is made");
  command->add_option("--property", arguments->properties, "of a table that is made: name=value");
  command->add_option("--writers", arguments->writers, "threads; one per core when not given");
  command->add_option("--commit-every", options.commit_every,
                      "commit after this many files; 0: one commit for all");
  command->add_option("--format", arguments->format, "when the names do not tell")
      ->check(CLI::IsMember({"parquet", "csv", "jsonl", "arrow"}));
  command->add_option("--delimiter", arguments->delimiter, "of CSV");
  command->add_flag("--no-header", arguments->no_header, "CSV without a line of names");
  command->callback([&chosen, &global, arguments] {
    chosen = [&global, arguments] { return Run(global, *arguments); };
  });
}

}  // namespace pk::cli
