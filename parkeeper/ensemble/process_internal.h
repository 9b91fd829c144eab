#pragma once

// Processes of other programs: started so that they outlive us, found again by pid and a mark on
// their command line, signalled without a chance to hit another process (pidfd).

#include <sys/types.h>

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"
#include "parkeeper/ensemble/loopback_internal.h"

namespace pk::ensemble {

struct Program {
  std::vector<std::string> arguments;  // the first is the file
  std::string output_file;             // standard output and error, appended
};

// A session of its own, no descriptors of ours, signals as the system sets them. Returns when the
// program runs. kUnavailable: it cannot be run.
Result<pid_t> StartDetached(const Program& program);

// Runs it and waits for its end. kUnavailable ends with the last lines of its output; kCancelled
// ends it.
Result<> RunToEnd(const Program& program, std::stop_token stop = {});

// The last lines of a text file, at most about 1 kB of them; empty when there is none.
std::string EndOfFile(const std::string& file);

class FoundProcess {
 public:
  // The process `pid`, if it runs and has `mark` as one argument of its command line.
  static std::optional<FoundProcess> Find(pid_t pid, std::string_view mark);

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // False: it still runs at the deadline.
  bool WaitForEnd(Clock& clock, SteadyTime deadline) const;

 private:
  FoundProcess(pid_t pid, Descriptor descriptor) : pid_(pid), descriptor_(std::move(descriptor)) {}

  pid_t pid_;
  Descriptor descriptor_;
};

}  // namespace pk::ensemble
