#include <fmt/format.h>

#include "parkeeper/tasks/send_internal.h"

namespace pk::tasks {

using coordination::Node;
using coordination::ReadReply;
using coordination::ReadRequest;
using coordination::Transaction;

namespace {

// The first result of `call`, on the present session, that is not a passing failure. An unknown
// outcome is repeated too, and told by `repeated`.
template <class Call>
auto Persist(const Context& context, Backoff& backoff, bool& repeated, const Call& call)
    -> std::invoke_result_t<Call, coordination::Coordinator&> {
  for (;;) {
    Error failure = Unavailable("");
    if (auto session = context.sessions.Get(); session.ok()) {
      auto result = call(**session);
      if (result.ok()) return result;
      failure = std::move(result).error();
    } else {
      failure = std::move(session).error();
    }
    if (failure.code() == ErrorCode::kOutcomeUnknown) {
      repeated = true;
    } else if (failure.code() != ErrorCode::kUnavailable && !repeated) {
      return failure;
    }
    if (backoff.Wait()) continue;
    return Error(repeated ? ErrorCode::kOutcomeUnknown : ErrorCode::kUnavailable,
                 failure.message());
  }
}

}  // namespace

Result<Sent> SendUntilKnown(const Context& context, const Transaction& transaction,
                            Backoff& backoff) {
  bool repeated = false;
  auto outcome = PK_TRY(Persist(context, backoff, repeated, [&](coordination::Coordinator& to) {
    return to.Commit(transaction);
  }));
  return Sent{std::move(outcome), repeated};
}

Result<std::vector<Result<ReadReply>>> ReadUntilKnown(const Context& context,
                                                      const std::vector<ReadRequest>& requests,
                                                      Backoff& backoff) {
  bool repeated = false;
  return Persist(context, backoff, repeated,
                 [&](coordination::Coordinator& from) { return from.Read(requests); });
}

Result<std::vector<std::string>> ListUntilKnown(const Context& context, const std::string& path,
                                                Backoff& backoff) {
  bool repeated = false;
  return Persist(context, backoff, repeated,
                 [&](coordination::Coordinator& from) { return from.List(path); });
}

Result<std::vector<Result<coordination::NodeStat>>> StatsUntilKnown(
    const Context& context, const std::vector<std::string>& paths, Backoff& backoff) {
  bool repeated = false;
  return Persist(context, backoff, repeated,
                 [&](coordination::Coordinator& from) { return from.Stats(paths); });
}

Result<std::optional<Node>> NodeOf(Result<ReadReply> reply) {
  if (reply.ok()) return std::optional<Node>(std::move(reply->node));
  if (reply.error().code() == ErrorCode::kNotFound) return std::optional<Node>();
  return std::move(reply).error();
}

Result<Node> LoadNode(const Context& context, const std::string& path, Backoff& backoff) {
  for (;;) {
    auto replies = PK_TRY(ReadUntilKnown(context, {{.path = path}}, backoff));
    if (auto node = PK_TRY(NodeOf(std::move(replies[0])))) return *std::move(node);
    // The server that was asked may be behind; a check is asked in the order of modifications.
    const Sent sent = PK_TRY(SendUntilKnown(context, Transaction().Check(path), backoff));
    PK_CHECK(sent.refused() == nullptr, NotFound(fmt::format("there is no node {}", path)));
    PK_CHECK(backoff.Wait(), Unavailable(fmt::format("{} comes and goes", path)));
  }
}

Result<std::optional<Node>> FindNode(const Context& context, const std::string& path,
                                     Backoff& backoff) {
  Result<Node> node = LoadNode(context, path, backoff);
  if (node.ok()) return std::optional<Node>(std::move(node).value());
  if (node.error().code() == ErrorCode::kNotFound) return std::optional<Node>();
  return std::move(node).error();
}

}  // namespace pk::tasks
