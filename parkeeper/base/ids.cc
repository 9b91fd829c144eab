#include "parkeeper/base/ids.h"

#include <sys/random.h>

#include <cstring>

namespace pk {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool DashBefore(size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

class OsIds final : public IdSource {
 public:
  uint64_t Random64() override {
    uint64_t bits = 0;
    // 8 bytes never come short and never fail once the pool is initialised.
    while (getrandom(&bits, sizeof bits, 0) != sizeof bits) {
    }
    return bits;
  }
};

Uuid FromHalves(uint64_t high, uint64_t low, int version) {
  high = (high & ~uint64_t{0xF000}) | (uint64_t(version) << 12);
  low = (low & 0x3FFF'FFFF'FFFF'FFFF) | 0x8000'0000'0000'0000;
  Uuid id;
  for (int i = 0; i < 8; ++i) {
    id.bytes[i] = uint8_t(high >> (56 - 8 * i));
    id.bytes[8 + i] = uint8_t(low >> (56 - 8 * i));
  }
  return id;
}

}  // namespace

std::string Uuid::ToString() const {
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (DashBefore(i)) text += '-';
    text += kHexDigits[bytes[i] >> 4];
    text += kHexDigits[bytes[i] & 15];
  }
  return text;
}

Result<Uuid> Uuid::Parse(std::string_view text) {
  const auto bad = [&] { return InvalidArgument("not a UUID: '" + std::string(text) + "'"); };
  if (text.size() != 36) return bad();
  Uuid id;
  size_t at = 0;
  for (size_t i = 0; i < id.bytes.size(); ++i) {
    if (DashBefore(i) && text[at++] != '-') return bad();
    const int high = HexValue(text[at]), low = HexValue(text[at + 1]);
    if (high < 0 || low < 0) return bad();
    id.bytes[i] = uint8_t(high << 4 | low);
    at += 2;
  }
  return id;
}

int64_t Uuid::UnixMs() const {
  int64_t ms = 0;
  for (int i = 0; i < 6; ++i) ms = ms << 8 | bytes[i];
  return ms;
}

Uuid IdSource::NewUuid4() {
  const uint64_t high = Random64();
  return FromHalves(high, Random64(), 4);
}

Uuid IdSource::NewUuid7(const Clock& clock) {
  const uint64_t high = uint64_t(clock.WallMs()) << 16 | (Random64() & 0xFFFF);
  return FromHalves(high, Random64(), 7);
}

int64_t IdSource::NewSnapshotId() {
  const auto id = int64_t(Random64() >> 1);
  return id == 0 ? 1 : id;
}

IdSource& SystemIds() {
  static auto* ids = new OsIds;
  return *ids;
}

uint64_t SeededIds::Random64() {
  std::lock_guard lock(mutex_);
  return engine_();
}

}  // namespace pk
