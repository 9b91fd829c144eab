#include <fmt/format.h>

#include "parkeeper/catalog/round_internal.h"

namespace pk::catalog {

using coordination::Applied;
using coordination::CommitOutcome;
using coordination::Coordinator;
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

Result<ReadHead> LoadHead(SessionSource& sessions, std::string_view key, Backoff& backoff) {
  auto replies = PK_TRY(ReadUntilKnown(sessions, {{.path = HeadPath(key)}}, backoff));
  if (!replies[0].ok() && replies[0].error().code() == ErrorCode::kNotFound) {
    return NotFound(fmt::format("no table has the key {}", key));
  }
  const ReadReply reply = PK_TRY(std::move(replies[0]));
  return ReadHead{PK_TRY(DecodeHead(reply.node.value).With(HeadPath(key))), reply.node.stat};
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

// Spends the version of `from` by a round that changes nothing, so that no copy of any other round
// can be applied.
Result<> SpendVersion(SessionSource& sessions, std::string_view key, const ReadHead& from,
                      IdSource& ids, Backoff& backoff) {
  HeadNode next = from.node;
  ++next.version;
  const RecordNode record{.round = ids.NewUuid4().ToString(),
                          .dropped = next.dropped,
                          .metadata_location = next.metadata_location,
                          .commits = {}};
  // Refused or applied: either way the version is spent.
  PK_TRY(SendUntilKnown(sessions, HeadMove(key, from, next, record), backoff));
  return {};
}

}  // namespace

Result<MoveOutcome> MoveHead(SessionSource& sessions, std::string_view key, const ReadHead& from,
                             HeadNode next, const RecordNode& record, const Transaction& extra,
                             IdSource& ids, Backoff& backoff) {
  next.version = from.node.version + 1;
  Transaction transaction = HeadMove(key, from, next, record);
  transaction.Append(extra);
  const Sent sent = PK_TRY(SendUntilKnown(sessions, transaction, backoff));
  const Refused* refused = sent.refused();
  if (refused == nullptr) return Moved{next};

  const bool head_stands = refused->operation >= kHeadMoveOperations;
  if (sent.repeated) {
    const auto unknown = [&](Error error) {
      return Error(ErrorCode::kOutcomeUnknown, error.message());
    };
    if (head_stands) {
      Result<> spent = SpendVersion(sessions, key, from, ids, backoff);
      if (!spent.ok()) return unknown(spent.error());
    }
    Result<bool> mine = RecordIsOf(sessions, key, next.version, record.round, backoff);
    if (!mine.ok()) return unknown(mine.error());
    if (*mine) return Moved{next};
  }
  if (!head_stands) return NotMoved{};
  return NotMoved{refused->operation - kHeadMoveOperations};
}

}  // namespace pk::catalog
