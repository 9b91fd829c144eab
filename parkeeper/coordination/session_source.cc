#include "parkeeper/coordination/session_source.h"

namespace pk::coordination {

Result<std::shared_ptr<Coordinator>> SessionSource::OpenAnother() {
  std::shared_ptr<Coordinator> opened = PK_TRY(open_());
  PK_TRY(opened->Sync());
  return opened;
}

Result<std::shared_ptr<Coordinator>> SessionSource::Get() {
  std::unique_lock lock(mutex_);
  while (opening_) {
    const uint64_t opening = openings_;
    const std::stop_token opened = opened_.token();
    lock.unlock();
    WaitFor(clock_, opened, SteadyTime::max(), {});
    lock.lock();
    if (!opening_ && openings_ == opening && failure_) return *failure_;
  }
  if (present_ != nullptr && present_->session().state() != SessionState::kLost) return present_;
  // Others wait on the clock, not on the mutex: opening takes a while, and in a simulation it gives
  // way. The lost session ends outside of the mutex too.
  opening_ = true;
  ++openings_;
  const std::shared_ptr<Coordinator> lost = std::exchange(present_, nullptr);
  lock.unlock();
  Result<std::shared_ptr<Coordinator>> another = OpenAnother();
  lock.lock();
  opening_ = false;
  if (another.ok()) present_ = *another;
  failure_ = another.ok() ? std::nullopt : std::optional(another.error());
  opened_.Raise();
  return another;
}

}  // namespace pk::coordination
