#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/queue_internal.h"

namespace pk::coordination {
namespace {

constexpr std::pair<std::string_view, EntryKind> kMarkers[] = {
    {"__lock__", EntryKind::kExclusive},
    {"__rlock__", EntryKind::kShared},
    {"__permit__", EntryKind::kPermit},
    {"__member__", EntryKind::kMember},
};
constexpr size_t kReadAtOnce = 100;

std::string_view MarkerOf(EntryKind kind) {
  for (const auto& [marker, of] : kMarkers) {
    if (of == kind) return marker;
  }
  return "";
}

bool Excludes(EntryKind ahead, EntryKind mine) {
  if (mine == EntryKind::kExclusive) {
    return ahead == EntryKind::kExclusive || ahead == EntryKind::kShared;
  }
  if (mine == EntryKind::kShared) return ahead == EntryKind::kExclusive;
  return ahead == mine;
}

// Spends the gate's version, so that no create that expects it can be applied any more. Fails when
// the session is lost; then none can either.
Result<> SpendVersion(const Party& party, const std::string& path, const Gate& gate) {
  Patience patience(party);
  const Transaction spend = Transaction().Set(path, gate.value, gate.version);
  PK_TRY(Persist(patience, [&] { return party.coordinator.Commit(spend); }));
  return {};  // set by us, or refused because another has
}

struct Created {
  std::string path;
  NodeStat stat;
};

// The entry that was made under `guid`, if any.
Result<std::optional<Created>> FindByGuid(const Party& party, const std::string& path,
                                          const std::string& guid) {
  Patience patience(party);
  const auto names = PK_TRY(Persist(patience, [&] { return party.coordinator.List(path); }));
  const auto found =
      std::ranges::find_if(names, [&](const std::string& name) { return name.starts_with(guid); });
  if (found == names.end()) return std::optional<Created>();
  const std::string entry = Join(path, *found);
  const auto node = PK_TRY(Persist(patience, [&] { return party.coordinator.Find(entry); }));
  if (!node.has_value()) return std::optional<Created>();
  PK_CHECK(node->stat.ephemeral_owner == party.coordinator.session().id(),
           Unavailable(fmt::format("another session owns our entry: {}", entry)));
  return std::optional<Created>({entry, node->stat});
}

// One try; nullopt: definitely not created, try again with a gate read anew.
Result<std::optional<Created>> TryCreate(const Party& party, const QueueEntry::Place& place,
                                         const std::string& guid, const Gate& gate,
                                         Patience& patience) {
  Transaction create;
  create.Check(place.path, gate.version)
      .Create(Join(place.path, guid + std::string(MarkerOf(place.kind))), place.payload,
              CreateMode::kEphemeralSequential);
  auto outcome = party.coordinator.Commit(create);
  if (outcome.ok()) {
    if (auto* applied = std::get_if<Applied>(&*outcome)) {
      return std::optional<Created>({std::move(applied->paths.at(1)), applied->stats.at(1)});
    }
    Error& reason = std::get<Refused>(*outcome).reason;
    PK_CHECK(reason.code() == ErrorCode::kConflict || reason.code() == ErrorCode::kNotFound,
             std::move(reason));
    PK_TRY(patience.TimeLeft());
    return std::optional<Created>();
  }
  if (outcome.error().code() == ErrorCode::kOutcomeUnknown) {
    PK_TRY(SpendVersion(party, place.path, gate));
    auto found = PK_TRY(FindByGuid(party, place.path, guid));
    if (found.has_value()) return found;
  }
  PK_TRY(patience.After(outcome.error()));
  return std::optional<Created>();
}

Result<std::unique_ptr<Watch>> WatchQueue(const Party& party, const std::string& path,
                                          Patience& patience) {
  return Persist(patience,
                 [&] { return party.coordinator.StartWatch(path, WatchScope::kChildren); });
}

}  // namespace

std::optional<EntryName> ParseEntryName(std::string_view name) {
  const size_t end = name.rfind("__");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view digits = name.substr(end + 2);
  int64_t sequence = 0;
  const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), sequence);
  if (error != std::errc() || at != digits.data() + digits.size()) return std::nullopt;
  for (const auto& [marker, kind] : kMarkers) {
    if (name.substr(0, end + 2).ends_with(marker)) {
      return EntryName{kind, static_cast<int32_t>(static_cast<uint64_t>(sequence))};
    }
  }
  return std::nullopt;
}

bool IsBefore(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b)) < 0;
}

Result<Turn> FindTurn(const std::vector<std::string>& names, std::string_view mine, size_t limit) {
  const auto self = ParseEntryName(mine);
  PK_CHECK(self.has_value() && std::ranges::find(names, mine) != names.end(),
           Unavailable(fmt::format("the entry was removed: {}", mine)));
  Turn turn;
  size_t ahead = 0;
  std::optional<int32_t> nearest;
  for (const std::string& name : names) {
    const auto other = ParseEntryName(name);
    if (!other.has_value()) continue;
    if (IsBefore(self->sequence, other->sequence)) {
      turn.has_behind = turn.has_behind || other->kind == self->kind;
      continue;
    }
    if (other->sequence == self->sequence || !Excludes(other->kind, self->kind)) continue;
    ++ahead;
    if (nearest.has_value() && IsBefore(other->sequence, *nearest)) continue;
    nearest = other->sequence;
    turn.entry = name;
  }
  if (ahead < limit) return turn;
  turn.next = limit > 1 && ahead == limit ? Turn::Next::kWatchQueue : Turn::Next::kWatchEntry;
  return turn;
}

Result<Gate> OpenGate(const Party& party, const std::string& path, const std::string& initial,
                      Patience& patience) {
  Coordinator& coordinator = party.coordinator;
  while (true) {
    auto gate = coordinator.Get(path);
    if (gate.ok()) return Gate{std::move(gate->value), gate->stat.version};
    if (gate.error().code() != ErrorCode::kNotFound) {
      PK_TRY(patience.After(gate.error()));
      continue;
    }
    PK_TRY(Persist(patience, [&] { return EnsurePath(coordinator, Parent(path)); }));
    const auto created = coordinator.Create(path, initial);
    if (created.ok() || created.error().code() == ErrorCode::kAlreadyExists) continue;
    PK_TRY(patience.After(created.error()));
  }
}

Result<std::unique_ptr<QueueEntry>> QueueEntry::Enter(Party party, Place place,
                                                      const Until& until) {
  Patience patience(party, until);
  const std::string guid = party.ids.NewUuid4().ToString();
  while (true) {
    const Gate gate = PK_TRY(OpenGate(party, place.path, place.gate_value, patience));
    PK_CHECK(!place.gate_value_must_match || gate.value == place.gate_value,
             FailedPrecondition(fmt::format("{} was made with another value: expected '{}', found "
                                            "'{}'",
                                            place.path, place.gate_value, gate.value)));
    auto created = PK_TRY(TryCreate(party, place, guid, gate, patience));
    if (!created.has_value()) continue;
    return std::unique_ptr<QueueEntry>(
        new QueueEntry(party, std::move(place), std::move(created->path), created->stat));
  }
}

std::string_view QueueEntry::name() const { return LastSegment(path_); }

Result<> QueueEntry::AwaitTurn(size_t limit, const Until& until) {
  Patience patience(party_, until);
  std::unique_ptr<Watch> line;  // started before the list below, so that nothing is missed
  while (true) {
    const auto names =
        PK_TRY(Persist(patience, [&] { return party_.coordinator.List(place_.path); }));
    const Turn turn = PK_TRY(FindTurn(names, name(), limit));
    if (turn.next == Turn::Next::kAdmitted) {
      if (limit == 1 || !turn.has_behind) return {};
      return WakeNeighbour();
    }
    PK_TRY(patience.TimeLeft());
    if (turn.next == Turn::Next::kWatchEntry) {
      line.reset();
      PK_TRY(AwaitChange(party_, Join(place_.path, turn.entry), patience));
    } else if (line == nullptr) {
      line = PK_TRY(WatchQueue(party_, place_.path, patience));
    } else {
      line->Wait(until.deadline, until.stop);
    }
  }
}

Result<> QueueEntry::WakeNeighbour() {
  Patience patience(party_);
  const Transaction touch = Transaction().Set(path_, place_.payload, kAnyVersion);
  const auto outcome = PK_TRY(Persist(patience, [&] { return party_.coordinator.Commit(touch); }));
  PK_CHECK(std::holds_alternative<Applied>(outcome),
           Unavailable(fmt::format("the entry was removed: {}", path_)));
  return {};
}

Result<> QueueEntry::Leave() {
  if (std::exchange(left_, true)) return {};
  Patience patience(party_);
  const Transaction remove = Transaction().Remove(path_, kAnyVersion);
  PK_TRY(Persist(patience, [&] { return party_.coordinator.Commit(remove); }));
  return {};  // removed now, or refused because it is gone
}

Result<> QueueEntry::SetPayload(std::string payload, Patience& patience) {
  bool unknown = false;
  while (true) {
    const auto step = [&]() -> Result<bool> {  // true: it is set
      const auto outcome = party_.coordinator.Commit(Transaction().Set(path_, payload, version_));
      unknown = unknown || (!outcome.ok() && outcome.error().code() == ErrorCode::kOutcomeUnknown);
      PK_CHECK(outcome.ok(), outcome.error());
      if (const auto* applied = std::get_if<Applied>(&*outcome)) {
        version_ = applied->stats.at(0).version;
        return true;
      }
      // An earlier request, of this call or of one before, was applied in the meantime.
      const Node node = PK_TRY(party_.coordinator.Get(path_));
      version_ = node.stat.version;
      return node.value == payload;
    }();
    if (step.ok() && *step) {
      place_.payload = std::move(payload);
      return {};
    }
    auto again = step.ok() ? patience.TimeLeft() : patience.After(step.error());
    if (!again.ok() && unknown) return OutcomeUnknown(again.error().message());
    PK_TRY(std::move(again));
  }
}

Result<std::vector<SeenEntry>> ReadEntries(Coordinator& coordinator, const std::string& path,
                                           EntryKind kind) {
  std::vector<SeenEntry> entries;
  const auto names = coordinator.List(path);
  if (!names.ok() && names.error().code() == ErrorCode::kNotFound) return entries;
  PK_CHECK(names.ok(), names.error());
  for (const std::string& name : *names) {
    const auto parsed = ParseEntryName(name);
    if (parsed.has_value() && parsed->kind == kind) {
      entries.push_back({.path = Join(path, name), .sequence = parsed->sequence, .node = {}});
    }
  }
  if (entries.empty()) return entries;
  // Distances from one of them: an order even when the numbers wrap around, or are somebody's play.
  const uint32_t base = static_cast<uint32_t>(entries.front().sequence) - (1u << 31);
  std::ranges::sort(entries, {},
                    [&](const SeenEntry& e) { return static_cast<uint32_t>(e.sequence) - base; });
  std::vector<SeenEntry> seen;
  seen.reserve(entries.size());
  for (size_t begin = 0; begin < entries.size(); begin += kReadAtOnce) {
    const size_t end = std::min(begin + kReadAtOnce, entries.size());
    std::vector<ReadRequest> requests;
    for (size_t i = begin; i < end; ++i) requests.push_back({.path = entries[i].path});
    auto replies = PK_TRY(coordinator.Read(requests));
    for (size_t i = begin; i < end; ++i) {
      auto& reply = replies[i - begin];
      if (!reply.ok() && reply.error().code() == ErrorCode::kNotFound) continue;
      entries[i].node = PK_TRY(std::move(reply)).node;
      seen.push_back(std::move(entries[i]));
    }
  }
  return seen;
}

}  // namespace pk::coordination
