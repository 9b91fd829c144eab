#include <algorithm>

#include "parkeeper/coordination/patience_internal.h"

namespace pk::coordination {
namespace {

constexpr Duration kLongestDelay = std::chrono::seconds(1);

}  // namespace

Result<> Patience::After(const Error& error) {
  const ErrorCode code = error.code();
  PK_CHECK(code == ErrorCode::kUnavailable || code == ErrorCode::kOutcomeUnknown, error);
  Session& session = party_.coordinator.session();
  SessionState state = session.state();
  if (state == SessionState::kSuspended) {
    state = session.WaitForChange(state, until_.deadline, until_.stop);
  }
  PK_CHECK(state != SessionState::kLost, Unavailable("the session is lost: " + error.message()));
  PK_TRY(TimeLeft().With(error.message()));
  Duration delay(static_cast<int64_t>(party_.ids.Random64() % uint64_t(upper_.count())));
  delay = std::min(delay, until_.deadline - party_.clock.Now());
  upper_ = std::min(upper_ * 2, kLongestDelay);
  party_.clock.Wait(delay, until_.stop);
  return {};
}

Result<> Patience::TimeLeft() const {
  PK_CHECK(!until_.stop.stop_requested(), Cancelled("asked to stop"));
  PK_CHECK(party_.clock.Now() < until_.deadline, Unavailable("the deadline has passed"));
  return {};
}

Result<> AwaitChange(const Party& party, const std::string& path, Patience& patience) {
  const auto watch = PK_TRY(
      Persist(patience, [&] { return party.coordinator.StartWatch(path, WatchScope::kNode); }));
  // Gone between the look that named it and the watch: nothing would wake us.
  const auto node = PK_TRY(Persist(patience, [&] { return party.coordinator.Find(path); }));
  if (node.has_value()) watch->Wait(patience.until().deadline, patience.until().stop);
  return {};
}

}  // namespace pk::coordination
