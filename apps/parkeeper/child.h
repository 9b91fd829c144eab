#pragma once

// Another run of this binary, as a process of its own: what the demo kills and looks at.

#include <sys/types.h>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::cli {

struct Finished {
  int exit_code = 0;  // -1: ended by a signal
  int signal = 0;
  std::string out, err;
};

// Move-only. The destructor kills a process that still runs, with -9, and waits for its end. Not
// thread-safe.
class Child {
 public:
  // Starts `parkeeper ARGUMENTS`. kUnavailable when the system has no process or memory for it.
  static Result<Child> Start(const std::vector<std::string>& arguments);

  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  bool running();
  void Kill();  // SIGKILL
  // Waits for the end. Call it once.
  Result<Finished> Wait();

 private:
  Child(pid_t pid, int out, int err) : pid_(pid), out_(out), err_(err) {}

  pid_t pid_;
  int out_, err_;  // memory files that take the output
  bool ended_ = false;
  int status_ = 0;
};

}  // namespace pk::cli
