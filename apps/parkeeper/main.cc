// parkeeper: the control tower for Parquet, one binary with subcommands.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>

#include "apps/parkeeper/command.h"
#include "parkeeper/base/json.h"
#include "parkeeper/base/log.h"

namespace {

constexpr const char* kDescription =
    "Parkeeper: many writers, one set of Iceberg tables over Parquet files.";
constexpr const char* kExamples =
    "Examples:\n"
    "  parkeeper --lake ./lake import data/*.parquet --into sales.orders --create\n"
    "  parkeeper --lake ./lake scan sales.orders --where 'total > 100' --limit 10\n"
    "  parkeeper --lake ./lake history sales.orders\n"
    "  export PARKEEPER_LAKE=./lake\n"
    "Exit codes: 0 done, 1 corrupt data or a bug, 2 bad request, 3 not found, 4 exists already,\n"
    "  5 not in this state, 6 conflict, 7 not available now, 8 outcome unknown, 9 not allowed,\n"
    "  130 stopped by Ctrl-C (143 by SIGTERM), 141 the reader of the output went away.";

// Terminals act on control characters, which messages about broken bytes may hold.
std::string Printable(std::string_view message) {
  std::string text = pk::json::ReplaceInvalid(message);
  for (char& c : text) {
    if ((uint8_t(c) < 0x20 && c != '\n') || c == 0x7F) c = '?';
  }
  return text;
}

int Fail(const pk::Error& error, bool json) {
  if (json) {
    const boost::json::object object{
        {"error", boost::json::object{{"code", pk::ErrorCodeName(error.code())},
                                      {"message", pk::json::ReplaceInvalid(error.message())}}}};
    fmt::print(stderr, "{}\n", boost::json::serialize(object));
  } else {
    fmt::print(stderr, "parkeeper: {}\n", Printable(error.message()));
  }
  return pk::cli::ExitCode(error.code());
}

}  // namespace

int main(int argc, char** argv) {
  std::stop_source stop;
  const auto stopped_by = pk::cli::StopOnSignals(stop);
  pk::cli::Global global;
  global.stop = stop.get_token();

  CLI::App app(kDescription, "parkeeper");
  app.footer(kExamples);
  app.set_version_flag("--version", PARKEEPER_VERSION);
  app.add_option(
         "--lake", global.lake_url,
         "the lake: a folder, as in ./lake, or zk://host:2181,.../chroot?warehouse=file:///dir")
      ->envname("PARKEEPER_LAKE");
  app.add_flag("--json", global.json, "results and errors as JSON");
  app.add_flag("--quiet,-q", global.quiet, "no progress");
  bool verbose = false;
  app.add_flag("--verbose,-v", verbose, "log what happens on standard error");
  app.require_subcommand(1);
  app.fallthrough();

  pk::cli::Action chosen;
  pk::cli::AddNamespaceCommand(app, global, chosen);
  pk::cli::AddTableCommand(app, global, chosen);
  pk::cli::AddImportCommand(app, global, chosen);
  pk::cli::AddDeleteCommand(app, global, chosen);
  pk::cli::AddCompactCommand(app, global, chosen);
  pk::cli::AddScanCommand(app, global, chosen);
  pk::cli::AddSqlCommand(app, global, chosen);
  pk::cli::AddHistoryCommand(app, global, chosen);
  pk::cli::AddWatchCommand(app, global, chosen);
  pk::cli::AddDoctorCommand(app, global, chosen);
  pk::cli::AddWorkerCommand(app, global, chosen);
  pk::cli::AddJobCommand(app, global, chosen);
  pk::cli::AddDemoCommand(app, global, chosen);
  pk::cli::AddEnsembleCommand(app, global, chosen);
  pk::cli::AddNodeCommand(app, global, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
    if (json && error.get_exit_code() != 0) return Fail(pk::InvalidArgument(error.what()), true);
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (verbose) pk::SetLogLevel(pk::LogLevel::kDebug);
  const pk::Result<> done = chosen();
  if (done.ok()) return 0;
  const bool cancelled = done.error().code() == pk::ErrorCode::kCancelled;
  // `parkeeper scan t | head` has what it wants: nothing to report.
  if (cancelled && *stopped_by == 0) return pk::cli::SignalExitCode(SIGPIPE);
  const int code = Fail(done.error(), global.json);
  return cancelled ? pk::cli::SignalExitCode(*stopped_by) : code;
}
