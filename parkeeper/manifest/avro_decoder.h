#pragma once

// Avro's binary encoding (Avro 1.12, "Binary Encoding"), reading.
//
// A Decoder is a cursor over bytes that it does not own. The first error stays: from then on every
// read gives zero or nothing and moves no further, so hot loops check ok() once an entry instead of
// once a number. Every length is held against the bytes left before it is believed.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "parkeeper/base/result.h"
#include "parkeeper/manifest/avro_schema.h"

namespace pk::manifest::avro {

static_assert(std::endian::native == std::endian::little, "floats are read as they lie");

class Decoder {
 public:
  explicit Decoder(std::string_view bytes)
      : begin_(reinterpret_cast<const uint8_t*>(bytes.data())),
        pos_(begin_),
        end_(begin_ + bytes.size()) {}

  bool ok() const { return failure_ == nullptr; }
  bool at_end() const { return pos_ == end_; }
  size_t offset() const { return size_t(pos_ - begin_); }
  size_t remaining() const { return size_t(end_ - pos_); }
  // kCorrupt: what was wrong first, and at which byte. Only when !ok().
  Error error() const;

  // Zigzag varints.
  int64_t Long() {
    if (pos_ != end_ && *pos_ < 0x80) [[likely]] {
      const uint64_t raw = *pos_++;
      return int64_t(raw >> 1) ^ -int64_t(raw & 1);
    }
    return LongOfManyBytes();
  }
  int32_t Int() {
    const int64_t wide = Long();
    if (wide != int32_t(wide)) [[unlikely]]
      return Fail("an int has more than 32 bits"), 0;
    return int32_t(wide);
  }
  bool Boolean() {
    const std::string_view byte = Fixed(1);
    if (byte.empty()) return false;
    if (uint8_t(byte[0]) > 1) Fail("a boolean is neither 0 nor 1");
    return byte[0] == 1;
  }
  float Float() { return Raw<float>(); }
  double Double() { return Raw<double>(); }
  // Views of the input.
  std::string_view Bytes() {
    const int64_t size = Long();
    if (size < 0 || uint64_t(size) > remaining()) [[unlikely]]
      return Fail("a length is negative or beyond the end"), std::string_view();
    return Take(size_t(size));
  }
  std::string_view Fixed(size_t size) {
    if (size > remaining()) [[unlikely]]
      return Fail("the data end within a value"), std::string_view();
    return Take(size);
  }

  // The next block of an array or a map. `count` 0 ends it. Where the writer gave the block's
  // length, `bytes` has it (else -1) and the block can be jumped over by Fixed(bytes). A count that
  // the bytes left cannot hold, at `min_item_size` each, is an error.
  struct Block {
    int64_t count = 0;
    int64_t bytes = -1;
  };
  Block NextBlock(uint32_t min_item_size);
  // For blocks whose length was given: their items end at `end`, or it is an error, so that it does
  // not matter whether a reader looks at the items or jumps over them.
  void ExpectAt(size_t end) {
    if (offset() != end) Fail("a block has another length");
  }
  // Jumps there.
  void SkipTo(size_t end) {
    if (end < offset() || end - offset() > remaining()) return Fail("a block has another length");
    pos_ = begin_ + end;
  }

  void SkipNumber() {
    for (int i = 0; i < kMostVarintBytes && pos_ != end_; ++i) {
      if (*pos_++ < 0x80) return;
    }
    Fail("a number does not end");
  }
  // A value of any type.
  void Skip(const Type& type) { Skip(type, 0); }

  // Records the error, unless there is one already. `what` must live for ever.
  void Fail(const char* what);

 private:
  static constexpr int kMostVarintBytes = 10;
  static constexpr int kDeepest = 64;

  template <class T>
  T Raw() {
    const std::string_view bytes = Fixed(sizeof(T));
    T value = 0;
    if (bytes.size() == sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  std::string_view Take(size_t size) {
    const std::string_view taken(reinterpret_cast<const char*>(pos_), size);
    pos_ += size;
    return taken;
  }
  int64_t LongOfManyBytes();
  void Skip(const Type& type, int depth);
  void SkipBlocks(const Type& type, int depth);

  const uint8_t* begin_;
  const uint8_t* pos_;
  const uint8_t* end_;
  const char* failure_ = nullptr;
  size_t failed_at_ = 0;
};

}  // namespace pk::manifest::avro
