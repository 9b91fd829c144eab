#pragma once

// SessionSource: the present session of a process, and a new one when it is lost. For work that
// may go on in any session (commits, reads), because each of its requests expects a version or a
// unique name. Ephemerals that it makes on the way may go with a session; such work notices.
//
// Thread-safe.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "parkeeper/base/result.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/signal.h"

namespace pk::coordination {

class SessionSource {
 public:
  using Open = std::function<Result<std::unique_ptr<Coordinator>>()>;

  explicit SessionSource(Open open, Clock& clock = SystemClock())
      : open_(std::move(open)), clock_(clock) {}

  // A session that was not lost a moment ago; opens one when there is none, once for all who ask
  // meanwhile. The error is that of opening.
  Result<std::shared_ptr<Coordinator>> Get();

 private:
  Result<std::shared_ptr<Coordinator>> OpenAnother();

  const Open open_;
  Clock& clock_;
  std::mutex mutex_;
  std::shared_ptr<Coordinator> present_;
  bool opening_ = false;
  uint64_t openings_ = 0;
  std::optional<Error> failure_;  // of the last opening
  Signal opened_;
};

}  // namespace pk::coordination
