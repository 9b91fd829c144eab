#include "parkeeper/coordination/lock.h"

#include "parkeeper/coordination/queue_internal.h"

namespace pk::coordination {

Result<Lease> LockExclusive(const Party& party, const std::string& path, const Until& until) {
  return AcquireLease(party, path, "", until);
}

Result<Lease> LockShared(const Party& party, const std::string& path, const Until& until) {
  auto entry = PK_TRY(QueueEntry::Enter(party, {.path = path, .kind = EntryKind::kShared}, until));
  PK_TRY(entry->AwaitTurn(1, until).With("wait to share " + path));
  return Lease(std::move(entry));
}

}  // namespace pk::coordination
