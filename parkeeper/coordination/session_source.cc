#include "parkeeper/coordination/session_source.h"

namespace pk::coordination {

Result<std::shared_ptr<Coordinator>> SessionSource::Get() {
  std::lock_guard lock(mutex_);
  if (present_ == nullptr || present_->session().state() == SessionState::kLost) {
    present_.reset();
    std::shared_ptr<Coordinator> opened = PK_TRY(open_());
    PK_TRY(opened->Sync());
    present_ = std::move(opened);
  }
  return present_;
}

}  // namespace pk::coordination
