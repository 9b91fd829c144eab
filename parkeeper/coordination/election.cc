#include "parkeeper/coordination/election.h"

#include <utility>

namespace pk::coordination {

Result<Lease> BecomeLeader(const Party& party, const std::string& path,
                           const std::string& candidate, const Until& until) {
  return AcquireLease(party, path, candidate, until);
}

Result<std::optional<Claimant>> FindLeader(Coordinator& coordinator, const std::string& path) {
  auto candidates = PK_TRY(ListClaimants(coordinator, path));
  if (candidates.empty()) return std::optional<Claimant>();
  return std::optional(std::move(candidates.front()));
}

}  // namespace pk::coordination
