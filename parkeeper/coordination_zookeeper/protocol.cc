#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/coordination_zookeeper/jute_internal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"

namespace pk::coordination::zookeeper {
namespace {

constexpr int32_t kAllRights = 31;

// A writer with room for length and header.
JuteWriter Frame(size_t body_bytes) {
  JuteWriter writer;
  writer.Reserve(kFrameHeaderBytes + body_bytes);
  for (size_t i = 0; i < kFrameHeaderBytes; i += 4) writer.Int(0);
  return writer;
}

void PutBig(std::string& bytes, size_t at, uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes[at + size_t(i)] = static_cast<char>(value >> (24 - 8 * i));
}

void Path(JuteWriter& writer, std::string_view chroot, std::string_view path) {
  if (path == "/" && !chroot.empty()) path = "";
  writer.String(chroot, path);
}

void OperationHeader(JuteWriter& writer, OpCode code) {
  writer.Int(static_cast<int32_t>(code));
  writer.Bool(false);
  writer.Int(-1);
}

void OperationsEnd(JuteWriter& writer) {
  writer.Int(-1);
  writer.Bool(true);
  writer.Int(-1);
}

// What operations share while they are written: each without its header.
struct OperationWriter {
  JuteWriter& writer;
  std::string_view chroot;
  bool owned_by_creator;

  void operator()(const CheckOperation& operation) {
    Path(writer, chroot, operation.path);
    writer.Int(operation.version);
  }
  void operator()(const CreateOperation& operation) {
    Path(writer, chroot, operation.path);
    writer.String(operation.value);
    writer.Int(1);
    writer.Int(kAllRights);
    writer.String(owned_by_creator ? "auth" : "world");
    writer.String(owned_by_creator ? "" : "anyone");
    writer.Int(Flags(operation.mode));
  }
  void operator()(const SetOperation& operation) {
    Path(writer, chroot, operation.path);
    writer.String(operation.value);
    writer.Int(operation.version);
  }
  void operator()(const RemoveOperation& operation) {
    Path(writer, chroot, operation.path);
    writer.Int(operation.version);
  }

  static int32_t Flags(CreateMode mode) {
    switch (mode) {
      case CreateMode::kPersistent:
        return 0;
      case CreateMode::kEphemeral:
        return 1;
      case CreateMode::kPersistentSequential:
        return 2;
      case CreateMode::kEphemeralSequential:
        return 3;
    }
    return 0;
  }
};

Result<NodeStat> ReadStat(JuteReader& reader) {
  NodeStat stat;
  stat.czxid = static_cast<uint64_t>(PK_TRY(reader.Long()));
  stat.mzxid = static_cast<uint64_t>(PK_TRY(reader.Long()));
  stat.ctime_ms = PK_TRY(reader.Long());
  stat.mtime_ms = PK_TRY(reader.Long());
  stat.version = PK_TRY(reader.Int());
  PK_TRY(reader.Int());  // of the children
  PK_TRY(reader.Int());  // of the access list
  stat.ephemeral_owner = static_cast<uint64_t>(PK_TRY(reader.Long()));
  PK_TRY(reader.Int());  // length of the value
  stat.children = PK_TRY(reader.Int());
  PK_TRY(reader.Long());  // zxid of the children
  return stat;
}

Result<std::vector<std::string>> ReadChildren(JuteReader& reader) {
  const size_t count = PK_TRY(reader.Count(4));
  std::vector<std::string> children;
  children.reserve(count);
  for (size_t i = 0; i < count; ++i) children.emplace_back(PK_TRY(reader.String()));
  std::sort(children.begin(), children.end());
  return children;
}

Result<Node> ReadNode(JuteReader& reader) {
  Node node;
  node.value = PK_TRY(reader.String());
  node.stat = PK_TRY(ReadStat(reader));
  return node;
}

Result<> AtEnd(const JuteReader& reader) {
  PK_CHECK(reader.left() == 0,
           Corrupt(fmt::format("reply has {} bytes after its end", reader.left())));
  return {};
}

struct ResultHeader {
  OpCode code;
  bool done;
  int32_t error;
};
Result<ResultHeader> ReadResultHeader(JuteReader& reader) {
  ResultHeader header{};
  header.code = static_cast<OpCode>(PK_TRY(reader.Int()));
  header.done = PK_TRY(reader.Bool());
  header.error = PK_TRY(reader.Int());
  return header;
}

OpCode CodeOf(const Operation& operation) {
  constexpr std::array kCodes = {OpCode::kCheck, OpCode::kCreate2, OpCode::kSetData,
                                 OpCode::kRemove};
  static_assert(kCodes.size() == std::variant_size_v<Operation>);
  return kCodes[operation.index()];
}

Error AnotherResult(OpCode found) {
  return Corrupt(fmt::format("reply has a result of another kind than its operation: {}",
                             static_cast<int32_t>(found)));
}

}  // namespace

Error FromServer(int32_t error, std::string_view where) {
  const auto say = [&](ErrorCode code, std::string_view what) {
    return Error(code, fmt::format("{}: {}", what, where));
  };
  switch (error) {
    case kNoNode:
      return say(ErrorCode::kNotFound, "no such node, or no parent");
    case kNoAuth:
      return say(ErrorCode::kPermissionDenied,
                 "the node's access list does not let this user (check user and password)");
    case kBadVersion:
      return say(ErrorCode::kConflict, "the node has another version");
    case kEphemeralParent:
      return say(ErrorCode::kFailedPrecondition, "the parent is ephemeral, it has no children");
    case kNodeExists:
      return say(ErrorCode::kAlreadyExists, "the node exists already");
    case kNotEmpty:
      return say(ErrorCode::kFailedPrecondition, "the node has children");
    case kSessionExpired:
      return say(ErrorCode::kUnavailable, "the session has expired");
    case kSessionMoved:
      return say(ErrorCode::kUnavailable, "the session has moved to another server");
    case kThrottled:
      return say(ErrorCode::kUnavailable, "the server has too much to do");
    case kOperationTimeout:
      return say(ErrorCode::kOutcomeUnknown, "the server gave up waiting");
    case kNotReadOnly:
      return say(ErrorCode::kUnavailable, "the server has lost its quorum and only reads");
    case kInvalidAcl:
      return say(ErrorCode::kUnauthenticated, "the server takes no access list of this session");
    case kAuthFailed:
      return say(ErrorCode::kUnauthenticated, "the server does not know this user");
    case kBadArguments:
      return say(ErrorCode::kInvalidArgument, "the server refuses the request");
    case kQuotaExceeded:
      return say(ErrorCode::kFailedPrecondition, "the quota is used up");
    case kUnimplemented:
      return say(ErrorCode::kUnsupported, "the server is too old for this request");
    default:
      return Internal(fmt::format("ZooKeeper error {}: {}", error, where));
  }
}

std::string EncodeConnect(const ConnectRequest& request) {
  JuteWriter writer;
  writer.Int(0);  // length
  writer.Int(0);  // version of the protocol
  writer.Long(static_cast<int64_t>(request.last_zxid));
  writer.Int(request.timeout_ms);
  writer.Long(static_cast<int64_t>(request.session));
  writer.String(request.password);
  writer.Bool(request.read_only);
  std::string frame = writer.Take();
  PutBig(frame, 0, static_cast<uint32_t>(frame.size() - 4));
  return frame;
}

std::string EncodeAuth(std::string_view scheme, std::string_view auth) {
  JuteWriter writer = Frame(12 + scheme.size() + auth.size());
  writer.Int(0);
  writer.String(scheme);
  writer.String(auth);
  return writer.Take();
}

std::string EncodeEmpty() { return Frame(0).Take(); }

std::string EncodeRead(std::string_view path) {
  JuteWriter writer = Frame(5 + path.size());
  writer.String(path);
  writer.Bool(false);
  return writer.Take();
}

std::string EncodeAddWatch(std::string_view path, WatchMode mode) {
  JuteWriter writer = Frame(8 + path.size());
  writer.String(path);
  writer.Int(static_cast<int32_t>(mode));
  return writer.Take();
}

std::string EncodeRemoveWatches(std::string_view path) {
  constexpr int32_t kOfEveryKind = 3;
  JuteWriter writer = Frame(8 + path.size());
  writer.String(path);
  writer.Int(kOfEveryKind);
  return writer.Take();
}

std::string EncodeSetWatches(uint64_t zxid, const std::vector<std::string>& persistent,
                             const std::vector<std::string>& recursive) {
  JuteWriter writer = Frame(1024);
  writer.Long(static_cast<int64_t>(zxid));
  for (int one_shot_kinds = 0; one_shot_kinds < 3; ++one_shot_kinds) writer.Int(0);
  for (const auto* paths : {&persistent, &recursive}) {
    writer.Int(static_cast<int32_t>(paths->size()));
    for (const std::string& path : *paths) writer.String(path);
  }
  return writer.Take();
}

OpCode CodeOf(const Transaction& transaction) {
  const auto& operations = transaction.operations();
  if (operations.size() != 1) return OpCode::kMulti;
  // No server takes a check by itself.
  const OpCode code = CodeOf(operations[0]);
  return code == OpCode::kCheck ? OpCode::kMulti : code;
}

std::string EncodeTransaction(const Transaction& transaction, std::string_view chroot,
                              bool owned_by_creator) {
  JuteWriter writer = Frame(256);
  const bool multi = CodeOf(transaction) == OpCode::kMulti;
  for (const Operation& operation : transaction.operations()) {
    if (multi) OperationHeader(writer, CodeOf(operation));
    std::visit(OperationWriter{writer, chroot, owned_by_creator}, operation);
  }
  if (multi) OperationsEnd(writer);
  return writer.Take();
}

std::string EncodeReads(const std::vector<ReadRequest>& requests, std::string_view chroot) {
  JuteWriter writer = Frame(256);
  for (const ReadRequest& request : requests) {
    OperationHeader(writer, request.children ? OpCode::kGetChildren : OpCode::kGetData);
    Path(writer, chroot, request.path);
    writer.Bool(false);
  }
  OperationsEnd(writer);
  return writer.Take();
}

void Seal(std::string& frame, int32_t xid, OpCode code) {
  PutBig(frame, 0, static_cast<uint32_t>(frame.size() - 4));
  PutBig(frame, 4, static_cast<uint32_t>(xid));
  PutBig(frame, 8, static_cast<uint32_t>(code));
}

std::string Absolute(std::string_view chroot, std::string_view path) {
  if (chroot.empty()) return std::string(path);
  return path == "/" ? std::string(chroot) : fmt::format("{}{}", chroot, path);
}

Result<ConnectReply> DecodeConnect(std::string_view body) {
  JuteReader reader(body);
  ConnectReply reply;
  PK_TRY(reader.Int());  // version of the protocol
  reply.timeout_ms = PK_TRY(reader.Int());
  reply.session = static_cast<uint64_t>(PK_TRY(reader.Long()));
  reply.password = PK_TRY(reader.String());
  PK_CHECK(reply.password.size() <= 1024, Corrupt("session password of more than 1024 bytes"));
  // Old servers do not say.
  if (reader.left() > 0) reply.read_only = PK_TRY(reader.Bool());
  PK_TRY(AtEnd(reader));
  return reply;
}

Result<ReplyHeader> DecodeHeader(std::string_view frame) {
  JuteReader reader(frame);
  ReplyHeader header;
  header.xid = PK_TRY(reader.Int());
  header.zxid = PK_TRY(reader.Long());
  header.error = PK_TRY(reader.Int());
  return header;
}

Result<Event> DecodeEvent(std::string_view body) {
  JuteReader reader(body);
  Event event;
  event.type = PK_TRY(reader.Int());
  PK_TRY(reader.Int());  // state of the session
  event.path = PK_TRY(reader.String());
  PK_TRY(AtEnd(reader));
  return event;
}

Result<NodeStat> DecodeStat(std::string_view body) {
  JuteReader reader(body);
  NodeStat stat = PK_TRY(ReadStat(reader));
  PK_TRY(AtEnd(reader));
  return stat;
}

Result<Node> DecodeNode(std::string_view body) {
  JuteReader reader(body);
  Node node = PK_TRY(ReadNode(reader));
  PK_TRY(AtEnd(reader));
  return node;
}

Result<std::vector<std::string>> DecodeChildren(std::string_view body) {
  JuteReader reader(body);
  auto children = PK_TRY(ReadChildren(reader));
  PK_TRY(AtEnd(reader));
  return children;
}

Result<std::vector<OperationResult>> DecodeTransaction(std::string_view body,
                                                       const Transaction& transaction) {
  JuteReader reader(body);
  if (const OpCode code = CodeOf(transaction); code != OpCode::kMulti) {
    OperationResult result;
    if (code == OpCode::kCreate2) result.path = PK_TRY(reader.String());
    if (code != OpCode::kRemove) result.stat = PK_TRY(ReadStat(reader));
    PK_TRY(AtEnd(reader));
    return std::vector{std::move(result)};
  }
  const auto& operations = transaction.operations();
  std::vector<OperationResult> results;
  results.reserve(operations.size());
  while (true) {
    const ResultHeader header = PK_TRY(ReadResultHeader(reader));
    if (header.done) break;
    PK_CHECK(results.size() < operations.size(), Corrupt("reply has more results than operations"));
    const OpCode expected = CodeOf(operations[results.size()]);
    OperationResult& result = results.emplace_back();
    if (header.code == OpCode::kError) {
      result.error = PK_TRY(reader.Int());
      continue;
    }
    // Servers before 3.8.1 answer a create within a transaction as if asked for no stat.
    const bool has_no_stat = expected == OpCode::kCreate2 && header.code == OpCode::kCreate;
    PK_CHECK(header.code == expected || has_no_stat, AnotherResult(header.code));
    if (expected == OpCode::kCreate2) result.path = PK_TRY(reader.String());
    if (header.code == OpCode::kCreate2 || header.code == OpCode::kSetData) {
      result.stat = PK_TRY(ReadStat(reader));
    }
  }
  PK_TRY(AtEnd(reader));
  PK_CHECK(results.size() == operations.size(),
           Corrupt(fmt::format("reply has {} results of {} operations", results.size(),
                               operations.size())));
  return results;
}

Result<std::vector<ReadResult>> DecodeReads(std::string_view body,
                                            const std::vector<ReadRequest>& requests) {
  JuteReader reader(body);
  std::vector<ReadResult> results;
  results.reserve(requests.size());
  while (true) {
    const ResultHeader header = PK_TRY(ReadResultHeader(reader));
    if (header.done) break;
    PK_CHECK(results.size() < requests.size(), Corrupt("reply has more results than reads"));
    const bool children = requests[results.size()].children;
    if (header.code == OpCode::kError) {
      results.emplace_back(static_cast<ServerError>(PK_TRY(reader.Int())));
      continue;
    }
    PK_CHECK(header.code == (children ? OpCode::kGetChildren : OpCode::kGetData),
             AnotherResult(header.code));
    ReadReply reply;
    if (children) {
      reply.children = PK_TRY(ReadChildren(reader));
    } else {
      reply.node = PK_TRY(ReadNode(reader));
    }
    results.emplace_back(std::move(reply));
  }
  PK_TRY(AtEnd(reader));
  PK_CHECK(
      results.size() == requests.size(),
      Corrupt(fmt::format("reply has {} results of {} reads", results.size(), requests.size())));
  return results;
}

}  // namespace pk::coordination::zookeeper
