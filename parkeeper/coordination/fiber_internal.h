#pragma once

// Fiber: a function on a stack of its own that runs until it suspends itself, and goes on where it
// was when resumed. The actors of a Simulation are fibers: a switch costs well under a microsecond,
// and one OS thread runs them all, so nothing depends on the machine's scheduler.

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace pk::coordination {

// Neither movable nor thread-safe: created, resumed and destroyed on one thread.
class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  // The body must have ended, or never begun.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs the body until it suspends or ends. Not from inside a fiber, and not after the end.
  void Resume();
  // From inside: returns to who called Resume(), and comes back with the next Resume().
  void Suspend();

  bool ended() const { return ended_; }

 private:
  static void Enter();
  void Run();

  std::function<void()> body_;
  char* stack_;  // with a guard page below
  ucontext_t inside_{};
  ucontext_t outside_{};
  bool begun_ = false;
  bool ended_ = false;
  // What the sanitizers want to know of a switch.
  void* inside_state_ = nullptr;
  void* outside_state_ = nullptr;
  const void* outside_stack_ = nullptr;
  size_t outside_stack_bytes_ = 0;
};

}  // namespace pk::coordination
