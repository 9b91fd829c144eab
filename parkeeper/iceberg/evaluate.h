#pragma once

// Pruning: what statistics say about a filter. One evaluator serves manifests (partition
// summaries), data files (manifest metrics) and row groups (Parquet statistics); and projection
// carries a row filter over to partitions.

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/value.h"

namespace pk::iceberg {

// What is known of one column in some set of rows. All of it optional: nullopt is "not known".
struct ColumnStatistics {
  std::optional<int64_t> value_count;  // rows, nulls included
  std::optional<int64_t> null_count;
  std::optional<int64_t> nan_count;
  std::optional<Value> lower;  // <= every value that is not null and not NaN; may be truncated
  std::optional<Value> upper;  // >= likewise
};
// By field id. Called once per predicate; must be cheap.
using StatisticsSource = std::function<ColumnStatistics(int32_t field_id)>;

// False only when no row of the set can pass (inclusive evaluation).
bool MightMatch(const BoundExpression& filter, const StatisticsSource& statistics);
// True only when every row of the set passes (strict evaluation).
bool MustMatch(const BoundExpression& filter, const StatisticsSource& statistics);

// Value of a column in one row, null included.
using ValueSource = std::function<Value(int32_t field_id)>;
// Whether the row passes.
bool Matches(const BoundExpression& filter, const ValueSource& row);

// A filter over the partition values of `spec` (field ids are partition field ids) that holds for
// every partition in which a row passing `filter` can lie (spec, "Scan Planning": inclusive
// projection).
BoundExpression ProjectInclusive(const BoundExpression& filter, const PartitionSpec& spec,
                                 const Schema& schema);
// One that holds only for partitions all of whose rows pass.
BoundExpression ProjectStrict(const BoundExpression& filter, const PartitionSpec& spec,
                              const Schema& schema);
// What remains to be tested of `filter` in the rows of this partition; True when the partition
// decides it.
BoundExpression Residual(const BoundExpression& filter, const PartitionSpec& spec,
                         const Schema& schema, const std::vector<Value>& partition);

// The greatest prefix of `value` (characters for string, bytes for binary) with at most `length` of
// them that is
// <= value, and the least one >= it; nullopt when there is none (spec, "Column metrics", truncated
// bounds).
Value TruncateLower(const Value& value, const PrimitiveType& type, int32_t length);
std::optional<Value> TruncateUpper(const Value& value, const PrimitiveType& type, int32_t length);

}  // namespace pk::iceberg
