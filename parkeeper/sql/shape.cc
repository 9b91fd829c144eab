#include <fmt/format.h>

#include <map>

#include "parkeeper/sql/linearity_internal.h"
#include "parkeeper/sql/promises_internal.h"
#include "parkeeper/sql/shape_internal.h"

namespace pk::sql {
namespace {

// Names may be different ones of the same table.
std::string IdentityOf(const iceberg::TableMetadata& metadata) {
  return metadata.table_uuid.empty() ? metadata.location : metadata.table_uuid;
}

void Judge(const Promises& promises, Standing standing, TableShape& shape) {
  if (shape.times > 1) {
    shape.why_not = fmt::format("the query names it {} times", shape.times);
  } else if (shape.at) {
    shape.why_not = "the query says which state of it is read (AT)";
  } else if (!promises.varies.empty()) {
    shape.why_not = promises.varies;
  } else if (standing.dependence == Dependence::kLinear) {
    shape.linear = true;
  } else if (standing.dependence != Dependence::kAggregate) {
    shape.why_not = std::move(standing.why);
  } else {
    shape.aggregates_linear = promises.no_partials.empty();
    shape.why_not = shape.aggregates_linear
                        ? "the rows are aggregated (GROUP BY, DISTINCT or an aggregate function)"
                        : promises.no_partials;
  }
}

}  // namespace

Result<std::vector<TableShape>> TableShapes(Engine& engine, const Statement& statement,
                                            const ResolvedQuery& query, std::string_view plan) {
  std::vector<TableShape> shapes;
  if (query.tables.empty()) return shapes;
  std::map<std::string, int> times;
  for (const QueryTable& table : query.tables) {
    times[IdentityOf(*table.state.metadata)] += table.times;
  }
  const Promises promises = PK_TRY(PromisesOf(engine, statement.tree));
  std::map<NameInQuery, size_t> places;
  for (size_t i = 0; i < query.tables.size(); ++i) {
    const QueryTable& table = query.tables[i];
    const auto [place, added] = places.try_emplace(table.name, shapes.size());
    if (added) shapes.push_back({.name = table.name, .why_not = {}});
    TableShape& shape = shapes[place->second];
    shape.times = times[IdentityOf(*table.state.metadata)];
    shape.at |= table.at;
    Judge(promises, PK_TRY(StandingOf(plan, i)), shape);
  }
  return shapes;
}

}  // namespace pk::sql
