#pragma once

// The in-memory back end: a tree in this process that any number of Coordinators, each with its own
// session, share. Product code for `memory://` lakes, the server inside the simulated back end, and
// the reference model of the contract.
//
// Sessions end with their Coordinator or by ExpireSession, never by time: their owner lives in the
// same process. Memory: what the nodes hold, and nothing per change.

#include <chrono>
#include <memory>

#include "parkeeper/base/clock.h"
#include "parkeeper/coordination/coordinator.h"

namespace pk::coordination {

// The shared tree. Thread-safe. `clock` stamps the nodes, and deadlines of waits are read on it; it
// must outlive the tree.
class MemoryTree;
std::shared_ptr<MemoryTree> MakeMemoryTree(Clock& clock = SystemClock());

// A new session on the tree. It keeps the tree alive.
std::unique_ptr<Coordinator> OpenMemory(
    std::shared_ptr<MemoryTree> tree,
    std::chrono::milliseconds session_timeout = std::chrono::seconds(10));

// Ends a session as its expiry would: ephemerals go, its Coordinator becomes Lost. Nothing happens
// when it is over already. For tests.
void ExpireSession(MemoryTree& tree, uint64_t session_id);

}  // namespace pk::coordination
