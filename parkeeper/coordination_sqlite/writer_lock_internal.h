#pragma once

// The one write lock of a folder, over all its processes, in the order of arrival and with a
// deadline.
//
// SQLite's own lock is polled with growing pauses, so a process that writes all the time starves
// the others. This one is taken before BEGIN IMMEDIATE: threads of one Coordinator queue here,
// Coordinators queue in the kernel on two bytes of the file. Whoever comes next holds the turnstile
// while it waits for the lock, so one who has just released cannot overtake it.
//
// The kernel's wait has no deadline; when the lock is not free, a thread made for it (at the first
// such wait) does the waiting, and callers wait for that thread.
//
// Thread-safe.

#include <pthread.h>

#include <condition_variable>
#include <list>
#include <mutex>

#include "parkeeper/base/clock.h"
#include "parkeeper/coordination_sqlite/file_lock_internal.h"

namespace pk::coordination::sqlite {

class WriterLock {
 public:
  explicit WriterLock(FileWithLocks file) : file_(std::move(file)) {}
  ~WriterLock();
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

  // False: not obtained before the deadline.
  bool Acquire(SteadyTime deadline);
  void Release();

 private:
  // What the waiting thread is about. kAbandoned: nobody wants the lock any more, but the kernel
  // still waits for it.
  enum class Wait { kNone, kWaiting, kAbandoned, kObtained };

  bool AcquireFile(std::unique_lock<std::mutex>& guard, SteadyTime deadline);
  bool AwaitFile(std::unique_lock<std::mutex>& guard, SteadyTime deadline);
  bool StartWaiting();
  void WaitForFile();

  FileWithLocks file_;
  std::mutex mutex_;
  std::list<std::condition_variable> queue_;  // threads of this process, in order of arrival
  bool held_ = false;

  std::condition_variable wait_changed_;
  Wait wait_ = Wait::kNone;
  bool stop_ = false;
  bool has_thread_ = false;
  pthread_t thread_{};
};

// Releases at the end of the scope.
class WriterLockGuard {
 public:
  explicit WriterLockGuard(WriterLock& lock) : lock_(lock) {}
  ~WriterLockGuard() { lock_.Release(); }
  WriterLockGuard(const WriterLockGuard&) = delete;
  WriterLockGuard& operator=(const WriterLockGuard&) = delete;

 private:
  WriterLock& lock_;
};

}  // namespace pk::coordination::sqlite
