#pragma once

// Locks: a mutex, and a read-write lock. One node is both: a mutex is a lock that nobody shares.
//
// Exclusive and shared holders exclude each other, shared ones do not. First come, first served: a
// writer waits for all that came before it, a reader for the writers that did; so nobody starves.
//
// Suspended, Lost, failure, threading: as lease.h says. A reader that only reads may want
// Confirm() after its reads: a lost shared lease means that they were not protected.

#include "parkeeper/coordination/lease.h"

namespace pk::coordination {

// Waits for `path`, alone. Errors and deadline as AcquireLease.
Result<Lease> LockExclusive(const Party& party, const std::string& path, const Until& until);

// Waits for `path` together with other readers. Errors and deadline as AcquireLease.
Result<Lease> LockShared(const Party& party, const std::string& path, const Until& until);

}  // namespace pk::coordination
