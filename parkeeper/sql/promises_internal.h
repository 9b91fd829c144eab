#pragma once

// What the text of a query promises of its result, whatever the plan: which functions it calls, and
// how its outermost SELECT aggregates.

#include <string>
#include <string_view>

#include "parkeeper/base/result.h"
#include "parkeeper/sql/engine_internal.h"

namespace pk::sql {

// Ends of sentences, as "now() is another one each time"; empty where the promise is given.
struct Promises {
  // Why two runs over the same rows may give different ones. DuckDB's catalog is asked what it
  // knows of the functions, those in macros too; a function that it does not know may do anything.
  std::string varies;
  // Why the outermost SELECT's rows over parts are no partial aggregates, which another aggregation
  // by its keys could put together: it shows each of its keys and count, sum, min, max, bool_and,
  // bool_or, bit_and, bit_or or bit_xor of something, and nothing else is aggregated below it.
  std::string no_partials;
};
// `tree`: Statement::tree.
Result<Promises> PromisesOf(Engine& engine, std::string_view tree);

}  // namespace pk::sql
