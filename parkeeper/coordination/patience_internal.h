#pragma once

// Patience: whether a call to the coordinator that failed is worth repeating, and when. Whether it
// *may* be repeated is the caller's to know.

#include "parkeeper/coordination/party.h"

namespace pk::coordination {

class Patience {
 public:
  explicit Patience(const Party& party, Until until = {})
      : party_(party), until_(std::move(until)) {}

  // Waits, with jitter and until the session is connected; ok: repeat the call. Otherwise why not:
  // `error` itself when repeating does not help, kUnavailable when the session is lost or the
  // deadline has passed, kCancelled.
  Result<> After(const Error& error);

  // kUnavailable at the deadline, kCancelled after a request to stop.
  Result<> TimeLeft() const;

  const Until& until() const { return until_; }

 private:
  Party party_;
  Until until_;
  Duration upper_ = std::chrono::milliseconds(10);
};

// The first result of `call` that is not a passing failure.
template <class Call>
auto Persist(Patience& patience, const Call& call) -> decltype(call()) {
  while (true) {
    auto result = call();
    if (result.ok()) return result;
    PK_TRY(patience.After(result.error()));
  }
}

// Returns when the node at `path` is missing, was changed, or may have been; also when `patience`
// has ended, which the caller asks it.
Result<> AwaitChange(const Party& party, const std::string& path, Patience& patience);

}  // namespace pk::coordination
