#pragma once

// A barrier: a node that says "closed" or "open", for everybody who waits at it.
//
// It belongs to no session: what Suspended and Lost mean is only that a waiter learns later, or not
// at all. It stays closed until somebody opens it. Closing and opening expect the version that they
// have read, so that a request which arrives late undoes nobody's later one; the node is never
// removed.
//
// Threading: free functions over a thread-safe Coordinator.

#include <string>

#include "parkeeper/coordination/party.h"

namespace pk::coordination {

// Ok: closed (open) now, by whomever. kUnavailable, kCancelled: not changed by this call.
// kOutcomeUnknown: the session was lost, or time was up, at the wrong moment; ask again.
Result<> CloseBarrier(const Party& party, const std::string& path, const Until& until);
Result<> OpenBarrier(const Party& party, const std::string& path, const Until& until);

// Returns when the barrier is open, as one that was never closed is. It may have been closed again
// since. kUnavailable at the deadline, kCancelled.
Result<> AwaitBarrier(const Party& party, const std::string& path, const Until& until);

}  // namespace pk::coordination
