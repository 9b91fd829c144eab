#include "parkeeper/iceberg/complement.h"

#include <utility>
#include <vector>

#include "parkeeper/iceberg/expression_internal.h"

namespace pk::iceberg {
namespace {

// Rows that the predicate is false or unknown for.
BoundExpression Complement(const BoundPredicate& predicate) {
  const auto test = [&](Operator op) {
    return BoundExpression(BoundPredicate{
        .op = op, .field_id = predicate.field_id, .type = predicate.type, .values = {}});
  };
  BoundPredicate negated = predicate;
  negated.op = Negated(predicate.op);
  if (predicate.op == Operator::kIsNull || predicate.op == Operator::kNotNull) return negated;
  const bool floating =
      predicate.type.kind == PrimitiveKind::kFloat || predicate.type.kind == PrimitiveKind::kDouble;
  const bool ordering =
      predicate.op >= Operator::kLess && predicate.op <= Operator::kGreaterOrEqual;
  std::vector<BoundExpression> any = {std::move(negated), test(Operator::kIsNull)};
  if (ordering && floating) any.push_back(test(Operator::kIsNan));
  return AnyOf(std::move(any));
}

}  // namespace

BoundExpression Complement(const BoundExpression& filter) {
  if (const auto* predicate = std::get_if<BoundPredicate>(&filter.node)) {
    return Complement(*predicate);
  }
  const auto of_each = [](const std::vector<BoundExpression>& of) {
    std::vector<BoundExpression> parts;
    for (const BoundExpression& part : of) parts.push_back(Complement(part));
    return parts;
  };
  if (const auto* all = std::get_if<BoundExpression::And>(&filter.node)) {
    return AnyOf(of_each(all->of));
  }
  if (const auto* any = std::get_if<BoundExpression::Or>(&filter.node)) {
    return AllOf(of_each(any->of));
  }
  if (filter.is_true()) return False{};
  return True{};
}

}  // namespace pk::iceberg
