#include "parkeeper/lake/compact.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/parkeeper/command.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;

struct Arguments {
  std::string table, where;
  uint64_t target_bytes = 0, memory_bytes = 0;
  std::optional<int> threads, min_files, tries;
  bool dry_run = false;
};

Result<> PrintPlan(const Global& global, const std::string& table,
                   const table::CompactionPlan& plan) {
  int64_t files = 0, bytes = 0;
  for (const table::CompactionGroup& group : plan.groups) {
    files += int64_t(group.files.size());
    bytes += group.bytes();
  }
  if (!global.json) {
    return Print(fmt::format("{} of {} files of {} ({} of {}) would be compacted, in {} group{}",
                             files, plan.files, table, Bytes(bytes), Bytes(plan.bytes),
                             plan.groups.size(), plan.groups.size() == 1 ? "" : "s"));
  }
  bj::array groups;
  for (const table::CompactionGroup& group : plan.groups) {
    groups.push_back(bj::object{{"files", group.files.size()},
                                {"bytes", group.bytes()},
                                {"rows", group.rows()},
                                {"spec-id", group.spec_id}});
  }
  bj::object object{{"table", table},
                    {"files", plan.files},
                    {"bytes", plan.bytes},
                    {"target-file-bytes", plan.target_file_bytes},
                    {"files-to-compact", files},
                    {"bytes-to-compact", bytes},
                    {"groups", std::move(groups)},
                    {"snapshot-id", nullptr}};
  if (plan.snapshot_id) object["snapshot-id"] = *plan.snapshot_id;
  return PrintJson(object);
}

Result<> PrintResult(const Global& global, const std::string& table,
                     const lake::CompactResult& result) {
  if (global.json) {
    bj::object object{{"table", table},
                      {"files-before", result.files_before},
                      {"bytes-before", result.bytes_before},
                      {"files-after", result.files_after()},
                      {"bytes-after", result.bytes_after()},
                      {"groups", result.groups},
                      {"rows", result.rows},
                      {"removed-files", result.files_removed},
                      {"written-files", result.files_written},
                      {"written-bytes", result.bytes_written},
                      {"removed-delete-files", result.delete_files_removed},
                      {"rejected", bj::array(result.rejected.begin(), result.rejected.end())},
                      {"snapshot-id", nullptr}};
    if (result.snapshot_id) object["snapshot-id"] = *result.snapshot_id;
    return PrintJson(object);
  }
  if (result.groups == 0 && result.rejected.empty()) {
    return Print(fmt::format("nothing to compact in the {} files of {} ({})", result.files_before,
                             table, Bytes(result.bytes_before)));
  }
  return Print(fmt::format(
      "compacted {}: {} files ({}) became {} ({}) in {} commit{}, {} delete files removed", table,
      result.files_before, Bytes(result.bytes_before), result.files_after(),
      Bytes(result.bytes_after()), result.groups, result.groups == 1 ? "" : "s",
      result.delete_files_removed));
}

Result<lake::CompactOptions> OptionsOf(const Global& global, const Arguments& arguments) {
  lake::CompactOptions options;
  options.threads = PK_TRY(Positive("--threads", arguments.threads));
  options.plan.threads = options.threads;
  options.plan.target_file_bytes = int64_t(arguments.target_bytes);
  if (arguments.memory_bytes > 0) options.memory_bytes = int64_t(arguments.memory_bytes);
  if (arguments.min_files) {
    options.plan.min_input_files = PK_TRY(Positive("--min-files", arguments.min_files));
  }
  if (!arguments.where.empty()) {
    options.plan.filter = PK_TRY(iceberg::ParseExpression(arguments.where));
  }
  if (arguments.tries) options.tries = PK_TRY(Positive("--tries", arguments.tries));
  options.stop = global.stop;
  return options;
}

Result<> Run(const Global& global, const Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.table));
  const std::string table = catalog::ToString(name);
  lake::CompactOptions options = PK_TRY(OptionsOf(global, arguments));
  const auto lake = PK_TRY(global.OpenLake());
  if (arguments.dry_run) {
    const auto loaded = PK_TRY(lake->catalog().LoadTable(name));
    return PrintPlan(
        global, table,
        PK_TRY(table::PlanCompaction(lake->storage(), *loaded.metadata, options.plan).With(table)));
  }
  ProgressLine line(global.quiet || global.json);
  options.progress = [&](const lake::CompactProgress& progress) {
    line.Show(double(progress.bytes_done) / double(std::max<int64_t>(progress.bytes, 1)),
              fmt::format("{} of {} groups, {} rows", progress.groups_done, progress.groups,
                          Count(progress.rows)));
  };
  const lake::CompactResult result = PK_TRY(lake::Compact(*lake, name, options));
  PK_TRY(PrintResult(global, table, result));
  PK_CHECK(
      result.rejected.empty(),
      Conflict(fmt::format("{}: others changed files of {} group{} at each of {} tries; the "
                           "last met: {}",
                           table, result.rejected.size(), result.rejected.size() == 1 ? "" : "s",
                           options.tries, result.rejected.back())));
  return {};
}

}  // namespace

void AddCompactCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "compact", "make few large files of many small ones, without the rows that deletes hide");
  command->fallthrough();
  command->footer(
      "Examples:\n"
      "  parkeeper compact sales.orders\n"
      "  parkeeper compact sales.orders --target-size 256M --where \"day >= '2026-11-01'\"\n"
      "  parkeeper compact sales.orders --dry-run\n"
      "Files below 75 % of the target are compacted where there are enough of them in a "
      "partition,\n"
      "and others when deletes hide more than 30 % of their rows or 10 delete files apply. Each\n"
      "group of files is a commit of its own; anybody may write and read meanwhile.");
  command->add_option("table", arguments->table, "as in sales.orders")->required();
  command
      ->add_option("--target-size", arguments->target_bytes,
                   "of files, as in 256M; write.target-file-size-bytes, or 512M, when not given")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--where", arguments->where, "only files that may hold rows which match");
  command->add_option("--min-files", arguments->min_files,
                      "small files that are worth it together; 5 when not given");
  command->add_option("--threads", arguments->threads, "that read; one per core when not given");
  command
      ->add_option("--memory", arguments->memory_bytes,
                   "for rows on their way, as in 2G; 1G when not given")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--tries", arguments->tries,
                      "how often a group is tried that others are in the way of; 3 when not given");
  command->add_flag("--dry-run", arguments->dry_run, "only say what would be done");
  command->callback([&chosen, &global, arguments] {
    chosen = [&global, arguments] { return Run(global, *arguments); };
  });
}

}  // namespace pk::cli
