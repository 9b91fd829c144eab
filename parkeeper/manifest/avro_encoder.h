#pragma once

// Avro's binary encoding (Avro 1.12, "Binary Encoding"), writing: bytes appended to a string.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace pk::manifest::avro {

class Encoder {
 public:
  void Long(int64_t value) {
    uint64_t raw = (uint64_t(value) << 1) ^ uint64_t(value >> 63);
    while (raw >= 0x80) {
      bytes_.push_back(char(raw | 0x80));
      raw >>= 7;
    }
    bytes_.push_back(char(raw));
  }
  void Int(int32_t value) { Long(value); }
  void Boolean(bool value) { bytes_.push_back(value ? 1 : 0); }
  void Float(float value) { Raw(value); }
  void Double(double value) { Raw(value); }
  void Bytes(std::string_view value) {
    Long(int64_t(value.size()));
    bytes_.append(value);
  }
  void Fixed(std::string_view value) { bytes_.append(value); }
  // The branch of a union of null and another type, in this order.
  void Branch(bool present) { bytes_.push_back(present ? 2 : 0); }

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  void Clear() { bytes_.clear(); }
  std::string Release() && { return std::move(bytes_); }

 private:
  template <class T>
  void Raw(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
  }

  std::string bytes_;
};

}  // namespace pk::manifest::avro
