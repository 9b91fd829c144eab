#include "parkeeper/coordination/lease.h"

#include <fmt/format.h>

#include <utility>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/queue_internal.h"

namespace pk::coordination {

Lease::Lease(std::unique_ptr<QueueEntry> entry) : entry_(std::move(entry)) {}
Lease::~Lease() = default;
Lease::Lease(Lease&&) noexcept = default;
Lease& Lease::operator=(Lease&&) noexcept = default;

Transaction Lease::Guard() const { return Transaction().Check(entry_->path()); }

Result<> Lease::Confirm() const {
  const auto outcome = entry_->party().coordinator.Commit(Guard());
  if (outcome.ok()) {
    PK_CHECK(std::holds_alternative<Applied>(*outcome),
             FailedPrecondition(fmt::format("the lease is gone: {}", entry_->path())));
    return {};
  }
  // A check changes nothing, so there is no outcome that matters.
  const Error& error = outcome.error();
  if (error.code() == ErrorCode::kOutcomeUnknown) return Unavailable(error.message());
  return error;
}

uint64_t Lease::token() const { return entry_->czxid(); }
const std::string& Lease::node() const { return entry_->path(); }
std::stop_token Lease::lost() const { return entry_->party().coordinator.session().lost(); }

bool Lease::held() const {
  return !entry_->left() &&
         entry_->party().coordinator.session().state() == SessionState::kConnected;
}

Result<> Lease::Release() { return entry_->Leave(); }

Result<Lease> AcquireLease(const Party& party, const std::string& path, const std::string& payload,
                           const Until& until) {
  auto entry = PK_TRY(QueueEntry::Enter(
      party, {.path = path, .kind = EntryKind::kExclusive, .payload = payload}, until));
  PK_TRY(entry->AwaitTurn(1, until).With("wait for " + path));
  return Lease(std::move(entry));
}

Result<std::vector<Claimant>> ListClaimants(Coordinator& coordinator, const std::string& path) {
  auto entries = PK_TRY(ReadEntries(coordinator, path, EntryKind::kExclusive));
  std::vector<Claimant> claimants;
  claimants.reserve(entries.size());
  for (SeenEntry& entry : entries) {
    claimants.push_back({.payload = std::move(entry.node.value),
                         .session = entry.node.stat.ephemeral_owner,
                         .token = entry.node.stat.czxid,
                         .node = std::move(entry.path)});
  }
  return claimants;
}

}  // namespace pk::coordination
