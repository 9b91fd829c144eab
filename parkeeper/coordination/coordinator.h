#pragma once

// Coordinator: a small tree of small nodes that many processes on many machines share, with
// ZooKeeper's model and ZooKeeper's promises. Everything above it (catalog, tasks, recipes) is
// written once over this interface; memory, SQLite and ZooKeeper implement it and pass one contract
// suite, tests/conformance/coordinator_contract.h.
//
// Model. A node has a path ("/a/b", the root is "/"), bytes, a version that starts at 0 and grows
// by one with each Set, and children. Ephemeral nodes have an owner session, end with it, and have
// no children. All modifications are totally ordered; each has a transaction id (zxid), which
// grows. A node created again starts at version 0.
//
// Promises. A modification is atomic, and durable when its call returns ok. Reads of one
// Coordinator object never go back in time and see its own writes, and what refused its own writes;
// a read may be stale with respect to other processes until Sync().
//
// Failure. kOutcomeUnknown: a modification may or may not happen, even later; nothing here retries
// it blindly. Every other error is definite: nothing was changed. kUnavailable: not reached,
// definitely not done; also what every call gets after the session is lost. Reads never give
// kOutcomeUnknown. kConflict: another version; kNotFound: no such node or no parent;
// kAlreadyExists; kFailedPrecondition: has children, or the parent is ephemeral; kInvalidArgument:
// bad path (path.h) or over a limit (limits.h), refused before anything is sent. The root always
// exists: it can be set, not created and not removed.
//
// Threading. Thread-safe, all implementations. No user code runs on an I/O thread.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"
#include "parkeeper/coordination/pending.h"
#include "parkeeper/coordination/transaction.h"

namespace pk::coordination {

struct NodeStat {
  int32_t version = 0;
  uint64_t czxid = 0;    // the transaction that created the node; nodes of one Commit share it
  uint64_t mzxid = 0;    // the transaction that last set it
  int64_t ctime_ms = 0;  // stamped by the coordinator's clock, not the caller's
  int64_t mtime_ms = 0;
  uint64_t ephemeral_owner = 0;  // session id; 0: persistent
  int32_t children = 0;

  bool operator==(const NodeStat&) const = default;
};

struct Node {
  std::string value;
  NodeStat stat;

  bool operator==(const Node&) const = default;
};

// What one Read() asks: the node at `path`, or with `children` the names of its children in byte
// order.
struct ReadRequest {
  std::string path;
  bool children = false;
};
struct ReadReply {
  Node node;                          // of a node request
  std::vector<std::string> children;  // of a children request
};

// What became of a Commit.
struct Applied {
  uint64_t zxid = 0;
  // One of each per operation: its path (of a sequential Create with its number), and the stat that
  // a Create or Set left; a default NodeStat for a Check or Remove.
  std::vector<std::string> paths;
  std::vector<NodeStat> stats;
};
struct Refused {
  size_t operation = 0;  // index of the first operation that did not hold
  Error reason;          // kConflict, kNotFound, kAlreadyExists or kFailedPrecondition
};
using CommitOutcome = std::variant<Applied, Refused>;

enum class SessionState {
  kConnected,
  kSuspended,  // out of touch: stop acting as an owner at once; may become connected again
  kLost,       // over for good: ephemerals are gone or will go; open a new Coordinator
};

// The session of one Coordinator. It begins when the Coordinator is opened and ends with its
// destruction, which removes its ephemerals at once; those of a process that dies go when the
// session timeout has passed.
//
// No local state proves ownership: only a Commit that checks the owned node does.
class Session {
 public:
  virtual ~Session() = default;
  virtual uint64_t id() const = 0;
  virtual SessionState state() const = 0;
  virtual std::chrono::milliseconds timeout() const = 0;
  // Requested once, when the state becomes kLost.
  virtual std::stop_token lost() const = 0;
  // Returns the state as soon as it differs from `known`, or `known` at the deadline or when stop
  // is requested.
  virtual SessionState WaitForChange(SessionState known, SteadyTime deadline,
                                     std::stop_token stop = {}) = 0;
};

enum class WatchScope {
  kNode,      // created, set or removed
  kChildren,  // a child of the node created or removed, or the node itself removed
  kSubtree,   // anything at or below the node
};

// Says "look again", never what changed: several changes may give one wake-up, a reconnect gives
// one without any change. A change after StartWatch() returned is never missed, whoever made it.
// After kChildren saw its node removed it may stay silent: start another. Thread-safe. Destruction
// ends it; destroy it before its Coordinator.
class Watch {
 public:
  virtual ~Watch() = default;
  // True: look again (at once when something happened since the last call). False: the deadline
  // passed, stop was requested, or the session is lost.
  virtual bool Wait(SteadyTime deadline, std::stop_token stop = {}) = 0;
  // A hint for caches: the paths in the scope where something happened since the last call. Asked
  // after Wait() and before reading; nullopt: not known (after a reconnect, or too many), look at
  // all.
  virtual std::optional<std::vector<std::string>> TakeChanged() { return std::nullopt; }
};

class Coordinator {
 public:
  virtual ~Coordinator() = default;

  virtual Result<Node> Get(std::string_view path) = 0;
  // Names (not paths) of the children, in byte order; kNotFound when the node is missing.
  virtual Result<std::vector<std::string>> List(std::string_view path) = 0;
  // Several reads at one point of the order: no modification lies between them. One reply per
  // request; a missing node is an error of its own reply, never of the call.
  virtual Result<std::vector<Result<ReadReply>>> Read(const std::vector<ReadRequest>& requests) = 0;
  // What Get() tells but the values, which are not fetched: for who holds them and asks what has
  // changed. One reply per path, errors as of Read(). Not of one point of the order: a stat may be
  // of a later one than those before it, never of an earlier one.
  virtual Result<std::vector<Result<NodeStat>>> Stats(const std::vector<std::string>& paths) = 0;

  // All operations or none, in one step of the order, each seeing the effect of those before it. An
  // empty transaction is an empty step: it proves that the coordinator serves.
  virtual Result<CommitOutcome> Commit(const Transaction& transaction) = 0;

  // Get() and Commit() that are begun now and waited for later. What one thread begins happens in
  // that order. A back end that has nothing to wait for does them at once; over a network they are
  // pipelined. One that is not waited for happens all the same. Wait before the destruction of the
  // Coordinator.
  virtual Pending<Node> BeginGet(std::string_view path) { return Get(path); }
  virtual Pending<CommitOutcome> BeginCommit(const Transaction& transaction) {
    return Commit(transaction);
  }

  // The node need not exist (kChildren: must).
  virtual Result<std::unique_ptr<Watch>> StartWatch(std::string_view path, WatchScope scope) = 0;

  // Reads after it see everything that was modified anywhere before it began.
  virtual Result<> Sync() = 0;

  virtual Session& session() = 0;

  // One operation as a transaction of its own; a refusal becomes its Error.
  // Create returns the path made: for sequential modes with ten digits added, growing within the
  // parent and never twice the same while the parent lives.
  Result<std::string> Create(std::string_view path, std::string_view value,
                             CreateMode mode = CreateMode::kPersistent);
  Result<NodeStat> Set(std::string_view path, std::string_view value, int32_t expected_version);
  Result<> Remove(std::string_view path, int32_t expected_version);
  // nullopt when there is no such node.
  Result<std::optional<Node>> Find(std::string_view path);
};

// Creates `path` and what is missing above it, each empty and persistent; one that exists is fine.
Result<> EnsurePath(Coordinator& coordinator, std::string_view path);

}  // namespace pk::coordination
