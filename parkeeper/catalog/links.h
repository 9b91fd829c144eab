#pragma once

// What else is to happen with the outcome of a commit: operations on nodes that are not the
// catalog's, carried out in the very transaction that decides it. So whoever asked for the commit
// need not be there any more, and nobody has to look later.

#include <cstddef>
#include <vector>

#include "parkeeper/coordination/transaction.h"

namespace pk::catalog {

// Nobody else touches what they rest on while the commit waits, so they hold when it is decided.
// Values are UTF-8; nodes are persistent and not sequential; paths are neither of tables nor of
// namespaces. Of one list at most kMostLinks, and kMostLinkBytes of paths and values.
struct CommitLinks {
  std::vector<coordination::Operation> if_committed;
  std::vector<coordination::Operation> if_rejected;

  bool operator==(const CommitLinks&) const = default;
};
inline constexpr size_t kMostLinks = 4;
inline constexpr size_t kMostLinkBytes = 200'000;

}  // namespace pk::catalog
