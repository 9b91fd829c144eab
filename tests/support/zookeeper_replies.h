#pragma once

// Replies of a ZooKeeper server as samples, and one door to all decoders of replies: for tests with
// damaged bytes and for the fuzzer.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/coordination_zookeeper/frame_buffer_internal.h"
#include "parkeeper/coordination_zookeeper/jute_internal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"

namespace pk::testing {

enum class ReplyKind : uint8_t {
  kConnect,
  kHeader,
  kEvent,
  kStat,
  kNode,
  kChildren,
  kTransaction,
  kReads,
  kFrames,
  kCreated
};
inline constexpr uint8_t kReplyKinds = 10;

inline coordination::Transaction SampleTransaction() {
  return coordination::Transaction()
      .Check("/a", 3)
      .Create("/a/b-", "x", coordination::CreateMode::kEphemeralSequential)
      .Set("/a", "y", 3)
      .Remove("/c", 0);
}
inline std::vector<coordination::ReadRequest> SampleReads() {
  return {{.path = "/a"}, {.path = "/a", .children = true}, {.path = "/none"}};
}

// True when the bytes are a reply of this kind.
inline bool Decodes(ReplyKind kind, std::string_view bytes) {
  using namespace coordination::zookeeper;
  switch (kind) {
    case ReplyKind::kConnect:
      return DecodeConnect(bytes).ok();
    case ReplyKind::kHeader:
      return DecodeHeader(bytes).ok();
    case ReplyKind::kEvent:
      return DecodeEvent(bytes).ok();
    case ReplyKind::kStat:
      return DecodeStat(bytes).ok();
    case ReplyKind::kNode:
      return DecodeNode(bytes).ok();
    case ReplyKind::kChildren:
      return DecodeChildren(bytes).ok();
    case ReplyKind::kTransaction:
      return DecodeTransaction(bytes, SampleTransaction()).ok();
    case ReplyKind::kReads:
      return DecodeReads(bytes, SampleReads()).ok();
    case ReplyKind::kCreated:
      return DecodeTransaction(bytes, coordination::Transaction().Create("/a/b", "x")).ok();
    case ReplyKind::kFrames:
      break;
  }
  FrameBuffer frames;
  size_t found = 0;
  while (!bytes.empty()) {
    const auto space = frames.Space();
    // In small pieces, as a slow network brings them.
    const size_t piece = std::min({space.size(), bytes.size(), size_t{7}});
    bytes.copy(space.data(), piece);
    frames.Filled(piece);
    bytes.remove_prefix(piece);
    while (true) {
      auto frame = frames.Next();
      if (!frame.ok()) return false;
      if (!*frame) break;
      ++found;
    }
  }
  return found > 0;
}

inline void WriteSampleStat(coordination::zookeeper::JuteWriter& writer) {
  for (int64_t zxid : {0x100000007, 0x100000009, 0x18c2f3a4b5c, 0x18c2f3a4b5d}) writer.Long(zxid);
  for (int32_t version : {4, 2, 0}) writer.Int(version);
  writer.Long(0x7000123);
  writer.Int(5);
  writer.Int(2);
  writer.Long(0x100000008);
}

inline void WriteSampleConnect(coordination::zookeeper::JuteWriter& writer) {
  writer.Int(0);
  writer.Int(15'000);
  writer.Long(0x7000123);
  writer.String(std::string(16, 'p'));
  writer.Bool(false);
}

inline std::string SampleReply(ReplyKind kind) {
  using coordination::zookeeper::JuteWriter;
  JuteWriter writer;
  const auto result = [&](int32_t code, bool done) {
    writer.Int(code);
    writer.Bool(done);
    writer.Int(done ? -1 : 0);
  };
  const auto children = [&] {
    writer.Int(3);
    for (const char* child : {"b", "a", "child-0000000001"}) writer.String(child);
  };
  switch (kind) {
    case ReplyKind::kConnect:
      WriteSampleConnect(writer);
      break;
    case ReplyKind::kHeader:
      writer.Int(17);
      writer.Long(0x100000009);
      writer.Int(0);
      break;
    case ReplyKind::kEvent:
      writer.Int(3);
      writer.Int(3);
      writer.String("/a/b");
      break;
    case ReplyKind::kStat:
      WriteSampleStat(writer);
      break;
    case ReplyKind::kNode:
      writer.String("value");
      WriteSampleStat(writer);
      break;
    case ReplyKind::kChildren:
      children();
      break;
    case ReplyKind::kTransaction:
      result(13, false);
      result(15, false);
      writer.String("/a/b-0000000001");
      WriteSampleStat(writer);
      result(5, false);
      WriteSampleStat(writer);
      result(2, false);
      result(-1, true);
      break;
    case ReplyKind::kReads:
      result(4, false);
      writer.String("value");
      WriteSampleStat(writer);
      result(8, false);
      children();
      result(-1, false);
      writer.Int(-101);
      result(-1, true);
      break;
    case ReplyKind::kFrames:
      writer.String("first");
      writer.String("");
      writer.String(std::string(300, 'x'));
      break;
    case ReplyKind::kCreated:
      writer.String("/a/b");
      WriteSampleStat(writer);
      break;
  }
  return writer.Take();
}

}  // namespace pk::testing
