#include "apps/parkeeper/command.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <thread>

#include "apps/parkeeper/output.h"
#include "parkeeper/base/clock.h"
#include "parkeeper/base/json.h"

namespace pk::cli {
namespace {

constexpr int kBarWidth = 30;
constexpr int64_t kRedrawMs = 100;

// Bytes a terminal shows as one character begin with anything but a continuation byte.
size_t Width(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (uint8_t(c) & 0xC0) != 0x80;
  return width;
}

Result<> WriteAll(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return WriteFailure("standard output");
    text.remove_prefix(size_t(written));
  }
  return {};
}

std::string Scaled(double value, const char* const* units) {
  size_t unit = 0;
  while (std::abs(value) >= 1'000 && units[unit + 1] != nullptr) {
    value /= 1'000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f}{}", value, units[unit])
                   : fmt::format("{:.1f}{}", value, units[unit]);
}

}  // namespace

Result<std::unique_ptr<lake::Lake>> Global::OpenLake(bool must_exist) const {
  return lake::Lake::Open(lake_url, {.must_exist = must_exist});
}

Result<int> Positive(std::string_view option, std::optional<int> number) {
  PK_CHECK(number.value_or(1) > 0,
           InvalidArgument(fmt::format("{} must be a positive number: {}", option, *number)));
  return number.value_or(0);
}

int ExitCode(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal:
    case ErrorCode::kCorrupt:
      return 1;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
      return 2;
    case ErrorCode::kNotFound:
      return 3;
    case ErrorCode::kAlreadyExists:
      return 4;
    case ErrorCode::kFailedPrecondition:
      return 5;
    case ErrorCode::kConflict:
      return 6;
    case ErrorCode::kUnavailable:
      return 7;
    case ErrorCode::kOutcomeUnknown:
      return 8;
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied:
      return 9;
    case ErrorCode::kCancelled:
      return SignalExitCode(SIGINT);
  }
  return 1;
}

Result<> Print(std::string_view text) {
  PK_TRY(WriteAll(STDOUT_FILENO, text));
  if (!text.ends_with('\n')) PK_TRY(WriteAll(STDOUT_FILENO, "\n"));
  return {};
}

Result<> PrintBytes(std::string_view bytes) { return WriteAll(STDOUT_FILENO, bytes); }

Result<> PrintJson(const boost::json::value& value) { return Print(json::Pretty(value)); }

std::string Columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - Width(row[i]) + 2, ' ');
    }
    text += line + "\n";
  }
  return text;
}

std::string Count(int64_t count) {
  static constexpr const char* kUnits[] = {"", " k", " M", " G", nullptr};
  return Scaled(double(count), kUnits);
}

std::string Bytes(int64_t bytes) {
  static constexpr const char* kUnits[] = {" B", " kB", " MB", " GB", " TB", nullptr};
  return Scaled(double(bytes), kUnits);
}

std::string Time(int64_t ms) {
  const time_t seconds = time_t(ms / 1'000 - (ms % 1'000 < 0 ? 1 : 0));
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     ms - seconds * 1'000);
}

ProgressLine::ProgressLine(bool quiet) : enabled_(!quiet && isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (shown_) static_cast<void>(WriteAll(STDERR_FILENO, "\r\033[K"));
}

void ProgressLine::Show(double share, std::string_view text) {
  if (!enabled_) return;
  const int64_t now_ms = SystemClock().WallMs();
  if (now_ms - last_ms_ < kRedrawMs) return;
  last_ms_ = now_ms;
  shown_ = true;
  std::string line = "\r\033[K";
  if (share >= 0) {
    const auto full = size_t(std::min(share, 1.0) * kBarWidth);
    line += "[" + std::string(full, '=') + std::string(kBarWidth - full, ' ') + "] ";
  }
  static_cast<void>(WriteAll(STDERR_FILENO, line + std::string(text)));
}

std::shared_ptr<const std::atomic<int>> StopOnSignals(std::stop_source source) {
  signal(SIGPIPE, SIG_IGN);
  // A file size limit is an error of the write, not the end of the process.
  signal(SIGXFSZ, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    // What a shell starts in the background, or nohup, is to ignore some of them.
    struct sigaction present{};
    const bool ignored = sigaction(number, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
    if (!ignored) sigaddset(&signals, number);
  }
  // Every thread started later inherits the mask, so that only this one takes them.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto stopped_by = std::make_shared<std::atomic<int>>(0);
  std::thread([source = std::move(source), signals, stopped_by]() mutable {
    for (;;) {
      int signal = 0;
      if (sigwait(&signals, &signal) != 0) return;
      if (source.stop_requested()) _exit(SignalExitCode(signal));
      *stopped_by = signal;
      source.request_stop();
    }
  }).detach();
  return stopped_by;
}

}  // namespace pk::cli
