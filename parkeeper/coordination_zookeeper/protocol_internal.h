#pragma once

// ZooKeeper's requests and replies as values (zookeeper.jute of Apache ZooKeeper). Encoders make
// whole frames with room for length and header in front; decoders take the body after the reply's
// header and trust nothing in it. Pure.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/transaction.h"

namespace pk::coordination::zookeeper {

enum class OpCode : int32_t {
  kCreate = 1,
  kRemove = 2,
  kExists = 3,
  kGetData = 4,
  kSetData = 5,
  kGetChildren = 8,
  kPing = 11,
  kCheck = 13,
  kMulti = 14,
  kCreate2 = 15,
  kRemoveWatches = 18,
  kMultiRead = 22,
  kAuth = 100,
  kSetWatches2 = 105,
  kAddWatch = 106,
  kCloseSession = -11,
  kError = -1,
};

// Of replies to what is not a call of ours.
inline constexpr int32_t kEventXid = -1;
inline constexpr int32_t kPingXid = -2;
inline constexpr int32_t kAuthXid = -4;
inline constexpr int32_t kSetWatchesXid = -8;

// What a server answers instead of a result (KeeperException.Code).
enum ServerError : int32_t {
  kServerOk = 0,
  kRolledBack = -2,  // of an operation after the one that failed
  kMarshalling = -5,
  kUnimplemented = -6,
  kOperationTimeout = -7,
  kBadArguments = -8,
  kNoNode = -101,
  kNoAuth = -102,
  kBadVersion = -103,
  kEphemeralParent = -108,
  kNodeExists = -110,
  kNotEmpty = -111,
  kSessionExpired = -112,
  kInvalidAcl = -114,
  kAuthFailed = -115,
  kSessionMoved = -118,
  kNotReadOnly = -119,
  kNoWatcher = -121,
  kQuotaExceeded = -125,
  kThrottled = -127,
};
// The error of a server's answer about `where`, a path and a server.
Error FromServer(int32_t error, std::string_view where);

enum class WatchMode : int32_t { kPersistent = 0, kPersistentRecursive = 1 };
enum class EventType : int32_t { kCreated = 1, kRemoved = 2, kSet = 3, kChildrenChanged = 4 };

struct ConnectRequest {
  uint64_t last_zxid = 0;
  int32_t timeout_ms = 0;
  uint64_t session = 0;  // 0: a new one
  std::string password = std::string(16, '\0');
  bool read_only = false;
};
struct ConnectReply {
  int32_t timeout_ms = 0;
  uint64_t session = 0;  // 0: the session that was asked for is over
  std::string password;
  bool read_only = false;  // of a server without quorum
};
struct ReplyHeader {
  int32_t xid = 0;
  int64_t zxid = 0;
  int32_t error = 0;
};
struct Event {
  int32_t type = 0;
  std::string path;
};

// Frames of requests: the length and, but for a ConnectRequest, the header are filled in by Seal().
inline constexpr size_t kFrameHeaderBytes = 12;
inline constexpr size_t kReplyHeaderBytes = 16;

std::string EncodeConnect(const ConnectRequest& request);  // complete
std::string EncodeAuth(std::string_view scheme, std::string_view auth);
std::string EncodeEmpty();                      // ping, close
std::string EncodeRead(std::string_view path);  // get, list, exists; sets no watch
std::string EncodeAddWatch(std::string_view path, WatchMode mode);
std::string EncodeRemoveWatches(std::string_view path);  // of every kind
std::string EncodeSetWatches(uint64_t zxid, const std::vector<std::string>& persistent,
                             const std::vector<std::string>& recursive);
// A multi, or the request of the one operation, which costs a server less.
OpCode CodeOf(const Transaction& transaction);
std::string EncodeTransaction(const Transaction& transaction, std::string_view chroot,
                              bool owned_by_creator);
std::string EncodeReads(const std::vector<ReadRequest>& requests, std::string_view chroot);

// Fills in what was left free. `frame` is one of the above.
void Seal(std::string& frame, int32_t xid, OpCode code);

// "/chroot/a" of "/a", "/chroot" of "/".
std::string Absolute(std::string_view chroot, std::string_view path);

Result<ConnectReply> DecodeConnect(std::string_view body);
Result<ReplyHeader> DecodeHeader(std::string_view frame);
Result<Event> DecodeEvent(std::string_view body);
Result<NodeStat> DecodeStat(std::string_view body);
Result<Node> DecodeNode(std::string_view body);
// In byte order.
Result<std::vector<std::string>> DecodeChildren(std::string_view body);

// What a server answered to one operation of a transaction.
struct OperationResult {
  int32_t error = kServerOk;
  std::string path;  // of a create
  NodeStat stat;     // of a create (zeros when the server leaves it out) or set
};
// One result per operation; kCorrupt when there are more, fewer, or others than asked for, unless
// one failed. The error of a request that is no multi is in the header of its reply, which then has
// no body.
Result<std::vector<OperationResult>> DecodeTransaction(std::string_view body,
                                                       const Transaction& transaction);
// One per request: a reply, or the server's error.
using ReadResult = std::variant<ReadReply, ServerError>;
Result<std::vector<ReadResult>> DecodeReads(std::string_view body,
                                            const std::vector<ReadRequest>& requests);

}  // namespace pk::coordination::zookeeper
