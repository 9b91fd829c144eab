#include "parkeeper/sql/promises_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "parkeeper/sql/statement_internal.h"
#include "parkeeper/sql/tree_internal.h"

namespace pk::sql {
namespace {

namespace bj = boost::json;
using Names = std::set<std::string, std::less<>>;

std::string Folded(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return char(tolower(c)); });
  return text;
}

// Calls `visit` with each object of a tree, also of one that stands in another.
void ForEach(const bj::value& value, const std::function<void(const bj::object&)>& visit) {
  if (const auto* array = value.if_array()) {
    for (const bj::value& item : *array) ForEach(item, visit);
  }
  const auto* object = value.if_object();
  if (object == nullptr) return;
  visit(*object);
  for (const auto& [key, member] : *object) ForEach(member, visit);
}

std::string CalledBy(const bj::object& node) {
  const bool call = Member(node, "type") == "FUNCTION" && Member(node, "class") == "FUNCTION";
  return call ? Folded(Member(node, "function_name")) : "";
}

// What DuckDB knows of a function, all functions of the name together.
struct FunctionKind {
  bool aggregates = false;
  bool varies = false;  // as it says itself
  bool in_from = false;
  std::vector<std::string> macros;  // what it stands for
};
using Kinds = std::map<std::string, FunctionKind, std::less<>>;

Result<> LookUp(Engine& engine, const Names& names, Kinds& kinds) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + Quoted(name);
  if (list.empty()) return {};
  const auto rows = PK_TRY(engine.Rows(fmt::format(
      "SELECT DISTINCT lower(function_name), function_type, coalesce(stability, ''), "
      "coalesce(macro_definition, '') FROM duckdb_functions() WHERE lower(function_name) IN ({})",
      list)));
  for (const Engine::Row& row : rows) {
    FunctionKind& kind = kinds[row[0].value_or("")];
    const std::string type = row[1].value_or("");
    kind.aggregates |= type == "aggregate";
    kind.in_from |= type == "table";
    if (type == "scalar") kind.varies |= row[2] != "CONSISTENT";
    if (type == "macro") kind.macros.push_back(row[3].value_or(""));
    if (type != "aggregate" && type != "table" && type != "scalar" && type != "macro") {
      kind.varies = true;
    }
  }
  return {};
}

// Aggregates that give the same whatever the order of the rows, or nearly, where they round.
bool IsSteady(std::string_view aggregate) {
  static const Names kSteady = {"avg",     "bit_and", "bit_or",   "bit_xor",    "bool_and",
                                "bool_or", "count",   "count_if", "count_star", "countif",
                                "max",     "mean",    "min",      "sum"};
  return kSteady.contains(aggregate);
}

// Those of which the results over parts make the result over all.
bool CanBePutTogether(std::string_view aggregate) {
  static const Names kNames = {"bit_and", "bit_or",     "bit_xor", "bool_and", "bool_or",
                               "count",   "count_star", "max",     "min",      "sum"};
  return kNames.contains(aggregate);
}

// What DuckDB takes for calls where no column has the name.
bool IsClock(const bj::object& node) {
  static const Names kNames = {"current_date", "current_time", "current_timestamp", "localtime",
                               "localtimestamp"};
  const bj::array* names = ArrayMember(node, "column_names");
  return Member(node, "type") == "COLUMN_REF" && names != nullptr && names->size() == 1 &&
         names->front().is_string() && kNames.contains(Folded(names->front().get_string().c_str()));
}

// DuckDB says of these that they are consistent, but they read the clock or a setting.
bool LooksAround(std::string_view name, const bj::object& call) {
  static const Names kNames = {"getvariable", "version"};
  const bj::array* arguments = ArrayMember(call, "children");
  if (name == "age") return arguments == nullptr || arguments->size() != 2;
  return name.starts_with("current_") || kNames.contains(name);
}

// What it is in a tree that may vary; "" for nothing. Names that `kinds` lacks go to `unknown`.
std::string Varying(const bj::value& tree, const Kinds& kinds, Names& unknown) {
  std::string why;
  ForEach(tree, [&](const bj::object& node) {
    if (IsClock(node)) {
      why = fmt::format(
          "{} is another one each time (a column of that name is written behind its "
          "table's)",
          node.at("column_names").get_array().front().get_string().c_str());
    }
    const std::string ordinality = Member(node, "with_ordinality");
    if (!ordinality.empty() && ordinality != "WITHOUT_ORDINALITY") {
      why = "rows are numbered (WITH ORDINALITY)";
    }
    // Plans may do their work by other operators.
    if (Member(node, "class") == "WINDOW") why = "a window function looks at several rows at once";
    const std::string name = CalledBy(node);
    if (name.empty()) return;
    const auto kind = kinds.find(name);
    if (kind == kinds.end()) {
      unknown.insert(name);
    } else if (kind->second.varies || LooksAround(name, node) ||
               (kind->second.aggregates && !IsSteady(name)) ||
               (kind->second.in_from && !IsPureTableFunction(name))) {
      why = fmt::format("{}() is not known to give the same each time", name);
    }
  });
  return why;
}

// All functions that the tree calls, by themselves or in macros; and why they may vary.
Result<std::string> WhyVaries(Engine& engine, const bj::value& tree, Kinds& kinds) {
  Names unknown;
  std::vector<bj::value> trees = {tree};
  for (size_t i = 0; i < trees.size(); ++i) {
    unknown.clear();
    static_cast<void>(Varying(trees[i], kinds, unknown));
    PK_TRY(LookUp(engine, unknown, kinds));
    Names left;
    std::string why = Varying(trees[i], kinds, left);
    if (!left.empty()) return fmt::format("nobody knows what {}() does", *left.begin());
    if (!why.empty()) return why;
    // Each macro is looked at when its name is met first.
    for (const std::string& name : unknown) {
      for (const std::string& text : kinds.at(name).macros) {
        const auto rows =
            PK_TRY(engine.Rows("SELECT json_serialize_sql(" + Quoted("SELECT " + text) + ")"));
        trees.push_back(PK_TRY(ParseTree(rows.at(0).at(0).value_or(""))));
        if (ArrayMember(trees.back().get_object(), "statements") == nullptr) {
          return fmt::format("nobody knows what {}() does", name);
        }
      }
    }
  }
  return "";
}

// The expression without what does not count where two are compared.
bj::value Plain(const bj::value& value) {
  if (const auto* array = value.if_array()) {
    bj::array out;
    for (const bj::value& item : *array) out.push_back(Plain(item));
    return out;
  }
  const auto* object = value.if_object();
  if (object == nullptr) return value;
  bj::object out;
  for (const auto& [key, member] : *object) {
    if (key != "alias" && key != "query_location") out[key] = Plain(member);
  }
  return out;
}

bool IsConstant(const bj::value& item) {
  const bj::object* object = item.if_object();
  return object != nullptr && Member(*object, "type") == "VALUE_CONSTANT";
}

// The place in SELECT's list, from 0, that GROUP BY means by a number.
std::optional<size_t> PlaceOf(const bj::value& key) {
  const bj::object* constant = IsConstant(key) ? ObjectMember(key.get_object(), "value") : nullptr;
  const bj::value* number = constant == nullptr ? nullptr : constant->if_contains("value");
  if (number == nullptr || !number->is_int64() || number->get_int64() < 1) return std::nullopt;
  return size_t(number->get_int64() - 1);
}

class OutermostSelect {
 public:
  OutermostSelect(const bj::value& tree, const Kinds& kinds) : tree_(tree), kinds_(kinds) {}

  std::string WhyNoPartials() const {
    const bj::array* statements =
        tree_.is_object() ? ArrayMember(tree_.get_object(), "statements") : nullptr;
    const bj::object* statement =
        statements == nullptr || statements->empty() ? nullptr : statements->front().if_object();
    const bj::object* select = statement == nullptr ? nullptr : ObjectMember(*statement, "node");
    if (select == nullptr || Member(*select, "type") != "SELECT_NODE") {
      return "the outermost query is no plain SELECT";
    }
    const bj::array* list = ArrayMember(*select, "select_list");
    const bj::array* modifiers = ArrayMember(*select, "modifiers");
    if (list == nullptr || modifiers == nullptr || !modifiers->empty()) {
      return "ORDER BY, LIMIT or DISTINCT stands behind the aggregation";
    }
    for (const char* clause : {"having", "qualify", "sample"}) {
      const bj::value* found = select->if_contains(clause);
      if (found == nullptr || !found->is_null()) {
        return "HAVING, QUALIFY or SAMPLE stands behind the aggregation";
      }
    }
    std::string why = WhyNotShown(*select, *list);
    if (why.empty() && IsAggregatedElsewhere(*select, *list)) {
      why = "rows are aggregated in a subquery too";
    }
    return why;
  }

 private:
  std::string WhyNotShown(const bj::object& select, const bj::array& list) const {
    const bj::array* groups = ArrayMember(select, "group_expressions");
    const bj::array* sets = ArrayMember(select, "group_sets");
    if (groups == nullptr || sets == nullptr) return "its GROUP BY has a form that is not known";
    const bool by_all = Member(select, "aggregate_handling") == "FORCE_AGGREGATES";
    if (sets->size() > 1 || (sets->size() == 1 && sets->front().is_array() &&
                             sets->front().get_array().size() != groups->size())) {
      return "it groups by several sets (ROLLUP, CUBE, GROUPING SETS)";
    }
    const bool aggregates = std::ranges::any_of(list, [&](const bj::value& item) {
      return item.is_object() && IsAggregate(item.get_object());
    });
    if (!aggregates && !by_all && groups->empty()) return "rows are aggregated in a subquery";
    std::vector<bool> shown(groups->size(), false);
    for (size_t i = 0; i < list.size(); ++i) {
      const bj::object* item = list[i].if_object();
      if (item == nullptr) return "its SELECT has a form that is not known";
      if (IsAggregate(*item)) {
        if (std::string why = WhyNotTogether(*item); !why.empty()) return why;
        continue;
      }
      bool is_key = (by_all && Aggregates(list[i]) == 0) || IsConstant(list[i]);
      for (size_t key = 0; key < groups->size(); ++key) {
        const bool same = PlaceOf((*groups)[key]) == i || Plain((*groups)[key]) == Plain(list[i]);
        if (same) shown[key] = is_key = true;
      }
      if (!is_key) {
        return "its SELECT shows something that is neither an aggregate nor, as it is written, a "
               "key "
               "of GROUP BY";
      }
    }
    if (std::ranges::find(shown, false) != shown.end()) {
      return "its SELECT does not show all keys of GROUP BY as they are written there";
    }
    return "";
  }

  static std::string WhyNotTogether(const bj::object& call) {
    const std::string name = CalledBy(call);
    // max(x, 3) is a list of three.
    const bj::array* arguments = ArrayMember(call, "children");
    if (!CanBePutTogether(name) || arguments == nullptr || arguments->size() > 1) {
      return fmt::format("{}() over all rows does not follow from {}() over parts", name, name);
    }
    const bj::object* order = ObjectMember(call, "order_bys");
    const bj::array* orders = order == nullptr ? nullptr : ArrayMember(*order, "orders");
    const bj::value* distinct = call.if_contains("distinct");
    if (distinct == nullptr || *distinct != bj::value(false)) {
      return "values that two parts have count twice (DISTINCT in an aggregate function)";
    }
    return orders == nullptr || !orders->empty() ? "an aggregate function has an ORDER BY" : "";
  }

  size_t Aggregates(const bj::value& tree) const {
    size_t count = 0;
    ForEach(tree, [&](const bj::object& node) { count += IsAggregate(node) ? 1 : 0; });
    return count;
  }

  bool IsAggregate(const bj::object& node) const {
    const auto kind = kinds_.find(CalledBy(node));
    return kind != kinds_.end() && kind->second.aggregates;
  }

  bool IsAggregatedElsewhere(const bj::object& outermost, const bj::array& list) const {
    size_t shown = 0;
    for (const bj::value& item : list) {
      shown += IsAggregate(item.get_object()) ? 1 : 0;
    }
    bool found = Aggregates(tree_) != shown;
    ForEach(tree_, [&](const bj::object& node) {
      const bj::array* groups = ArrayMember(node, "group_expressions");
      found |= Member(node, "type") == "DISTINCT_MODIFIER";
      found |= &node != &outermost && (Member(node, "aggregate_handling") == "FORCE_AGGREGATES" ||
                                       (groups != nullptr && !groups->empty()));
    });
    return found;
  }

  const bj::value& tree_;
  const Kinds& kinds_;
};

}  // namespace

Result<Promises> PromisesOf(Engine& engine, std::string_view tree) {
  const bj::value parsed = PK_TRY(ParseTree(tree));
  Kinds kinds;
  Promises promises{.varies = PK_TRY(WhyVaries(engine, parsed, kinds)), .no_partials = {}};
  promises.no_partials = OutermostSelect(parsed, kinds).WhyNoPartials();
  return promises;
}

}  // namespace pk::sql
