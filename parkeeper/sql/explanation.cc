#include <fmt/format.h>

#include <boost/json.hpp>

#include "parkeeper/sql/session.h"

namespace pk::sql {
namespace {

namespace bj = boost::json;

const char* NameOf(ReadBy by) {
  switch (by) {
    case ReadBy::kNobody:
      return "nobody";
    case ReadBy::kDuckDb:
      return "duckdb";
    case ReadBy::kScan:
      return "scan";
  }
  return "";
}

std::string ReaderText(const TableUse& use) {
  switch (use.read_by) {
    case ReadBy::kNobody:
      return "nobody: no file can match";
    case ReadBy::kDuckDb:
      return "DuckDB";
    case ReadBy::kScan:
      return "our scan: " + use.why_scan;
  }
  return "";
}

}  // namespace

std::string ToText(const Explanation& explanation) {
  std::string text;
  for (const TableUse& use : explanation.tables) {
    text += fmt::format("table       {}\n{}read by     {}\n\n", use.name, table::Explain(use.plan),
                        ReaderText(use));
  }
  return text + explanation.plan;
}

std::string ToJson(const Explanation& explanation) {
  bj::array tables;
  for (const TableUse& use : explanation.tables) {
    bj::object object{{"table", use.name}, {"read-by", NameOf(use.read_by)}};
    if (!use.why_scan.empty()) object["why-scan"] = use.why_scan;
    object["plan"] = bj::parse(table::ToJson(use.plan));
    tables.emplace_back(std::move(object));
  }
  return bj::serialize(
      bj::object{{"tables", std::move(tables)}, {"duckdb-plan", explanation.plan}});
}

}  // namespace pk::sql
