#include "parkeeper/sql/query_tables_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "parkeeper/datafile/arrow_c.h"
#include "parkeeper/sql/duck_types_internal.h"
#include "parkeeper/sql/pushdown_internal.h"

namespace pk::sql {
namespace {

constexpr int64_t kUnknownRows = 1'000'000;

// DuckDB's names are the same in any case of their ASCII letters.
std::string Folded(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c;
  return out;
}

// The state that the query names; "" where it names none.
std::string AtText(const QueryTable& table) {
  if (!table.at) return "";
  const table::SnapshotSelector& snapshot = table.state.snapshot;
  if (const auto* id = std::get_if<int64_t>(&snapshot)) return fmt::format(" at {}", *id);
  if (const auto* time = std::get_if<table::AsOfTime>(&snapshot)) {
    return " at " + iceberg::ToString(iceberg::Value(time->timestamp_ms * 1'000),
                                      {.kind = iceberg::PrimitiveKind::kTimestamptz});
  }
  return " at " + std::get<std::string>(snapshot);
}

std::string Shown(const QueryTable& table) {
  std::string text;
  for (const std::string& part : table.name) text += (text.empty() ? "" : ".") + part;
  return text + AtText(table);
}

// The namespace with dots between its levels; under another name where DuckDB has one of its own.
std::string SchemaNameOf(const NameInQuery& name) {
  static const std::set<std::string> kTaken = {"information_schema", "main",   "memory",
                                               "pg_catalog",         "system", "temp"};
  std::string text;
  for (size_t i = 0; i + 1 < name.size(); ++i) text += (i > 0 ? "." : "") + name[i];
  return kTaken.contains(Folded(text)) ? "namespace " + text : text;
}

Result<std::string> OneText(Engine& engine, const std::string& expression) {
  const auto rows = PK_TRY(engine.Rows(fmt::format("SELECT ({}\n)::VARCHAR", expression)));
  PK_CHECK(rows.size() == 1 && rows[0][0], InvalidArgument("the value is null"));
  return *rows[0][0];
}

Result<table::SnapshotSelector> SnapshotOf(Engine& engine, const TableReference& reference) {
  using Travel = TableReference::Travel;
  if (reference.travel == Travel::kNone) return table::SnapshotSelector();
  if (reference.travel == Travel::kTimestamp) {
    const std::string text =
        PK_TRY(OneText(engine, fmt::format("epoch_ms(({}\n)::TIMESTAMPTZ)", reference.travel_value))
                   .With("AT (TIMESTAMP => ...)"));
    return table::SnapshotSelector(table::AsOfTime{std::stoll(text)});
  }
  const std::string text =
      PK_TRY(OneText(engine, reference.travel_value).With("AT (VERSION => ...)"));
  int64_t id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (failure == std::errc() && end == text.data() + text.size()) {
    return table::SnapshotSelector(id);
  }
  return table::SnapshotSelector(text);
}

Result<> CheckColumns(const iceberg::Schema& schema) {
  PK_CHECK(!schema.fields().empty(), Unsupported("the table has no columns"));
  std::map<std::string, std::string> seen;
  for (const iceberg::Field& field : schema.fields()) {
    const auto [place, added] = seen.emplace(Folded(field.name), field.name);
    PK_CHECK(added, Unsupported(fmt::format("SQL cannot tell columns '{}' and '{}' apart",
                                            place->second, field.name)));
  }
  return {};
}

// A plan that reads nothing but the manifest list tells the schema of a past state.
Result<std::shared_ptr<const iceberg::Schema>> SchemaOf(storage::Storage& storage,
                                                        const QueryTable& table) {
  const iceberg::TableMetadata& metadata = *table.state.metadata;
  if (std::holds_alternative<std::monostate>(table.state.snapshot)) {
    for (const auto& schema : metadata.schemas) {
      if (schema->schema_id() == metadata.current_schema_id) return schema;
    }
  }
  const auto plan = PK_TRY(table::PlanScan(
      storage, metadata,
      {.filter = iceberg::False{}, .columns = {}, .snapshot = table.state.snapshot, .limit = {}}));
  return plan.table_schema;
}

int64_t RowsOf(const QueryTable& table) {
  const auto* id = std::get_if<int64_t>(&table.state.snapshot);
  const auto snapshot = id == nullptr ? table.state.metadata->current_snapshot()
                                      : table.state.metadata->FindSnapshot(*id);
  if (snapshot == nullptr) return 0;
  const auto found = snapshot->summary.find("total-records");
  int64_t rows = kUnknownRows;
  if (found != snapshot->summary.end()) {
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), rows);
  }
  return rows;
}

// `columns` of `from` under the table's names; the others as nulls, for a query may name in passing
// what it does not read.
std::string ViewOver(const QueryTable& table, const std::set<size_t>& columns,
                     const std::string& from) {
  std::string list;
  const auto& fields = table.schema->fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    list += fmt::format("{}{}::{} AS {}", i > 0 ? ", " : "",
                        columns.contains(i) ? ColumnName(i) : "NULL", DuckTypeOf(fields[i].type),
                        QuotedName(fields[i].name));
  }
  return fmt::format("CREATE OR REPLACE VIEW {}.{} AS SELECT {} FROM {}",
                     QuotedName(table.schema_name), QuotedName(table.view_name), list, from);
}

std::set<size_t> AllColumns(const iceberg::Schema& schema) {
  std::set<size_t> columns;
  for (size_t i = 0; i < schema.fields().size(); ++i) columns.insert(i);
  return columns;
}

// At least one column has to be read to count rows: one that costs little.
std::set<size_t> ColumnsToRead(const QueryTable& table) {
  if (!table.columns.empty()) return table.columns;
  const auto& fields = table.schema->fields();
  const auto primitive = std::ranges::find_if(
      fields, [](const iceberg::Field& field) { return field.type.is_primitive(); });
  return {primitive == fields.end() ? 0 : size_t(primitive - fields.begin())};
}

// With its names and, where the query says AT, the snapshot.
Result<QueryTable> TableAt(Engine& engine, const TableReference& reference) {
  QueryTable table;
  table.name = reference.parts;
  table.state.snapshot = PK_TRY(SnapshotOf(engine, reference));
  table.at = reference.travel != TableReference::Travel::kNone;
  table.schema_name = SchemaNameOf(reference.parts);
  table.filter = iceberg::False{};
  table.view_name = table.name.back() + AtText(table);
  return table;
}

iceberg::Expression Either(const iceberg::Expression& left, iceberg::Expression right) {
  if (left.is_true() || right.is_true()) return iceberg::True{};
  if (left.is_false()) return right;
  return iceberg::Expression::Or{{left, std::move(right)}};
}

}  // namespace

Result<ResolvedQuery> Resolve(Engine& engine, storage::Storage& storage, const TableSource& source,
                              const Statement& statement) {
  ResolvedQuery query;
  std::map<NameInQuery, TableState> loaded;
  std::map<std::pair<std::string, std::string>, size_t> by_view;  // folded names
  std::vector<std::pair<std::string, std::string>> names;
  for (const TableReference& reference : statement.tables) {
    QueryTable table = PK_TRY(TableAt(engine, reference));
    names.emplace_back(table.schema_name, table.view_name);
    const auto [place, added] = by_view.try_emplace(
        {Folded(table.schema_name), Folded(table.view_name)}, query.tables.size());
    if (!added) {
      QueryTable& other = query.tables[place->second];
      PK_CHECK(other.schema_name == table.schema_name && other.view_name == table.view_name,
               Unsupported(fmt::format("SQL cannot tell the tables '{}' and '{}' apart",
                                       Shown(other), Shown(table))));
      ++other.times;
      continue;
    }
    TableState& state = loaded[table.name];
    if (state.metadata == nullptr) state = PK_TRY(source(table.name));
    if (table.at) {
      table.state.metadata = state.metadata;
    } else {
      table.state = state;
    }
    table.schema = PK_TRY(SchemaOf(storage, table).With(Shown(table)));
    PK_TRY(CheckColumns(*table.schema).With(Shown(table)));
    query.tables.push_back(std::move(table));
  }
  query.text = Renamed(statement, names);
  return query;
}

namespace {

// SQL without what stands between quotes.
std::string WithoutConstants(std::string_view sql) {
  std::string rest;
  bool quoted = false;
  for (const char c : sql) {
    if (c == '\'') quoted = !quoted;
    if (!quoted) rest += c;
  }
  return rest;
}

// A column of floating point stands in the filter.
bool FiltersFloats(const TableScan& scan, const iceberg::Schema& schema) {
  const std::string filter = WithoutConstants(scan.filter);
  return std::ranges::any_of(scan.columns, [&](size_t column) {
    const auto& type = schema.fields()[column].type;
    if (type != iceberg::Type(iceberg::PrimitiveKind::kFloat) &&
        type != iceberg::Type(iceberg::PrimitiveKind::kDouble)) {
      return false;
    }
    const std::string name = ColumnName(column);
    for (size_t at = filter.find(name); at != filter.npos; at = filter.find(name, at + 1)) {
      const size_t end = at + name.size();
      if (end == filter.size() || filter[end] < '0' || filter[end] > '9') return true;
    }
    return false;
  });
}

void Note(Engine& engine, const TableScan& scan, QueryTable& table) {
  table.is_read = true;
  table.filters_floats |= FiltersFloats(scan, *table.schema);
  table.columns.insert(scan.columns.begin(), scan.columns.end());
  iceberg::Expression filter = iceberg::True{};
  if (!scan.filter.empty()) {
    const auto tree =
        engine.Rows("SELECT json_serialize_sql(" + Quoted("SELECT " + scan.filter) + ")");
    if (tree.ok() && tree->front()[0]) filter = ImpliedFilter(*tree->front()[0], *table.schema);
  }
  table.filter = Either(table.filter, std::move(filter));
}

// What there is to do where nothing is known.
void ReadAll(QueryTable& table) {
  table.columns = AllColumns(*table.schema);
  table.filter = iceberg::True{};
  table.is_read = true;
  table.filters_floats = true;
}

}  // namespace

Result<std::string> PlanOverStandIns(Engine& engine, StandIns& stand_ins,
                                     const ResolvedQuery& query) {
  for (size_t i = 0; i < query.tables.size(); ++i) {
    const QueryTable& table = query.tables[i];
    PK_TRY(stand_ins.Set(i, *table.schema, RowsOf(table)).With(Shown(table)));
    PK_TRY(engine.Execute("CREATE SCHEMA IF NOT EXISTS " + QuotedName(table.schema_name)));
    PK_TRY(engine.Execute(ViewOver(table, AllColumns(*table.schema), StandInName(i) + "()")));
  }
  // Long lists stay filters in the plan that we read, rather than joins with their values.
  PK_TRY(engine.Execute("SET disabled_optimizers = 'in_clause'"));
  auto explained = engine.Rows("EXPLAIN (FORMAT json) " + query.text);
  PK_TRY(engine.Execute("SET disabled_optimizers = ''"));
  if (!explained.ok()) {
    // DuckDB's word on the query as it was written.
    PK_TRY(OwnedStatement::Prepare(engine, query.text));
    return std::move(explained).error();
  }
  PK_CHECK(explained->size() == 1 && explained->front().size() == 2 && explained->front()[1],
           Internal("DuckDB gave no plan"));
  return *std::move(explained->front()[1]);
}

void NotePlan(Engine& engine, std::string_view plan, ResolvedQuery& query) {
  const auto scans = ReadScans(plan, query.tables.size());
  for (size_t i = 0; scans.ok() && i < query.tables.size(); ++i) {
    QueryTable& table = query.tables[i];
    for (const TableScan& scan : *scans) {
      if (scan.table == i) Note(engine, scan, table);
    }
  }
  for (QueryTable& table : query.tables) {
    if (!scans.ok()) ReadAll(table);
  }
}

namespace {

// What DuckDB calls the rows of our scan of table `number`.
std::string RowsName(size_t number) { return fmt::format("parkeeper_rows_{}", number); }

// The rows of our scan in a table of DuckDB's, which spills what does not fit into memory. A view
// over the stream would not do: DuckDB may read it twice, and takes it for one that filters and
// projects.
Result<std::string> FromScan(Engine& engine, storage::Storage& storage, size_t number,
                             const std::set<size_t>& columns, const table::ScanPlan& plan,
                             const ReadingOptions& options) {
  // DuckDB knows a dictionary again by its address, which the next batch's may have.
  auto rows = PK_TRY(table::Scan(
      storage, plan, {.threads = options.threads, .dictionaries = false, .stop = options.stop}));
  std::optional<Error> failure;
  const auto stream = PK_TRY(datafile::HoldStream(std::move(rows), failure));
  const std::string name = RowsName(number);
  PK_CHECK(engine.api().arrow_scan(engine.connection(), (name + "_stream").c_str(), stream.get()) ==
               kDuckSuccess,
           Internal("DuckDB takes no stream of rows"));
  std::string list;
  for (const size_t column : columns) list += (list.empty() ? "" : ", ") + ColumnName(column);
  std::stop_callback interrupt(options.stop, [&] { engine.Interrupt(); });
  const Result<> copied = engine.Execute(fmt::format(
      "CREATE OR REPLACE TEMP TABLE {0} AS SELECT * FROM {0}_stream AS answer({1})", name, list));
  PK_TRY(engine.Execute(fmt::format("DROP VIEW {}_stream", name)));
  if (failure) return *failure;
  PK_CHECK(!options.stop.stop_requested(), Cancelled("the query was stopped"));
  PK_CHECK(copied.ok(), copied.error());
  return name;
}

}  // namespace

Result<std::vector<TableUse>> PrepareReading(Engine& engine, storage::Storage& storage,
                                             ParquetFiles& files, const ResolvedQuery& query,
                                             const ReadingOptions& options) {
  std::vector<TableUse> uses;
  for (size_t i = 0; i < query.tables.size(); ++i) {
    const QueryTable& table = query.tables[i];
    const std::set<size_t> columns = ColumnsToRead(table);
    table::ScanRequest request{.filter = table.filter,
                               .columns = {},
                               .snapshot = table.state.snapshot,
                               .limit = {},
                               .after_snapshot = table.state.after_snapshot,
                               .files = table.state.files};
    for (const size_t column : columns) {
      request.columns.push_back(table.schema->fields()[column].name);
    }
    TableUse use{.table = table.name, .name = Shown(table), .plan = {}, .why_scan = {}};
    use.plan = PK_TRY(
        table::PlanScan(storage, *table.state.metadata, request, {.threads = options.threads})
            .With(use.name));
    std::string from = StandInName(i) + "()";
    if (!use.plan.tasks.empty() && table.is_read) {
      auto source = PK_TRY(files.Read(use.plan, columns));
      // DuckDB takes the statistics of a file for those of all its values, but they leave NaN out.
      if (!source.from.empty() && table.filters_floats) {
        source = {.from = {}, .why_not = "a filter on floats, where NaN needs care"};
      }
      use.read_by = source.from.empty() ? ReadBy::kScan : ReadBy::kDuckDb;
      use.why_scan = std::move(source.why_not);
      from = std::move(source.from);
      if (use.read_by == ReadBy::kScan && options.start) {
        from = PK_TRY(FromScan(engine, storage, i, columns, use.plan, options).With(use.name));
      }
    }
    if (!from.empty()) PK_TRY(engine.Execute(ViewOver(table, columns, from)).With(use.name));
    uses.push_back(std::move(use));
  }
  return uses;
}

void Forget(Engine& engine, const ResolvedQuery& query) {
  for (size_t i = 0; i < query.tables.size(); ++i) {
    const QueryTable& table = query.tables[i];
    for (const std::string& drop :
         {fmt::format("DROP VIEW IF EXISTS {}.{}", QuotedName(table.schema_name),
                      QuotedName(table.view_name)),
          "DROP TABLE IF EXISTS " + RowsName(i)}) {
      // A view that stays is made anew by the next query that names its table.
      static_cast<void>(engine.Execute(drop));
    }
  }
}

}  // namespace pk::sql
