#pragma once

// Sending transactions whose reply may be lost, until it is known what became of them
// (docs/znodes.md, "Unknown outcomes"). The only place of the catalog that modifies the
// coordinator.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/base/retry.h"
#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/coordination/session_source.h"

namespace pk::catalog {

// The answer to the last copy of a transaction that was sent. When it was refused and an earlier
// copy had no reply, that copy may be what it met: `repeated`.
struct Sent {
  coordination::CommitOutcome outcome;
  bool repeated = false;

  const coordination::Refused* refused() const {
    return std::get_if<coordination::Refused>(&outcome);
  }
};

// Sends `transaction`, which must be safe to send again (each modification expects a version or
// makes a name that is never used twice), until there is a reply. kUnavailable at the deadline when
// no copy can have been applied, else kOutcomeUnknown.
Result<Sent> SendUntilKnown(coordination::SessionSource& sessions,
                            const coordination::Transaction& transaction, Backoff& backoff);

// A read, repeated while the coordinator is not reached.
Result<std::vector<Result<coordination::ReadReply>>> ReadUntilKnown(
    coordination::SessionSource& sessions, const std::vector<coordination::ReadRequest>& requests,
    Backoff& backoff);

// The same of all that was modified before the call, whichever server answers. Costs a write.
Result<std::vector<Result<coordination::ReadReply>>> ReadInOrder(
    coordination::SessionSource& sessions, const std::vector<coordination::ReadRequest>& requests,
    Backoff& backoff);

// A transaction that can be applied once at most, and never again once it is known what became of
// it: its first operations hold only while something stands that never comes again when it is gone,
// such as a version of a node that is never made twice, and the transaction itself ends it.
struct Fenced {
  coordination::Transaction transaction;
  size_t fence_operations = 0;
  // Ends what the fence expects, too, and changes nothing else.
  coordination::Transaction spend;
  // Whether a copy of `transaction` was what ended it. Asked once it has ended, so the answer is
  // final.
  std::function<Result<bool>()> is_mine;
};
// nullopt: applied. Else how it was refused, and no copy of it can be applied any more.
Result<std::optional<coordination::Refused>> SendFenced(coordination::SessionSource& sessions,
                                                        const Fenced& fenced, Backoff& backoff);

// Whether these checks hold now, whatever servers that are behind let us read: it is asked in the
// order of modifications.
Result<bool> HoldsNow(coordination::SessionSource& sessions,
                      const coordination::Transaction& checks, Backoff& backoff);

// A node that exists. kNotFound when it does not, also for servers that are not behind.
Result<coordination::Node> LoadNode(coordination::SessionSource& sessions, const std::string& path,
                                    Backoff& backoff);

// The head of a table as it was read.
struct ReadHead {
  HeadNode node;
  coordination::NodeStat stat;
};
// kNotFound when there is no table of this key: it was dropped long ago, or none will ever be.
Result<ReadHead> LoadHead(coordination::SessionSource& sessions, std::string_view key,
                          Backoff& backoff);

// Whether the head still has the version that was read.
Result<bool> HeadStands(coordination::SessionSource& sessions, std::string_view key,
                        const ReadHead& head, Backoff& backoff);

struct Moved {
  HeadNode head;
};
// Definitely not moved by this round. The head stands elsewhere unless `extra` is set: then the
// operation of this index among the extra ones did not hold.
struct NotMoved {
  std::optional<size_t> extra;
};
using MoveOutcome = std::variant<Moved, NotMoved>;

// One step of a table: sets the head from `from` to `next` (its version becomes from's + 1),
// creates the record of that version and carries out `extra`, all or nothing.
Result<MoveOutcome> MoveHead(coordination::SessionSource& sessions, std::string_view key,
                             const ReadHead& from, HeadNode next, const RecordNode& record,
                             const coordination::Transaction& extra, IdSource& ids,
                             Backoff& backoff);

}  // namespace pk::catalog
