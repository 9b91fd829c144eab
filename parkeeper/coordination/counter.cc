#include "parkeeper/coordination/counter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/patience_internal.h"

namespace pk::coordination {
namespace {

constexpr size_t kIdsKept = 32;

// "<number>" and the ids of the additions that led to it, oldest first, each after a space.
struct Count {
  int64_t number = 0;
  std::vector<std::string> ids;
};

Result<Count> Decode(const std::string& path, std::string_view text) {
  Count count;
  const std::string_view number = text.substr(0, text.find(' '));
  const auto [at, error] =
      std::from_chars(number.data(), number.data() + number.size(), count.number);
  PK_CHECK(error == std::errc() && at == number.data() + number.size(),
           Corrupt(fmt::format("not a counter: {}", path)));
  text.remove_prefix(number.size());
  while (!text.empty()) {
    text.remove_prefix(1);
    count.ids.emplace_back(text.substr(0, text.find(' ')));
    text.remove_prefix(count.ids.back().size());
  }
  return count;
}

std::string Encode(const Count& count) {
  std::string text = std::to_string(count.number);
  for (const std::string& id : count.ids) text += " " + id;
  return text;
}

// The counter at one moment; version -1: there is none.
struct Seen {
  Count count;
  int32_t version = -1;
};

Result<Seen> Look(Coordinator& coordinator, const std::string& path) {
  const auto node = PK_TRY(coordinator.Find(path));
  if (!node.has_value()) return Seen{};
  return Seen{.count = PK_TRY(Decode(path, node->value)), .version = node->stat.version};
}

// A request that may have been sent: what it left or would leave, and when it expects what.
struct Attempt {
  int64_t result = 0;
  int32_t version = -1;
  Transaction request;
};

Result<Attempt> Prepare(const std::string& path, const Seen& seen, int64_t delta,
                        const std::string& id) {
  Attempt attempt{.result = 0, .version = seen.version, .request = {}};
  PK_CHECK(!__builtin_add_overflow(seen.count.number, delta, &attempt.result),
           FailedPrecondition(fmt::format("the counter {} would overflow: {} + {}", path,
                                          seen.count.number, delta)));
  Count next{.number = attempt.result, .ids = seen.count.ids};
  next.ids.push_back(id);
  if (next.ids.size() > kIdsKept) next.ids.erase(next.ids.begin());
  if (seen.version < 0) {
    attempt.request.Create(path, Encode(next));
  } else {
    attempt.request.Set(path, Encode(next), seen.version);
  }
  return attempt;
}

// What became of an attempt whose outcome was unknown, by what the counter says now.
enum class Fate { kOpen, kAdded, kNotAdded, kForgotten };
Fate FateOf(const Attempt& attempt, const Seen& seen, const std::string& id) {
  if (std::ranges::find(seen.count.ids, id) != seen.count.ids.end()) return Fate::kAdded;
  if (seen.version <= attempt.version) return Fate::kOpen;
  const auto since = static_cast<size_t>(seen.version - attempt.version);
  return since <= kIdsKept ? Fate::kNotAdded : Fate::kForgotten;
}

}  // namespace

Result<int64_t> AddToCounter(const Party& party, const std::string& path, int64_t delta,
                             const Until& until) {
  Coordinator& coordinator = party.coordinator;
  Patience patience(party, until);
  const std::string id = fmt::format("{:016x}", party.ids.Random64());
  std::optional<Attempt> unknown;
  while (true) {
    const auto step = [&]() -> Result<std::optional<int64_t>> {
      const Seen seen = PK_TRY(Look(coordinator, path));
      if (unknown.has_value()) {
        const Fate fate = FateOf(*unknown, seen, id);
        if (fate == Fate::kAdded) return std::optional(unknown->result);
        PK_CHECK(fate != Fate::kForgotten, Internal("too many others were faster"));
        if (fate == Fate::kNotAdded) unknown.reset();
      }
      if (seen.version < 0) PK_TRY(EnsurePath(coordinator, Parent(path)));
      // While it is open the very same request is sent again: only one copy can be applied.
      const Attempt attempt =
          unknown.has_value() ? *unknown : PK_TRY(Prepare(path, seen, delta, id));
      const auto outcome = coordinator.Commit(attempt.request);
      if (!outcome.ok()) {
        if (outcome.error().code() == ErrorCode::kOutcomeUnknown) unknown = attempt;
        return outcome.error();
      }
      if (std::holds_alternative<Applied>(*outcome)) return std::optional(attempt.result);
      return Unavailable("others were faster");
    }();
    if (step.ok()) return **step;
    const auto again = patience.After(step.error());
    if (again.ok()) continue;
    PK_CHECK(!unknown.has_value(),
             OutcomeUnknown(again.error().message()).With("add to the counter " + path));
    return Error(again.error()).With("add to the counter " + path);
  }
}

Result<int64_t> ReadCounter(Coordinator& coordinator, const std::string& path) {
  return PK_TRY(Look(coordinator, path)).count.number;
}

}  // namespace pk::coordination
