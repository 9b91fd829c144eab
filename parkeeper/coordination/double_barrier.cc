#include "parkeeper/coordination/double_barrier.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/queue_internal.h"

namespace pk::coordination {
namespace {

// How many past rounds the node remembers: a member that learns of its admission later than that
// waits in Leave() for a later round too.
constexpr size_t kRoundsKept = 8;

// What the barrier's node says: "<members>", then for each of the last rounds, oldest first, the
// sequence number of its last member.
struct Rounds {
  int64_t members = 0;
  std::vector<int32_t> last;
};

std::string Encode(const Rounds& rounds) {
  std::string text = std::to_string(rounds.members);
  for (const int32_t last : rounds.last) text += fmt::format(" {}", last);
  return text;
}

Result<Rounds> Decode(const std::string& path, std::string_view text) {
  std::vector<int64_t> numbers;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    int64_t number = 0;
    const auto [at, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    PK_CHECK(error == std::errc() && at == word.data() + word.size(),
             Corrupt(fmt::format("not the node of a double barrier: {}", path)));
    numbers.push_back(number);
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  PK_CHECK(!numbers.empty(), Corrupt(fmt::format("not the node of a double barrier: {}", path)));
  Rounds rounds{.members = numbers.front(), .last = {}};
  for (size_t i = 1; i < numbers.size(); ++i) rounds.last.push_back(int32_t(numbers[i]));
  return rounds;
}

// The last member of the round that admitted `sequence`; nullopt: none yet.
std::optional<int32_t> RoundOf(const Rounds& rounds, int32_t sequence) {
  for (const int32_t last : rounds.last) {
    if (!IsBefore(last, sequence)) return last;
  }
  return std::nullopt;
}

struct Waiting {
  int32_t sequence;
  std::string path;
};

// The members that no round has admitted, in order of arrival.
std::vector<Waiting> ListWaiting(const std::string& path, const std::vector<std::string>& names,
                                 const Rounds& rounds) {
  std::vector<Waiting> waiting;
  for (const std::string& name : names) {
    const auto entry = ParseEntryName(name);
    if (!entry.has_value() || entry->kind != EntryKind::kMember) continue;
    if (RoundOf(rounds, entry->sequence).has_value()) continue;
    waiting.push_back({entry->sequence, Join(path, name)});
  }
  const int32_t base = rounds.last.empty() ? -1 : rounds.last.back();
  std::ranges::sort(waiting, {},
                    [&](const Waiting& w) { return uint32_t(w.sequence) - uint32_t(base); });
  return waiting;
}

// Admits the first members of `waiting`, if each of them is still there and nobody else was faster.
Transaction Admit(const std::string& path, const Node& node, Rounds rounds,
                  const std::vector<Waiting>& waiting) {
  Transaction admit;
  const auto members = static_cast<size_t>(rounds.members);
  for (size_t i = 0; i < members; ++i) admit.Check(waiting[i].path);
  rounds.last.push_back(waiting[members - 1].sequence);
  if (rounds.last.size() > kRoundsKept) rounds.last.erase(rounds.last.begin());
  admit.Set(path, Encode(rounds), node.stat.version);
  return admit;
}

// Returns the last member of the round that admitted `entry`.
Result<int32_t> AwaitAdmission(const QueueEntry& entry, int members, const Until& until) {
  Coordinator& coordinator = entry.party().coordinator;
  const std::string& path = entry.queue();
  Patience patience(entry.party(), until);
  const auto watch =
      PK_TRY(Persist(patience, [&] { return coordinator.StartWatch(path, WatchScope::kNode); }));
  while (true) {
    const Node node = PK_TRY(Persist(patience, [&] { return coordinator.Get(path); }));
    const Rounds rounds = PK_TRY(Decode(path, node.value));
    PK_CHECK(rounds.members == members,
             FailedPrecondition(fmt::format("the double barrier {} is for another number of "
                                            "members: expected {}, found {}",
                                            path, members, rounds.members)));
    if (const auto last = RoundOf(rounds, entry.sequence())) return *last;
    const auto names = PK_TRY(Persist(patience, [&] { return coordinator.List(path); }));
    PK_CHECK(std::ranges::find(names, entry.name()) != names.end(),
             Unavailable(fmt::format("the entry was removed: {}", entry.path())));
    const auto waiting = ListWaiting(path, names, rounds);
    PK_TRY(patience.TimeLeft());
    if (waiting.size() >= size_t(members)) {
      // Whatever became of it, the node says.
      const auto outcome = coordinator.Commit(Admit(path, node, rounds, waiting));
      if (!outcome.ok()) PK_TRY(patience.After(outcome.error()));
    } else {
      watch->Wait(until.deadline, until.stop);
    }
  }
}

}  // namespace

DoubleBarrier::DoubleBarrier(std::unique_ptr<QueueEntry> entry, int32_t last)
    : entry_(std::move(entry)), last_(last) {}
DoubleBarrier::~DoubleBarrier() = default;
DoubleBarrier::DoubleBarrier(DoubleBarrier&&) noexcept = default;
DoubleBarrier& DoubleBarrier::operator=(DoubleBarrier&&) noexcept = default;

Result<DoubleBarrier> DoubleBarrier::Enter(const Party& party, const std::string& path, int members,
                                           const Until& until) {
  PK_CHECK(members > 0 && members <= 1'000,
           InvalidArgument(fmt::format("a double barrier has 1 to 1000 members, not {}", members)));
  auto entry = PK_TRY(QueueEntry::Enter(
      party, {.path = path, .kind = EntryKind::kMember, .gate_value = std::to_string(members)},
      until));
  const int32_t last = PK_TRY(
      AwaitAdmission(*entry, members, until).With("wait for others at the double barrier " + path));
  return DoubleBarrier(std::move(entry), last);
}

Result<> DoubleBarrier::Leave(const Until& until) {
  PK_TRY(entry_->Leave());
  const Party& party = entry_->party();
  const std::string& path = entry_->queue();
  Patience patience(party, until);
  while (true) {
    const auto names = PK_TRY(Persist(patience, [&] { return party.coordinator.List(path); }));
    const auto behind = std::ranges::find_if(names, [&](const std::string& name) {
      const auto other = ParseEntryName(name);
      return other.has_value() && other->kind == EntryKind::kMember &&
             !IsBefore(last_, other->sequence);
    });
    if (behind == names.end()) return {};
    PK_TRY(patience.TimeLeft().With("wait for others to leave the double barrier " + path));
    PK_TRY(AwaitChange(party, Join(path, *behind), patience));
  }
}

}  // namespace pk::coordination
