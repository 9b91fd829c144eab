#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/parkeeper/command.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;

Result<> Run(const Global& global, const std::string& text) {
  const auto name = PK_TRY(catalog::ParseTableName(text));
  const auto lake = PK_TRY(global.OpenLake());
  const auto table = PK_TRY(lake->catalog().LoadTable(name));
  const iceberg::TableMetadata& metadata = *table.metadata;
  std::multimap<int64_t, std::string> refs;
  for (const auto& [ref, target] : metadata.refs) refs.emplace(target.snapshot_id, ref);
  bj::array snapshots;
  std::vector<std::vector<std::string>> rows = {
      {"time (UTC)", "snapshot", "operation", "added rows", "total rows", "files", "refs"}};
  for (const auto& snapshot : metadata.snapshots) {
    const auto summary = [&](const char* what) {
      const auto found = snapshot->summary.find(what);
      return found == snapshot->summary.end() ? std::string() : found->second;
    };
    std::string names;
    bj::array ref_names;
    for (auto [at, end] = refs.equal_range(snapshot->snapshot_id); at != end; ++at) {
      names += (names.empty() ? "" : ", ") + at->second;
      ref_names.emplace_back(at->second);
    }
    rows.push_back({Time(snapshot->timestamp_ms), std::to_string(snapshot->snapshot_id),
                    summary("operation"), summary("added-records"), summary("total-records"),
                    summary("total-data-files"), names});
    bj::object all;
    for (const auto& [what, value] : snapshot->summary) all[what] = value;
    snapshots.push_back(bj::object{{"snapshot-id", snapshot->snapshot_id},
                                   {"timestamp-ms", snapshot->timestamp_ms},
                                   {"sequence-number", snapshot->sequence_number},
                                   {"summary", std::move(all)},
                                   {"refs", std::move(ref_names)}});
  }
  if (global.json) return PrintJson(bj::object{{"snapshots", std::move(snapshots)}});
  return rows.size() == 1 ? Print("no snapshots yet") : Print(Columns(rows));
}

}  // namespace

void AddHistoryCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto name = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("history", "the snapshots of a table, oldest first");
  command->fallthrough();
  command->footer("Example:\n  parkeeper history sales.orders");
  command->add_option("name", *name, "the table")->required();
  command->callback(
      [&chosen, &global, name] { chosen = [&global, name] { return Run(global, *name); }; });
}

}  // namespace pk::cli
