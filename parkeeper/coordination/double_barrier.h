#pragma once

// A double barrier: nobody begins before `members` have come, and nobody goes on before all of that
// round have finished. One node serves any number of rounds, one after the other.
//
// Who comes is admitted in order of arrival: the first `members` are the first round. Whether all
// of a round were alive is checked in the very transaction that admits it. A member whose session
// is lost afterwards counts as finished; a member that must know that the others did their work
// needs more than a barrier.
//
// Suspended: waiting goes on. Lost: this member counts as gone, its calls give kUnavailable.
// Failure: after an error of Enter nothing is left behind, but the round may have counted this
// member as there. Not thread-safe. Move-only; the destructor leaves without waiting for the
// others, and is repeated like the release of a Lease (lease.h).

#include <memory>
#include <string>

#include "parkeeper/coordination/party.h"

namespace pk::coordination {

class QueueEntry;

class DoubleBarrier {
 public:
  // Waits until `members` (at least 1, the same for all) have come. kFailedPrecondition: the
  // barrier is for another number. kUnavailable, kCancelled as party.h says.
  static Result<DoubleBarrier> Enter(const Party& party, const std::string& path, int members,
                                     const Until& until);
  ~DoubleBarrier();
  DoubleBarrier(DoubleBarrier&&) noexcept;
  DoubleBarrier& operator=(DoubleBarrier&&) noexcept;

  // This member has finished; waits for the others of its round. After an error it has finished
  // nevertheless; it may be called again, to wait on.
  Result<> Leave(const Until& until);

 private:
  DoubleBarrier(std::unique_ptr<QueueEntry> entry, int32_t last);

  std::unique_ptr<QueueEntry> entry_;
  int32_t last_;  // sequence number of the last member of the round
};

}  // namespace pk::coordination
