#pragma once

// Who is alive: the file `sessions`, in which each session has a slot.
//
// A slot is one byte that its owner keeps locked, which shows death at once, and a record with the
// session's id and the steady time of its last heartbeat, which shows a process that is stopped or
// hangs. Records are never synchronised to the disk: after a restart of the machine no session of
// before is alive, which its boot id tells.
//
// Thread-safe.

#include <cstdint>
#include <mutex>
#include <string>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"
#include "parkeeper/coordination_sqlite/file_lock_internal.h"

namespace pk::coordination::sqlite {

// One row of the sessions table.
struct SessionRow {
  uint64_t id = 0;
  int64_t slot = 0;
  std::chrono::milliseconds timeout{};
  std::string boot;
};

// Names this start of the machine.
Result<std::string> ReadBootId();

class Liveness {
 public:
  Liveness(FileWithLocks file, std::string boot) : file_(std::move(file)), boot_(std::move(boot)) {}

  // False when another session still has the slot.
  bool Claim(int64_t slot);
  void Release(int64_t slot);
  Result<> Beat(int64_t slot, uint64_t session, SteadyTime now);

  // Its process is gone, its heartbeat too old, or it is from before the machine's last start.
  // Meaningless for the caller's own session.
  bool IsDead(const SessionRow& session, SteadyTime now) const;

  const std::string& boot() const { return boot_; }

 private:
  FileWithLocks file_;
  std::string boot_;
};

}  // namespace pk::coordination::sqlite
