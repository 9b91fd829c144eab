#include "parkeeper/manifest/avro_container.h"

#include <fmt/format.h>

#include <utility>

#include "parkeeper/manifest/avro_decoder.h"

namespace pk::manifest::avro {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr std::string_view kSchemaKey = "avro.schema";
constexpr std::string_view kCodecKey = "avro.codec";
constexpr size_t kBlockBytes = 64 * 1024;

Metadata ReadMetadata(Decoder& in) {
  Metadata metadata;
  while (in.ok()) {
    const Decoder::Block block = in.NextBlock(2);
    if (block.count == 0) break;
    for (int64_t i = 0; i < block.count && in.ok(); ++i) {
      const std::string_view key = in.Bytes();
      const std::string_view value = in.Bytes();
      metadata.insert_or_assign(std::string(key), std::string(value));
    }
  }
  return metadata;
}

// 64 bits of FNV-1a, finished by splitmix64.
uint64_t Hash(std::string_view bytes, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325u ^ seed;
  for (const char c : bytes) hash = (hash ^ uint8_t(c)) * 0x100000001b3u;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

std::string SyncMarker(std::string_view header) {
  std::string sync;
  for (const uint64_t seed : {uint64_t(1), uint64_t(2)}) {
    const uint64_t hash = Hash(header, seed);
    sync.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
  }
  return sync;
}

}  // namespace

ContainerReader::ContainerReader(std::string_view bytes, Schema schema, Metadata metadata,
                                 Codec codec, std::string_view sync, size_t offset)
    : bytes_(bytes),
      schema_(std::move(schema)),
      metadata_(std::move(metadata)),
      codec_(codec),
      sync_(sync),
      offset_(offset),
      decompressor_(codec) {}

Result<ContainerReader> ContainerReader::Open(std::string_view bytes) {
  PK_CHECK(bytes.starts_with(kMagic), Corrupt("not an Avro file: it does not begin with 'Obj' 1"));
  Decoder in(bytes);
  in.Fixed(kMagic.size());
  Metadata metadata = ReadMetadata(in);
  const std::string_view sync = in.Fixed(kSyncBytes);
  if (!in.ok()) return in.error().With("Avro header");
  const auto schema = metadata.find(std::string(kSchemaKey));
  PK_CHECK(schema != metadata.end(), Corrupt("Avro header: it has no schema"));
  const auto codec_name = metadata.find(std::string(kCodecKey));
  Codec codec = Codec::kNull;
  if (codec_name != metadata.end()) codec = PK_TRY(ParseCodec(codec_name->second));
  Schema parsed = PK_TRY(Schema::Parse(schema->second));
  return ContainerReader(bytes, std::move(parsed), std::move(metadata), codec, sync, in.offset());
}

Result<ContainerReader::Block> ContainerReader::ReadBlock() {
  Decoder in(bytes_.substr(offset_));
  Block block;
  block.offset = offset_;
  block.count = in.Long();
  if (block.count < 0) in.Fail("the count of values is negative");
  const std::string_view compressed = in.Bytes();
  const std::string_view sync = in.Fixed(kSyncBytes);
  if (!in.ok()) return in.error();
  PK_CHECK(sync == sync_, Corrupt("the sync marker after it is not the file's"));
  block.bytes = PK_TRY(decompressor_.Decompress(compressed, kMostDecodedBytes - decoded_bytes_));
  decoded_bytes_ += block.bytes.size();
  const uint32_t min_size = schema_.root().min_size;
  if (min_size == 0 || uint64_t(block.count) > block.bytes.size() / min_size) {
    PK_CHECK(block.count == 0, Corrupt(fmt::format("its {} bytes cannot hold the {} values stated",
                                                   block.bytes.size(), block.count)));
  }
  offset_ += in.offset();
  return block;
}

Result<std::optional<ContainerReader::Block>> ContainerReader::Next() {
  while (offset_ < bytes_.size()) {
    Block block = PK_TRY(ReadBlock().With(fmt::format("Avro block at byte {}", offset_)));
    if (block.count > 0) return std::optional<Block>(block);
    PK_CHECK(block.bytes.empty(),
             Corrupt(fmt::format("Avro block at byte {}: bytes without values", block.offset)));
  }
  return std::optional<Block>();
}

ContainerWriter::ContainerWriter(std::string_view schema_json, const Metadata& metadata,
                                 Codec codec)
    : codec_(codec) {
  file_.Fixed(kMagic);
  file_.Long(int64_t(metadata.size()) + 2);
  file_.Bytes(kSchemaKey);
  file_.Bytes(schema_json);
  file_.Bytes(kCodecKey);
  file_.Bytes(CodecName(codec));
  for (const auto& [key, value] : metadata) {
    file_.Bytes(key);
    file_.Bytes(value);
  }
  file_.Long(0);
  sync_ = SyncMarker(file_.bytes());
  file_.Fixed(sync_);
  header_size_ = file_.size();
}

Result<> ContainerWriter::EndValue() {
  ++count_;
  return block_.size() < kBlockBytes ? Result<>() : EndBlock();
}

Result<> ContainerWriter::EndBlock() {
  const std::string compressed = PK_TRY(Compress(codec_, block_.bytes()));
  file_.Long(count_);
  file_.Bytes(compressed);
  file_.Fixed(sync_);
  encoded_ += block_.size();
  block_.Clear();
  count_ = 0;
  return {};
}

Result<std::string> ContainerWriter::Finish() && {
  if (count_ > 0) PK_TRY(EndBlock());
  return std::move(file_).Release();
}

}  // namespace pk::manifest::avro
