#include <fstream>

#include "parkeeper/coordination_sqlite/liveness_internal.h"

namespace pk::coordination::sqlite {
namespace {

// In the byte order of the machine: the file is of use on this one only.
struct BeatRecord {
  uint64_t session = 0;
  int64_t beat_ns = 0;
};

int64_t OffsetOf(int64_t slot) { return slot * int64_t(sizeof(BeatRecord)); }

}  // namespace

Result<std::string> ReadBootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  PK_CHECK(std::getline(file, id) && !id.empty(),
           Unavailable("the machine's boot id cannot be read: /proc/sys/kernel/random/boot_id"));
  return id;
}

bool Liveness::Claim(int64_t slot) { return file_.TryLock(OffsetOf(slot)); }

void Liveness::Release(int64_t slot) { file_.Unlock(OffsetOf(slot)); }

Result<> Liveness::Beat(int64_t slot, uint64_t session, SteadyTime now) {
  const BeatRecord record{session, now.time_since_epoch().count()};
  return file_.Write(OffsetOf(slot), &record, sizeof record);
}

bool Liveness::IsDead(const SessionRow& session, SteadyTime now) const {
  if (session.boot != boot_ || !file_.LockedByOther(OffsetOf(session.slot))) return true;
  BeatRecord record;
  if (!file_.Read(OffsetOf(session.slot), &record, sizeof record)) return true;
  if (record.session != session.id) return true;
  return now - SteadyTime(Duration(record.beat_ns)) > session.timeout;
}

}  // namespace pk::coordination::sqlite
