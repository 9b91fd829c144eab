#pragma once

// SQL over tables: queries that DuckDB runs and that we plan. DuckDB's C library is loaded at run
// time (library.h).
//
// A query names tables by namespace and name; `AT (VERSION => ...)` (a snapshot id, a branch or a
// tag) or `AT (TIMESTAMP => ...)` behind a name reads another state of it. DuckDB first plans the
// query over stand-ins of the tables; what it pushes down to them, columns and filters, goes into
// our planning, so that files that cannot match are not opened. Then it reads what is left: local
// Parquet files by itself, where they hold the columns as the table has them, everything else as
// batches of our own scan. Both ways give the same rows (docs/guide/sql.md).
//
// Each query reads one state of each table, which its source pins: a snapshot, rows appended since
// another, some of the files. Describe tells for which tables the results over such parts add up to
// the result over the whole. DuckDB sees nothing else: no file outside of the
// storage's folder, no network, no extension, and only queries are run.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/table/scan.h"

namespace pk::sql {

// A table as a query names it, quotes taken off: "sales.orders" is {"sales", "orders"}, at most
// three parts; nested namespaces also as one part, "a.b". At least two.
using NameInQuery = std::vector<std::string>;

// What a query reads of a table.
struct TableState {
  std::shared_ptr<const iceberg::TableMetadata> metadata;
  // Where the query does not say AT, the rows of this snapshot; of them only those that were
  // appended since `after_snapshot`, and only those in the data files `files` (locations; empty: no
  // rows), as of table::ScanRequest, errors too. Where it says AT, the metadata alone count: all
  // rows of the state that it names.
  table::SnapshotSelector snapshot = {};
  std::optional<int64_t> after_snapshot = {};
  std::optional<std::vector<std::string>> files = {};
};
// Called once per query and name.
using TableSource = std::function<Result<TableState>(const NameInQuery&)>;

struct SessionOptions {
  std::string library{};      // as FindDuckDb (library.h) takes it
  int threads = 0;            // 0: the cores available
  int64_t memory_bytes = 0;   // of DuckDB; 0: its own choice, most of what the machine has
  std::string temp_folder{};  // for what does not fit into memory; empty: the system's
};

// How the rows of a table come to DuckDB.
enum class ReadBy {
  kNobody,  // no file can match
  kDuckDb,  // it opens the files
  kScan,    // our scan opens them
};

// What a query reads of one table.
struct TableUse {
  NameInQuery table;
  std::string name;      // "sales.orders", with " at ..." behind it
  table::ScanPlan plan;  // with the filter and the columns that reached planning
  ReadBy read_by = ReadBy::kNobody;
  std::string why_scan;  // why DuckDB does not read the files; else empty
};

struct Answer {
  // Ends with the next call of the session, before which it is done with. Column names are unique:
  // a second "id" is "id_1".
  std::unique_ptr<datafile::BatchSource> rows;
  std::vector<TableUse> tables;
};
struct Explanation {
  std::vector<TableUse> tables;
  std::string plan;  // DuckDB's, for people
};

// How the result of a query depends on one of its tables.
//
// *Linear*: whatever rows the table and the others hold, the result over the union of any parts of
// this table's rows is, as a multiset, the union of the results over each part. So the parts can be
// run apart, over `files` of TableState, and what newly appended rows add to the result is the
// result over them alone, by `after_snapshot`. Where the query is linear in A and in B, both with
// new rows, the result grows by Q(new A, old B) and Q(all of A, new B).
//
// True only where it is certain, from the operators of DuckDB's plan: projections, filters, unnest,
// inner joins and cross products; outer, semi and anti joins, IN, EXISTS and other subqueries for
// the table whose rows they keep or drop. The table is named once and without AT, and the query
// calls nothing that may give something else the next time, as random() and now() do. Equal are
// rows that SQL takes for equal (0.0 and -0.0).
struct TableShape {
  NameInQuery name;
  int times = 0;    // that the query names the table, under this name or others
  bool at = false;  // with AT somewhere
  bool linear = false;
  // The result is one aggregation, with nothing behind it, of what is linear in the table, and the
  // results over parts are partial aggregates: the same aggregation of all of them, by the keys,
  // sums for counts, gives the result over the whole. Sums of floating point may round otherwise.
  bool aggregates_linear = false;
  // Where it is not linear, the reason, as the end of a sentence: "the number of rows is limited
  // (LIMIT)". Of an aggregation the first that stands against partial aggregates.
  std::string why_not;
};

// What a query gives, known without reading rows.
struct QueryShape {
  std::vector<TableShape> tables;  // one for each name
  iceberg::Schema columns;         // of the batches that Query gives
};

// Not thread-safe; sessions are independent of each other.
class Session {
 public:
  // The storage must outlive it. Errors as of FindDuckDb.
  static Result<std::unique_ptr<Session>> Open(storage::Storage& storage, TableSource tables,
                                               const SessionOptions& options);
  virtual ~Session() = default;

  // kInvalidArgument: DuckDB's word on a query that is wrong, or for anything but one query a
  // sentence that says what to use instead; kUnsupported: a column has a type, or a table names,
  // that have no counterpart on the other side; kCancelled once `stop` asks for it; else the errors
  // of PlanScan and of the table source.
  virtual Result<Answer> Query(std::string_view text, std::stop_token stop) = 0;
  // The same up to the first row.
  virtual Result<Explanation> Explain(std::string_view text, std::stop_token stop) = 0;
  // Errors of Query that are known before a file is planned or opened.
  virtual Result<QueryShape> Describe(std::string_view text) = 0;
};

// For people, as --explain prints it.
std::string ToText(const Explanation& explanation);
// For scripts.
std::string ToJson(const Explanation& explanation);

}  // namespace pk::sql
