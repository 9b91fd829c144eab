#pragma once

// What a plan of DuckDB says of the tables that it reads: which columns, and which filters stand
// right above them. Pure but for DuckDB's parser, which reads the filters.

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::sql {

// The table function that stands for table `number` in a plan, and what it calls its columns,
// which are those of the table's schema: names that no text can be taken for.
std::string StandInName(size_t number);
std::string ColumnName(size_t column);
// The table that a function of this name, in any case, stands for.
std::optional<size_t> StandInNumber(std::string_view name);

struct TableScan {
  size_t table = 0;
  std::set<size_t> columns;  // that are read
  std::string filter;        // as DuckDB writes it, over ColumnName()s; empty: none
};
// From what EXPLAIN (FORMAT json) gives for the physical plan over stand-ins of `tables` tables.
// kUnsupported: it has a form that is not known, so that a table's columns may be missing.
Result<std::vector<TableScan>> ReadScans(std::string_view plan, size_t tables);

// A filter that passes every row that an expression passes, which `tree` holds as what DuckDB's
// parser makes of "SELECT expression": what is not understood is left out. Column i of `schema` is
// ColumnName(i) in it. In DuckDB's order NaN is the greatest number, so it passes > and >=.
iceberg::Expression ImpliedFilter(std::string_view tree, const iceberg::Schema& schema);

}  // namespace pk::sql
