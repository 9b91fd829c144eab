#pragma once

// Retry with full jitter and a deadline. The policy never decides *whether* something may be
// repeated: that is the caller's, who knows if the call modifies anything (see ErrorCode).

#include <chrono>
#include <optional>
#include <stop_token>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/ids.h"

namespace pk {

struct RetryPolicy {
  std::chrono::milliseconds first{10};       // upper end of the first delay
  std::chrono::milliseconds most{2'000};     // upper end of any delay
  std::chrono::milliseconds within{60'000};  // from the construction of the Backoff to the deadline
};

// The delays of one operation under a policy. Not thread-safe.
class Backoff {
 public:
  Backoff(RetryPolicy policy, Clock& clock, IdSource& ids, std::stop_token stop = {});

  // Waits a random time between 0 and an upper end that doubles with each call. False when the
  // deadline has passed (it never waits beyond it) or when the stop was requested: then give up.
  bool Wait();

  SteadyTime deadline() const { return deadline_; }
  int attempts() const { return attempts_; }  // calls of Wait() that returned true

 private:
  RetryPolicy policy_;
  Clock& clock_;
  IdSource& ids_;
  std::stop_token stop_;
  SteadyTime deadline_;
  Duration upper_;
  int attempts_ = 0;
};

}  // namespace pk
