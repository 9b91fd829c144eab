#pragma once

// Pending<T>: a call that was begun without waiting for its outcome, so that one thread has many
// under way. A value that is moved, and belongs to one thread at a time.

#include <cassert>
#include <memory>
#include <utility>
#include <variant>

#include "parkeeper/base/result.h"

namespace pk::coordination {

template <class T>
class [[nodiscard]] Pending {
 public:
  // What a back end that does not wait hands out.
  class Source {
   public:
    virtual ~Source() = default;
    // Called once.
    virtual Result<T> Wait() = 0;
  };

  // Of a call that is over already.
  Pending(Result<T> outcome) : state_(std::move(outcome)) {}
  Pending(Error error) : state_(Result<T>(std::move(error))) {}
  Pending(std::unique_ptr<Source> source) : state_(std::move(source)) {}

  // The outcome, as the call that waits gives it. Once.
  Result<T> Wait() {
    if (auto* outcome = std::get_if<Result<T>>(&state_)) return std::move(*outcome);
    const auto source = std::exchange(std::get<std::unique_ptr<Source>>(state_), nullptr);
    assert(source != nullptr);
    return source->Wait();
  }

 private:
  std::variant<Result<T>, std::unique_ptr<Source>> state_;
};

}  // namespace pk::coordination
