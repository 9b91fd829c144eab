#pragma once

// Sending and reading until there is a reply. Every transaction of this layer is safe to send
// again: it expects a version of a node that is never made twice, or creates a name that is never
// used twice.

#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/base/retry.h"
#include "parkeeper/coordination/session_source.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/tasks/options.h"

namespace pk::tasks {

// What everything in this layer works with.
struct Context {
  coordination::SessionSource& sessions;
  storage::Storage& storage;
  TasksOptions options;

  Backoff NewBackoff() const { return {options.retry, *options.clock, *options.ids}; }
  int64_t WallMs() const { return options.clock->WallMs(); }
};

// The answer to the last copy that was sent. Refused, and an earlier copy had no reply: that copy
// may be what it met, `repeated`.
struct Sent {
  coordination::CommitOutcome outcome;
  bool repeated = false;

  const coordination::Refused* refused() const {
    return std::get_if<coordination::Refused>(&outcome);
  }
};
// kUnavailable at the deadline when no copy can have been applied, else kOutcomeUnknown.
Result<Sent> SendUntilKnown(const Context& context, const coordination::Transaction& transaction,
                            Backoff& backoff);

// At one point of the order; repeated while the coordinator is not reached.
Result<std::vector<Result<coordination::ReadReply>>> ReadUntilKnown(
    const Context& context, const std::vector<coordination::ReadRequest>& requests,
    Backoff& backoff);
Result<std::vector<std::string>> ListUntilKnown(const Context& context, const std::string& path,
                                                Backoff& backoff);
Result<std::vector<Result<coordination::NodeStat>>> StatsUntilKnown(
    const Context& context, const std::vector<std::string>& paths, Backoff& backoff);

// A node that exists. kNotFound when it does not, also for servers that are not behind.
Result<coordination::Node> LoadNode(const Context& context, const std::string& path,
                                    Backoff& backoff);
// Likewise; nullopt when it does not.
Result<std::optional<coordination::Node>> FindNode(const Context& context, const std::string& path,
                                                   Backoff& backoff);

// `reply` as a node; nullopt when there is none.
Result<std::optional<coordination::Node>> NodeOf(Result<coordination::ReadReply> reply);

}  // namespace pk::tasks
