#include "parkeeper/lake/doctor.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/parkeeper/command.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;

Result<> Report(const Global& global, const lake::Diagnosis& diagnosis) {
  if (global.json) {
    bj::array findings;
    for (const lake::Finding& finding : diagnosis.findings) {
      findings.push_back(bj::object{{"table", finding.table}, {"what", finding.what}});
    }
    return PrintJson(bj::object{{"namespaces", diagnosis.namespaces},
                                {"tables", diagnosis.tables},
                                {"snapshots", diagnosis.snapshots},
                                {"manifests", diagnosis.manifests},
                                {"data-files", diagnosis.data_files},
                                {"bytes", diagnosis.bytes},
                                {"unreferenced-files", diagnosis.unreferenced},
                                {"findings", std::move(findings)}});
  }
  std::string text;
  for (const lake::Finding& finding : diagnosis.findings) {
    text += fmt::format("{}: {}\n", finding.table, finding.what);
  }
  text += fmt::format("{} tables, {} snapshots, {} manifests, {} data files ({}) looked at\n",
                      diagnosis.tables, diagnosis.snapshots, diagnosis.manifests,
                      diagnosis.data_files, Bytes(diagnosis.bytes));
  if (diagnosis.unreferenced > 0) {
    text += fmt::format("{} files belong to no snapshot: left by writers that died\n",
                        diagnosis.unreferenced);
  }
  text += diagnosis.findings.empty() ? "all is well\n" : "";
  return Print(text);
}

Result<> Run(const Global& global, bool deep) {
  const auto lake = PK_TRY(global.OpenLake());
  ProgressLine line(global.quiet || global.json);
  const lake::Diagnosis diagnosis = PK_TRY(
      lake::Diagnose(*lake, {.deep = deep,
                             .progress = [&](std::string_view table) { line.Show(-1, table); },
                             .stop = global.stop}));
  PK_TRY(Report(global, diagnosis));
  PK_CHECK(diagnosis.findings.empty(),
           Corrupt(fmt::format("{} findings", diagnosis.findings.size())));
  return {};
}

}  // namespace

void AddDoctorCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto deep = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("doctor", "check that everything the lake points to is there");
  command->fallthrough();
  command->footer("Example:\n  parkeeper doctor --deep");
  command->add_flag("--deep", *deep,
                    "also open every data file, and count rows of files and snapshots");
  command->callback(
      [&chosen, &global, deep] { chosen = [&global, deep] { return Run(global, *deep); }; });
}

}  // namespace pk::cli
