#include <fmt/format.h>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/validate.h"
#include "parkeeper/coordination_sqlite/tree_internal.h"

namespace pk::coordination::sqlite {
namespace {

// The root's parent is '' and its name too. The value comes last: a large one continues on pages of
// its own, and the columns before it are read without them.
constexpr char kTables[] = R"(
CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK(id = 1), zxid INTEGER NOT NULL);
CREATE TABLE nodes(
  id INTEGER PRIMARY KEY, parent TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
  czxid INTEGER NOT NULL, mzxid INTEGER NOT NULL, ctime_ms INTEGER NOT NULL,
  mtime_ms INTEGER NOT NULL, owner INTEGER NOT NULL, children INTEGER NOT NULL,
  next_sequence INTEGER NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX nodes_by_path ON nodes(parent, name);
CREATE INDEX nodes_by_owner ON nodes(owner) WHERE owner <> 0;
CREATE TABLE sessions(
  id INTEGER PRIMARY KEY, slot INTEGER NOT NULL UNIQUE, timeout_ms INTEGER NOT NULL,
  boot TEXT NOT NULL);
CREATE TABLE changes(id INTEGER PRIMARY KEY, path TEXT NOT NULL, kind INTEGER NOT NULL);
INSERT INTO meta VALUES(1, 0);
INSERT INTO nodes VALUES(1, '', '', 0, 0, 0, 0, 0, 0, 0, 0, x'');
)";

constexpr char kFind[] =
    "SELECT id, version, czxid, mzxid, ctime_ms, mtime_ms, owner, children, next_sequence "
    "FROM nodes WHERE parent = ? AND name = ?";
constexpr char kGet[] =
    "SELECT id, version, czxid, mzxid, ctime_ms, mtime_ms, owner, children, next_sequence, value "
    "FROM nodes WHERE parent = ? AND name = ?";
constexpr char kList[] = "SELECT name FROM nodes WHERE parent = ? ORDER BY name";
constexpr char kInsert[] = "INSERT INTO nodes VALUES(NULL, ?, ?, 0, ?, ?, ?, ?, ?, 0, 0, ?)";
constexpr char kAddChild[] =
    "UPDATE nodes SET children = children + 1, next_sequence = ? WHERE id = ?";
constexpr char kTakeChild[] =
    "UPDATE nodes SET children = children - 1 WHERE parent = ? AND name = ?";
constexpr char kSet[] =
    "UPDATE nodes SET version = ?, mzxid = ?, mtime_ms = ?, value = ? WHERE id = ?";
constexpr char kDelete[] = "DELETE FROM nodes WHERE id = ?";
constexpr char kOwned[] = "SELECT id, parent, name FROM nodes WHERE owner = ? ORDER BY id";
constexpr char kNextZxid[] = "UPDATE meta SET zxid = zxid + 1 RETURNING zxid";
constexpr char kNextZxidFor[] =
    "UPDATE meta SET zxid = zxid + 1 WHERE EXISTS(SELECT 1 FROM sessions WHERE id = ?) "
    "RETURNING zxid";
constexpr char kLogChange[] = "INSERT INTO changes VALUES(NULL, ?, ?)";
constexpr char kLastChange[] = "SELECT max(id) FROM changes";
constexpr char kFirstChange[] = "SELECT min(id) FROM changes";
constexpr char kChangesAfter[] = "SELECT id, path, kind FROM changes WHERE id > ? ORDER BY id";
constexpr char kPruneChanges[] = "DELETE FROM changes WHERE id <= ?";
constexpr char kSessions[] = "SELECT id, slot, timeout_ms, boot FROM sessions";
constexpr char kInsertSession[] = "INSERT INTO sessions VALUES(?, ?, ?, ?)";
constexpr char kDeleteSession[] = "DELETE FROM sessions WHERE id = ?";
constexpr char kApplication[] = "PRAGMA application_id";
constexpr char kVersion[] = "PRAGMA user_version";
constexpr char kUseLog[] = "PRAGMA journal_mode=WAL";
constexpr char kObjects[] = "SELECT count(*) FROM sqlite_schema";

// Pruned in strides, so that not every commit pays for it.
constexpr int64_t kPruneStride = 512;

// These numbers are on the disk.
static_assert(int(Change::Kind::kCreated) == 0 && int(Change::Kind::kSet) == 1 &&
              int(Change::Kind::kRemoved) == 2);

// How a path lies in the columns (parent, name).
struct Key {
  std::string_view parent;
  std::string_view name;
};
Key KeyOf(std::string_view path) {
  if (path == "/") return {"", ""};
  return {Parent(path), LastSegment(path)};
}

struct Row {
  int64_t id = 0;
  NodeStat stat;
  int64_t next_sequence = 0;
};

Row RowAt(const Cursor& cursor) {
  return {.id = cursor.Int(0),
          .stat = {.version = int32_t(cursor.Int(1)),
                   .czxid = uint64_t(cursor.Int(2)),
                   .mzxid = uint64_t(cursor.Int(3)),
                   .ctime_ms = cursor.Int(4),
                   .mtime_ms = cursor.Int(5),
                   .ephemeral_owner = uint64_t(cursor.Int(6)),
                   .children = int32_t(cursor.Int(7))},
          .next_sequence = cursor.Int(8)};
}

Result<std::optional<Row>> FindRow(Connection& connection, std::string_view path) {
  const Key key = KeyOf(path);
  Cursor cursor = PK_TRY(connection.Query(kFind, {key.parent, key.name}));
  if (!PK_TRY(cursor.Next())) return std::optional<Row>();
  return std::optional<Row>(RowAt(cursor));
}

Error NoNode(std::string_view path) {
  return NotFound(fmt::format("node does not exist: {}", path));
}

// Why an operation that expects `expected` does not hold.
std::optional<Error> Mismatch(const std::optional<Row>& row, std::string_view path,
                              int32_t expected) {
  if (!row.has_value()) return NoNode(path);
  if (expected == kAnyVersion || expected == row->stat.version) return std::nullopt;
  return Conflict(fmt::format("node has another version: {}: expected {}, found {}", path, expected,
                              row->stat.version));
}

// Without shared memory SQLite silently keeps another journal.
Result<> UseLog(Connection& connection) {
  Cursor cursor = PK_TRY(connection.Query(kUseLog));
  const bool has_mode = PK_TRY(cursor.Next());
  PK_CHECK(has_mode && cursor.Text(0) == "wal",
           FailedPrecondition(fmt::format("the file system cannot hold a write-ahead log: {}",
                                          connection.file())));
  return {};
}

// ZooKeeper's counter wraps as well; -1 would mean any version.
int32_t NextVersion(int32_t version) { return version == INT32_MAX ? 0 : version + 1; }

}  // namespace

Result<> PrepareLayout(Connection& connection, bool used_before) {
  const int64_t application = PK_TRY(connection.Number(kApplication)).value_or(0);
  const int64_t version = PK_TRY(connection.Number(kVersion)).value_or(0);
  const int64_t objects = PK_TRY(connection.Number(kObjects)).value_or(0);
  if (application == 0 && version == 0 && objects == 0) {
    PK_CHECK(!used_before,
             Corrupt(fmt::format("the coordinator's file is empty but was in use, restore it from "
                                 "a backup: {}",
                                 connection.file())));
    // Also what a first start that died on the way left. All of it in one transaction, the mark
    // included.
    PK_TRY(UseLog(connection));
    return connection.Script(
        fmt::format("BEGIN IMMEDIATE; {} PRAGMA application_id={}; PRAGMA user_version={}; COMMIT;",
                    kTables, kApplicationId, kLayoutVersion));
  }
  PK_CHECK(application == kApplicationId,
           Corrupt(fmt::format("not a coordinator file of Parkeeper: {}", connection.file())));
  PK_CHECK(version <= kLayoutVersion,
           FailedPrecondition(fmt::format(
               "the coordinator's layout is too new for this version of Parkeeper: install a newer "
               "one: file {} has layout version {}, this program knows up to {}",
               connection.file(), version, kLayoutVersion)));
  PK_CHECK(version == kLayoutVersion,
           Corrupt(fmt::format("no such layout version: {} in {}", version, connection.file())));
  return UseLog(connection);
}

Result<Node> ReadNode(Connection& connection, std::string_view path) {
  const Key key = KeyOf(path);
  Cursor cursor = PK_TRY(connection.Query(kGet, {key.parent, key.name}));
  if (!PK_TRY(cursor.Next())) return NoNode(path);
  return Node{.value = std::string(cursor.Bytes(9)), .stat = RowAt(cursor).stat};
}

Result<NodeStat> ReadStat(Connection& connection, std::string_view path) {
  const std::optional<Row> row = PK_TRY(FindRow(connection, path));
  PK_CHECK(row.has_value(), NoNode(path));
  return row->stat;
}

Result<std::vector<std::string>> ReadChildren(Connection& connection, std::string_view path) {
  const std::optional<Row> row = PK_TRY(FindRow(connection, path));
  PK_CHECK(row.has_value(), NoNode(path));
  std::vector<std::string> names;
  names.reserve(size_t(row->stat.children));
  Cursor cursor = PK_TRY(connection.Query(kList, {path}));
  while (PK_TRY(cursor.Next())) names.emplace_back(cursor.Text(0));
  return names;
}

Result<Changes> ReadChanges(Connection& connection, int64_t seen) {
  const int64_t first = PK_TRY(connection.Number(kFirstChange)).value_or(0);
  Changes changes{.complete = first <= seen + 1, .last = seen, .changes = {}};
  Cursor cursor = PK_TRY(connection.Query(kChangesAfter, {seen}));
  while (PK_TRY(cursor.Next())) {
    changes.last = cursor.Int(0);
    changes.changes.push_back(
        {.kind = Change::Kind(cursor.Int(2)), .path = std::string(cursor.Text(1))});
  }
  return changes;
}

Result<int64_t> LastChange(Connection& connection) {
  return PK_TRY(connection.Number(kLastChange)).value_or(0);
}

Result<uint64_t> NextZxid(Connection& connection) {
  const std::optional<int64_t> zxid = PK_TRY(connection.Number(kNextZxid));
  PK_CHECK(zxid.has_value(),
           Corrupt(fmt::format("coordinator file {}: its counter is missing", connection.file())));
  return uint64_t(*zxid);
}

Result<std::optional<uint64_t>> NextZxidFor(Connection& connection, uint64_t session) {
  const std::optional<int64_t> zxid = PK_TRY(connection.Number(kNextZxidFor, {int64_t(session)}));
  if (!zxid.has_value()) return std::optional<uint64_t>();
  return std::optional<uint64_t>(uint64_t(*zxid));
}

Result<std::optional<Error>> TreeWriter::Apply(const Operation& operation, Applied& applied) {
  return std::visit([&](const auto& alternative) { return Apply(alternative, applied); },
                    operation);
}

Result<std::optional<Error>> TreeWriter::Apply(const CheckOperation& operation, Applied& applied) {
  const std::optional<Row> row = PK_TRY(FindRow(connection_, operation.path));
  if (auto reason = Mismatch(row, operation.path, operation.version)) return reason;
  applied.paths.push_back(operation.path);
  applied.stats.push_back(NodeStat{});
  return std::optional<Error>();
}

Result<std::optional<Error>> TreeWriter::Apply(const CreateOperation& operation, Applied& applied) {
  using Refusal = std::optional<Error>;
  if (operation.path == "/") return Refusal(AlreadyExists("node exists already: /"));
  const std::string_view parent_path = Parent(operation.path);
  const std::optional<Row> parent = PK_TRY(FindRow(connection_, parent_path));
  if (!parent.has_value()) {
    return Refusal(NotFound(fmt::format("parent does not exist: {}", operation.path)));
  }
  std::string path = operation.path;
  int64_t next_sequence = parent->next_sequence;
  if (IsSequential(operation.mode)) path += fmt::format("{:010}", next_sequence++);
  if (PK_TRY(FindRow(connection_, path)).has_value()) {
    return Refusal(AlreadyExists(fmt::format("node exists already: {}", path)));
  }
  if (parent->stat.ephemeral_owner != 0) {
    return Refusal(
        FailedPrecondition(fmt::format("parent is ephemeral and so has no children: {}", path)));
  }
  const NodeStat stat{.version = 0,
                      .czxid = zxid_,
                      .mzxid = zxid_,
                      .ctime_ms = now_ms_,
                      .mtime_ms = now_ms_,
                      .ephemeral_owner = IsEphemeral(operation.mode) ? session_ : 0,
                      .children = 0};
  PK_TRY(connection_.Execute(
      kInsert, {parent_path, LastSegment(path), int64_t(zxid_), int64_t(zxid_), now_ms_, now_ms_,
                int64_t(stat.ephemeral_owner), Blob{operation.value}}));
  PK_TRY(connection_.Execute(kAddChild, {next_sequence, parent->id}));
  PK_TRY(LogChange(path, Change::Kind::kCreated));
  applied.paths.push_back(std::move(path));
  applied.stats.push_back(stat);
  return Refusal();
}

Result<std::optional<Error>> TreeWriter::Apply(const SetOperation& operation, Applied& applied) {
  const std::optional<Row> row = PK_TRY(FindRow(connection_, operation.path));
  if (auto reason = Mismatch(row, operation.path, operation.version)) return reason;
  NodeStat stat = row->stat;
  stat.version = NextVersion(stat.version);
  stat.mzxid = zxid_;
  stat.mtime_ms = now_ms_;
  PK_TRY(connection_.Execute(
      kSet, {int64_t(stat.version), int64_t(zxid_), now_ms_, Blob{operation.value}, row->id}));
  PK_TRY(LogChange(operation.path, Change::Kind::kSet));
  applied.paths.push_back(operation.path);
  applied.stats.push_back(stat);
  return std::optional<Error>();
}

Result<std::optional<Error>> TreeWriter::Apply(const RemoveOperation& operation, Applied& applied) {
  using Refusal = std::optional<Error>;
  const std::optional<Row> row = PK_TRY(FindRow(connection_, operation.path));
  if (auto reason = Mismatch(row, operation.path, operation.version)) return reason;
  if (row->stat.children != 0) {
    return Refusal(FailedPrecondition(fmt::format("node has children: {}", operation.path)));
  }
  PK_TRY(RemoveRow(row->id, Parent(operation.path), operation.path));
  applied.paths.push_back(operation.path);
  applied.stats.push_back(NodeStat{});
  return Refusal();
}

Result<> TreeWriter::EndSession(uint64_t session) {
  struct Owned {
    int64_t id;
    std::string parent;
    std::string name;
  };
  std::vector<Owned> owned;
  {
    Cursor cursor = PK_TRY(connection_.Query(kOwned, {int64_t(session)}));
    while (PK_TRY(cursor.Next())) {
      owned.push_back({cursor.Int(0), std::string(cursor.Text(1)), std::string(cursor.Text(2))});
    }
  }
  for (const Owned& node : owned) {
    PK_TRY(RemoveRow(node.id, node.parent, Join(node.parent, node.name)));
  }
  PK_TRY(connection_.Execute(kDeleteSession, {int64_t(session)}));
  return {};
}

Result<> TreeWriter::RemoveRow(int64_t row, std::string_view parent, std::string_view path) {
  PK_TRY(connection_.Execute(kDelete, {row}));
  const Key key = KeyOf(parent);
  PK_TRY(connection_.Execute(kTakeChild, {key.parent, key.name}));
  return LogChange(path, Change::Kind::kRemoved);
}

Result<> TreeWriter::LogChange(std::string_view path, Change::Kind kind) {
  changed_ = true;
  PK_TRY(connection_.Execute(kLogChange, {path, int64_t(kind)}));
  return {};
}

Result<> TreeWriter::PruneChanges() {
  if (!changed_) return {};
  const int64_t last = PK_TRY(LastChange(connection_));
  const int64_t first = PK_TRY(connection_.Number(kFirstChange)).value_or(0);
  if (last - first < kKeptChanges + kPruneStride) return {};
  // The newest row always stays, so ids go on from it.
  PK_TRY(connection_.Execute(kPruneChanges, {last - kKeptChanges}));
  return {};
}

Result<std::vector<SessionRow>> ReadSessions(Connection& connection) {
  std::vector<SessionRow> sessions;
  Cursor cursor = PK_TRY(connection.Query(kSessions));
  while (PK_TRY(cursor.Next())) {
    sessions.push_back({.id = uint64_t(cursor.Int(0)),
                        .slot = cursor.Int(1),
                        .timeout = std::chrono::milliseconds(cursor.Int(2)),
                        .boot = std::string(cursor.Text(3))});
  }
  return sessions;
}

Result<> InsertSession(Connection& connection, const SessionRow& session) {
  PK_TRY(connection.Execute(kInsertSession,
                            {int64_t(session.id), session.slot, int64_t(session.timeout.count()),
                             std::string_view(session.boot)}));
  return {};
}

}  // namespace pk::coordination::sqlite
