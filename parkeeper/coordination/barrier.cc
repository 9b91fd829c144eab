#include "parkeeper/coordination/barrier.h"

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/patience_internal.h"

namespace pk::coordination {
namespace {

constexpr std::string_view kClosed = "closed";
constexpr std::string_view kOpen = "open";

// A missing barrier is open.
bool Says(const std::optional<Node>& node, std::string_view state) {
  return node.has_value() ? node->value == state : state == kOpen;
}

Result<> SetTo(const Party& party, const std::string& path, std::string_view state,
               const Until& until) {
  Coordinator& coordinator = party.coordinator;
  Patience patience(party, until);
  PK_TRY(Persist(patience, [&] { return coordinator.Sync(); }));
  bool unknown = false;
  while (true) {
    const auto step = [&]() -> Result<bool> {  // true: the barrier says so
      const auto node = PK_TRY(coordinator.Find(path));
      if (Says(node, state)) return true;
      Transaction change;
      if (node.has_value()) {
        change.Set(path, std::string(state), node->stat.version);
      } else {
        PK_TRY(EnsurePath(coordinator, Parent(path)));
        change.Create(path, std::string(state));
      }
      const auto outcome = coordinator.Commit(change);
      unknown = unknown || (!outcome.ok() && outcome.error().code() == ErrorCode::kOutcomeUnknown);
      PK_CHECK(outcome.ok(), outcome.error());
      return std::holds_alternative<Applied>(*outcome);
    }();
    if (step.ok() && *step) return {};
    auto again = step.ok() ? patience.TimeLeft() : patience.After(step.error());
    if (!again.ok() && unknown) return OutcomeUnknown(again.error().message());
    PK_TRY(std::move(again));
  }
}

}  // namespace

Result<> CloseBarrier(const Party& party, const std::string& path, const Until& until) {
  return SetTo(party, path, kClosed, until).With("close the barrier " + path);
}

Result<> OpenBarrier(const Party& party, const std::string& path, const Until& until) {
  return SetTo(party, path, kOpen, until).With("open the barrier " + path);
}

Result<> AwaitBarrier(const Party& party, const std::string& path, const Until& until) {
  Coordinator& coordinator = party.coordinator;
  Patience patience(party, until);
  const auto watch =
      PK_TRY(Persist(patience, [&] { return coordinator.StartWatch(path, WatchScope::kNode); }));
  while (true) {
    const auto node = PK_TRY(Persist(patience, [&] { return coordinator.Find(path); }));
    if (Says(node, kOpen)) return {};
    PK_TRY(patience.TimeLeft().With("wait at the barrier " + path));
    watch->Wait(until.deadline, until.stop);
  }
}

}  // namespace pk::coordination
