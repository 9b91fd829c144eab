#include "parkeeper/coordination/until_known.h"

#include <fmt/format.h>

#include <type_traits>

namespace pk::coordination {

namespace {

// The first result of `call`, in the present session, that is not a passing failure. An unknown
// outcome is repeated too, and told by `repeated`.
template <class Call>
auto Persist(SessionSource& sessions, Backoff& backoff, bool& repeated, const Call& call)
    -> std::invoke_result_t<Call, Coordinator&> {
  for (;;) {
    Error failure = Unavailable("");
    if (auto session = sessions.Get(); session.ok()) {
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

template <class Call>
auto PersistReading(SessionSource& sessions, Backoff& backoff, const Call& call) {
  bool repeated = false;
  return Persist(sessions, backoff, repeated, call);
}

}  // namespace

Result<Sent> SendUntilKnown(SessionSource& sessions, const Transaction& transaction,
                            Backoff& backoff) {
  bool repeated = false;
  auto outcome = PK_TRY(Persist(sessions, backoff, repeated,
                                [&](Coordinator& to) { return to.Commit(transaction); }));
  return Sent{std::move(outcome), repeated};
}

Result<std::optional<Refused>> SendFenced(SessionSource& sessions, const Fenced& fenced,
                                          Backoff& backoff) {
  const Sent sent = PK_TRY(SendUntilKnown(sessions, fenced.transaction, backoff));
  const Refused* refused = sent.refused();
  if (refused == nullptr) return std::nullopt;
  if (!sent.repeated) return *refused;
  const auto unknown = [](const Error& error) { return OutcomeUnknown(error.message()); };
  if (refused->operation >= fenced.fence_operations) {
    // The fence stands, so an earlier copy could still come. Refused or applied: it ends here.
    const Result<Sent> spent = SendUntilKnown(sessions, fenced.spend, backoff);
    if (!spent.ok()) return unknown(spent.error());
  }
  const Result<bool> mine = fenced.is_mine();
  if (!mine.ok()) return unknown(mine.error());
  if (*mine) return std::nullopt;
  return *refused;
}

Result<std::vector<Result<ReadReply>>> ReadUntilKnown(SessionSource& sessions,
                                                      const std::vector<ReadRequest>& requests,
                                                      Backoff& backoff) {
  return PersistReading(sessions, backoff, [&](Coordinator& from) { return from.Read(requests); });
}

Result<std::vector<std::string>> ListUntilKnown(SessionSource& sessions, const std::string& path,
                                                Backoff& backoff) {
  return PersistReading(sessions, backoff, [&](Coordinator& from) { return from.List(path); });
}

Result<std::vector<Result<NodeStat>>> StatsUntilKnown(SessionSource& sessions,
                                                      const std::vector<std::string>& paths,
                                                      Backoff& backoff) {
  return PersistReading(sessions, backoff, [&](Coordinator& from) { return from.Stats(paths); });
}

Result<std::vector<Result<ReadReply>>> ReadInOrder(SessionSource& sessions,
                                                   const std::vector<ReadRequest>& requests,
                                                   Backoff& backoff) {
  bool repeated = false;
  auto replies = Persist(sessions, backoff, repeated,
                         [&](Coordinator& from) -> Result<std::vector<Result<ReadReply>>> {
                           // A session sees what was before its own step.
                           PK_TRY(from.Commit({}));
                           return from.Read(requests);
                         });
  // Its step modifies nothing, so it does not matter what became of it.
  const bool unknown = !replies.ok() && replies.error().code() == ErrorCode::kOutcomeUnknown;
  if (unknown) return Unavailable(replies.error().message());
  return replies;
}

Result<bool> HoldsNow(SessionSource& sessions, const Transaction& checks, Backoff& backoff) {
  return PK_TRY(SendUntilKnown(sessions, checks, backoff)).refused() == nullptr;
}

Result<Node> LoadNode(SessionSource& sessions, const std::string& path, Backoff& backoff) {
  for (;;) {
    auto replies = PK_TRY(ReadUntilKnown(sessions, {{.path = path}}, backoff));
    if (auto node = PK_TRY(NodeOf(std::move(replies[0])))) return *std::move(node);
    const bool holds = PK_TRY(HoldsNow(sessions, Transaction().Check(path), backoff));
    PK_CHECK(holds, NotFound(fmt::format("there is no node {}", path)));
    PK_CHECK(backoff.Wait(), Unavailable(fmt::format("{} comes and goes", path)));
  }
}

Result<std::optional<Node>> FindNode(SessionSource& sessions, const std::string& path,
                                     Backoff& backoff) {
  Result<Node> node = LoadNode(sessions, path, backoff);
  if (node.ok()) return std::optional<Node>(std::move(node).value());
  if (node.error().code() == ErrorCode::kNotFound) return std::optional<Node>();
  return std::move(node).error();
}

Result<std::optional<Node>> NodeOf(Result<ReadReply> reply) {
  if (reply.ok()) return std::optional<Node>(std::move(reply->node));
  if (reply.error().code() == ErrorCode::kNotFound) return std::optional<Node>();
  return std::move(reply).error();
}

}  // namespace pk::coordination
