#pragma once

// What a text asks for: one query, and the tables that it names.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/sql/engine_internal.h"

namespace pk::sql {

// One place where a query names a table.
struct TableReference {
  std::vector<std::string> parts;  // as written, quotes off; the last one is the table's own name
  // AT (VERSION => ...) or AT (TIMESTAMP => ...): what stands behind the arrow.
  enum class Travel { kNone, kVersion, kTimestamp };
  Travel travel = Travel::kNone;
  std::string travel_value;
  // Where they stand in the text; the clause is empty when there is none.
  size_t begin = 0, end = 0, at_begin = 0, at_end = 0;
  bool has_alias = false;
};

struct Statement {
  std::string text;
  std::string tree;                    // as JSON, what DuckDB's parser makes of it
  std::vector<TableReference> tables;  // in no order
};

// Lets DuckDB's parser read `text`, which runs nothing. kInvalidArgument: a syntax error, no
// statement or several, anything but a query, a table without a namespace, or a function that reads
// other things than tables; each says what to use instead.
Result<Statement> ReadStatement(Engine& engine, std::string_view text);

// The text of `statement` in which table i is called as `names` says (two parts), and no AT is
// left.
std::string Renamed(const Statement& statement,
                    const std::vector<std::pair<std::string, std::string>>& names);

// A function in FROM, by its name in any case, that makes rows of its arguments and looks at
// nothing else. Pure.
bool IsPureTableFunction(std::string_view name);

// What to say of a statement that begins with this word, in lower case. Pure.
std::string InsteadOf(std::string_view first_word);

}  // namespace pk::sql
