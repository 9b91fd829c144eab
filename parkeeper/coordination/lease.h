#pragma once

// A Lease is ownership of a name, alone or shared, by one session: of a lock (lock.h), of one of
// the permits of a semaphore (semaphore.h), of the lead of an election (election.h).
//
// Of the leases on a name, only so many are *valid* in the coordinator as the recipe allows. Yet an
// owner may believe in a lost one for a while: after a pause, behind a broken network. So whatever
// is done under a lease goes through Guard(): its transaction is refused, operation 0 with
// kNotFound, once the lease is gone. Never guard a write by held().
//
//   PK_TRY(coordinator.Commit(lease.Guard().Set("/config", value, version)));
//
// Why that is enough: the guarded node has a name that is never used again, and an entry that was
// once admitted stays so as long as its node exists. For systems outside of the coordinator there
// is token(): they must refuse a smaller one after they have seen a greater.
//
// Suspended: the lease may be lost any moment; stop acting as the owner, Guard() tells. It may be
// valid still when the session is connected again; Confirm() says. Lost: it is over, for good; the
// next owner is admitted when the coordinator has ended the session. A lease whose node was removed
// by hand is over too, which only Guard() and Confirm() tell.
//
// Release: in the destructor, or by Release(). It is repeated until the node is definitely gone or
// the session is lost. In touch with the coordinator that is one request; a suspended session makes
// it wait, for at most about the session timeout. So a session that goes on living leaves no node
// behind.
//
// Not reentrant: who takes a lock twice waits for itself. Const members may be called from any
// thread. Move-only; a moved-from lease can only be destroyed or assigned to.

#include <memory>
#include <string>
#include <vector>

#include "parkeeper/coordination/party.h"
#include "parkeeper/coordination/transaction.h"

namespace pk::coordination {

class QueueEntry;

class Lease {
 public:
  // By the recipes.
  explicit Lease(std::unique_ptr<QueueEntry> entry);
  ~Lease();
  Lease(Lease&&) noexcept;
  // Releases what it held before.
  Lease& operator=(Lease&&) noexcept;

  // A transaction that checks that the lease is valid, to add operations to.
  Transaction Guard() const;

  // Is it valid now? kFailedPrecondition: no, for good. kUnavailable: nobody knows, ask again.
  Result<> Confirm() const;

  // Grows with each lease on an exclusive lock or election: the zxid that created its node.
  uint64_t token() const;
  const std::string& node() const;
  // Requested when the session is lost.
  std::stop_token lost() const;
  // Not released, and the session is connected. A hint, for display and to stop early.
  bool held() const;

  // Ok: given back. kUnavailable: the session is lost, and the coordinator gives it back when it
  // notices.
  Result<> Release();

 private:
  std::unique_ptr<QueueEntry> entry_;
};

// Who holds, or waits for, an exclusive name.
struct Claimant {
  std::string payload;
  uint64_t session = 0;
  uint64_t token = 0;  // that its lease has or will have
  std::string node;
};

// Waits for `path`, alone; the gate and what is missing above it are made. `payload` says to others
// who it is. First come, first served. kUnavailable at the deadline or when the session is lost,
// kCancelled; never kOutcomeUnknown. After an error nothing is held and no entry left behind, so it
// may return later than the deadline, by as long as the session can stay out of touch.
Result<Lease> AcquireLease(const Party& party, const std::string& path, const std::string& payload,
                           const Until& until);

// The claimants of a lease, lock or election: the first one holds it, the others wait. As fresh as
// any read of the coordinator. O(claimants).
Result<std::vector<Claimant>> ListClaimants(Coordinator& coordinator, const std::string& path);

}  // namespace pk::coordination
