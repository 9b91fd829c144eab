#pragma once

// Identifiers, and where they come from: an IdSource is a parameter, so that a simulation replays
// from its seed.

#include <array>
#include <compare>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <string_view>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"

namespace pk {

// 128 bits in network order (RFC 9562). Orders as its text does; version 7 orders by the time it
// was made.
struct Uuid {
  std::array<uint8_t, 16> bytes{};

  // "0190163d-8694-739b-aea5-966c26f8ad91"
  std::string ToString() const;
  // Accepts the canonical form in either case; fails with kInvalidArgument.
  static Result<Uuid> Parse(std::string_view text);
  // Milliseconds since 1970 held by a version 7 id; meaningless for others.
  int64_t UnixMs() const;

  auto operator<=>(const Uuid&) const = default;
};

// Thread-safe, all implementations.
class IdSource {
 public:
  virtual ~IdSource() = default;
  // 64 uniformly distributed bits.
  virtual uint64_t Random64() = 0;

  Uuid NewUuid4();
  // Version 7: 48 bits of `clock`'s wall time, the rest random.
  Uuid NewUuid7(const Clock& clock);
  // Positive, as Iceberg's snapshot ids are; collides with odds of 2^-63.
  int64_t NewSnapshotId();
};

// Bits from the operating system. Never destroyed.
IdSource& SystemIds();

// The same ids for the same seed.
class SeededIds : public IdSource {
 public:
  explicit SeededIds(uint64_t seed) : engine_(seed) {}
  uint64_t Random64() override;

 private:
  std::mutex mutex_;
  std::mt19937_64 engine_;
};

}  // namespace pk
