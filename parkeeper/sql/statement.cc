#include "parkeeper/sql/statement_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "parkeeper/base/json.h"
#include "parkeeper/sql/query_text_internal.h"
#include "parkeeper/sql/tree_internal.h"

namespace pk::sql {
namespace {

namespace bj = boost::json;

// Walks the tree of a parsed query.
class Collector {
 public:
  explicit Collector(std::string_view text) : text_(text) {}

  Result<> Visit(const bj::value& value) {
    if (const auto* array = value.if_array()) {
      for (const bj::value& item : *array) PK_TRY(Visit(item));
    }
    const auto* object = value.if_object();
    if (object == nullptr) return {};
    PK_TRY(VisitNode(*object));
    for (const auto& [key, member] : *object) {
      if (key == "cte_map") AddCommonTables(member);
      PK_TRY(Visit(member));
    }
    return {};
  }

  Result<std::vector<TableReference>> Finish() {
    for (const std::string& name : unqualified_) {
      if (common_tables_.contains(name)) continue;
      const bool file = name.find_first_of("./") != name.npos;
      return InvalidArgument(
          file ? fmt::format("'{}' is no table, and files are not read by a query: use 'parkeeper "
                             "import' to make a table of one",
                             name)
               : fmt::format("which table is '{0}'? Name it with its namespace, as in "
                             "NAMESPACE.{0}; 'parkeeper table list' shows them",
                             name));
    }
    return std::move(tables_);
  }

 private:
  Result<> VisitNode(const bj::object& node) {
    const std::string type = Member(node, "type");
    PK_CHECK(type != "SHOW_REF",
             InvalidArgument("SHOW, DESCRIBE and SUMMARIZE are no queries: " + InsteadOf("show")));
    if (type == "BASE_TABLE" && node.contains("table_name")) return AddTable(node);
    if (type == "TABLE_FUNCTION") {
      const bj::object* function = ObjectMember(node, "function");
      const std::string name = function == nullptr ? "" : Member(*function, "function_name");
      PK_CHECK(IsPureTableFunction(name),
               InvalidArgument(fmt::format(
                   "{}() is not part of SQL here, which reads tables only: use 'parkeeper import' "
                   "for files, and 'parkeeper table' for what is known of tables",
                   name)));
    }
    return {};
  }

  void AddCommonTables(const bj::value& value) {
    const bj::object* map = value.if_object();
    const bj::array* entries = map == nullptr ? nullptr : ArrayMember(*map, "map");
    if (entries == nullptr) return;
    for (const bj::value& entry : *entries) {
      if (const auto* pair = entry.if_object()) common_tables_.insert(Member(*pair, "key"));
    }
  }

  Result<> AddTable(const bj::object& node) {
    const std::string schema = Member(node, "schema_name"), name = Member(node, "table_name");
    const bj::object* at = ObjectMember(node, "at_clause");
    TableReference table;
    for (const std::string& part : {Member(node, "catalog_name"), schema, name}) {
      if (!part.empty()) table.parts.push_back(part);
    }
    if (schema.empty() && at == nullptr) {
      unqualified_.push_back(name);
      return {};
    }
    const std::string alias = Member(node, "alias");
    const bj::value* location = node.if_contains("query_location");
    const bool located = location != nullptr && location->is_int64();
    const auto place = FindName(text_, located ? size_t(location->get_int64()) : text_.size(),
                                table.parts, alias, at != nullptr);
    PK_CHECK(!schema.empty() && place,
             InvalidArgument(fmt::format("cannot make out where the query names the table '{}': "
                                         "write it as NAMESPACE.TABLE",
                                         name)));
    table.begin = place->begin;
    table.end = place->end;
    table.at_begin = place->at_begin;
    table.at_end = place->at_end;
    table.travel_value = place->at_value;
    table.has_alias = !alias.empty();
    if (at != nullptr) {
      table.travel = Member(*at, "unit") == "TIMESTAMP" ? TableReference::Travel::kTimestamp
                                                        : TableReference::Travel::kVersion;
    }
    tables_.push_back(std::move(table));
    return {};
  }

  std::string_view text_;
  std::vector<TableReference> tables_;
  std::vector<std::string> unqualified_;
  std::set<std::string> common_tables_;
};

Error NoQuery(std::string_view text) {
  const std::string word = FirstWord(text);
  // WITH ... INSERT INTO and the like.
  for (const char* verb : {"insert", "update", "delete", "merge"}) {
    if (word == "with" && HasWord(text, verb)) return InvalidArgument(InsteadOf(verb));
  }
  return InvalidArgument(InsteadOf(word));
}

}  // namespace

bool IsPureTableFunction(std::string_view name) {
  static const std::set<std::string, std::less<>> kNames = {
      "generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"};
  std::string folded(name);
  std::ranges::transform(folded, folded.begin(), [](char c) { return char(tolower(c)); });
  return kNames.contains(folded);
}

std::string InsteadOf(std::string_view first_word) {
  static const std::map<std::string_view, const char*> kInstead = {
      {"insert", "to add rows use 'parkeeper import FILES --into TABLE'"},
      {"copy",
       "to add rows use 'parkeeper import FILES --into TABLE'; to write a file use "
       "'parkeeper sql QUERY --format parquet --output FILE'"},
      {"update",
       "tables change by 'parkeeper import' and by the commands that 'parkeeper --help' "
       "lists"},
      {"delete",
       "tables change by 'parkeeper import' and by the commands that 'parkeeper --help' "
       "lists"},
      {"truncate", "use 'parkeeper table drop' and 'parkeeper table create'"},
      {"create",
       "use 'parkeeper table create' or 'parkeeper namespace create'; to keep a result "
       "use 'parkeeper sql QUERY --format parquet --output FILE' and 'parkeeper import'"},
      {"drop", "use 'parkeeper table drop' or 'parkeeper namespace drop'"},
      {"alter", "use 'parkeeper table rename' and what 'parkeeper table --help' lists"},
      {"explain", "use 'parkeeper sql QUERY --explain'"},
      {"show",
       "use 'parkeeper table list', 'parkeeper table describe TABLE' or 'parkeeper "
       "namespace list'"},
      {"set", "use the options that 'parkeeper sql --help' lists, such as --threads and --memory"},
      {"attach", "a lake is named by --lake; files become tables by 'parkeeper import'"},
      {"install", "extensions are not loaded; files become tables by 'parkeeper import'"},
      {"begin", "each query reads one state of each table, and nothing needs a transaction"},
      {"pivot", "write it as a query: SELECT ... FROM (PIVOT ... ON ... IN (...))"},
      {"call", "only queries are run; 'parkeeper --help' lists what else there is"},
  };
  static const std::map<std::string_view, std::string_view> kSame = {
      {"merge", "update"},    {"upsert", "insert"},   {"describe", "show"},  {"desc", "show"},
      {"summarize", "show"},  {"pragma", "set"},      {"reset", "set"},      {"use", "attach"},
      {"detach", "attach"},   {"load", "install"},    {"import", "copy"},    {"export", "copy"},
      {"start", "begin"},     {"commit", "begin"},    {"rollback", "begin"}, {"unpivot", "pivot"},
      {"checkpoint", "call"}, {"vacuum", "call"},     {"analyze", "call"},   {"prepare", "call"},
      {"execute", "call"},    {"deallocate", "call"}, {"comment", "alter"},  {"force", "call"}};
  const auto same = kSame.find(first_word);
  const auto found = kInstead.find(same == kSame.end() ? first_word : same->second);
  std::string said(first_word);
  std::ranges::transform(said, said.begin(), [](char c) { return char(toupper(c)); });
  return fmt::format("only queries are run here, not {}: {}", said.empty() ? "this" : said,
                     found == kInstead.end() ? kInstead.at("call") : found->second);
}

Result<Statement> ReadStatement(Engine& engine, std::string_view text) {
  PK_CHECK(text.find('\0') == text.npos, InvalidArgument("the query holds a NUL byte"));
  PK_CHECK(json::IsUtf8(text), InvalidArgument("the query is not UTF-8"));
  const auto rows =
      PK_TRY(engine.Rows("SELECT json_serialize_sql(" + Quoted(text) + ")").With("read the query"));
  PK_CHECK(rows.size() == 1 && rows[0].size() == 1 && rows[0][0],
           Internal("DuckDB's parser gave no answer"));
  const bj::value parsed = PK_TRY(ParseTree(*rows[0][0]));
  PK_CHECK(parsed.is_object(), Internal("DuckDB's parser gave no answer"));
  const bj::object& answer = parsed.get_object();
  if (answer.contains("error") && answer.at("error") == bj::value(true)) {
    if (Member(answer, "error_type") == "not implemented") return NoQuery(text);
    return InvalidArgument(Member(answer, "error_message"));
  }
  const bj::array* statements = ArrayMember(answer, "statements");
  PK_CHECK(statements != nullptr && !statements->empty(), InvalidArgument("there is no query"));
  PK_CHECK(statements->size() == 1,
           InvalidArgument(fmt::format("one query at a time, not {}: call 'parkeeper sql' for each",
                                       statements->size())));
  Collector collector(text);
  PK_TRY(collector.Visit(statements->front()));
  Statement statement;
  statement.text = std::string(text);
  statement.tree = *rows[0][0];
  statement.tables = PK_TRY(collector.Finish());
  return statement;
}

std::string Renamed(const Statement& statement,
                    const std::vector<std::pair<std::string, std::string>>& names) {
  struct Edit {
    size_t begin, end;
    std::string text;
  };
  std::vector<Edit> edits;
  for (size_t i = 0; i < statement.tables.size(); ++i) {
    const TableReference& table = statement.tables[i];
    const auto& [schema, name] = names[i];
    if (table.parts == std::vector<std::string>{schema, name}) continue;
    std::string text = QuotedName(schema) + "." + QuotedName(name);
    if (!table.has_alias) text += " AS " + QuotedName(table.parts.back());
    edits.push_back({table.begin, table.end, std::move(text)});
    if (table.at_end > table.at_begin) edits.push_back({table.at_begin, table.at_end, ""});
  }
  std::ranges::sort(edits, std::greater(), &Edit::begin);
  std::string text = statement.text;
  for (const Edit& edit : edits) text.replace(edit.begin, edit.end - edit.begin, edit.text);
  return text;
}

}  // namespace pk::sql
