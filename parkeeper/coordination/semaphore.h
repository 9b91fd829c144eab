#pragma once

// A semaphore: a lease on one of `permits` places. The number is written into the semaphore's node
// by whoever comes first, so that two programs with different ideas of it cannot admit too many.
//
// First come, first served. Waiters do not stampede: the first in line watches the queue, each
// other one its neighbour.
//
// Suspended, Lost, failure, threading: as lease.h says. Never more than `permits` holders pass a
// guarded transaction; how many believe to hold one is another matter. token() does not order
// permits.

#include "parkeeper/coordination/lease.h"

namespace pk::coordination {

// Waits for one of `permits` places (at least 1) at `path`. kFailedPrecondition: the semaphore has
// another number of them. Other errors and deadline as AcquireLease.
Result<Lease> AcquirePermit(const Party& party, const std::string& path, int permits,
                            const Until& until);

}  // namespace pk::coordination
