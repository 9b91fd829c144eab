#pragma once

// The in-memory back end: a tree in this process that any number of Coordinators, each with its own
// session, share. Product code for `memory://` lakes, and the reference model of the contract.

#include <chrono>
#include <memory>

#include "parkeeper/base/clock.h"
#include "parkeeper/coordination/coordinator.h"

namespace pk::coordination {

// The shared tree. Thread-safe.
class MemoryTree;
std::shared_ptr<MemoryTree> MakeMemoryTree(Clock& clock = SystemClock());

// A new session on the tree. It keeps the tree alive.
std::unique_ptr<Coordinator> OpenMemory(
    std::shared_ptr<MemoryTree> tree,
    std::chrono::milliseconds session_timeout = std::chrono::seconds(10));

// Ends a session as its expiry would: ephemerals go, its Coordinator becomes Lost. For tests.
void ExpireSession(MemoryTree& tree, uint64_t session_id);

}  // namespace pk::coordination
