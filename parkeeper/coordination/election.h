#pragma once

// Leader election: candidates queue up, the first leads, and each watches only the one before it.
//
// Leadership is a Lease. At most one leader passes a guarded transaction; several may believe to
// lead for a while. So each modification of a leader goes through Guard(), and what it tells
// systems outside carries token(), which grows from leader to leader.
//
// Suspended: stop leading, at once; go on only after Confirm(). Lost: no longer the leader; stand
// again with a new session. Failure and threading: as lease.h says.
//
// To follow the leader: FindLeader(), and again whenever a watch on `path` with kChildren wakes.

#include <optional>

#include "parkeeper/coordination/lease.h"

namespace pk::coordination {

// Stands for election at `path` and returns when it leads. `candidate` is what others see: a name,
// an address. Errors and deadline as AcquireLease.
Result<Lease> BecomeLeader(const Party& party, const std::string& path,
                           const std::string& candidate, const Until& until);

// Who leads; nullopt: nobody. As fresh as any read: after Sync() it is who led when that began.
Result<std::optional<Claimant>> FindLeader(Coordinator& coordinator, const std::string& path);

}  // namespace pk::coordination
