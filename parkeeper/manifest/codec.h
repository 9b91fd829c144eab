#pragma once

// Block codecs of Avro object containers.

#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::manifest {

enum class Codec { kNull, kDeflate, kZstd, kSnappy };

// "null", "deflate", "zstandard", "snappy": Avro's names.
std::string_view CodecName(Codec codec);
Result<Codec> ParseCodec(std::string_view name);

Result<std::string> Compress(Codec codec, std::string_view bytes);
// kCorrupt when the bytes are not valid, or would grow beyond `limit` bytes.
Result<std::string> Decompress(Codec codec, std::string_view bytes, size_t limit);

}  // namespace pk::manifest
