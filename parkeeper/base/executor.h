#pragma once

// Executor: work beside the caller's own, as a parameter, so that a simulation can run it as one of
// its actors where the machine runs a thread. Thread-safe, all implementations.

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace pk {

// Work that was started. Destruction requests the stop and waits until the body has returned; not
// from inside the body.
class Task {
 public:
  virtual ~Task() = default;
};

class Executor {
 public:
  virtual ~Executor() = default;
  // `name` is for people: of the thread, in a trace. The body must not throw. Null when the system
  // gives no thread; the body does not run then.
  virtual std::unique_ptr<Task> Start(std::string name,
                                      std::function<void(std::stop_token)> body) = 0;
};

// A thread for each task. Never destroyed.
Executor& SystemExecutor();

}  // namespace pk
