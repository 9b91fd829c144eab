#pragma once

// The requests of one client, from their submission to their end: not yet sent, or sent and in the
// order in which the server must answer. Decides what a disconnect, a deadline or the session's end
// means for each. No I/O; not thread-safe. Callbacks run inside the calls.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"

namespace pk::coordination::zookeeper {

struct Reply {
  uint64_t zxid = 0;
  int32_t error = kServerOk;
  std::string body;
  std::shared_ptr<const std::string> server;  // "host:port", for messages
};

struct Request {
  OpCode code{};
  std::string frame{};
  bool modifies = false;  // not to be sent twice
  SteadyTime deadline{};  // not before that of the request submitted before
  std::function<void(Result<Reply>)> done{};
};

class RequestQueue {
 public:
  void Add(Request request) { unsent_.push_back(std::move(request)); }

  // Appends frames to `out` until it has `most` bytes or all are sent.
  void Send(SteadyTime now, size_t most, std::string& out);

  // Ends the request at the head. Returns when it was sent; kCorrupt: the server answers out of
  // order.
  Result<SteadyTime> Answer(const ReplyHeader& header, std::string_view body,
                            const std::shared_ptr<const std::string>& server);
  // Ends the request at the head when it has this xid; false when it has not.
  bool Fail(int32_t xid, const Error& why);

  // Sent requests that modify end as kOutcomeUnknown, the others are unsent again. `why` says which
  // connection ended, and how.
  void Disconnected(std::string_view why);
  // Ends what has passed its deadline. `why` goes into the message.
  void Expire(SteadyTime now, std::string_view why);
  // Ends all: what may have been done as kOutcomeUnknown, else kUnavailable.
  void EndAll(std::string_view why);

  bool has_unsent() const { return !unsent_.empty(); }
  // When the oldest request without an answer was sent.
  std::optional<SteadyTime> oldest_sent() const;
  std::optional<SteadyTime> next_deadline() const;

 private:
  struct Sent {
    Request request;  // without `done` when it has ended at its deadline
    int32_t xid = 0;
    SteadyTime at;
  };
  int32_t NextXid();

  std::deque<Request> unsent_;
  std::deque<Sent> sent_;
  size_t ended_ = 0;  // so many at the head of sent_ only wait for their answer to be dropped
  int32_t last_xid_ = 0;
};

}  // namespace pk::coordination::zookeeper
