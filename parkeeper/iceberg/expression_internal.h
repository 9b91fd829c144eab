#pragma once

// Building trees of predicates with what is decided folded away.

#include <utility>
#include <variant>
#include <vector>

#include "parkeeper/iceberg/expression.h"

namespace pk::iceberg {

// Joins `of` by And or Or (`Join`), where `Neutral` adds nothing and `Absorbing` decides all.
// Nested joins of the same kind are drawn in; one part is itself; none is Neutral.
template <class Join, class Neutral, class Absorbing>
BoundExpression JoinFolded(std::vector<BoundExpression> of) {
  Join joined;
  for (BoundExpression& part : of) {
    if (std::holds_alternative<Absorbing>(part.node)) return Absorbing{};
    if (std::holds_alternative<Neutral>(part.node)) continue;
    if (Join* same = std::get_if<Join>(&part.node)) {
      for (BoundExpression& inner : same->of) joined.of.push_back(std::move(inner));
    } else {
      joined.of.push_back(std::move(part));
    }
  }
  if (joined.of.empty()) return Neutral{};
  if (joined.of.size() == 1) return BoundExpression(std::move(joined.of.front()));
  return joined;
}

inline BoundExpression AllOf(std::vector<BoundExpression> of) {
  return JoinFolded<BoundExpression::And, True, False>(std::move(of));
}
inline BoundExpression AnyOf(std::vector<BoundExpression> of) {
  return JoinFolded<BoundExpression::Or, False, True>(std::move(of));
}

// The operator that passes where `op` fails, both unknown for null. Of floats, NaN fails <, <=, >
// and >= and so fails the negation as well: whoever negates these adds "or is nan".
Operator Negated(Operator op);

}  // namespace pk::iceberg
