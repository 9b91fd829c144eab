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
