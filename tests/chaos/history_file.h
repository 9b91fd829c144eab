#pragma once

// The history of one writer: a line of JSON for each invocation and each result, in the kernel's
// hands before the writer goes on, so that kill -9 takes back nothing of it. tests/chaos/history.py
// reads it.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/base/json.h"

namespace pk::chaos {

// CLOCK_MONOTONIC: one clock for all processes of this machine.
inline int64_t NowNs() { return SystemClock().Now().time_since_epoch().count(); }

// An append as it was invoked.
struct Invocation {
  int64_t number = 0;  // of the writer's appends, from 1
  Uuid id;
  std::string file;
  bool doomed = false;    // to be rejected: its file names a partition spec that the table lacks
  bool repeated = false;  // CommitId::kMaybeRepeated
};

class HistoryFile {
 public:
  explicit HistoryFile(const std::string& path)
      : descriptor_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {}
  ~HistoryFile() { close(descriptor_); }
  HistoryFile(const HistoryFile&) = delete;
  HistoryFile& operator=(const HistoryFile&) = delete;

  // One write for one line. A history that cannot be written is worth nothing.
  void Add(const boost::json::object& event) {
    const std::string line = boost::json::serialize(event) + "\n";
    if (write(descriptor_, line.data(), line.size()) != ssize_t(line.size())) std::abort();
  }

 private:
  const int descriptor_;
};

inline Result<Invocation> ParseInvocation(const boost::json::object& event) {
  Invocation invocation;
  invocation.number = PK_TRY(json::Int64(event, "number"));
  invocation.id = PK_TRY(Uuid::Parse(PK_TRY(json::String(event, "id"))));
  invocation.file = PK_TRY(json::String(event, "file"));
  invocation.doomed = PK_TRY(json::Bool(event, "doomed"));
  invocation.repeated = PK_TRY(json::Bool(event, "repeated"));
  return invocation;
}

// What an earlier run of the writer left.
struct Past {
  int64_t last_number = 0;
  std::optional<Invocation> open;  // the last append, when nobody knows what became of it
};

inline Result<Past> ReadPast(const std::string& path) {
  Past past;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    const auto value = PK_TRY(json::Parse(line).With(path));
    const auto& event = *PK_TRY(json::AsObject(value, path));
    const std::string kind = PK_TRY(json::String(event, "event"));
    if (kind == "append") {
      past.open = PK_TRY(ParseInvocation(event));
      past.last_number = past.open->number;
    } else if (kind == "appended" && PK_TRY(json::String(event, "outcome")) != "unknown") {
      past.open.reset();
    }
  }
  return past;
}

}  // namespace pk::chaos
