// Binding: from names and literals as written to field ids and values of the columns' types.

#include "parkeeper/iceberg/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "parkeeper/iceberg/expression_internal.h"
#include "parkeeper/iceberg/number_internal.h"

namespace pk::iceberg {
namespace {

bool IsFloating(const PrimitiveType& type) {
  return type.kind == PrimitiveKind::kFloat || type.kind == PrimitiveKind::kDouble;
}
bool IsNumber(const PrimitiveType& type) {
  return IsFloating(type) || type.kind == PrimitiveKind::kInt ||
         type.kind == PrimitiveKind::kLong || type.kind == PrimitiveKind::kDecimal;
}

// Where a literal lies among the values of a type: at one, between one and the next, or beyond
// all. Comparing with 1.5 is so decided exactly for a column of whole numbers.
struct Place {
  enum class Where { kAt, kJustAbove, kBelowAll, kAboveAll };
  Where where = Where::kAt;
  Value value = {};
};

// `least` and `most` are the ends of the type, at its scale.
template <class MakeValue>
Place PlaceNumber(const ExactNumber& number, int32_t scale, Int128 least, Int128 most,
                  const MakeValue& make_value) {
  const ScaledFloor scaled = FloorAtScale(number, scale);
  if (scaled.range == ScaledFloor::Range::kBelow ||
      (scaled.range != ScaledFloor::Range::kAbove && scaled.floor < least))
    return {.where = Place::Where::kBelowAll};
  if (scaled.range == ScaledFloor::Range::kAbove || scaled.floor > most)
    return {.where = Place::Where::kAboveAll};
  return {.where = scaled.exact ? Place::Where::kAt : Place::Where::kJustAbove,
          .value = make_value(scaled.floor)};
}

template <class T>
Place PlaceInteger(const ExactNumber& number) {
  return PlaceNumber(number, 0, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(),
                     [](Int128 floor) { return Value(T(floor)); });
}

// The nearest number stands for the literal; only what lies beyond the finite ones does not.
template <class T>
Result<Place> PlaceFloat(std::string_view text, const PrimitiveType& type) {
  using Limits = std::numeric_limits<T>;
  Result<Value> parsed = ParseValue(text, type);
  if (!parsed.ok()) {
    const auto number = ParseNumber(text);
    if (!number) return std::move(parsed).error();
    return Place{.where = Place::Where::kJustAbove,
                 .value = number->negative ? -Limits::infinity() : Limits::max()};
  }
  PK_CHECK(!IsNan(*parsed), InvalidArgument("NaN is equal to nothing: write 'is nan'"));
  const T value = std::get<T>(*parsed);
  return Place{.where = Place::Where::kAt, .value = value == 0 ? T(0) : value};
}

Result<Place> PlaceLiteral(const Literal& literal, const PrimitiveType& type) {
  const bool text = literal.kind == Literal::Kind::kString;
  const bool bytes = type.kind == PrimitiveKind::kBinary || type.kind == PrimitiveKind::kFixed;
  const bool fits = bytes ? literal.kind == Literal::Kind::kHex
                    : type.kind == PrimitiveKind::kBoolean
                        ? text || literal.kind == Literal::Kind::kBoolean
                    : IsNumber(type) ? text || literal.kind == Literal::Kind::kNumber
                                     : text;
  const std::string_view hint = bytes            ? " (write x'00ff')"
                                : IsNumber(type) ? ""
                                                 : " (write it in quotes)";
  PK_CHECK(fits,
           InvalidArgument(fmt::format("literal is not of type {}{}: {}", ToString(Type(type)),
                                       hint, literal.text.substr(0, 80))));
  if (type.kind == PrimitiveKind::kFloat) return PlaceFloat<float>(literal.text, type);
  if (type.kind == PrimitiveKind::kDouble) return PlaceFloat<double>(literal.text, type);
  const auto number = IsNumber(type) ? ParseNumber(literal.text) : std::nullopt;
  if (number && type.kind == PrimitiveKind::kInt) return PlaceInteger<int32_t>(*number);
  if (number && type.kind == PrimitiveKind::kLong) return PlaceInteger<int64_t>(*number);
  if (number) {
    const Int128 most = PowerOfTen(type.precision) - 1;
    return PlaceNumber(*number, type.scale, -most, most, [](Int128 floor) { return Value(floor); });
  }
  Place place;
  place.where = Place::Where::kAt;
  place.value = PK_TRY(ParseValue(literal.text, type));
  return place;
}

bool NeverNull(const Schema& schema, int32_t field_id) {
  return std::ranges::all_of(schema.PathTo(field_id),
                             [&](int32_t id) { return schema.FindById(id)->required; });
}

// One predicate on its way to being bound. `column` is a primitive, unrepeated one.
class PredicateBinder {
 public:
  PredicateBinder(const Schema& schema, const Field& column)
      : schema_(schema), id_(column.id), type_(*column.type.primitive()) {}

  Result<BoundExpression> Bind(Operator op, const std::vector<Literal>& literals) const {
    const bool list = op == Operator::kIn || op == Operator::kNotIn;
    const size_t wanted = op <= Operator::kNotNan ? 0 : 1;
    PK_CHECK(list || literals.size() == wanted,
             InvalidArgument(fmt::format("predicate has {} literals where {} belong",
                                         literals.size(), wanted)));
    switch (op) {
      case Operator::kIsNull:
        return NeverNull(schema_, id_) ? BoundExpression(False{}) : Make(op);
      case Operator::kNotNull:
        return NotNull();
      case Operator::kIsNan:
      case Operator::kNotNan:
        PK_CHECK(IsFloating(type_),
                 InvalidArgument(fmt::format("only float and double can be NaN, not {}",
                                             ToString(Type(type_)))));
        return Make(op);
      case Operator::kStartsWith:
      case Operator::kNotStartsWith:
        return Prefix(op, literals.front());
      case Operator::kIn:
      case Operator::kNotIn:
        return List(op, literals);
      default:
        return Comparison(op, PK_TRY(PlaceLiteral(literals.front(), type_)));
    }
  }

 private:
  BoundExpression Make(Operator op, std::vector<Value> values = {}) const {
    return BoundPredicate{.op = op, .field_id = id_, .type = type_, .values = std::move(values)};
  }

  BoundExpression NotNull() const {
    return NeverNull(schema_, id_) ? BoundExpression(True{}) : Make(Operator::kNotNull);
  }

  Result<BoundExpression> Prefix(Operator op, const Literal& literal) const {
    PK_CHECK(type_.kind == PrimitiveKind::kString && literal.kind == Literal::Kind::kString,
             InvalidArgument(fmt::format("only strings have prefixes for like, not {}",
                                         ToString(Type(type_)))));
    if (!literal.text.empty()) return Make(op, {Value(literal.text)});
    return op == Operator::kStartsWith ? NotNull() : BoundExpression(False{});
  }

  Result<BoundExpression> List(Operator op, const std::vector<Literal>& literals) const {
    std::vector<Value> values;
    for (const Literal& literal : literals) {
      Place place = PK_TRY(PlaceLiteral(literal, type_));
      if (place.where == Place::Where::kAt) values.push_back(std::move(place.value));
    }
    std::ranges::sort(values, [](const Value& a, const Value& b) { return Compare(a, b) < 0; });
    const auto doubles = std::ranges::unique(values);
    values.erase(doubles.begin(), doubles.end());
    const bool in = op == Operator::kIn;
    if (values.empty()) return in ? BoundExpression(False{}) : NotNull();
    if (values.size() == 1)
      return Make(in ? Operator::kEqual : Operator::kNotEqual, std::move(values));
    return Make(op, std::move(values));
  }

  BoundExpression Comparison(Operator op, Place place) const {
    const bool upward = op == Operator::kGreater || op == Operator::kGreaterOrEqual;
    const bool downward = op == Operator::kLess || op == Operator::kLessOrEqual;
    if (place.where == Place::Where::kAt) return Make(op, {std::move(place.value)});
    if (op == Operator::kEqual) return False{};
    if (op == Operator::kNotEqual) return NotNull();
    if (place.where == Place::Where::kBelowAll)
      return upward ? NotNull() : BoundExpression(False{});
    if (place.where == Place::Where::kAboveAll)
      return downward ? NotNull() : BoundExpression(False{});
    return Make(downward ? Operator::kLessOrEqual : Operator::kGreater, {std::move(place.value)});
  }

  const Schema& schema_;
  int32_t id_;
  PrimitiveType type_;
};

Result<BoundExpression> BindPredicate(const Predicate& predicate, bool negated,
                                      const Schema& schema, bool case_sensitive) {
  const Field* column = PK_TRY(FindColumn(schema, predicate.column, case_sensitive).With("filter"));
  const std::string where = fmt::format("filter on column '{}'", predicate.column);
  const PrimitiveType* type = column->type.primitive();
  PK_CHECK(
      !schema.IsRepeated(column->id),
      InvalidArgument(where + ": it is inside a list or map and has no single value in a row"));
  PK_CHECK(type != nullptr,
           InvalidArgument(fmt::format("{}: only primitive columns can be filtered by, not {}",
                                       where, ToString(column->type))));
  const PredicateBinder binder(schema, *column);
  const Operator op = negated ? Negated(predicate.op) : predicate.op;
  BoundExpression bound = PK_TRY(binder.Bind(op, predicate.literals).With(where));
  const bool ordering = op >= Operator::kLess && op <= Operator::kGreaterOrEqual;
  if (!negated || !ordering || !IsFloating(*type)) return bound;
  // NaN fails x < 5 as well as x >= 5, and passes not (x < 5).
  BoundExpression is_nan = PK_TRY(binder.Bind(Operator::kIsNan, {}));
  return AnyOf({std::move(bound), std::move(is_nan)});
}

Result<BoundExpression> BindTree(const Expression& tree, bool negated, const Schema& schema,
                                 bool case_sensitive) {
  if (tree.is_true() || tree.is_false())
    return tree.is_true() != negated ? BoundExpression(True{}) : BoundExpression(False{});
  if (const Predicate* predicate = std::get_if<Predicate>(&tree.node))
    return BindPredicate(*predicate, negated, schema, case_sensitive);
  if (const auto* inverse = std::get_if<Expression::Not>(&tree.node)) {
    PK_CHECK(inverse->of.size() == 1, InvalidArgument("'not' takes exactly one filter"));
    return BindTree(inverse->of.front(), !negated, schema, case_sensitive);
  }
  const auto* all = std::get_if<Expression::And>(&tree.node);
  const std::vector<Expression>& of =
      all != nullptr ? all->of : std::get<Expression::Or>(tree.node).of;
  std::vector<BoundExpression> bound;
  bound.reserve(of.size());
  for (const Expression& part : of)
    bound.push_back(PK_TRY(BindTree(part, negated, schema, case_sensitive)));
  return (all != nullptr) != negated ? AllOf(std::move(bound)) : AnyOf(std::move(bound));
}

void CollectFields(const BoundExpression& tree, std::set<int32_t>& ids) {
  if (const auto* predicate = std::get_if<BoundPredicate>(&tree.node)) {
    ids.insert(predicate->field_id);
  } else if (const auto* all = std::get_if<BoundExpression::And>(&tree.node)) {
    for (const BoundExpression& part : all->of) CollectFields(part, ids);
  } else if (const auto* any = std::get_if<BoundExpression::Or>(&tree.node)) {
    for (const BoundExpression& part : any->of) CollectFields(part, ids);
  } else if (const auto* inverse = std::get_if<BoundExpression::Not>(&tree.node)) {
    for (const BoundExpression& part : inverse->of) CollectFields(part, ids);
  }
}

}  // namespace

Operator Negated(Operator op) {
  switch (op) {
    case Operator::kIsNull:
      return Operator::kNotNull;
    case Operator::kNotNull:
      return Operator::kIsNull;
    case Operator::kIsNan:
      return Operator::kNotNan;
    case Operator::kNotNan:
      return Operator::kIsNan;
    case Operator::kLess:
      return Operator::kGreaterOrEqual;
    case Operator::kLessOrEqual:
      return Operator::kGreater;
    case Operator::kGreater:
      return Operator::kLessOrEqual;
    case Operator::kGreaterOrEqual:
      return Operator::kLess;
    case Operator::kEqual:
      return Operator::kNotEqual;
    case Operator::kNotEqual:
      return Operator::kEqual;
    case Operator::kStartsWith:
      return Operator::kNotStartsWith;
    case Operator::kNotStartsWith:
      return Operator::kStartsWith;
    case Operator::kIn:
      return Operator::kNotIn;
    case Operator::kNotIn:
      return Operator::kIn;
  }
  return op;
}

Result<BoundExpression> Bind(const Expression& expression, const Schema& schema,
                             bool case_sensitive) {
  return BindTree(expression, false, schema, case_sensitive);
}

std::vector<int32_t> ReferencedFields(const BoundExpression& expression) {
  std::set<int32_t> ids;
  CollectFields(expression, ids);
  return {ids.begin(), ids.end()};
}

}  // namespace pk::iceberg
