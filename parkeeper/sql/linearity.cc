#include "parkeeper/sql/linearity_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>
#include <vector>

#include "parkeeper/sql/pushdown_internal.h"
#include "parkeeper/sql/statement_internal.h"
#include "parkeeper/sql/tree_internal.h"

namespace pk::sql {
namespace {

namespace bj = boost::json;
using Names = std::set<std::string, std::less<>>;

Standing Other(std::string why) { return {Dependence::kOther, std::move(why)}; }

// What an operator does that is no part of a linear way, for people.
std::string DoesInstead(const std::string& name, const std::string& otherwise = "") {
  static const std::map<std::string, std::string, std::less<>> kWords = {
      {"ORDER_BY", "the rows are put in order (ORDER BY)"},
      {"TOP_N", "the number of rows is limited (LIMIT)"},
      {"LIMIT", "the number of rows is limited (LIMIT)"},
      {"LIMIT_PERCENT", "the number of rows is limited (LIMIT)"},
      {"STREAMING_LIMIT", "the number of rows is limited (LIMIT)"},
      {"STREAMING_SAMPLE", "rows are drawn at random (SAMPLE)"},
      {"RESERVOIR_SAMPLE", "rows are drawn at random (SAMPLE)"},
      {"WINDOW", "a window function looks at several rows at once"},
      {"STREAMING_WINDOW", "a window function looks at several rows at once"},
      {"REC_CTE", "a WITH clause is recursive"},
      {"REC_CTE_SCAN", "a WITH clause is recursive"},
      {"REC_KEY_CTE", "a WITH clause is recursive"},
      {"POSITIONAL_JOIN", "rows are matched by their position"},
      {"POSITIONAL_SCAN", "rows are matched by their position"},
      {"ASOF_JOIN", "rows are matched to the nearest one (ASOF JOIN)"},
  };
  const auto found = kWords.find(name);
  if (found != kWords.end()) return found->second;
  if (!otherwise.empty()) return otherwise;
  return fmt::format("nobody knows of DuckDB's operator {} what it does to parts of a table", name);
}

bool IsAggregation(std::string_view name) {
  static const Names kNames = {"HASH_GROUP_BY", "PERFECT_HASH_GROUP_BY", "UNGROUPED_AGGREGATE"};
  return kNames.contains(name);
}

// Whether the rows of the left or of the right side decide each for itself what becomes of it, and
// of it alone, given the other side.
struct Preserved {
  bool left = false, right = false;
};
std::optional<Preserved> SidesOf(std::string_view name, std::string_view type) {
  static const Names kJoins = {"HASH_JOIN", "NESTED_LOOP_JOIN", "BLOCKWISE_NL_JOIN",
                               "PIECEWISE_MERGE_JOIN", "IE_JOIN"};
  static const Names kLeft = {"LEFT", "SEMI", "ANTI", "MARK", "SINGLE"};
  static const Names kRight = {"RIGHT", "RIGHT_SEMI", "RIGHT_ANTI"};
  if (name == "CROSS_PRODUCT") return Preserved{.left = true, .right = true};
  if (!kJoins.contains(name)) return std::nullopt;
  const bool both = type == "INNER";
  return Preserved{.left = both || kLeft.contains(type), .right = both || kRight.contains(type)};
}

// Joins of rows with what a subquery gives for each of them. The rows are the first child.
bool IsByRow(std::string_view name, std::string_view type) {
  static const Names kLeft = {"INNER", "LEFT", "SEMI", "ANTI", "MARK", "SINGLE"};
  static const Names kRight = {"INNER", "RIGHT", "RIGHT_SEMI", "RIGHT_ANTI"};
  return (name == "LEFT_DELIM_JOIN" && kLeft.contains(type)) ||
         (name == "RIGHT_DELIM_JOIN" && kRight.contains(type));
}

// Aggregates over the same rows that are the same whatever the order of the rows.
bool AreSteady(const std::vector<std::string>& aggregates, std::string_view name) {
  static const Names kSteady = {"bit_and", "bit_or",     "bit_xor", "bool_and", "bool_or",
                                "count",   "count_star", "max",     "min"};
  // A scalar subquery that fails for more than one row.
  if (name == "UNGROUPED_AGGREGATE" && aggregates.size() == 2 && aggregates[0] == "\"first\"(#0)" &&
      aggregates[1] == "count_star()") {
    return true;
  }
  return std::ranges::all_of(aggregates, [](const std::string& text) {
    return text.empty() || kSteady.contains(text.substr(0, text.find('(')));
  });
}

// A form that says more than is known here may do more.
bool HasOnlyKnownEntries(const bj::object& extra) {
  static const Names kKnown = {"Aggregates",  "CTE Index",
                               "CTE Name",    "Condition",
                               "Conditions",  "Delim Index",
                               "Expression",  "Function",
                               "Groups",      "Join Type",
                               "Name",        "Projections",
                               "Table Index", "Estimated Cardinality"};
  return std::ranges::all_of(extra, [](const auto& entry) {
    return kKnown.contains(std::string_view(entry.key().data(), entry.key().size()));
  });
}

class Reading {
 public:
  explicit Reading(size_t table) : table_(table) {}

  Standing Of(const bj::value& value) {
    const bj::object* node = value.if_object();
    if (node == nullptr) return Other("DuckDB's plan has a form that is not known");
    const std::string name = Member(*node, "name");
    static const bj::object kNone;
    const bj::object* found = ObjectMember(*node, "extra_info");
    const bj::object& extra = found == nullptr ? kNone : *found;
    std::vector<Standing> below;
    if (const bj::array* children = ArrayMember(*node, "children")) {
      for (const bj::value& child : *children) below.push_back(Of(child));
    }
    for (const Standing& standing : below) {
      if (standing.dependence == Dependence::kOther) return standing;
    }
    if (HasOnlyKnownEntries(extra)) return At(name, extra, below);
    return Other(DoesInstead(name));
  }

  // As often as the plan reads the table.
  int scans() const { return scans_; }

 private:
  static bool Is(const std::vector<Standing>& below, size_t child, Dependence dependence) {
    return child < below.size() && below[child].dependence == dependence;
  }
  static bool AreNone(const std::vector<Standing>& below, size_t but = SIZE_MAX) {
    for (size_t i = 0; i < below.size(); ++i) {
      if (i != but && below[i].dependence != Dependence::kNone) return false;
    }
    return true;
  }

  Standing At(const std::string& name, const bj::object& extra,
              const std::vector<Standing>& below) {
    const std::string type = Member(extra, "Join Type");
    if (below.empty()) return Leaf(name, extra);
    if (name == "PROJECTION" && below.size() == 1) return below[0];
    if (IsAggregation(name)) return Aggregation(name, extra, below);
    // What the WITH clause reads, then what reads it.
    if (name == "CTE" && below.size() == 2) {
      if (Is(below, 0, Dependence::kNone)) return below[1];
      return Other("a WITH clause that reads it is read more than once, or MATERIALIZED");
    }
    if (Is(below, 0, Dependence::kAggregate) || Is(below, 1, Dependence::kAggregate)) {
      return Other(DoesInstead(name, "more is done to the rows after they are aggregated"));
    }
    if ((name == "FILTER" || name == "UNNEST" || IsByRowFunction(name, extra)) &&
        below.size() == 1) {
      return below[0];
    }
    // Numbers the rows that a subquery is asked about, where it cannot ask by values; a query's own
    // window functions are refused by its text.
    if (name == "STREAMING_WINDOW" &&
        TextsOf(extra, "Projections") == std::vector<std::string>{"delim_index"}) {
      return below[0];
    }
    if (const auto sides = SidesOf(name, type); sides && below.size() == 2) {
      return Join(*sides, type, below);
    }
    if (IsByRow(name, type)) {
      if (AreNone(below, 0)) return below[0];
      return Other("it is read by a subquery for each row of another table");
    }
    if (name == "UNION") {
      if (AreNone(below)) return below[0];
      return Other("the rows are put together with others (UNION)");
    }
    return Other(DoesInstead(name));
  }

  static bool IsByRowFunction(const std::string& name, const bj::object& extra) {
    return name == "INOUT_FUNCTION" && IsPureTableFunction(Member(extra, "Name"));
  }

  Standing Leaf(const std::string& name, const bj::object& extra) {
    static const Names kSteady = {"COLUMN_DATA_SCAN", "CTE_SCAN",     "DELIM_SCAN",
                                  "DUMMY_SCAN",       "EMPTY_RESULT", "EXPRESSION_SCAN"};
    const std::string function = Member(extra, "Function");
    if (const auto number = StandInNumber(function)) {
      if (*number != table_) return {Dependence::kNone, ""};
      ++scans_;
      return {Dependence::kLinear, ""};
    }
    // An aggregation of nothing: the values that a subquery is asked about, each once.
    const bool steady = kSteady.contains(name) || IsAggregation(name);
    if (steady || IsPureTableFunction(function)) return {Dependence::kNone, ""};
    return Other(DoesInstead(name));
  }

  static Standing Aggregation(const std::string& name, const bj::object& extra,
                              const std::vector<Standing>& below) {
    if (below.size() != 1) return Other(DoesInstead(name));
    switch (below[0].dependence) {
      case Dependence::kNone:
        if (AreSteady(TextsOf(extra, "Aggregates"), name)) return below[0];
        return Other(
            "it is joined with rows that are aggregated by a function that may not give the same "
            "each time");
      case Dependence::kLinear:
        return {Dependence::kAggregate, ""};
      default:
        return Other("the rows are aggregated more than once");
    }
  }

  static Standing Join(const Preserved& sides, const std::string& type,
                       const std::vector<Standing>& below) {
    if (AreNone(below)) return below[0];
    for (const size_t side : {size_t{0}, size_t{1}}) {
      if (!AreNone(below, side)) continue;
      if (side == 0 ? sides.left : sides.right) return below[side];
      return Other(
          fmt::format("what becomes of another table's rows depends on all of its rows (a join of "
                      "kind {}: an outer join, IN, EXISTS or a subquery)",
                      type));
    }
    return Other("the query reads it more than once");
  }

  const size_t table_;
  int scans_ = 0;
};

}  // namespace

Result<Standing> StandingOf(std::string_view plan, size_t number) {
  const bj::value tree = PK_TRY(ParseTree(plan));
  const bj::array* roots = tree.if_array();
  PK_CHECK(roots != nullptr && roots->size() == 1,
           Unsupported("DuckDB's plan has a form that is not known"));
  Reading reading(number);
  Standing standing = reading.Of(roots->front());
  if (standing.dependence == Dependence::kNone) {
    return Other("DuckDB need not read it for the result, which no part of it adds to");
  }
  if (reading.scans() > 1) return Other("the query reads it more than once");
  return standing;
}

}  // namespace pk::sql
