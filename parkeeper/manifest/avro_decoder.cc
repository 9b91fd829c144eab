#include "parkeeper/manifest/avro_decoder.h"

#include <fmt/format.h>

#include <limits>

namespace pk::manifest::avro {

Error Decoder::error() const { return Corrupt(fmt::format("{} at byte {}", failure_, failed_at_)); }

void Decoder::Fail(const char* what) {
  if (failure_ == nullptr) {
    failure_ = what;
    failed_at_ = offset();
  }
  pos_ = end_;
}

int64_t Decoder::LongOfManyBytes() {
  uint64_t raw = 0;
  for (int i = 0; i < kMostVarintBytes; ++i) {
    if (pos_ == end_) return Fail("the data end within a number"), 0;
    const uint8_t byte = *pos_++;
    if (i == kMostVarintBytes - 1 && byte > 1) return Fail("a long has more than 64 bits"), 0;
    raw |= uint64_t(byte & 0x7f) << (7 * i);
    if (byte < 0x80) break;
  }
  return int64_t(raw >> 1) ^ -int64_t(raw & 1);
}

Decoder::Block Decoder::NextBlock(uint32_t min_item_size) {
  Block block;
  block.count = Long();
  if (block.count < 0) {
    if (block.count == std::numeric_limits<int64_t>::min())
      return Fail("a block has an impossible count"), Block{};
    block.count = -block.count;
    block.bytes = Long();
    if (block.bytes < 0 || uint64_t(block.bytes) > remaining())
      return Fail("a block's length is negative or beyond the end"), Block{};
  }
  if (min_item_size > 0 && uint64_t(block.count) > remaining() / min_item_size)
    return Fail("a block's count is more than the data can hold"), Block{};
  return block;
}

void Decoder::SkipBlocks(const Type& type, int depth) {
  const bool is_map = type.kind == Kind::kMap;
  const Type& item = *type.parts[0];
  const uint32_t min_size = item.min_size + (is_map ? 1 : 0);
  while (ok()) {
    const Block block = NextBlock(min_size);
    if (block.count == 0) return;
    if (block.bytes >= 0) {
      Fixed(size_t(block.bytes));
      continue;
    }
    if (min_size == 0) continue;  // nothing to move over
    for (int64_t i = 0; i < block.count && ok(); ++i) {
      if (is_map) Bytes();
      Skip(item, depth + 1);
    }
  }
}

void Decoder::Skip(const Type& type, int depth) {
  if (depth > kDeepest) return Fail("values are nested too deep");
  switch (type.kind) {
    case Kind::kNull:
      return;
    case Kind::kBoolean:
      Fixed(1);
      return;
    case Kind::kInt:
    case Kind::kLong:
    case Kind::kEnum:
      SkipNumber();
      return;
    case Kind::kFloat:
      Fixed(sizeof(float));
      return;
    case Kind::kDouble:
      Fixed(sizeof(double));
      return;
    case Kind::kBytes:
    case Kind::kString:
      Bytes();
      return;
    case Kind::kFixed:
      Fixed(size_t(type.size));
      return;
    case Kind::kRecord:
      if (type.min_size == 0) return;
      for (const Field& field : type.fields) {
        if (!ok()) return;
        const Kind kind = field.type->kind;
        if (kind == Kind::kInt || kind == Kind::kLong) {  // most of a map's pairs
          SkipNumber();
        } else {
          Skip(*field.type, depth + 1);
        }
      }
      return;
    case Kind::kArray:
    case Kind::kMap:
      SkipBlocks(type, depth);
      return;
    case Kind::kUnion: {
      const int64_t branch = Long();
      if (branch < 0 || uint64_t(branch) >= type.parts.size())
        return Fail("a union has no such branch");
      return Skip(*type.parts[size_t(branch)], depth + 1);
    }
  }
}

}  // namespace pk::manifest::avro
