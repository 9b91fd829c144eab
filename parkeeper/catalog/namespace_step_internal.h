#pragma once

// Steps of namespaces, each applied once at most (docs/znodes.md, "Namespaces"). A namespace's node
// is to it what the head is to a table: whoever creates a child or changes a property sets the node
// and expects the version that it read; whoever drops the namespace expects that version too. And
// all expect the node that holds the namespace's guid, for a namespace made again under the same
// name begins at version 0 again.

#include <cstdint>
#include <optional>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/retry.h"
#include "parkeeper/catalog/round_internal.h"

namespace pk::catalog {

struct ReadNamespace {
  NamespaceNode node;
  int32_t version = 0;
};
// The root too. kNotFound names the namespace; servers that are behind do not matter.
Result<ReadNamespace> LoadNamespaceNode(coordination::SessionSource& sessions, const Namespace& ns,
                                        Backoff& backoff);

struct StepDone {};
// Definitely not done by this step: the namespace stands elsewhere or is gone, look again.
struct StepOvertaken {};
// Definitely not done: an operation beside the namespace's own node did not hold.
struct StepRefused {
  Error reason;
};
using StepOutcome = std::variant<StepDone, StepOvertaken, StepRefused>;

// Sets the properties of the namespace to those of `next` and carries out `extra`, all or nothing.
Result<StepOutcome> StepNamespace(coordination::SessionSource& sessions, const Namespace& ns,
                                  const ReadNamespace& from, NamespaceNode next,
                                  const coordination::Transaction& extra, IdSource& ids,
                                  Backoff& backoff);

// Removes the namespace; StepRefused when something is in it, and when a bucket for names of tables
// came after `buckets` were listed. StepDone also when somebody else removed it.
Result<StepOutcome> RemoveNamespace(coordination::SessionSource& sessions, const Namespace& ns,
                                    const ReadNamespace& from,
                                    const std::vector<std::string>& buckets, IdSource& ids,
                                    Backoff& backoff);

}  // namespace pk::catalog
