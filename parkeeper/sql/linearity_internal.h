#pragma once

// How the result of a query depends on one of its tables, read off DuckDB's plan. The plan is one
// over stand-ins, of which DuckDB knows nothing but their columns, so it is right for any rows of
// theirs, and what its operators do to parts of a table they do to the result.

#include <cstddef>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::sql {

enum class Dependence {
  kNone,       // the table is not below: the same rows each time
  kLinear,     // over parts of the table the results add up, as multisets
  kAggregate,  // one aggregation of what is linear, with nothing but projections above it
  kOther,      // or nobody knows
};
struct Standing {
  Dependence dependence = Dependence::kOther;
  std::string why;  // of kOther, the end of a sentence: "the rows are put in order (ORDER BY)"
};

// Of the result in table `number`, from what EXPLAIN (FORMAT json) gives for the physical plan.
// What functions do is not looked at, but for the aggregates below joins. kOther for all that is
// not known. The query calls no window function. kUnsupported: it is no plan. Pure.
Result<Standing> StandingOf(std::string_view plan, size_t number);

}  // namespace pk::sql
