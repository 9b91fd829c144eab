// Row filters carried over to the partition values of a spec.

#include <algorithm>
#include <cassert>
#include <limits>

#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/iceberg/expression_internal.h"
#include "parkeeper/iceberg/number_internal.h"
#include "parkeeper/iceberg/utf8_internal.h"

namespace pk::iceberg {
namespace {

template <class T>
std::optional<Value> Step(T number, T step, T end) {
  if (number == end) return std::nullopt;
  return Value(T(number + step));
}

// The next whole number (or decimal) of the type, upwards with step 1, downwards with -1; nullopt
// at the end of the type.
std::optional<Value> Neighbour(const Value& value, const PrimitiveType& type, int step) {
  const bool up = step > 0;
  if (const int32_t* number = std::get_if<int32_t>(&value)) {
    using Limits = std::numeric_limits<int32_t>;
    return Step<int32_t>(*number, step, up ? Limits::max() : Limits::min());
  }
  if (const int64_t* number = std::get_if<int64_t>(&value)) {
    using Limits = std::numeric_limits<int64_t>;
    return Step<int64_t>(*number, step, up ? Limits::max() : Limits::min());
  }
  const Int128 most = PowerOfTen(type.precision) - 1;
  return Step<Int128>(std::get<Int128>(value), step, up ? most : -most);
}

bool IsComparison(Operator op) { return op >= Operator::kLess; }
bool IsDownward(Operator op) { return op == Operator::kLess || op == Operator::kLessOrEqual; }

// One predicate of rows as a predicate of one partition field.
class FieldProjection {
 public:
  FieldProjection(const PartitionField& field, const BoundPredicate& predicate,
                  const PrimitiveType& result)
      : field_(field), predicate_(predicate), result_(result) {}

  BoundExpression Inclusive() const {
    switch (field_.transform.kind) {
      case TransformKind::kVoid:
      case TransformKind::kUnknown:
        return True{};
      default:
        break;
    }
    if (!IsComparison(predicate_.op) || IsIdentity()) return InclusiveIdentity();
    if (predicate_.op == Operator::kEqual || predicate_.op == Operator::kIn) return InclusiveList();
    if (field_.transform.kind == TransformKind::kBucket) return NotNull();
    return OfBytes() ? InclusiveBytes() : InclusiveNumber();
  }

  BoundExpression Strict() const {
    switch (field_.transform.kind) {
      case TransformKind::kVoid:
      case TransformKind::kUnknown:
        return False{};
      default:
        break;
    }
    if (!IsComparison(predicate_.op) || IsIdentity()) return Make(predicate_.op, predicate_.values);
    if (predicate_.op == Operator::kNotEqual || predicate_.op == Operator::kNotIn)
      return StrictList();
    if (field_.transform.kind == TransformKind::kBucket) return False{};
    return OfBytes() ? StrictBytes() : StrictNumber();
  }

 private:
  bool IsIdentity() const {
    return field_.transform.kind == TransformKind::kIdentity ||
           (field_.transform.kind == TransformKind::kDay && predicate_.type == result_);
  }
  bool OfBytes() const {
    return predicate_.type.kind == PrimitiveKind::kString ||
           predicate_.type.kind == PrimitiveKind::kBinary;
  }
  // Early versions of the reference implementation wrote these one too high before 1970.
  bool MayBeOneTooHigh() const {
    return field_.transform.kind != TransformKind::kTruncate &&
           field_.transform.kind != TransformKind::kBucket;
  }

  const Value& literal() const {
    assert(!predicate_.values.empty());
    return predicate_.values.front();
  }
  Value Apply(const Value& value) const {
    return ApplyTransform(field_.transform, predicate_.type, value);
  }
  BoundExpression Make(Operator op, std::vector<Value> values) const {
    return BoundPredicate{
        .op = op, .field_id = field_.field_id, .type = result_, .values = std::move(values)};
  }
  BoundExpression NotNull() const { return Make(Operator::kNotNull, {}); }

  // The partition values in which the literals lie.
  std::vector<Value> AppliedLiterals() const {
    std::vector<Value> values;
    for (const Value& value : predicate_.values) {
      values.push_back(Apply(value));
      const int32_t* number = std::get_if<int32_t>(&values.back());
      if (MayBeOneTooHigh() && number != nullptr && *number < 0)
        values.push_back(Value(int32_t(*number + 1)));
    }
    std::ranges::sort(values, [](const Value& a, const Value& b) { return Compare(a, b) < 0; });
    const auto doubles = std::ranges::unique(values);
    values.erase(doubles.begin(), doubles.end());
    return values;
  }

  BoundExpression InclusiveIdentity() const {
    BoundExpression same = Make(predicate_.op, predicate_.values);
    const bool floating = predicate_.type.kind == PrimitiveKind::kFloat ||
                          predicate_.type.kind == PrimitiveKind::kDouble;
    const bool upward =
        predicate_.op == Operator::kGreater || predicate_.op == Operator::kGreaterOrEqual;
    if (!floating || !upward) return same;
    return AnyOf({std::move(same), Make(Operator::kIsNan, {})});
  }

  BoundExpression InclusiveList() const {
    std::vector<Value> values = AppliedLiterals();
    const Operator op = values.size() == 1 ? Operator::kEqual : Operator::kIn;
    return Make(op, std::move(values));
  }

  BoundExpression StrictList() const {
    std::vector<Value> values = AppliedLiterals();
    const Operator op = values.size() == 1 ? Operator::kNotEqual : Operator::kNotIn;
    return Make(op, std::move(values));
  }

  // Numbers within one width of the least one wrap around when truncated. All of them come to lie
  // in one partition, which no other number does.
  bool Wraps(const Value& value) const { return Compare(Apply(value), value) > 0; }
  std::optional<Value> WrappedPartition() const {
    if (field_.transform.kind != TransformKind::kTruncate) return std::nullopt;
    const bool is_int = predicate_.type.kind == PrimitiveKind::kInt;
    if (!is_int && predicate_.type.kind != PrimitiveKind::kLong) return std::nullopt;
    const Value least = is_int ? Value(std::numeric_limits<int32_t>::min())
                               : Value(std::numeric_limits<int64_t>::min());
    if (!Wraps(least)) return std::nullopt;
    return Apply(least);
  }

  BoundExpression InclusiveNumber() const {
    const Operator op = predicate_.op;
    if (op == Operator::kNotEqual || op == Operator::kNotIn) return NotNull();
    std::optional<Value> edge = literal();
    if (op == Operator::kLess) edge = Neighbour(literal(), predicate_.type, -1);
    if (op == Operator::kGreater) edge = Neighbour(literal(), predicate_.type, 1);
    if (!edge) return False{};  // nothing lies beyond the end of the type
    const auto wrapped = WrappedPartition();
    if (!IsDownward(op)) {
      if (wrapped && Wraps(*edge)) return NotNull();
      return Make(Operator::kGreaterOrEqual, {Apply(*edge)});
    }
    Value projected = Apply(*edge);
    if (int32_t* number = std::get_if<int32_t>(&projected);
        number != nullptr && MayBeOneTooHigh() && *number < 0)
      ++*number;
    BoundExpression below = Make(Operator::kLessOrEqual, {std::move(projected)});
    if (!wrapped) return below;
    return AnyOf({std::move(below), Make(Operator::kEqual, {*wrapped})});
  }

  BoundExpression StrictNumber() const {
    const Operator op = predicate_.op;
    if (op == Operator::kEqual || op == Operator::kIn) return False{};
    std::optional<Value> edge = literal();
    if (op == Operator::kLessOrEqual) edge = Neighbour(literal(), predicate_.type, 1);
    if (op == Operator::kGreaterOrEqual) edge = Neighbour(literal(), predicate_.type, -1);
    if (!edge) return NotNull();  // everything lies within the ends of the type
    const auto wrapped = WrappedPartition();
    if (wrapped && Wraps(*edge)) return False{};
    Value projected = Apply(*edge);
    if (IsDownward(op)) return Make(Operator::kLess, {std::move(projected)});
    if (int32_t* number = std::get_if<int32_t>(&projected);
        number != nullptr && MayBeOneTooHigh() && *number <= 0)
      ++*number;
    BoundExpression above = Make(Operator::kGreater, {std::move(projected)});
    if (!wrapped) return above;
    return AllOf({std::move(above), Make(Operator::kNotEqual, {*wrapped})});
  }

  // Negative: the literal is shorter than the width of truncate; 0: of just this width.
  int LengthToWidth() const {
    const std::string& text = std::get<std::string>(literal());
    const int64_t length = predicate_.type.kind == PrimitiveKind::kString ? CountCharacters(text)
                                                                          : int64_t(text.size());
    const int64_t width = field_.transform.parameter;
    // A last character that is cut off goes on in the partition value.
    const bool cut = predicate_.type.kind == PrimitiveKind::kString &&
                     FirstCharacters(text + "\x80\x80\x80", length).size() > text.size();
    if (cut && length == width) return -1;
    return length < width ? -1 : length > width ? 1 : 0;
  }

  BoundExpression InclusiveBytes() const {
    Value projected = Apply(literal());
    const bool whole = LengthToWidth() <= 0;  // truncation leaves the literal as it is
    switch (predicate_.op) {
      case Operator::kLess:
        return Make(whole ? Operator::kLess : Operator::kLessOrEqual, {std::move(projected)});
      case Operator::kLessOrEqual:
        return Make(Operator::kLessOrEqual, {std::move(projected)});
      case Operator::kGreater:
      case Operator::kGreaterOrEqual:
        return Make(Operator::kGreaterOrEqual, {std::move(projected)});
      case Operator::kStartsWith:
        if (LengthToWidth() < 0) return Make(Operator::kStartsWith, {std::move(projected)});
        return Make(Operator::kEqual, {std::move(projected)});
      case Operator::kNotStartsWith:
        if (LengthToWidth() < 0) return Make(Operator::kNotStartsWith, {std::move(projected)});
        if (whole) return Make(Operator::kNotEqual, {std::move(projected)});
        return NotNull();
      default:
        return NotNull();
    }
  }

  BoundExpression StrictBytes() const {
    Value projected = Apply(literal());
    const bool whole = LengthToWidth() <= 0;
    switch (predicate_.op) {
      case Operator::kLess:
      case Operator::kLessOrEqual:
        return Make(Operator::kLess, {std::move(projected)});
      case Operator::kGreater:
        return Make(Operator::kGreater, {std::move(projected)});
      case Operator::kGreaterOrEqual:
        return Make(whole ? Operator::kGreaterOrEqual : Operator::kGreater, {std::move(projected)});
      case Operator::kStartsWith:
        if (LengthToWidth() < 0) return Make(Operator::kStartsWith, {std::move(projected)});
        return whole ? Make(Operator::kEqual, {std::move(projected)}) : BoundExpression(False{});
      case Operator::kNotStartsWith:
        return Make(LengthToWidth() < 0 ? Operator::kNotStartsWith : Operator::kNotEqual,
                    {std::move(projected)});
      default:
        return False{};
    }
  }

  const PartitionField& field_;
  const BoundPredicate& predicate_;
  PrimitiveType result_;
};

enum class Mode { kInclusive, kStrict };

BoundExpression ProjectPredicate(const BoundPredicate& predicate, const PartitionSpec& spec,
                                 const Schema& schema, Mode mode) {
  std::vector<BoundExpression> parts;
  for (const PartitionField& field : spec.fields) {
    if (field.source_id != predicate.field_id) continue;
    const Field* source = schema.FindById(field.source_id);
    if (source == nullptr || source->type != Type(predicate.type)) continue;
    const auto result = ResultType(field.transform, predicate.type);
    if (!result.ok()) continue;
    const FieldProjection projection(field, predicate, *result);
    parts.push_back(mode == Mode::kInclusive ? projection.Inclusive() : projection.Strict());
  }
  return mode == Mode::kInclusive ? AllOf(std::move(parts)) : AnyOf(std::move(parts));
}

// Rebuilds `filter` with its predicates replaced; `of_not` stands for whatever is under a Not.
template <class Replace, class OfNot>
BoundExpression Rebuild(const BoundExpression& filter, const Replace& replace,
                        const OfNot& of_not) {
  const auto rebuild_all = [&](const std::vector<BoundExpression>& of) {
    std::vector<BoundExpression> parts;
    parts.reserve(of.size());
    for (const BoundExpression& part : of) parts.push_back(Rebuild(part, replace, of_not));
    return parts;
  };
  if (const auto* predicate = std::get_if<BoundPredicate>(&filter.node)) return replace(*predicate);
  if (const auto* all = std::get_if<BoundExpression::And>(&filter.node))
    return AllOf(rebuild_all(all->of));
  if (const auto* any = std::get_if<BoundExpression::Or>(&filter.node))
    return AnyOf(rebuild_all(any->of));
  if (std::holds_alternative<BoundExpression::Not>(filter.node)) return of_not(filter);
  return filter;
}

}  // namespace

BoundExpression ProjectInclusive(const BoundExpression& filter, const PartitionSpec& spec,
                                 const Schema& schema) {
  return Rebuild(
      filter,
      [&](const BoundPredicate& predicate) {
        return ProjectPredicate(predicate, spec, schema, Mode::kInclusive);
      },
      [](const BoundExpression&) { return BoundExpression(True{}); });
}

BoundExpression ProjectStrict(const BoundExpression& filter, const PartitionSpec& spec,
                              const Schema& schema) {
  return Rebuild(
      filter,
      [&](const BoundPredicate& predicate) {
        return ProjectPredicate(predicate, spec, schema, Mode::kStrict);
      },
      [](const BoundExpression&) { return BoundExpression(False{}); });
}

BoundExpression Residual(const BoundExpression& filter, const PartitionSpec& spec,
                         const Schema& schema, const std::vector<Value>& partition) {
  assert(partition.size() == spec.fields.size());
  const auto value_of = [&](int32_t field_id) -> const Value& {
    const auto field = std::ranges::find(spec.fields, field_id, &PartitionField::field_id);
    return partition[size_t(field - spec.fields.begin())];
  };
  return Rebuild(
      filter,
      [&](const BoundPredicate& predicate) {
        if (Matches(ProjectPredicate(predicate, spec, schema, Mode::kStrict), value_of))
          return BoundExpression(True{});
        if (!Matches(ProjectPredicate(predicate, spec, schema, Mode::kInclusive), value_of))
          return BoundExpression(False{});
        return BoundExpression(predicate);
      },
      [](const BoundExpression& inverse) { return inverse; });
}

}  // namespace pk::iceberg
