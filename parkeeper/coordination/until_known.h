#pragma once

// Requests whose reply may be lost, repeated until it is known what became of them, in whatever
// session there is. Every transaction given here is safe to send again: each of its modifications
// expects a version of a node that is never made twice, or makes a name that is never used twice.
//
// The backoff says how long; at its deadline kUnavailable when nothing can have been applied, else
// kOutcomeUnknown. Functions are as thread-safe as the session source.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/base/retry.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/session_source.h"
#include "parkeeper/coordination/transaction.h"

namespace pk::coordination {

// The answer to the last copy of a transaction that was sent. When it was refused and an earlier
// copy had no reply, that copy may be what it met: `repeated`.
struct Sent {
  CommitOutcome outcome;
  bool repeated = false;

  const Refused* refused() const { return std::get_if<Refused>(&outcome); }
};
Result<Sent> SendUntilKnown(SessionSource& sessions, const Transaction& transaction,
                            Backoff& backoff);

// A transaction that can be applied once at most, and never again once it is known what became of
// it: its first operations hold only while something stands that never comes again when it is gone,
// such as a version of a node that is never made twice, and the transaction itself ends it.
struct Fenced {
  Transaction transaction;
  size_t fence_operations = 0;
  // Ends what the fence expects, too, and changes nothing else.
  Transaction spend;
  // Whether a copy of `transaction` was what ended it. Asked once it has ended, so the answer is
  // final.
  std::function<Result<bool>()> is_mine;
};
// nullopt: applied. Else how it was refused, and no copy of it can be applied any more.
Result<std::optional<Refused>> SendFenced(SessionSource& sessions, const Fenced& fenced,
                                          Backoff& backoff);

// Reads, repeated while the coordinator is not reached.
Result<std::vector<Result<ReadReply>>> ReadUntilKnown(SessionSource& sessions,
                                                      const std::vector<ReadRequest>& requests,
                                                      Backoff& backoff);
Result<std::vector<std::string>> ListUntilKnown(SessionSource& sessions, const std::string& path,
                                                Backoff& backoff);
Result<std::vector<Result<NodeStat>>> StatsUntilKnown(SessionSource& sessions,
                                                      const std::vector<std::string>& paths,
                                                      Backoff& backoff);

// What was modified before the call is in it, whichever server answers. Costs a write.
Result<std::vector<Result<ReadReply>>> ReadInOrder(SessionSource& sessions,
                                                   const std::vector<ReadRequest>& requests,
                                                   Backoff& backoff);

// Whether these checks hold now, whatever servers that are behind let us read: it is asked in the
// order of modifications.
Result<bool> HoldsNow(SessionSource& sessions, const Transaction& checks, Backoff& backoff);

// A node that exists. kNotFound when it does not, also for servers that are not behind.
Result<Node> LoadNode(SessionSource& sessions, const std::string& path, Backoff& backoff);
// Likewise; nullopt when it does not.
Result<std::optional<Node>> FindNode(SessionSource& sessions, const std::string& path,
                                     Backoff& backoff);

// `reply` as a node; nullopt when there is none.
Result<std::optional<Node>> NodeOf(Result<ReadReply> reply);

}  // namespace pk::coordination
