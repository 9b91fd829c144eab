#include "parkeeper/coordination/semaphore.h"

#include <fmt/format.h>

#include "parkeeper/coordination/queue_internal.h"

namespace pk::coordination {

Result<Lease> AcquirePermit(const Party& party, const std::string& path, int permits,
                            const Until& until) {
  PK_CHECK(permits > 0, InvalidArgument(fmt::format("a semaphore has permits, not {}", permits)));
  auto entry = PK_TRY(QueueEntry::Enter(party,
                                        {.path = path,
                                         .kind = EntryKind::kPermit,
                                         .gate_value = std::to_string(permits),
                                         .gate_value_must_match = true},
                                        until));
  PK_TRY(entry->AwaitTurn(size_t(permits), until).With("wait for a permit of " + path));
  return Lease(std::move(entry));
}

}  // namespace pk::coordination
