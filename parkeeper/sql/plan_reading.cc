#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "parkeeper/sql/pushdown_internal.h"
#include "parkeeper/sql/tree_internal.h"

namespace pk::sql {
namespace {

namespace bj = boost::json;

constexpr std::string_view kStandIn = "parkeeper_scan_";

// The number behind `prefix`, in any case, when that is all there is.
std::optional<size_t> NumberBehind(std::string_view prefix, std::string_view text) {
  if (text.size() <= prefix.size()) return std::nullopt;
  for (size_t i = 0; i < prefix.size(); ++i) {
    if (tolower(static_cast<unsigned char>(text[i])) != prefix[i]) return std::nullopt;
  }
  size_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data() + prefix.size(), end, number);
  if (failure != std::errc() || rest != end) return std::nullopt;
  return number;
}

// The numbers of stand-ins, as often as they are named.
std::vector<size_t> Mentions(std::string_view text) {
  std::string folded(text);
  std::ranges::transform(folded, folded.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; });
  std::vector<size_t> numbers;
  for (size_t at = folded.find(kStandIn); at != folded.npos; at = folded.find(kStandIn, at + 1)) {
    size_t number = 0;
    const char* begin = folded.data() + at + kStandIn.size();
    if (std::from_chars(begin, folded.data() + folded.size(), number).ec == std::errc())
      numbers.push_back(number);
  }
  return numbers;
}

const bj::object& NoMembers() {
  static const bj::object kNone;
  return kNone;
}

// `filter`: of the node above, when it is one.
Result<> Visit(const bj::value& value, const std::string& filter, std::vector<TableScan>& scans) {
  const bj::object* node = value.if_object();
  PK_CHECK(node != nullptr, Unsupported("DuckDB's plan has a form that is not known"));
  const bj::object* has_extra = ObjectMember(*node, "extra_info");
  const bj::object& extra = has_extra == nullptr ? NoMembers() : *has_extra;
  if (const auto table = StandInNumber(Member(extra, "Function"))) {
    TableScan scan{.table = *table, .columns = {}, .filter = filter};
    for (const std::string& name : TextsOf(extra, "Projections")) {
      const auto column = NumberBehind("c", name);
      PK_CHECK(column, Unsupported("DuckDB's plan has a column that is not known: " + name));
      scan.columns.insert(*column);
    }
    scans.push_back(std::move(scan));
  }
  // A text of several lines holds a line break in a constant: left alone.
  const auto expression = TextsOf(extra, "Expression");
  const std::string below =
      Member(*node, "name") == "FILTER" && expression.size() == 1 ? expression[0] : "";
  const bj::array* children = ArrayMember(*node, "children");
  if (children == nullptr) return {};
  for (const bj::value& child : *children) PK_TRY(Visit(child, below, scans));
  return {};
}

}  // namespace

std::string StandInName(size_t number) { return fmt::format("{}{}", kStandIn, number); }
std::optional<size_t> StandInNumber(std::string_view name) { return NumberBehind(kStandIn, name); }
std::string ColumnName(size_t column) { return fmt::format("c{}", column); }

Result<std::vector<TableScan>> ReadScans(std::string_view plan, size_t tables) {
  const bj::value tree = PK_TRY(ParseTree(plan));
  const bj::array* roots = tree.if_array();
  PK_CHECK(roots != nullptr, Unsupported("DuckDB's plan has a form that is not known"));
  std::vector<TableScan> scans;
  for (const bj::value& root : *roots) PK_TRY(Visit(root, "", scans));
  // A node has the name twice. Where it stands elsewhere too, a scan may have been missed.
  std::vector<size_t> mentions(tables, 0);
  for (const size_t table : Mentions(plan)) {
    if (table < tables) ++mentions[table];
  }
  for (const TableScan& scan : scans) {
    PK_CHECK(scan.table < tables && mentions[scan.table] >= 2 && !scan.columns.empty(),
             Unsupported("DuckDB's plan has a scan of a form that is not known"));
    mentions[scan.table] -= 2;
  }
  PK_CHECK(std::ranges::all_of(mentions, [](size_t left) { return left == 0; }),
           Unsupported("DuckDB's plan names a table where nobody looks"));
  return scans;
}

}  // namespace pk::sql
