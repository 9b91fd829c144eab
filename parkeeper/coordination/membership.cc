#include "parkeeper/coordination/membership.h"

#include <utility>

#include "parkeeper/coordination/queue_internal.h"

namespace pk::coordination {

Membership::Membership(std::unique_ptr<QueueEntry> entry) : entry_(std::move(entry)) {}
Membership::~Membership() = default;
Membership::Membership(Membership&&) noexcept = default;
Membership& Membership::operator=(Membership&&) noexcept = default;

Result<Membership> Membership::Join(const Party& party, const std::string& path,
                                    const std::string& payload, const Until& until) {
  return Membership(PK_TRY(QueueEntry::Enter(
      party, {.path = path, .kind = EntryKind::kMember, .payload = payload}, until)));
}

Result<> Membership::SetPayload(const std::string& payload, const Until& until) {
  Patience patience(entry_->party(), until);
  return entry_->SetPayload(payload, patience);
}

Transaction Membership::Guard() const { return Transaction().Check(entry_->path()); }
const std::string& Membership::node() const { return entry_->path(); }
std::stop_token Membership::lost() const { return entry_->party().coordinator.session().lost(); }
Result<> Membership::Leave() { return entry_->Leave(); }

Result<std::vector<Member>> ListMembers(Coordinator& coordinator, const std::string& path) {
  auto entries = PK_TRY(ReadEntries(coordinator, path, EntryKind::kMember));
  std::vector<Member> members;
  members.reserve(entries.size());
  for (SeenEntry& entry : entries) {
    members.push_back({.node = std::move(entry.path),
                       .session = entry.node.stat.ephemeral_owner,
                       .payload = std::move(entry.node.value)});
  }
  return members;
}

Result<std::unique_ptr<Watch>> WatchMembers(Coordinator& coordinator, const std::string& path) {
  return coordinator.StartWatch(path, WatchScope::kSubtree);
}

}  // namespace pk::coordination
