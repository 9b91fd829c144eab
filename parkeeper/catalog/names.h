#pragma once

// Names of namespaces and tables.

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::catalog {

// Levels from the top; any UTF-8 that is not empty and holds no control character is a level.
// Empty: the root.
struct Namespace {
  std::vector<std::string> levels;
  auto operator<=>(const Namespace&) const = default;
};

struct TableName {
  Namespace ns;
  std::string name;
  auto operator<=>(const TableName&) const = default;
};

// "sales.eu"; a level that holds a dot, a quote or white space is put in double quotes, quotes
// doubled.
std::string ToString(const Namespace& ns);
std::string ToString(const TableName& name);

// The inverse. kInvalidArgument names the text and what is wrong; a table needs at least one
// namespace level.
Result<Namespace> ParseNamespace(std::string_view text);
Result<TableName> ParseTableName(std::string_view text);

// The table that a name of a query means, quotes taken off: "sales.orders" is {"sales", "orders"}.
// A part before the last may hold several levels, as ParseNamespace reads them: deep namespaces
// stand in SQL's own quotes. kInvalidArgument.
Result<TableName> TableNameInSql(const std::vector<std::string>& parts);

// Rules above, and at most 16 levels of at most 255 bytes.
Result<> Validate(const Namespace& ns);
Result<> Validate(const TableName& name);

}  // namespace pk::catalog
