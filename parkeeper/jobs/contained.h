#pragma once

// A command in a process of its own, held to a time and to memory, so that whatever it does (a
// crash, no memory, an endless loop) ends it alone.
//
// The process dies with the thread that runs it here, is in a process group of its own (Ctrl-C in a
// terminal does not reach it), and inherits no open file but four: its input, output, errors, and
// as file 3 a place for its progress, of which the latest text counts.

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::jobs {

inline constexpr int kProgressFile = 3;
inline constexpr size_t kProgressBytes = 64;

struct ContainedCommand {
  std::vector<std::string> arguments;  // the first is the program's path
  std::string input;
  std::chrono::milliseconds within{};
  // Of its own memory, beside its code and its stack; asking for more fails. 0: any. Not held in
  // builds with sanitizers.
  int64_t memory_bytes = 0;
  std::function<void(std::string_view)> progress = {};  // when its text is another
};

struct Ending {
  enum class How {
    kExited,   // by itself, with `code`
    kKilled,   // by signal `code`: a crash, or somebody from outside
    kTooLong,  // it took longer than it may, and was killed
    kTooMuch,  // its output or its errors grew above kMostSaidBytes, likewise if it was not over
    kStopped,  // because of the stop token, likewise
  };
  How how = How::kExited;
  int code = 0;
  std::string out = {};
  std::string err = {};  // at most the last kMostErrorBytes
};
inline constexpr int64_t kMostErrorBytes = 256 << 10;
// Both are held in memory while it runs, and looked at ten times a second.
inline constexpr int64_t kMostSaidBytes = 256 << 20;

// Returns when the process has ended. kUnavailable: it could not be started.
Result<Ending> RunContained(const ContainedCommand& command, std::stop_token stop);

// "crashed (signal 11)"; empty when it exited with 0.
std::string Describe(const Ending& ending);

// By the process itself: writes its progress, cut to kProgressBytes.
void TellProgress(std::string_view text);

}  // namespace pk::jobs
