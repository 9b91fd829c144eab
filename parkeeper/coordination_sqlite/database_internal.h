#pragma once

// One connection to the SQLite file, its prepared statements and its transactions, with every
// SQLite result mapped to an Error that says what the caller does next. The only code that knows
// SQLite's API.
//
// Threading: a Connection and its Cursors belong to one thread at a time.

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "parkeeper/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace pk::coordination::sqlite {

struct Blob {
  std::string_view bytes;
};
// What a statement is given: a number, text, or bytes.
using SqlValue = std::variant<int64_t, std::string_view, Blob>;

class Connection;

// The rows of one running statement. Resets the statement when it goes; what a text or blob views
// into is valid until the next Next().
class Cursor {
 public:
  Cursor(Connection& connection, sqlite3_stmt* statement)
      : connection_(&connection), statement_(statement) {}
  Cursor(Cursor&& other) noexcept
      : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}
  Cursor& operator=(Cursor&&) = delete;
  ~Cursor();

  // True: there is a row. False: no more.
  Result<bool> Next();
  int64_t Int(int column) const;
  std::string_view Text(int column) const;
  std::string_view Bytes(int column) const;

 private:
  Connection* connection_;
  sqlite3_stmt* statement_;
};

class Connection {
 public:
  // Opens the file, making it when `create`. `busy` is how long a statement waits for a lock of
  // SQLite itself.
  static Result<std::unique_ptr<Connection>> Open(const std::string& file, bool create,
                                                  std::chrono::milliseconds busy);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `sql` must be a constant: statements are prepared once and found again by its address.
  Result<Cursor> Query(const char* sql, std::initializer_list<SqlValue> values = {});
  // Runs to the end; rows are dropped. Gives the number of rows changed.
  Result<int64_t> Execute(const char* sql, std::initializer_list<SqlValue> values = {});
  // The first column of the first row; nullopt without a row.
  Result<std::optional<int64_t>> Number(const char* sql,
                                        std::initializer_list<SqlValue> values = {});
  // Any SQL text, several statements, not kept.
  Result<> Script(const std::string& sql);

  // Frames in the write-ahead log after the last commit of this connection.
  int log_frames() const { return log_frames_; }
  // Copies what it can of the log into the file. The caller excludes every writer.
  Result<> Checkpoint();

  bool in_transaction() const;
  // The Error of the last call that failed, as something that did not happen.
  Error Failure() const;
  const std::string& file() const { return file_; }
  sqlite3* handle() const { return db_; }

 private:
  Connection(std::string file, sqlite3* db) : file_(std::move(file)), db_(db) {}
  Result<sqlite3_stmt*> Prepare(const char* sql);
  static int OnCommit(void* self, sqlite3*, const char*, int frames);

  std::string file_;
  sqlite3* db_;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
  int log_frames_ = 0;
};

// BEGIN ... COMMIT on a connection; rolls back unless committed.
class SqlTransaction {
 public:
  enum class Kind { kRead, kWrite };
  static Result<SqlTransaction> Begin(Connection& connection, Kind kind);
  SqlTransaction(SqlTransaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  SqlTransaction& operator=(SqlTransaction&&) = delete;
  ~SqlTransaction() { Rollback(); }

  // kOutcomeUnknown when the log could not be written or synchronised: its frames may still be
  // found by a recovery.
  Result<> Commit();
  void Rollback();

 private:
  explicit SqlTransaction(Connection& connection) : connection_(&connection) {}
  Connection* connection_;
};

}  // namespace pk::coordination::sqlite
