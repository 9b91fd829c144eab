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
#include "parkeeper/coordination/until_known.h"

namespace pk::catalog {

using coordination::Fenced;
using coordination::Sent;

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
