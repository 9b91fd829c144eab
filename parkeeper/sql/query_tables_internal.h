#pragma once

// The tables of one query: resolved, planned, and made visible to DuckDB under their names.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/sql/engine_internal.h"
#include "parkeeper/sql/parquet_files_internal.h"
#include "parkeeper/sql/session.h"
#include "parkeeper/sql/stand_in_internal.h"
#include "parkeeper/sql/statement_internal.h"

namespace pk::sql {

// One state of one table.
struct QueryTable {
  NameInQuery name;
  TableState state;
  bool at = false;                                // the query says which
  int times = 1;                                  // that the query names it, under any name
  std::shared_ptr<const iceberg::Schema> schema;  // of that state
  // What DuckDB calls it.
  std::string schema_name;
  std::string view_name;
  // What its plan of the query says.
  std::set<size_t> columns;
  iceberg::Expression filter = iceberg::True{};
  bool is_read = false;
  bool filters_floats = false;
};

struct ResolvedQuery {
  std::vector<QueryTable> tables;
  std::string text;  // in which each is called as the view
};

// kUnsupported: names that differ by case only; errors of `source` and of AT's values.
Result<ResolvedQuery> Resolve(Engine& engine, storage::Storage& storage, const TableSource& source,
                              const Statement& statement);

// Makes views over stand-ins and lets DuckDB plan the query: what EXPLAIN (FORMAT json) gives.
Result<std::string> PlanOverStandIns(Engine& engine, StandIns& stand_ins,
                                     const ResolvedQuery& query);
// Notes in the tables what the plan says of them.
void NotePlan(Engine& engine, std::string_view plan, ResolvedQuery& query);

struct ReadingOptions {
  int threads = 0;
  bool start = true;  // else only what would be read is told
  std::stop_token stop{};
};
// Plans each table's scan and makes views over what is left to read.
Result<std::vector<TableUse>> PrepareReading(Engine& engine, storage::Storage& storage,
                                             ParquetFiles& files, const ResolvedQuery& query,
                                             const ReadingOptions& options);

// Takes the views away again.
void Forget(Engine& engine, const ResolvedQuery& query);

}  // namespace pk::sql
