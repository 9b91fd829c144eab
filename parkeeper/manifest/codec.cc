#include "parkeeper/manifest/codec.h"

#include <fmt/format.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <limits>

namespace pk::manifest {
namespace {

constexpr size_t kSmallestBuffer = 4096;
constexpr size_t kCrcBytes = 4;
// Zlib counts in 32 bits.
constexpr size_t kMostDeflateBytes = std::numeric_limits<uInt>::max();
// A tag byte and two of offset copy at most 64 bytes.
constexpr size_t kMostSnappyGrowth = 32;
constexpr int kZstdLevel = 3;

uint32_t Crc32(std::string_view bytes) {
  uLong crc = crc32(0, nullptr, 0);
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kMostDeflateBytes);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(part.data()), uInt(part.size()));
    bytes.remove_prefix(part.size());
  }
  return uint32_t(crc);
}

std::array<char, kCrcBytes> BigEndian(uint32_t value) {
  return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}

Error TooLarge(std::string_view codec, size_t limit) {
  return Corrupt(fmt::format("{} block grows beyond the limit of {} bytes", codec, limit));
}

Result<std::string> Deflate(std::string_view bytes) {
  PK_CHECK(bytes.size() <= kMostDeflateBytes,
           InvalidArgument(fmt::format("block is too large for deflate: {} bytes", bytes.size())));
  z_stream stream{};
  // Negative window bits: no zlib header.
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return Internal("zlib refuses its parameters");
  }
  std::string out(deflateBound(&stream, uLong(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = uInt(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = uInt(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) return Internal(fmt::format("deflate ends with status {}", status));
  return out;
}

Result<std::string> CompressZstd(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0) return Internal(fmt::format("zstd: {}", ZSTD_getErrorName(size)));
  out.resize(size);
  return out;
}

std::string CompressSnappy(std::string_view bytes) {
  std::string out;
  snappy::Compress(bytes.data(), bytes.size(), &out);
  const auto crc = BigEndian(Crc32(bytes));
  out.append(crc.data(), crc.size());
  return out;
}

struct FreeInflate {
  void operator()(z_stream* stream) const {
    inflateEnd(stream);
    delete stream;
  }
};
struct FreeZstd {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

std::string_view CodecName(Codec codec) {
  switch (codec) {
    case Codec::kNull:
      return "null";
    case Codec::kDeflate:
      return "deflate";
    case Codec::kZstd:
      return "zstandard";
    case Codec::kSnappy:
      return "snappy";
  }
  return "";
}

Result<Codec> ParseCodec(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  if (lower == "null" || lower == "uncompressed") return Codec::kNull;
  if (lower == "deflate" || lower == "gzip") return Codec::kDeflate;
  if (lower == "zstandard" || lower == "zstd") return Codec::kZstd;
  if (lower == "snappy") return Codec::kSnappy;
  return Unsupported(fmt::format("Avro codec '{}' is not supported", name));
}

Result<std::string> Compress(Codec codec, std::string_view bytes) {
  switch (codec) {
    case Codec::kNull:
      return std::string(bytes);
    case Codec::kDeflate:
      return Deflate(bytes);
    case Codec::kZstd:
      return CompressZstd(bytes);
    case Codec::kSnappy:
      return CompressSnappy(bytes);
  }
  return Internal("unknown codec");
}

struct Decompressor::State {
  Codec codec;
  std::string buffer;
  std::unique_ptr<z_stream, FreeInflate> inflater;
  std::unique_ptr<ZSTD_DCtx, FreeZstd> zstd;

  // Makes room for more, at most `limit` bytes in all; false when there is none left.
  bool Grow(size_t input_size, size_t limit) {
    const size_t wanted =
        buffer.empty() ? std::max(kSmallestBuffer, input_size * 4) : buffer.size() * 2;
    if (buffer.size() >= limit) return false;
    buffer.resize(std::min(wanted, limit));
    return true;
  }

  Result<std::string_view> Inflate(std::string_view bytes, size_t limit) {
    PK_CHECK(bytes.size() <= kMostDeflateBytes, TooLarge("deflate", kMostDeflateBytes));
    if (inflater == nullptr) {
      inflater.reset(new z_stream{});
      if (inflateInit2(inflater.get(), -MAX_WBITS) != Z_OK) return Internal("zlib does not start");
    } else {
      inflateReset(inflater.get());
    }
    inflater->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    inflater->avail_in = uInt(bytes.size());
    size_t size = 0;
    while (true) {
      // One byte more than the limit is asked for, to tell a full buffer from the end.
      if (size == buffer.size() && !Grow(bytes.size(), limit + 1))
        return TooLarge("deflate", limit);
      const size_t room = std::min(buffer.size() - size, kMostDeflateBytes);
      inflater->next_out = reinterpret_cast<Bytef*>(buffer.data() + size);
      inflater->avail_out = uInt(room);
      const int status = inflate(inflater.get(), Z_NO_FLUSH);
      size += room - inflater->avail_out;
      if (size > limit) return TooLarge("deflate", limit);
      if (status == Z_STREAM_END) break;
      if (status == Z_OK && (inflater->avail_in > 0 || inflater->avail_out == 0)) continue;
      if (status == Z_OK || status == Z_BUF_ERROR) return Corrupt("deflate block is cut off");
      return Corrupt(fmt::format("deflate block is not valid: {}",
                                 inflater->msg == nullptr ? "bad data" : inflater->msg));
    }
    // What follows is not looked at: PyIceberg leaves a part of zlib's checksum there.
    return std::string_view(buffer).substr(0, size);
  }

  Result<std::string_view> Zstd(std::string_view bytes, size_t limit) {
    if (zstd == nullptr) zstd.reset(ZSTD_createDCtx());
    ZSTD_DCtx_reset(zstd.get(), ZSTD_reset_session_only);
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    size_t size = 0;
    size_t status = 1;  // 0: at the end of a frame
    while (in.pos < in.size || status != 0) {
      if (size == buffer.size() && !Grow(bytes.size(), limit + 1)) return TooLarge("zstd", limit);
      ZSTD_outBuffer out{buffer.data(), buffer.size(), size};
      const size_t before = in.pos;
      status = ZSTD_decompressStream(zstd.get(), &out, &in);
      if (ZSTD_isError(status) != 0)
        return Corrupt(fmt::format("zstd block is not valid: {}", ZSTD_getErrorName(status)));
      const bool stuck = in.pos == before && out.pos == size;
      size = out.pos;
      if (size > limit) return TooLarge("zstd", limit);
      if (stuck && status != 0) return Corrupt("zstd block is cut off");
    }
    return std::string_view(buffer).substr(0, size);
  }

  Result<std::string_view> Snappy(std::string_view bytes, size_t limit) {
    PK_CHECK(bytes.size() >= kCrcBytes, Corrupt("snappy block is shorter than its checksum"));
    const std::string_view body = bytes.substr(0, bytes.size() - kCrcBytes);
    size_t size = 0;
    if (!snappy::GetUncompressedLength(body.data(), body.size(), &size))
      return Corrupt("snappy block has no length");
    if (size > limit) return TooLarge("snappy", limit);
    if (size > body.size() * kMostSnappyGrowth)
      return Corrupt(fmt::format("snappy block of {} bytes claims to hold {}", body.size(), size));
    if (buffer.size() < size) buffer.resize(size);
    if (!snappy::RawUncompress(body.data(), body.size(), buffer.data()))
      return Corrupt("snappy block is not valid");
    const std::string_view out = std::string_view(buffer).substr(0, size);
    const auto crc = BigEndian(Crc32(out));
    if (bytes.substr(body.size()) != std::string_view(crc.data(), crc.size()))
      return Corrupt("snappy block does not have its checksum");
    return out;
  }
};

Decompressor::Decompressor(Codec codec) : state_(std::make_unique<State>()) {
  state_->codec = codec;
}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Result<std::string_view> Decompressor::Decompress(std::string_view bytes, size_t limit) {
  limit = std::min(limit, std::numeric_limits<size_t>::max() - 1);
  switch (state_->codec) {
    case Codec::kNull:
      if (bytes.size() > limit) return TooLarge("null", limit);
      return bytes;
    case Codec::kDeflate:
      return state_->Inflate(bytes, limit);
    case Codec::kZstd:
      return state_->Zstd(bytes, limit);
    case Codec::kSnappy:
      return state_->Snappy(bytes, limit);
  }
  return Internal("unknown codec");
}

Result<std::string> Decompress(Codec codec, std::string_view bytes, size_t limit) {
  Decompressor decompressor(codec);  // owns what the view shows
  return std::string(PK_TRY(decompressor.Decompress(bytes, limit)));
}

}  // namespace pk::manifest
