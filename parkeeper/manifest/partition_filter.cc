#include "parkeeper/manifest/partition_filter.h"

#include <algorithm>
#include <utility>

namespace pk::manifest {

using iceberg::BoundExpression;
using iceberg::BoundPredicate;
using iceberg::ColumnStatistics;
using iceberg::Operator;
using iceberg::Value;

namespace {

ColumnStatistics StatisticsOf(const iceberg::PartitionSummary& summary,
                              const iceberg::PrimitiveType& type) {
  ColumnStatistics statistics;
  if (!summary.contains_null) statistics.null_count = 0;
  if (summary.contains_nan && !*summary.contains_nan) statistics.nan_count = 0;
  const auto bound = [&](const std::optional<std::string>& bytes) -> std::optional<Value> {
    if (!bytes) return std::nullopt;
    auto value = iceberg::FromBytes(*bytes, type);
    // A bound that cannot be read says nothing.
    return value.ok() ? std::optional<Value>(std::move(value).value()) : std::nullopt;
  };
  statistics.lower = bound(summary.lower);
  statistics.upper = bound(summary.upper);
  return statistics;
}

BoundExpression Is(int32_t field_id, const iceberg::PrimitiveType& type, const Value& value) {
  BoundPredicate predicate{
      .op = Operator::kEqual, .field_id = field_id, .type = type, .values = {}};
  if (iceberg::IsNull(value)) {
    predicate.op = Operator::kIsNull;
  } else if (iceberg::IsNan(value)) {
    predicate.op = Operator::kIsNan;
  } else {
    predicate.values = {value};
  }
  return predicate;
}

bool IsTold(const iceberg::PartitionField& field, const iceberg::Schema& schema) {
  return field.transform.kind != iceberg::TransformKind::kUnknown &&
         schema.FindById(field.source_id) != nullptr;
}

}  // namespace

PartitionFilter::PartitionFilter(BoundExpression filter, const iceberg::PartitionSpec& spec,
                                 const iceberg::Schema& schema)
    : filter_(std::move(filter)), types_(iceberg::PartitionTypes(spec, schema)) {
  for (const iceberg::PartitionField& field : spec.fields) field_ids_.push_back(field.field_id);
}

PartitionFilter PartitionFilter::OfRows(const BoundExpression& rows,
                                        const iceberg::PartitionSpec& spec,
                                        const iceberg::Schema& schema) {
  return {iceberg::ProjectInclusive(rows, spec, schema), spec, schema};
}

PartitionFilter PartitionFilter::OfValues(const std::vector<Value>& values,
                                          const iceberg::PartitionSpec& spec,
                                          const iceberg::Schema& schema) {
  const auto types = iceberg::PartitionTypes(spec, schema);
  BoundExpression::And all;
  for (size_t i = 0; i < std::min(values.size(), types.size()); ++i) {
    if (!IsTold(spec.fields[i], schema) || !iceberg::Represents(values[i], types[i])) continue;
    all.of.push_back(Is(spec.fields[i].field_id, types[i], values[i]));
  }
  return {all.of.empty() ? BoundExpression() : BoundExpression(std::move(all)), spec, schema};
}

bool PartitionFilter::MightMatch(const iceberg::ManifestFile& manifest) const {
  if (filter_.is_true() || manifest.partitions.size() != types_.size()) return true;
  return iceberg::MightMatch(filter_, [&](int32_t field_id) {
    const size_t index = IndexOf(field_id);
    return index == types_.size() ? ColumnStatistics{}
                                  : StatisticsOf(manifest.partitions[index], types_[index]);
  });
}

bool PartitionFilter::Matches(const EntryColumns& entries, size_t row) const {
  if (filter_.is_true()) return true;
  return iceberg::Matches(filter_, [&](int32_t field_id) {
    const size_t index = IndexOf(field_id);
    return index == types_.size() ? Value() : entries.partition[index][row];
  });
}

bool PartitionFilter::Matches(const std::vector<Value>& partition) const {
  if (filter_.is_true()) return true;
  return iceberg::Matches(filter_, [&](int32_t field_id) {
    const size_t index = IndexOf(field_id);
    return index >= partition.size() ? Value() : partition[index];
  });
}

size_t PartitionFilter::IndexOf(int32_t field_id) const {
  return size_t(std::ranges::find(field_ids_, field_id) - field_ids_.begin());
}

}  // namespace pk::manifest
