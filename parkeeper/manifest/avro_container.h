#pragma once

// Avro object containers (Avro 1.12, "Object Container Files"): a header with the schema and
// metadata, then blocks of values, each compressed and closed by the file's sync marker.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"
#include "parkeeper/manifest/avro_encoder.h"
#include "parkeeper/manifest/avro_schema.h"
#include "parkeeper/manifest/codec.h"

namespace pk::manifest::avro {

using Metadata = std::map<std::string, std::string>;

inline constexpr size_t kSyncBytes = 16;
// Of all blocks of one file together, uncompressed. Readers hold offsets in 31 bits.
inline constexpr size_t kMostDecodedBytes = size_t(1) << 31;

// Not thread-safe. `bytes` must outlive the reader.
class ContainerReader {
 public:
  // Reads the header. kCorrupt: no Avro file, or a header cut off; kUnsupported: the codec.
  static Result<ContainerReader> Open(std::string_view bytes);

  const Schema& schema() const { return schema_; }
  const Metadata& metadata() const { return metadata_; }
  Codec codec() const { return codec_; }

  struct Block {
    int64_t count = 0;       // values in it
    std::string_view bytes;  // decompressed; valid until the next call of Next()
    size_t offset = 0;       // of the block in the file
  };
  // The next block that has values, nullopt at the end. kCorrupt names the block's offset: cut off,
  // wrong sync marker, not decompressible, more values than its bytes can hold.
  Result<std::optional<Block>> Next();

 private:
  ContainerReader(std::string_view bytes, Schema schema, Metadata metadata, Codec codec,
                  std::string_view sync, size_t offset);
  Result<Block> ReadBlock();

  std::string_view bytes_;
  Schema schema_;
  Metadata metadata_;
  Codec codec_;
  std::string_view sync_;
  size_t offset_;
  size_t decoded_bytes_ = 0;
  Decompressor decompressor_;
};

// Collects values into blocks of about 64 kB. The sync marker is derived from the header, so the
// same input gives the same file.
class ContainerWriter {
 public:
  // `metadata` without the avro.* keys.
  ContainerWriter(std::string_view schema_json, const Metadata& metadata, Codec codec);

  // Where the next value is to be encoded; EndValue() closes it.
  Encoder& value() { return block_; }
  Result<> EndValue();
  // Bytes of the header and of all values so far, before compression.
  size_t size() const { return header_size_ + encoded_ + block_.size(); }
  // The file.
  Result<std::string> Finish() &&;

 private:
  Result<> EndBlock();

  Codec codec_;
  std::string sync_;
  Encoder file_;
  Encoder block_;
  int64_t count_ = 0;
  size_t header_size_ = 0;
  size_t encoded_ = 0;
};

}  // namespace pk::manifest::avro
