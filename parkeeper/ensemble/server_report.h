#pragma once

// What a ZooKeeper server says of itself: the "four-letter words" of its client port, a word in, a
// text out. Parsing is pure.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::ensemble {

enum class Role {
  kDown,        // no process
  kStarting,    // a process that does not serve: starting, electing, or without a quorum
  kStandalone,  // the only server of its ensemble
  kFollower,
  kObserver,  // follows without a vote
  kLeader,
};

// "down", "starting", "standalone", "follower", "observer", "leader".
std::string_view RoleName(Role role);

struct ServerReport {
  Role role = Role::kStarting;
  std::string version{};  // "3.9.5"
  uint64_t zxid = 0;      // the last transaction that the server has applied
  int64_t connections = 0;
  int64_t outstanding = 0;  // requests that wait
  int64_t nodes = 0;

  bool operator==(const ServerReport&) const = default;
};

// Parses the reply to "srvr". A server without a quorum gives kStarting and nothing else.
// kUnsupported: the server does not allow the word; kCorrupt: not such a reply.
Result<ServerReport> ParseServerReport(std::string_view reply);

// Sends a four-letter word to 127.0.0.1:port and returns the reply, at most 1 MB of it.
// kUnavailable: nobody listens, or the reply is not complete within `timeout`.
Result<std::string> Ask(int port, std::string_view word, std::chrono::milliseconds timeout);

}  // namespace pk::ensemble
