#pragma once

// A counter that many add to: a number in a node, set expecting the version that was read, again
// after a random pause when somebody else was faster.
//
// Exactly once: the node also holds the ids of the last 32 additions, so that an addition whose
// reply was lost is looked up instead of repeated. Suspended, Lost: the counter belongs to no
// session; what was added stays.
//
// Made for numbers that change some times a second; each addition is a write of its own. Threading:
// free functions over a thread-safe Coordinator.

#include <cstdint>
#include <string>

#include "parkeeper/coordination/party.h"

namespace pk::coordination {

// The value that this addition left. The counter and what is missing above it are made, at 0.
// kFailedPrecondition: it would overflow. kUnavailable, kCancelled: definitely not added.
// kOutcomeUnknown: the session was lost, time was up, or 32 others were faster, before it was
// settled.
Result<int64_t> AddToCounter(const Party& party, const std::string& path, int64_t delta,
                             const Until& until);

// 0 when there is none yet. As fresh as any read. kCorrupt: not a counter.
Result<int64_t> ReadCounter(Coordinator& coordinator, const std::string& path);

}  // namespace pk::coordination
