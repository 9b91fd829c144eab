#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

#include "parkeeper/coordination_sqlite/database_internal.h"

namespace pk::coordination::sqlite {
namespace {

// journal_size_limit: what the log keeps on disk when it starts again.
constexpr char kSetUp[] =
    "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;"
    "PRAGMA journal_size_limit=16777216;";

ErrorCode CodeOf(int result) {
  switch (result & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_CANTOPEN:
      return ErrorCode::kUnavailable;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return ErrorCode::kPermissionDenied;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_TOOBIG:
      return ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kInternal;
  }
}

std::string Describe(sqlite3* db) {
  const int system = sqlite3_system_errno(db);
  const int code = sqlite3_extended_errcode(db);
  std::string text = fmt::format("{} (SQLite result {}", sqlite3_errmsg(db), code);
  const bool by_system = (code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN;
  if (system != 0 && by_system) text += fmt::format(", errno {}", system);
  return text + ")";
}

int BindOne(sqlite3_stmt* statement, int index, const SqlValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    return sqlite3_bind_int64(statement, index, *number);
  }
  // SQLITE_STATIC: the caller's bytes outlive the cursor or the Execute call. A null pointer would
  // bind NULL, so nothing at all is bound as empty bytes.
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    const char* data = text->empty() ? "" : text->data();
    return sqlite3_bind_text64(statement, index, data, text->size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  const std::string_view bytes = std::get<Blob>(value).bytes;
  return sqlite3_bind_blob64(statement, index, bytes.empty() ? "" : bytes.data(), bytes.size(),
                             SQLITE_STATIC);
}

}  // namespace

Cursor::~Cursor() {
  if (statement_ != nullptr) sqlite3_reset(statement_);
}

Result<bool> Cursor::Next() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return connection_->Failure();
}

int64_t Cursor::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string_view Cursor::Text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return {data == nullptr ? "" : data, size_t(sqlite3_column_bytes(statement_, column))};
}

std::string_view Cursor::Bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {data == nullptr ? "" : data, size_t(sqlite3_column_bytes(statement_, column))};
}

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& file, bool create,
                                                     std::chrono::milliseconds busy) {
  sqlite3* db = nullptr;
  // No mutex: a connection is used by one thread at a time.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
  const int result = sqlite3_open_v2(file.c_str(), &db, flags, nullptr);
  std::unique_ptr<Connection> connection(new Connection(file, db));
  if (result != SQLITE_OK) return connection->Failure().With("open");
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, int(busy.count()));
  // The log goes into the file only by Checkpoint(), under the lock that excludes writers.
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_wal_autocheckpoint(db, 0);
  sqlite3_wal_hook(db, &Connection::OnCommit, connection.get());
  PK_TRY(connection->Script(kSetUp));
  return connection;
}

Connection::~Connection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(db_);
}

int Connection::OnCommit(void* self, sqlite3*, const char*, int frames) {
  static_cast<Connection*>(self)->log_frames_ = frames;
  return SQLITE_OK;
}

Result<sqlite3_stmt*> Connection::Prepare(const char* sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK) {
    return Failure();
  }
  statements_.emplace(sql, statement);
  return statement;
}

Result<Cursor> Connection::Query(const char* sql, std::initializer_list<SqlValue> values) {
  sqlite3_stmt* statement = PK_TRY(Prepare(sql));
  int index = 0;
  for (const SqlValue& value : values) {
    if (BindOne(statement, ++index, value) != SQLITE_OK) return Failure();
  }
  return Cursor(*this, statement);
}

Result<int64_t> Connection::Execute(const char* sql, std::initializer_list<SqlValue> values) {
  Cursor cursor = PK_TRY(Query(sql, values));
  while (PK_TRY(cursor.Next())) {
  }
  return sqlite3_changes64(db_);
}

Result<std::optional<int64_t>> Connection::Number(const char* sql,
                                                  std::initializer_list<SqlValue> values) {
  Cursor cursor = PK_TRY(Query(sql, values));
  std::optional<int64_t> number;
  if (PK_TRY(cursor.Next())) number = cursor.Int(0);
  // To the end: a statement that modifies is done only then.
  while (number.has_value() && PK_TRY(cursor.Next())) {
  }
  return number;
}

Result<> Connection::Script(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return Failure();
  return {};
}

Result<> Connection::Checkpoint() {
  if (sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr) !=
      SQLITE_OK) {
    return Failure().With("checkpoint");
  }
  return {};
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

Error Connection::Failure() const {
  return Error(CodeOf(sqlite3_extended_errcode(db_)),
               fmt::format("coordinator file {}: {}", file_, Describe(db_)));
}

Result<SqlTransaction> SqlTransaction::Begin(Connection& connection, Kind kind) {
  PK_TRY(connection.Execute(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN"));
  return SqlTransaction(connection);
}

Result<> SqlTransaction::Commit() {
  const Result<int64_t> committed = connection_->Execute("COMMIT");
  if (committed.ok()) {
    connection_ = nullptr;
    return {};
  }
  // A lock that was not free is the one failure at which nothing was written.
  const bool busy = (sqlite3_extended_errcode(connection_->handle()) & 0xFF) == SQLITE_BUSY;
  Rollback();
  if (busy) return committed.error();
  return OutcomeUnknown(committed.error().message()).With("commit");
}

void SqlTransaction::Rollback() {
  // Fails when SQLite has rolled back by itself; the owner of the connection looks at
  // in_transaction() afterwards.
  if (connection_ != nullptr && connection_->in_transaction()) {
    (void)connection_->Execute("ROLLBACK");
  }
  connection_ = nullptr;
}

}  // namespace pk::coordination::sqlite
