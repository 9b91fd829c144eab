#pragma once

// Block codecs of Avro object containers (Avro 1.12, "Object Container Files").

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::manifest {

enum class Codec { kNull, kDeflate, kZstd, kSnappy };

// "null", "deflate", "zstandard", "snappy": Avro's names.
std::string_view CodecName(Codec codec);
// Avro's names and those of the table property write.avro.compression-codec ("gzip", "zstd",
// "uncompressed"), without regard to case; kUnsupported names any other.
Result<Codec> ParseCodec(std::string_view name);

// Deflate is raw (RFC 1951), snappy is followed by the CRC-32 of `bytes`, as Avro wants them.
Result<std::string> Compress(Codec codec, std::string_view bytes);
// kCorrupt when the bytes are not valid, or would grow beyond `limit` bytes.
Result<std::string> Decompress(Codec codec, std::string_view bytes, size_t limit);

// The same for many blocks: keeps the codec's state and one buffer from block to block. Files with
// one entry a block are common. Not thread-safe.
class Decompressor {
 public:
  explicit Decompressor(Codec codec);
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  // Valid until the next call; for kNull `bytes` itself. Memory grows with what really comes out,
  // never with what a header claims.
  Result<std::string_view> Decompress(std::string_view bytes, size_t limit);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pk::manifest
