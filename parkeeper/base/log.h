#pragma once

// The log of the process: one line per event on standard error, below it nothing. A library must
// not speak on its own: the level is kWarning until the program raises it. Thread-safe.

#include <string_view>

namespace pk {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);

// Log or return an error, never both.
void Log(LogLevel level, std::string_view message);

}  // namespace pk
