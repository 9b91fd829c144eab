#pragma once

// One DuckDB in memory with one connection, closed to everything but the files below one folder:
// nothing is installed or loaded, no network, no other file is read, and none is written but
// spilled rows in the folder for temporary files.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/sql/duckdb_api_internal.h"

namespace pk::sql {

struct EngineSettings {
  int threads = 0;                // 0: the cores available
  int64_t memory_bytes = 0;       // 0: as much as DuckDB takes by itself
  std::string temp_folder{};      // made when needed
  std::string readable_folder{};  // absolute; empty: no file is read
};

// Not thread-safe, but for Interrupt().
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> Open(const DuckApi& api, const EngineSettings& settings);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  const DuckApi& api() const { return api_; }
  DuckConnection connection() const { return connection_; }

  Result<> Execute(const std::string& text);
  // All rows of a query whose columns are VARCHAR.
  using Row = std::vector<std::optional<std::string>>;
  Result<std::vector<Row>> Rows(const std::string& text);
  // What runs on the connection ends soon, with an error.
  void Interrupt() { api_.interrupt(connection_); }

 private:
  explicit Engine(const DuckApi& api) : api_(api) {}
  Result<> OpenDatabase(const EngineSettings& settings);
  Result<> Close(const EngineSettings& settings);

  const DuckApi& api_;
  DuckDatabase database_ = nullptr;
  DuckConnection connection_ = nullptr;
};

// A result, destroyed with its owner.
class OwnedResult {
 public:
  explicit OwnedResult(const DuckApi& api) : api_(api) {}
  OwnedResult(const OwnedResult&) = delete;
  OwnedResult& operator=(const OwnedResult&) = delete;
  ~OwnedResult() { api_.destroy_result(&result_); }
  DuckResult* get() { return &result_; }

 private:
  const DuckApi& api_;
  DuckResult result_{};
};

// A prepared statement, destroyed with its owner.
class OwnedStatement {
 public:
  static Result<std::unique_ptr<OwnedStatement>> Prepare(Engine& engine, const std::string& text);
  OwnedStatement(const OwnedStatement&) = delete;
  OwnedStatement& operator=(const OwnedStatement&) = delete;
  ~OwnedStatement() { api_.destroy_prepare(&statement_); }
  DuckPrepared get() const { return statement_; }

 private:
  explicit OwnedStatement(const DuckApi& api) : api_(api) {}
  const DuckApi& api_;
  DuckPrepared statement_ = nullptr;
};

// The error that DuckDB's message stands for, by the kind that it begins with. The message is kept.
Error FailureOf(const char* message);

// `text` as a string constant and as an identifier of SQL.
std::string Quoted(std::string_view text);
std::string QuotedName(std::string_view name);

}  // namespace pk::sql
