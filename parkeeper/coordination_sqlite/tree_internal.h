#pragma once

// The tree of nodes in the tables of the file: layout version 1, reading, and the steps of a
// transaction. Every function runs inside a SqlTransaction of its caller.
//
// Layout. nodes: one row a node, found and listed by (parent, name). meta: the counter of
// transactions. sessions: who may own ephemerals. changes: what was changed last, for watches;
// its ids grow without a gap and the oldest are pruned.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/tree.h"
#include "parkeeper/coordination_sqlite/database_internal.h"
#include "parkeeper/coordination_sqlite/liveness_internal.h"

namespace pk::coordination::sqlite {

inline constexpr int64_t kApplicationId = 0x504B4550;  // "PKEP"
inline constexpr int64_t kLayoutVersion = 1;
inline constexpr int64_t kKeptChanges = 20'000;

// Makes the tables and the root in an empty file; holds any other against kApplicationId and
// kLayoutVersion. kCorrupt when it is empty although `used_before`. The caller excludes all other
// writers.
Result<> PrepareLayout(Connection& connection, bool used_before);

// kNotFound: no such node.
Result<Node> ReadNode(Connection& connection, std::string_view path);
Result<NodeStat> ReadStat(Connection& connection, std::string_view path);
Result<std::vector<std::string>> ReadChildren(Connection& connection, std::string_view path);

// The changes after `seen`, the id of the last; complete is false when some are pruned already.
struct Changes {
  bool complete = true;
  int64_t last = 0;
  std::vector<Change> changes;
};
Result<Changes> ReadChanges(Connection& connection, int64_t seen);
Result<int64_t> LastChange(Connection& connection);

// The next transaction id. With a session: nullopt when that session is over.
Result<uint64_t> NextZxid(Connection& connection);
Result<std::optional<uint64_t>> NextZxidFor(Connection& connection, uint64_t session);

// Carries out operations as one step of the order.
class TreeWriter {
 public:
  TreeWriter(Connection& connection, uint64_t session, uint64_t zxid, int64_t now_ms)
      : connection_(connection), session_(session), zxid_(zxid), now_ms_(now_ms) {}

  // Adds the path and stat to `applied`, or gives the reason of a refusal.
  Result<std::optional<Error>> Apply(const Operation& operation, Applied& applied);
  // Removes the ephemerals of `session` and its row.
  Result<> EndSession(uint64_t session);
  // Forgets the oldest changes. Once a transaction, at its end.
  Result<> PruneChanges();

 private:
  Result<std::optional<Error>> Apply(const CheckOperation& operation, Applied& applied);
  Result<std::optional<Error>> Apply(const CreateOperation& operation, Applied& applied);
  Result<std::optional<Error>> Apply(const SetOperation& operation, Applied& applied);
  Result<std::optional<Error>> Apply(const RemoveOperation& operation, Applied& applied);
  Result<> RemoveRow(int64_t row, std::string_view parent, std::string_view path);
  Result<> LogChange(std::string_view path, Change::Kind kind);

  Connection& connection_;
  uint64_t session_;
  uint64_t zxid_;
  int64_t now_ms_;
  bool changed_ = false;
};

// The sessions table.
Result<std::vector<SessionRow>> ReadSessions(Connection& connection);
Result<> InsertSession(Connection& connection, const SessionRow& session);

}  // namespace pk::coordination::sqlite
