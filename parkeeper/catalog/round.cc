#include <fmt/format.h>

#include "parkeeper/catalog/round_internal.h"

namespace pk::catalog {

using coordination::CommitOutcome;
using coordination::Node;
using coordination::ReadReply;
using coordination::ReadRequest;
using coordination::Refused;
using coordination::SessionSource;
using coordination::Transaction;

Result<Sent> SendUntilKnown(SessionSource& sessions, const Transaction& transaction,
                            Backoff& backoff) {
  bool repeated = false;
  for (;;) {
    Error failure = Unavailable("");
    if (auto session = sessions.Get(); session.ok()) {
      auto outcome = (*session)->Commit(transaction);
      if (outcome.ok()) return Sent{std::move(outcome).value(), repeated};
      failure = std::move(outcome).error();
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

Result<std::vector<Result<ReadReply>>> ReadUntilKnown(SessionSource& sessions,
                                                      const std::vector<ReadRequest>& requests,
                                                      Backoff& backoff) {
  for (;;) {
    Error failure = Unavailable("");
    if (auto session = sessions.Get(); session.ok()) {
      auto replies = (*session)->Read(requests);
      if (replies.ok()) return replies;
      failure = std::move(replies).error();
    } else {
      failure = std::move(session).error();
    }
    if (failure.code() != ErrorCode::kUnavailable || !backoff.Wait()) return failure;
  }
}

Result<std::vector<Result<ReadReply>>> ReadInOrder(SessionSource& sessions,
                                                   const std::vector<ReadRequest>& requests,
                                                   Backoff& backoff) {
  for (;;) {
    Error failure = Unavailable("");
    if (auto session = sessions.Get(); session.ok()) {
      // A session sees what was before its own step.
      const auto step = (*session)->Commit({});
      auto replies = step.ok() ? (*session)->Read(requests) : step.error();
      if (replies.ok()) return replies;
      failure = std::move(replies).error();
    } else {
      failure = std::move(session).error();
    }
    const bool passes =
        failure.code() == ErrorCode::kUnavailable || failure.code() == ErrorCode::kOutcomeUnknown;
    if (!passes) return failure;
    if (!backoff.Wait()) return Unavailable(failure.message());
  }
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

Result<bool> HoldsNow(SessionSource& sessions, const Transaction& checks, Backoff& backoff) {
  return PK_TRY(SendUntilKnown(sessions, checks, backoff)).refused() == nullptr;
}

Result<Node> LoadNode(SessionSource& sessions, const std::string& path, Backoff& backoff) {
  for (;;) {
    auto replies = PK_TRY(ReadUntilKnown(sessions, {{.path = path}}, backoff));
    if (replies[0].ok()) return std::move(replies[0]->node);
    Error error = std::move(replies[0]).error();
    if (error.code() != ErrorCode::kNotFound) return error;
    if (!PK_TRY(HoldsNow(sessions, Transaction().Check(path), backoff))) return error;
    if (!backoff.Wait()) return Unavailable(fmt::format("{} comes and goes", path));
  }
}

Result<ReadHead> LoadHead(SessionSource& sessions, std::string_view key, Backoff& backoff) {
  const Result<Node> node = LoadNode(sessions, HeadPath(key), backoff);
  if (!node.ok() && node.error().code() == ErrorCode::kNotFound) {
    return NotFound(fmt::format("no table has the key {}", key));
  }
  if (!node.ok()) return node.error();
  return ReadHead{PK_TRY(DecodeHead(node->value).With(HeadPath(key))), node->stat};
}

Result<bool> HeadStands(SessionSource& sessions, std::string_view key, const ReadHead& head,
                        Backoff& backoff) {
  return HoldsNow(sessions, Transaction().Check(HeadPath(key), head.stat.version), backoff);
}

namespace {

Transaction HeadMove(std::string_view key, const ReadHead& from, const HeadNode& next,
                     const RecordNode& record) {
  Transaction transaction;
  transaction.Set(HeadPath(key), Encode(next), from.stat.version);
  transaction.Create(RecordPath(key, next.version), Encode(record));
  return transaction;
}
constexpr size_t kHeadMoveOperations = 2;

// Whether the record of this version is of the round `round`. The version is spent, so the answer
// is final.
Result<bool> RecordIsOf(SessionSource& sessions, std::string_view key, int64_t version,
                        const std::string& round, Backoff& backoff) {
  const std::string path = RecordPath(key, version);
  auto replies = PK_TRY(ReadUntilKnown(sessions, {{.path = path}}, backoff));
  if (!replies[0].ok() && replies[0].error().code() == ErrorCode::kNotFound) {
    return OutcomeUnknown(fmt::format("the record of version {} is swept already", version));
  }
  const ReadReply reply = PK_TRY(std::move(replies[0]));
  return PK_TRY(DecodeRecord(reply.node.value)).round == round;
}

// The version of `from` spent by a round that changes nothing.
Transaction VoidRound(std::string_view key, const ReadHead& from, IdSource& ids) {
  HeadNode next = from.node;
  ++next.version;
  return HeadMove(key, from, next,
                  {.round = ids.NewUuid4().ToString(),
                   .dropped = next.dropped,
                   .metadata_location = next.metadata_location,
                   .commits = {}});
}

}  // namespace

Result<MoveOutcome> MoveHead(SessionSource& sessions, std::string_view key, const ReadHead& from,
                             HeadNode next, const RecordNode& record, const Transaction& extra,
                             IdSource& ids, Backoff& backoff) {
  next.version = from.node.version + 1;
  Fenced round{
      .transaction = HeadMove(key, from, next, record),
      .fence_operations = kHeadMoveOperations,
      .spend = VoidRound(key, from, ids),
      .is_mine = [&] { return RecordIsOf(sessions, key, next.version, record.round, backoff); }};
  round.transaction.Append(extra);
  const auto refused = PK_TRY(SendFenced(sessions, round, backoff));
  if (!refused) return Moved{next};
  if (refused->operation < kHeadMoveOperations) return NotMoved{};
  return NotMoved{refused->operation - kHeadMoveOperations};
}

}  // namespace pk::catalog
