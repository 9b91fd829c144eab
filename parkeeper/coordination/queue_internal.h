#pragma once

// The core of lock, lease, semaphore, election, double barrier and membership: a node (the gate)
// whose children, ephemeral and sequential, are a queue.
//
// An entry is named "<guid><marker><sequence>", for example
// "3f2a...__lock__0000000007"; other children are ignored. Markers and order are those of kazoo's
// Lock, ReadLock and WriteLock, so these and ours exclude each other on one path.
//
// Create exactly once. A sequential create that is sent twice makes two nodes, and one that lies in
// a stopped server may make its node a minute after its caller has looked and found nothing. So an
// entry is created in one transaction with a check of the gate's version. Is the outcome unknown,
// the gate is set, expecting that version, until that is done or refused: then the version is spent
// and no copy of the create can be applied any more. After that a look for the guid is the truth.
// Setting the gate costs others who enter at that moment another try, and nothing else.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/coordination/party.h"
#include "parkeeper/coordination/patience_internal.h"

namespace pk::coordination {

enum class EntryKind { kExclusive, kShared, kPermit, kMember };

struct EntryName {
  EntryKind kind;
  int32_t sequence;
};
// nullopt: not the name of an entry.
std::optional<EntryName> ParseEntryName(std::string_view name);

// Was sequence number `a` given before `b`? ZooKeeper's wrap around after 2^31; of numbers given
// within 2^31 of each other the answer is right.
bool IsBefore(int32_t a, int32_t b);

// What an entry has to do, seeing the queue.
struct Turn {
  enum class Next { kAdmitted, kWatchEntry, kWatchQueue };
  Next next = Next::kAdmitted;
  std::string entry;        // of kWatchEntry: the name to watch
  bool has_behind = false;  // entries of the same kind stand behind
};
// `mine` is one of `names`, else kUnavailable: the entry was removed. Of the entries that exclude
// it, fewer than `limit` may stand ahead.
//
// With a limit of 1 an entry waits for the nearest one ahead. With more any one ahead may leave: so
// the first in the waiting line watches the queue, each other one its neighbour ahead, who sets its
// own node when it is admitted. Nobody else wakes.
Result<Turn> FindTurn(const std::vector<std::string>& names, std::string_view mine, size_t limit);

// The node above the queue.
struct Gate {
  std::string value;
  int32_t version = 0;
};
// Makes the gate with `initial` as its value if it is missing.
Result<Gate> OpenGate(const Party& party, const std::string& path, const std::string& initial,
                      Patience& patience);

// One entry of this process. Not thread-safe.
class QueueEntry {
 public:
  struct Place {
    std::string path;  // of the gate
    EntryKind kind = EntryKind::kExclusive;
    std::string payload = {};
    std::string gate_value = {};         // when this entry is the first
    bool gate_value_must_match = false;  // else kFailedPrecondition
  };
  // Stands in the queue when it returns. Never kOutcomeUnknown.
  static Result<std::unique_ptr<QueueEntry>> Enter(Party party, Place place, const Until& until);

  // Leaves, and waits until that is definite or the session is lost.
  ~QueueEntry() { static_cast<void>(Leave()); }
  QueueEntry(const QueueEntry&) = delete;
  QueueEntry& operator=(const QueueEntry&) = delete;

  // Returns when admitted. An error leaves the entry where it is.
  Result<> AwaitTurn(size_t limit, const Until& until);

  // Ok: gone. kUnavailable: the session is lost, and the node goes with it. Once.
  Result<> Leave();

  // Nobody but this entry sets it, and no permit does. kNotFound: the entry was removed.
  // kOutcomeUnknown when the session was lost, or `patience` ended, at the wrong moment.
  Result<> SetPayload(std::string payload, Patience& patience);

  const Party& party() const { return party_; }
  const std::string& queue() const { return place_.path; }
  const std::string& path() const { return path_; }
  std::string_view name() const;
  int32_t sequence() const { return ParseEntryName(name())->sequence; }
  uint64_t czxid() const { return czxid_; }
  bool left() const { return left_; }

 private:
  QueueEntry(Party party, Place place, std::string path, const NodeStat& stat)
      : party_(party),
        place_(std::move(place)),
        path_(std::move(path)),
        czxid_(stat.czxid),
        version_(stat.version) {}

  Result<> WakeNeighbour();

  Party party_;
  Place place_;
  std::string path_;
  uint64_t czxid_;
  int32_t version_;
  bool left_ = false;
};

// An entry as others see it.
struct SeenEntry {
  std::string path;
  int32_t sequence;
  Node node;
};
// The entries of `kind`, first come first; none when there is no gate. Those that leave while it
// reads are left out. In chunks, so not all of one moment.
Result<std::vector<SeenEntry>> ReadEntries(Coordinator& coordinator, const std::string& path,
                                           EntryKind kind);

}  // namespace pk::coordination
