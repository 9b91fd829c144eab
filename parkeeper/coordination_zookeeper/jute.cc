#include <fmt/format.h>

#include "parkeeper/coordination_zookeeper/jute_internal.h"

namespace pk::coordination::zookeeper {

Result<uint64_t> JuteReader::Big(size_t bytes) {
  PK_CHECK(rest_.size() >= bytes,
           Corrupt(fmt::format("reply ends within a number of {} bytes", bytes)));
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(rest_[i]);
  rest_.remove_prefix(bytes);
  return value;
}

Result<int32_t> JuteReader::Int() {
  return static_cast<int32_t>(static_cast<uint32_t>(PK_TRY(Big(4))));
}

Result<int64_t> JuteReader::Long() { return static_cast<int64_t>(PK_TRY(Big(8))); }

Result<bool> JuteReader::Bool() { return PK_TRY(Big(1)) != 0; }

Result<std::string_view> JuteReader::String() {
  const int32_t length = PK_TRY(Int());
  if (length == -1) return std::string_view();
  PK_CHECK(length >= 0 && static_cast<size_t>(length) <= rest_.size(),
           Corrupt(fmt::format("reply has a string of {} bytes where {} are left", length,
                               rest_.size())));
  const std::string_view value = rest_.substr(0, static_cast<size_t>(length));
  rest_.remove_prefix(value.size());
  return value;
}

Result<size_t> JuteReader::Count(size_t element_bytes) {
  const int32_t count = PK_TRY(Int());
  if (count == -1) return size_t{0};
  PK_CHECK(count >= 0 && static_cast<size_t>(count) <= rest_.size() / element_bytes,
           Corrupt(fmt::format("reply has a vector of {} elements where {} bytes are left", count,
                               rest_.size())));
  return static_cast<size_t>(count);
}

}  // namespace pk::coordination::zookeeper
