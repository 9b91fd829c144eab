#pragma once

// What the subcommands of the binary share: the global options, results as text or JSON, exit
// codes, progress, Ctrl-C.

#include <CLI/CLI.hpp>
#include <atomic>
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/lake/lake.h"

namespace pk::cli {

struct Global {
  std::string lake_url;  // --lake or PARKEEPER_LAKE
  bool json = false;
  bool quiet = false;
  std::stop_token stop;  // as StopOnSignals requests it

  Result<std::unique_ptr<lake::Lake>> OpenLake(bool must_exist = true) const;
};

// Each adds its subcommand to `app`; `run` is called with what the chosen one does.
using Action = std::function<Result<>()>;
void AddNamespaceCommand(CLI::App& app, const Global& global, Action& chosen);
void AddTableCommand(CLI::App& app, const Global& global, Action& chosen);
void AddImportCommand(CLI::App& app, const Global& global, Action& chosen);
void AddDeleteCommand(CLI::App& app, const Global& global, Action& chosen);
void AddCompactCommand(CLI::App& app, const Global& global, Action& chosen);
void AddScanCommand(CLI::App& app, const Global& global, Action& chosen);
void AddSqlCommand(CLI::App& app, const Global& global, Action& chosen);
void AddHistoryCommand(CLI::App& app, const Global& global, Action& chosen);
void AddWatchCommand(CLI::App& app, const Global& global, Action& chosen);
void AddDoctorCommand(CLI::App& app, const Global& global, Action& chosen);
// With the hidden subcommand that a worker starts for each task.
void AddWorkerCommand(CLI::App& app, const Global& global, Action& chosen);
void AddJobCommand(CLI::App& app, const Global& global, Action& chosen);
void AddDemoCommand(CLI::App& app, const Global& global, Action& chosen);
void AddEnsembleCommand(CLI::App& app, const Global& global, Action& chosen);
void AddNodeCommand(CLI::App& app, const Global& global, Action& chosen);

// 0 is success; 1 an error of ours or of stored bytes; 2 to 9 say what the caller can do
// (docs/guide/cli.md).
int ExitCode(ErrorCode code);

// The number given for `option`, 0 when none was; kInvalidArgument when it is not positive.
Result<int> Positive(std::string_view option, std::optional<int> number);

// A line of text on standard output, all of it or an error as WriteFailure (output.h) gives it.
Result<> Print(std::string_view text);
// The bytes as they are.
Result<> PrintBytes(std::string_view bytes);
Result<> PrintJson(const boost::json::value& value);

// Columns aligned by their widest cell; the first row is the heading.
std::string Columns(const std::vector<std::vector<std::string>>& rows);
// "6.0 M", "1.5 GB".
std::string Count(int64_t count);
std::string Bytes(int64_t bytes);
// "2026-11-22 20:15:00.123", UTC.
std::string Time(int64_t ms);

// One line on a terminal's standard error, drawn again at most ten times a second; nothing
// elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);
  ~ProgressLine();
  // `share` from 0 to 1 draws a bar; negative: none.
  void Show(double share, std::string_view text);

 private:
  bool enabled_;
  int64_t last_ms_ = 0;
  bool shown_ = false;
};

// The exit code of a process that ended on a signal.
constexpr int SignalExitCode(int signal) { return 128 + signal; }

// Calls request_stop of `source` at the first SIGINT, SIGTERM or SIGHUP that the process was not
// told to ignore; at the second the process ends. Gives that signal, 0 until then. Call it before
// any thread is started.
std::shared_ptr<const std::atomic<int>> StopOnSignals(std::stop_source source);

}  // namespace pk::cli
