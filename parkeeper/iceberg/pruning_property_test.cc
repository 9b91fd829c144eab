// Random rows and filters against a naive evaluation that shares nothing with the code under test:
// pruning, projection and residuals must agree with what the rows themselves say.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "parkeeper/iceberg/complement.h"
#include "parkeeper/iceberg/evaluate.h"
#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

constexpr uint32_t kSeeds = 3'000;

// Field ids are 1 to 9 in this order.
const Schema& Columns() {
  static const Schema schema = *ParseSchemaText(
      "a int, s string, x double, l long, ts timestamp, d date, price decimal(3,1), bin binary, "
      "f float");
  return schema;
}
constexpr int32_t kColumnCount = 9;
const Field& Column(int32_t id) { return *Columns().FindById(id); }
PrimitiveType TypeOf(int32_t id) { return *Column(id).type.primitive(); }

using Row = std::vector<Value>;  // by field id; [0] is not used

template <class T>
const T& Pick(std::mt19937& random, const std::vector<T>& from) {
  return from[random() % from.size()];
}

std::string RandomText(std::mt19937& random, const std::vector<std::string>& letters) {
  std::string text;
  for (size_t n = random() % 5; n > 0; --n) text += Pick(random, letters);
  return text;
}

// Few and close values, so that edges are met often; ends of types and zeros of both signs.
Value RandomValue(std::mt19937& random, int32_t id) {
  const auto small = int64_t(random() % 31) - 15;
  switch (TypeOf(id).kind) {
    case PrimitiveKind::kInt:
      if (random() % 6 == 0)
        return Value(random() % 2 == 0
                         ? std::numeric_limits<int32_t>::min() + int32_t(random() % 12)
                         : std::numeric_limits<int32_t>::max() - int32_t(random() % 12));
      return Value(int32_t(small));
    case PrimitiveKind::kLong:
      if (random() % 6 == 0)
        return Value(random() % 2 == 0
                         ? std::numeric_limits<int64_t>::min() + int64_t(random() % 12)
                         : std::numeric_limits<int64_t>::max() - int64_t(random() % 12));
      return Value(small);
    case PrimitiveKind::kString:
      return Value(RandomText(random, {"a", "b", "\u00e9", "\U0001F9CA", "\xFF", "\xE2"}));
    case PrimitiveKind::kBinary:
      return Value(RandomText(random, {"a", "b", "\xFF", std::string(1, '\0')}));
    case PrimitiveKind::kDouble:
      if (random() % 6 == 0) return Value(std::numeric_limits<double>::quiet_NaN());
      if (random() % 6 == 0) return Value(random() % 2 == 0 ? 0.0 : -0.0);
      return Value(double(small) / 2);
    case PrimitiveKind::kFloat:
      if (random() % 6 == 0) return Value(std::numeric_limits<float>::infinity());
      return Value(float(small) / 2);
    case PrimitiveKind::kTimestamp:
      return Value(small * 3'600'000'000 * 6 + int64_t(random() % 3) - 1);
    case PrimitiveKind::kDate:
      return Value(int32_t(small * 15 + int64_t(random() % 3)));
    default:
      return Value(Int128(random() % 10 == 0 ? (random() % 2 == 0 ? 999 : -999) : small));
  }
}

Row RandomRow(std::mt19937& random) {
  Row row(kColumnCount + 1);
  for (int32_t id = 1; id <= kColumnCount; ++id)
    if (random() % 6 != 0) row[size_t(id)] = RandomValue(random, id);
  return row;
}

// A filter in both worlds: as an Expression to bind, and as a function of a row that says true,
// false or, for unknown, nothing.
using Ternary = std::optional<bool>;
struct Pair {
  Expression expression;
  std::function<Ternary(const Row&)> naive;
};

Ternary Not(Ternary truth) { return truth ? Ternary(!*truth) : truth; }
Ternary And(Ternary left, Ternary right) {
  if (left == Ternary(false) || right == Ternary(false)) return false;
  return left && right ? Ternary(true) : std::nullopt;
}

template <class T>
bool Relation(Operator op, const T& left, const T& right) {
  switch (op) {
    case Operator::kLess:
      return left < right;
    case Operator::kLessOrEqual:
      return left <= right;
    case Operator::kGreater:
      return left > right;
    case Operator::kGreaterOrEqual:
      return left >= right;
    case Operator::kEqual:
      return left == right;
    default:
      return left != right;
  }
}

// `left` and `right` hold the same alternative, neither null.
bool NaiveRelation(Operator op, const Value& left, const Value& right) {
  return std::visit(
      [&](const auto& l) -> bool {
        using T = std::remove_cvref_t<decltype(l)>;
        if constexpr (std::is_same_v<T, std::monostate>)
          return false;
        else
          return Relation(op, l, std::get<T>(right));
      },
      left);
}

Literal AsLiteral(const Value& value, const PrimitiveType& type) {
  const bool hex = type.kind == PrimitiveKind::kBinary;
  return {.kind = hex ? Literal::Kind::kHex : Literal::Kind::kString,
          .text = ToString(value, type)};
}

Value RandomLiteral(std::mt19937& random, int32_t id) {
  for (;;) {
    Value value = RandomValue(random, id);
    if (!IsNan(value)) return value;
  }
}

Pair RandomComparison(std::mt19937& random, int32_t id, const std::string& name) {
  const auto op = Operator(int(Operator::kLess) + int(random() % 6));
  const Value literal = RandomLiteral(random, id);
  return {Predicate{.op = op, .column = name, .literals = {AsLiteral(literal, TypeOf(id))}},
          [=](const Row& row) -> Ternary {
            const Value& value = row[size_t(id)];
            if (IsNull(value)) return std::nullopt;
            return NaiveRelation(op, value, literal);
          }};
}

// Half a number more than a whole one: no value of the column equals it.
Pair RandomHalf(std::mt19937& random) {
  const auto op = Operator(int(Operator::kLess) + int(random() % 6));
  const int whole = int(random() % 31) - 15;
  const double half = whole + 0.5;
  return {
      Predicate{.op = op,
                .column = "a",
                .literals = {{.kind = Literal::Kind::kNumber, .text = fmt::format("{}", half)}}},
      [=](const Row& row) -> Ternary {
        if (IsNull(row[1])) return std::nullopt;
        return Relation(op, double(std::get<int32_t>(row[1])), half);
      }};
}

Pair RandomList(std::mt19937& random, int32_t id, const std::string& name) {
  const bool in = random() % 2 == 0;
  std::vector<Value> values;
  Predicate predicate{.op = in ? Operator::kIn : Operator::kNotIn, .column = name, .literals = {}};
  for (size_t n = random() % 5; n > 0; --n) {
    values.push_back(RandomLiteral(random, id));
    predicate.literals.push_back(AsLiteral(values.back(), TypeOf(id)));
  }
  return {predicate, [=](const Row& row) -> Ternary {
            const Value& value = row[size_t(id)];
            if (IsNull(value)) return std::nullopt;
            return in == std::any_of(values.begin(), values.end(), [&](const Value& literal) {
                     return NaiveRelation(Operator::kEqual, value, literal);
                   });
          }};
}

Pair RandomPrefix(std::mt19937& random) {
  const bool with = random() % 2 == 0;
  const std::string prefix = std::get<std::string>(RandomLiteral(random, 2));
  return {Predicate{.op = with ? Operator::kStartsWith : Operator::kNotStartsWith,
                    .column = "s",
                    .literals = {{.kind = Literal::Kind::kString, .text = prefix}}},
          [=](const Row& row) -> Ternary {
            if (IsNull(row[2])) return std::nullopt;
            return with == std::get<std::string>(row[2]).starts_with(prefix);
          }};
}

Pair RandomTest(std::mt19937& random, int32_t id, const std::string& name) {
  const bool floating = id == 3 || id == 9;
  const auto op = Operator(int(Operator::kIsNull) + int(random() % (floating ? 4 : 2)));
  return {Predicate{.op = op, .column = name, .literals = {}}, [=](const Row& row) -> Ternary {
            const Value& value = row[size_t(id)];
            if (op == Operator::kIsNull || op == Operator::kNotNull)
              return IsNull(value) == (op == Operator::kIsNull);
            if (IsNull(value)) return std::nullopt;
            return IsNan(value) == (op == Operator::kIsNan);
          }};
}

Pair RandomLeaf(std::mt19937& random) {
  const auto id = int32_t(1 + random() % kColumnCount);
  switch (random() % 8) {
    case 0:
      return RandomTest(random, id, Column(id).name);
    case 1:
    case 2:
      return RandomList(random, id, Column(id).name);
    case 3:
      return RandomPrefix(random);
    case 4:
      return RandomHalf(random);
    default:
      return RandomComparison(random, id, Column(id).name);
  }
}

Pair RandomFilter(std::mt19937& random, int depth) {
  const auto kind = random() % 6;
  if (depth == 0 || kind < 2) return RandomLeaf(random);
  Pair left = RandomFilter(random, depth - 1);
  if (kind == 2)
    return {Expression::Not{{left.expression}},
            [inner = left.naive](const Row& row) { return Not(inner(row)); }};
  Pair right = RandomFilter(random, depth - 1);
  if (kind < 5)
    return {Expression::And{{left.expression, right.expression}},
            [l = left.naive, r = right.naive](const Row& row) { return And(l(row), r(row)); }};
  return {Expression::Or{{left.expression, right.expression}},
          [l = left.naive, r = right.naive](const Row& row) {
            return Not(And(Not(l(row)), Not(r(row))));
          }};
}

// What a writer could have recorded of these rows, each piece forgotten now and then.
ColumnStatistics StatisticsOf(std::mt19937& random, const std::vector<Row>& rows, int32_t id) {
  int64_t nulls = 0, nans = 0;
  std::optional<Value> lower, upper;
  for (const Row& row : rows) {
    const Value& value = row[size_t(id)];
    if (IsNull(value)) {
      ++nulls;
    } else if (IsNan(value)) {
      ++nans;
    } else {
      if (!lower || Compare(value, *lower) < 0) lower = value;
      if (!upper || Compare(value, *upper) > 0) upper = value;
    }
  }
  if (random() % 2 == 0 && lower) {
    const auto length = int32_t(1 + random() % 3);
    lower = TruncateLower(*lower, TypeOf(id), length);
    upper = TruncateUpper(*upper, TypeOf(id), length);
  }
  ColumnStatistics statistics;
  if (random() % 8 != 0) statistics.value_count = int64_t(rows.size());
  if (random() % 8 != 0) statistics.null_count = nulls;
  if (random() % 8 != 0 && (id == 3 || id == 9)) statistics.nan_count = nans;
  if (random() % 8 != 0) statistics.lower = lower;
  if (random() % 8 != 0) statistics.upper = upper;
  return statistics;
}

bool Passes(const Pair& filter, const Row& row) { return filter.naive(row) == Ternary(true); }

struct Bound {
  Pair pair;
  BoundExpression filter;
};
Bound RandomBound(std::mt19937& random) {
  Pair pair = RandomFilter(random, int(random() % 4));
  auto bound = Bind(pair.expression, Columns());
  EXPECT_TRUE(bound.ok()) << ToString(pair.expression) << ": " << bound.error().ToString();
  return {std::move(pair), bound.ok() ? *std::move(bound) : BoundExpression(False{})};
}
bool MatchesRow(const BoundExpression& filter, const Row& row) {
  return Matches(filter, [&](int32_t id) -> const Value& { return row[size_t(id)]; });
}

TEST(PruningProperty, BoundFiltersPassTheRowsThatTheUnboundOnesDo) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    std::mt19937 random(seed);
    const Bound bound = RandomBound(random);
    for (int i = 0; i < 20; ++i) {
      const Row row = RandomRow(random);
      ASSERT_EQ(MatchesRow(bound.filter, row), Passes(bound.pair, row))
          << "seed " << seed << ": " << ToString(bound.pair.expression) << " bound as "
          << ToString(bound.filter, Columns());
    }
  }
}

TEST(PruningProperty, AFilterAndItsComplementShareTheRowsOut) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    std::mt19937 random(seed);
    const BoundExpression filter = RandomBound(random).filter;
    const BoundExpression others = Complement(filter);
    for (int i = 0; i < 20; ++i) {
      const Row row = RandomRow(random);
      ASSERT_NE(MatchesRow(filter, row), MatchesRow(others, row))
          << "seed " << seed << ": " << ToString(filter, Columns()) << " against "
          << ToString(others, Columns());
    }
  }
}

TEST(PruningProperty, StatisticsNeverPruneARowThatPassesNorPassOneThatDoesNot) {
  int pruned = 0, decided = 0;
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    std::mt19937 random(seed);
    const Bound bound = RandomBound(random);
    for (int group = 0; group < 6; ++group) {
      std::vector<Row> rows;
      for (size_t n = 1 + random() % 4; n > 0; --n) rows.push_back(RandomRow(random));
      std::map<int32_t, ColumnStatistics> by_id;
      for (int32_t id = 1; id <= kColumnCount; ++id) by_id[id] = StatisticsOf(random, rows, id);
      const auto source = [&](int32_t id) -> const ColumnStatistics& { return by_id[id]; };
      const bool might = MightMatch(bound.filter, source);
      const bool must = MustMatch(bound.filter, source);
      pruned += might ? 0 : 1;
      decided += must ? 1 : 0;
      for (const Row& row : rows) {
        const bool passes = Passes(bound.pair, row);
        ASSERT_TRUE((might || !passes) && (passes || !must))
            << "seed " << seed << ": " << ToString(bound.pair.expression) << " bound as "
            << ToString(bound.filter, Columns()) << ", might " << might << ", must " << must;
      }
    }
  }
  EXPECT_GT(pruned, int(kSeeds / 4));  // the promise is not kept by pruning nothing
  EXPECT_GT(decided, int(kSeeds / 8));
}

TEST(PruningProperty, ProjectionsAndResidualsAgreeWithTheRowsOfAPartition) {
  const std::vector<std::string> specs = {"a",
                                          "s",
                                          "x",
                                          "f",
                                          "bucket(3, a)",
                                          "bucket(3, s)",
                                          "bucket(3, price)",
                                          "truncate(10, a)",
                                          "truncate(16, a)",
                                          "truncate(7, l)",
                                          "truncate(2, s)",
                                          "truncate(1, bin)",
                                          "truncate(3, price)",
                                          "year(d)",
                                          "month(d)",
                                          "day(d)",
                                          "year(ts)",
                                          "month(ts)",
                                          "day(ts)",
                                          "hour(ts)",
                                          "void(a)",
                                          "day(ts), bucket(3, s)",
                                          "truncate(10, a), a, truncate(1, s)"};
  int pruned = 0, decided = 0;
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    std::mt19937 random(seed);
    const Bound bound = RandomBound(random);
    const std::string& text = Pick(random, specs);
    PK_ASSERT_OK(const PartitionSpec spec, ParsePartitionText(text, Columns()));
    const BoundExpression inclusive = ProjectInclusive(bound.filter, spec, Columns());
    const BoundExpression strict = ProjectStrict(bound.filter, spec, Columns());
    for (int i = 0; i < 20; ++i) {
      const Row row = RandomRow(random);
      std::vector<Value> partition;
      for (const PartitionField& field : spec.fields)
        partition.push_back(
            ApplyTransform(field.transform, TypeOf(field.source_id), row[size_t(field.source_id)]));
      const auto value_of = [&](int32_t id) -> const Value& {
        return partition[size_t(id - kFirstPartitionFieldId)];
      };
      const bool might = Matches(inclusive, value_of);
      const bool must = Matches(strict, value_of);
      const bool passes = Passes(bound.pair, row);
      pruned += might ? 0 : 1;
      decided += must ? 1 : 0;
      const BoundExpression residual = Residual(bound.filter, spec, Columns(), partition);
      ASSERT_TRUE((might || !passes) && (passes || !must) && MatchesRow(residual, row) == passes)
          << "seed " << seed << ": " << ToString(bound.filter, Columns()) << " by " << text
          << ", might " << might << ", must " << must << ", residual "
          << ToString(residual, Columns());
    }
  }
  EXPECT_GT(pruned, int(kSeeds / 4));
  EXPECT_GT(decided, int(kSeeds / 8));
}

TEST(PruningProperty, TruncatedBoundsEncloseTheirValue) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    std::mt19937 random(seed);
    for (const int32_t id : {2, 8}) {
      const Value value = RandomValue(random, id);
      const auto length = int32_t(random() % 5);
      ASSERT_LE(Compare(TruncateLower(value, TypeOf(id), length), value), 0) << "seed " << seed;
      const auto upper = TruncateUpper(value, TypeOf(id), length);
      if (!upper) continue;
      ASSERT_GE(Compare(*upper, value), 0) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace pk::iceberg
