#pragma once

// Pruning: what statistics say about a filter. One evaluator serves manifests (partition
// summaries), data files (manifest metrics) and row groups (Parquet statistics); and projection
// carries a row filter over to partitions.
//
// All of it keeps to the row semantics of expression.h and never prunes what may pass under them.
// For engines that order NaN above all numbers, sets that are known to hold NaN and partitions of
// NaN are not pruned by > and >= either. Bounds that are NaN, or of another representation than
// the filter's type and not promotable to it, count as unknown. Pure; thread-safe.
//
// Evaluation allocates nothing: a million calls in planning cost what the sources do.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/value.h"

namespace pk::iceberg {

// What is known of one column in some set of rows. All of it optional: nullopt is "not known".
struct ColumnStatistics {
  std::optional<int64_t> value_count;  // rows, nulls included
  std::optional<int64_t> null_count;   // any positive number says "some" without a value_count
  std::optional<int64_t> nan_count;    // likewise
  std::optional<Value> lower;  // <= every value that is not null and not NaN; may be truncated
  std::optional<Value> upper;  // >= likewise
};
// By field id. Called once per predicate; must be cheap.
using StatisticsSource = std::function<ColumnStatistics(int32_t field_id)>;

// False only when no row of the set can pass (inclusive evaluation).
bool MightMatch(const BoundPredicate& predicate, const ColumnStatistics& statistics);
// True only when every row of the set passes (strict evaluation).
bool MustMatch(const BoundPredicate& predicate, const ColumnStatistics& statistics);

enum class Truth { kFalse, kUnknown, kTrue };
// Of one row, whose value of the predicate's column is `value`.
Truth Evaluate(const BoundPredicate& predicate, const Value& value);

// The same of whole filters. `Source` is a StatisticsSource or any callable of its shape; it may
// return a reference. Parts that no longer matter are not asked for.
template <class Source>
bool MustMatch(const BoundExpression& filter, const Source& statistics) {
  if (const auto* predicate = std::get_if<BoundPredicate>(&filter.node))
    return MustMatch(*predicate, statistics(predicate->field_id));
  const auto inner = [&](const BoundExpression& part) { return MustMatch(part, statistics); };
  if (const auto* all = std::get_if<BoundExpression::And>(&filter.node))
    return std::all_of(all->of.begin(), all->of.end(), inner);
  if (const auto* any = std::get_if<BoundExpression::Or>(&filter.node))
    return std::any_of(any->of.begin(), any->of.end(), inner);
  return filter.is_true();  // of Not, which Bind leaves none of, nothing is known
}

template <class Source>
bool MightMatch(const BoundExpression& filter, const Source& statistics) {
  if (const auto* predicate = std::get_if<BoundPredicate>(&filter.node))
    return MightMatch(*predicate, statistics(predicate->field_id));
  const auto inner = [&](const BoundExpression& part) { return MightMatch(part, statistics); };
  if (const auto* all = std::get_if<BoundExpression::And>(&filter.node))
    return std::all_of(all->of.begin(), all->of.end(), inner);
  if (const auto* any = std::get_if<BoundExpression::Or>(&filter.node))
    return std::any_of(any->of.begin(), any->of.end(), inner);
  if (const auto* inverse = std::get_if<BoundExpression::Not>(&filter.node))
    return !MustMatch(inverse->of.front(), statistics);
  return !filter.is_false();
}

// Value of a column in one row, null included.
using ValueSource = std::function<Value(int32_t field_id)>;
// `Source` is a ValueSource or any callable of its shape; it may return a reference.
template <class Source>
Truth Evaluate(const BoundExpression& filter, const Source& row) {
  if (const auto* predicate = std::get_if<BoundPredicate>(&filter.node))
    return Evaluate(*predicate, row(predicate->field_id));
  if (const auto* all = std::get_if<BoundExpression::And>(&filter.node)) {
    Truth truth = Truth::kTrue;
    for (size_t i = 0; i < all->of.size() && truth != Truth::kFalse; ++i)
      truth = std::min(truth, Evaluate(all->of[i], row));
    return truth;
  }
  if (const auto* any = std::get_if<BoundExpression::Or>(&filter.node)) {
    Truth truth = Truth::kFalse;
    for (size_t i = 0; i < any->of.size() && truth != Truth::kTrue; ++i)
      truth = std::max(truth, Evaluate(any->of[i], row));
    return truth;
  }
  if (const auto* inverse = std::get_if<BoundExpression::Not>(&filter.node)) {
    const Truth truth = Evaluate(inverse->of.front(), row);
    if (truth == Truth::kUnknown) return truth;
    return truth == Truth::kTrue ? Truth::kFalse : Truth::kTrue;
  }
  return filter.is_true() ? Truth::kTrue : Truth::kFalse;
}

// Whether the row passes.
template <class Source>
bool Matches(const BoundExpression& filter, const Source& row) {
  return Evaluate(filter, row) == Truth::kTrue;
}

// A filter over the partition values of `spec` (field ids are partition field ids) that holds for
// every partition in which a row passing `filter` can lie (spec, "Scan Planning": inclusive
// projection). It also finds rows in partitions that version 0.10 of the reference implementation
// and those before it wrote one too high for times before 1970. Fields of unknown transforms are
// left out.
BoundExpression ProjectInclusive(const BoundExpression& filter, const PartitionSpec& spec,
                                 const Schema& schema);
// One that holds only for partitions all of whose rows pass.
BoundExpression ProjectStrict(const BoundExpression& filter, const PartitionSpec& spec,
                              const Schema& schema);
// What remains to be tested of `filter` in the rows of this partition; True when the partition
// decides it, False when no row passes. As many values as `spec` has fields, of PartitionTypes.
BoundExpression Residual(const BoundExpression& filter, const PartitionSpec& spec,
                         const Schema& schema, const std::vector<Value>& partition);

// The greatest prefix of `value` (characters for string, bytes for binary and fixed) with at most
// `length` of them that is <= value, and the least one >= it; nullopt when there is none (spec,
// "Column metrics", truncated bounds). Values of other types, null, and short ones are returned
// unchanged. Text that is not UTF-8 gives true bounds as well.
Value TruncateLower(const Value& value, const PrimitiveType& type, int32_t length);
std::optional<Value> TruncateUpper(const Value& value, const PrimitiveType& type, int32_t length);

}  // namespace pk::iceberg
