#pragma once

// Membership: who is there, and what each says of itself (an address, a load).
//
// A member is there as long as its session lives and it has not left. Two processes of one name are
// two members; what tells them apart is the node.
//
// Suspended: others still see the member, until its session is lost. Lost: it is gone for others
// soon after; join again with a new session. Leaving is repeated until definite, like the release
// of a Lease (lease.h).
//
// Threading: Membership is not thread-safe. Move-only.

#include <memory>
#include <string>
#include <vector>

#include "parkeeper/coordination/party.h"
#include "parkeeper/coordination/transaction.h"

namespace pk::coordination {

class QueueEntry;

class Membership {
 public:
  // Joins the group at `path`, which is made when it is missing. Never kOutcomeUnknown; otherwise
  // as AcquireLease (lease.h).
  static Result<Membership> Join(const Party& party, const std::string& path,
                                 const std::string& payload, const Until& until);
  // Leaves.
  ~Membership();
  Membership(Membership&&) noexcept;
  Membership& operator=(Membership&&) noexcept;

  // What others see from now on. kNotFound: removed by somebody. kOutcomeUnknown: the session was
  // lost, or time was up, before it was settled.
  Result<> SetPayload(const std::string& payload, const Until& until);

  // A transaction that checks that this member is still there, to add operations to.
  Transaction Guard() const;
  const std::string& node() const;
  std::stop_token lost() const;

  // Ok: gone. kUnavailable: the session is lost, and the member goes with it.
  Result<> Leave();

 private:
  explicit Membership(std::unique_ptr<QueueEntry> entry);

  std::unique_ptr<QueueEntry> entry_;
};

struct Member {
  std::string node;
  uint64_t session = 0;
  std::string payload;
  bool operator==(const Member&) const = default;
};

// All members, in the order in which they joined; none when there is no group. As fresh as any
// read; read in chunks, so two members may be of different moments. O(members).
Result<std::vector<Member>> ListMembers(Coordinator& coordinator, const std::string& path);

// Wakes when somebody joins, leaves or says something else; the group need not exist.
Result<std::unique_ptr<Watch>> WatchMembers(Coordinator& coordinator, const std::string& path);

}  // namespace pk::coordination
