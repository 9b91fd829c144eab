#pragma once

// Bytes of a connection as they come, cut into frames. Memory grows with the bytes that arrive,
// never with a length that a frame claims.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::coordination::zookeeper {

// Of one reply. A list of a million children has some 30 MB.
inline constexpr size_t kMaxReplyBytes = size_t{64} << 20;

class FrameBuffer {
 public:
  // Where the next bytes go. Ends all views that Next() gave.
  std::span<char> Space();
  void Filled(size_t bytes) { end_ += bytes; }

  // The next whole frame without its length; nullopt: more bytes are needed. kCorrupt: no frame
  // can be cut here, end the connection.
  Result<std::optional<std::string_view>> Next();

  // After an error of Next(): the first bytes of a frame that is larger than kMaxReplyBytes, so
  // that its request can be told; empty when there are none.
  std::string_view too_large() const { return too_large_; }

 private:
  std::string bytes_;
  size_t begin_ = 0, end_ = 0;
  std::string_view too_large_;
};

}  // namespace pk::coordination::zookeeper
