#pragma once

// Jute, ZooKeeper's encoding: big-endian numbers, strings and vectors with a length of four bytes.
// The reader checks each length against the bytes that are there before it takes memory, and never
// reads outside of them. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::coordination::zookeeper {

class JuteWriter {
 public:
  void Int(int32_t value) { Big(static_cast<uint32_t>(value)); }
  void Long(int64_t value) { Big(static_cast<uint64_t>(value)); }
  void Bool(bool value) { bytes_ += static_cast<char>(value); }
  // Also a buffer. At most 2^31 - 1 bytes.
  void String(std::string_view value) {
    Int(static_cast<int32_t>(value.size()));
    bytes_ += value;
  }
  // A string of two parts.
  void String(std::string_view first, std::string_view second) {
    Int(static_cast<int32_t>(first.size() + second.size()));
    bytes_ += first;
    bytes_ += second;
  }

  void Reserve(size_t bytes) { bytes_.reserve(bytes); }
  size_t size() const { return bytes_.size(); }
  std::string Take() { return std::move(bytes_); }

 private:
  template <class T>
  void Big(T value) {
    for (int shift = sizeof(T) * 8 - 8; shift >= 0; shift -= 8) {
      bytes_ += static_cast<char>(value >> shift);
    }
  }

  std::string bytes_;
};

// Reads views into `bytes`, which must outlive it. Every error is kCorrupt.
class JuteReader {
 public:
  explicit JuteReader(std::string_view bytes) : rest_(bytes) {}

  Result<int32_t> Int();
  Result<int64_t> Long();
  Result<bool> Bool();
  // A null string or buffer, length -1, is an empty one.
  Result<std::string_view> String();
  // How many elements of at least `element_bytes` follow; a null vector has none.
  Result<size_t> Count(size_t element_bytes);

  size_t left() const { return rest_.size(); }

 private:
  Result<uint64_t> Big(size_t bytes);

  std::string_view rest_;
};

}  // namespace pk::coordination::zookeeper
