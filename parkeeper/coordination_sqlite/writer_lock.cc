#include <utility>

#include "parkeeper/coordination_sqlite/writer_lock_internal.h"

namespace pk::coordination::sqlite {
namespace {

constexpr int64_t kTurnstile = 0;
constexpr int64_t kWriter = 1;

}  // namespace

WriterLock::~WriterLock() {
  if (!has_thread_) return;
  {
    std::lock_guard guard(mutex_);
    stop_ = true;
    wait_changed_.notify_all();
  }
  // Only the wait in the kernel can be cancelled (see WaitForFile); a lock that it may have
  // obtained goes with the file.
  pthread_cancel(thread_);
  pthread_join(thread_, nullptr);
}

bool WriterLock::Acquire(SteadyTime deadline) {
  std::unique_lock guard(mutex_);
  if (held_ || !queue_.empty()) {
    const auto place = queue_.emplace(queue_.end());
    const bool first =
        place->wait_until(guard, deadline, [&] { return !held_ && &queue_.front() == &*place; });
    queue_.erase(place);
    if (!first) {
      // The thread behind may have been told to look while this one was in front of it.
      if (!held_ && !queue_.empty()) queue_.front().notify_one();
      return false;
    }
  }
  held_ = true;
  if (AcquireFile(guard, deadline)) return true;
  held_ = false;
  if (!queue_.empty()) queue_.front().notify_one();
  return false;
}

void WriterLock::Release() {
  file_.Unlock(kWriter);
  std::lock_guard guard(mutex_);
  held_ = false;
  if (!queue_.empty()) queue_.front().notify_one();
}

// With held_ set by this thread, so that only one is in here.
bool WriterLock::AcquireFile(std::unique_lock<std::mutex>& guard, SteadyTime deadline) {
  if (wait_ == Wait::kNone) {
    const bool next = file_.TryLock(kTurnstile);
    const bool obtained = next && file_.TryLock(kWriter);
    // The place as the next one is kept for the waiting thread: the file is the same.
    if (!obtained && StartWaiting()) return AwaitFile(guard, deadline);
    if (next) file_.Unlock(kTurnstile);
    return obtained;
  }
  return AwaitFile(guard, deadline);
}

bool WriterLock::AwaitFile(std::unique_lock<std::mutex>& guard, SteadyTime deadline) {
  wait_ = Wait::kWaiting;
  wait_changed_.wait_until(guard, deadline, [&] { return wait_ == Wait::kObtained; });
  if (wait_ == Wait::kObtained) {
    wait_ = Wait::kNone;
    return true;
  }
  wait_ = Wait::kAbandoned;
  return false;
}

bool WriterLock::StartWaiting() {
  if (!has_thread_) {
    const auto run = [](void* self) -> void* {
      static_cast<WriterLock*>(self)->WaitForFile();
      return nullptr;
    };
    if (pthread_create(&thread_, nullptr, run, this) != 0) return false;
    has_thread_ = true;
  }
  wait_ = Wait::kWaiting;
  wait_changed_.notify_all();
  return true;
}

// AddressSanitizer does not know that a cancelled frame has left the stack.
[[gnu::no_sanitize("address")]] void WriterLock::WaitForFile() {
  int ignored = 0;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ignored);
  std::unique_lock guard(mutex_);
  while (true) {
    wait_changed_.wait(
        guard, [&] { return stop_ || wait_ == Wait::kWaiting || wait_ == Wait::kAbandoned; });
    if (stop_) return;
    guard.unlock();
    // No object of this frame needs its destructor while the thread may be cancelled.
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &ignored);
    file_.LockAndWait(kTurnstile);
    file_.LockAndWait(kWriter);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ignored);
    file_.Unlock(kTurnstile);
    guard.lock();
    if (wait_ == Wait::kAbandoned) {
      file_.Unlock(kWriter);
      wait_ = Wait::kNone;
    } else {
      wait_ = Wait::kObtained;
      wait_changed_.notify_all();
    }
  }
}

}  // namespace pk::coordination::sqlite
