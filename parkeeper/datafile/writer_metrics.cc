#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>
#include <parquet/statistics.h>

#include <cmath>
#include <cstring>
#include <optional>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/writer_metrics_internal.h"
#include "parkeeper/iceberg/evaluate.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;
using iceberg::Value;

struct PlanBuilder {
  const WriterOptions& options;
  std::map<int32_t, ColumnMetrics> plan;
  int32_t inferred = 0;

  void Primitive(int32_t id) {
    if (auto explicit_mode = options.column_metrics.find(id);
        explicit_mode != options.column_metrics.end()) {
      plan[id] = explicit_mode->second;
      return;
    }
    plan[id] = inferred++ < options.max_metrics_columns
                   ? options.metrics
                   : ColumnMetrics{.mode = MetricsMode::kNone, .length = 0};
  }

  // A struct's own primitives come first.
  void Fields(const std::vector<std::pair<int32_t, iceberg::Type>>& fields) {
    for (const auto& [id, type] : fields)
      if (type.is_primitive()) Primitive(id);
    for (const auto& [id, type] : fields) {
      if (const auto* list = type.list()) Fields({{list->element_id, list->element}});
      if (const auto* map = type.map())
        Fields({{map->key_id, map->key}, {map->value_id, map->value}});
      if (const auto* members = type.struct_type()) Struct(*members);
    }
  }
  void Struct(const iceberg::StructType& type) {
    std::vector<std::pair<int32_t, iceberg::Type>> fields;
    for (const auto& field : type.fields) fields.emplace_back(field.id, field.type);
    Fields(fields);
  }
};

template <class Float>
int64_t NansIn(const arrow::Array& array) {
  const Float* values = array.data()->GetValues<Float>(1);
  int64_t count = 0;
  if (array.null_count() == 0) {
    for (int64_t i = 0; i < array.length(); ++i) count += std::isnan(values[i]) ? 1 : 0;
    return count;
  }
  for (int64_t i = 0; i < array.length(); ++i)
    count += array.IsValid(i) && std::isnan(values[i]) ? 1 : 0;
  return count;
}

template <class T>
T Load(std::string_view bytes) {
  T value{};
  if (bytes.size() >= sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

iceberg::Int128 BigEndian(std::string_view bytes) {
  iceberg::Int128 value = !bytes.empty() && (bytes[0] & 0x80) != 0 ? -1 : 0;
  for (const char byte : bytes) value = value * 256 + static_cast<uint8_t>(byte);
  return value;
}

// A bound in Parquet's plain encoding as a value.
Value FromPlain(std::string_view bytes, const PrimitiveType& type, parquet::Type::type physical) {
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      return !bytes.empty() && bytes[0] != 0;
    case PrimitiveKind::kInt:
    case PrimitiveKind::kDate:
      return Load<int32_t>(bytes);
    case PrimitiveKind::kLong:
    case PrimitiveKind::kTime:
    case PrimitiveKind::kTimestamp:
    case PrimitiveKind::kTimestamptz:
      return Load<int64_t>(bytes);
    case PrimitiveKind::kFloat:
      return Load<float>(bytes);
    case PrimitiveKind::kDouble:
      return Load<double>(bytes);
    case PrimitiveKind::kDecimal:
      if (physical == parquet::Type::INT32) return iceberg::Int128(Load<int32_t>(bytes));
      if (physical == parquet::Type::INT64) return iceberg::Int128(Load<int64_t>(bytes));
      return BigEndian(bytes);
    default:
      return std::string(bytes);
  }
}

// One column of the file, over its row groups.
struct ColumnSummary {
  int64_t size = 0;
  int64_t values = 0;
  int64_t nulls = 0;
  bool nulls_known = true;
  bool bounds_known = true;
  std::optional<Value> lower;
  std::optional<Value> upper;

  void Add(const parquet::ColumnChunkMetaData& chunk, const PrimitiveType& type) {
    size += chunk.total_compressed_size();
    values += chunk.num_values();
    const auto statistics = chunk.encoded_statistics();
    if (statistics == nullptr || !statistics->has_null_count) {
      nulls_known = false;
      bounds_known = false;
      return;
    }
    nulls += statistics->null_count;
    if (statistics->has_min && statistics->has_max) {
      Value low = FromPlain(statistics->min(), type, chunk.type());
      Value high = FromPlain(statistics->max(), type, chunk.type());
      if (!lower || iceberg::Compare(low, *lower) < 0) lower = std::move(low);
      if (!upper || iceberg::Compare(high, *upper) > 0) upper = std::move(high);
    } else if (statistics->null_count < chunk.num_values()) {
      // Floats without bounds are all NaN; others were too long to be recorded.
      bounds_known &= type.kind == PrimitiveKind::kFloat || type.kind == PrimitiveKind::kDouble;
    }
  }
};

void AddBounds(const ColumnSummary& column, int32_t id, const PrimitiveType& type,
               const ColumnMetrics& metrics, iceberg::DataFile& file) {
  if (!column.bounds_known || !column.lower || !column.upper) return;
  Value lower = *column.lower;
  std::optional<Value> upper = column.upper;
  const bool shortens = type.kind == PrimitiveKind::kString || type.kind == PrimitiveKind::kBinary;
  if (metrics.mode == MetricsMode::kTruncate && shortens) {
    lower = iceberg::TruncateLower(lower, type, metrics.length);
    upper = iceberg::TruncateUpper(*upper, type, metrics.length);
  }
  file.lower_bounds[id] = iceberg::ToBytes(lower, type);
  if (upper) file.upper_bounds[id] = iceberg::ToBytes(*upper, type);
}

}  // namespace

std::map<int32_t, ColumnMetrics> MetricsPlan(const iceberg::Schema& schema,
                                             const WriterOptions& options) {
  PlanBuilder builder{.options = options, .plan = {}};
  builder.Struct(schema.type());
  return std::move(builder.plan);
}

Result<> CountNans(const arrow::Array& column, const iceberg::Field& field,
                   std::map<int32_t, int64_t>& nan_counts) {
  if (const auto* primitive = field.type.primitive()) {
    if (primitive->kind == PrimitiveKind::kFloat) nan_counts[field.id] += NansIn<float>(column);
    if (primitive->kind == PrimitiveKind::kDouble) nan_counts[field.id] += NansIn<double>(column);
    return {};
  }
  const auto* members = field.type.struct_type();
  if (members == nullptr) return {};
  const auto& rows = static_cast<const arrow::StructArray&>(column);
  for (size_t i = 0; i < members->fields.size(); ++i) {
    const auto values = PK_TRY(FromArrow(rows.GetFlattenedField(static_cast<int>(i))));
    PK_TRY(CountNans(*values, members->fields[i], nan_counts));
  }
  return {};
}

void FillMetrics(const parquet::FileMetaData& footer, const iceberg::Schema& schema,
                 const std::map<int32_t, ColumnMetrics>& plan,
                 const std::map<int32_t, int64_t>& nan_counts, iceberg::DataFile& file) {
  file.record_count = footer.num_rows();
  for (int group = 0; group < footer.num_row_groups(); ++group)
    file.split_offsets.push_back(footer.RowGroup(group)->file_offset());
  for (int i = 0; i < footer.num_columns(); ++i) {
    const int32_t id = footer.schema()->Column(i)->schema_node()->field_id();
    const iceberg::Field* field = schema.FindById(id);
    const auto metrics = plan.find(id);
    if (field == nullptr || !field->type.is_primitive() || metrics == plan.end() ||
        metrics->second.mode == MetricsMode::kNone)
      continue;
    const PrimitiveType& type = *field->type.primitive();
    ColumnSummary column;
    for (int group = 0; group < footer.num_row_groups(); ++group)
      column.Add(*footer.RowGroup(group)->ColumnChunk(i), type);
    file.column_sizes[id] = column.size;
    if (schema.IsRepeated(id)) continue;
    file.value_counts[id] = column.values;
    if (column.nulls_known) file.null_counts[id] = column.nulls;
    if (type.kind == PrimitiveKind::kFloat || type.kind == PrimitiveKind::kDouble) {
      const auto nans = nan_counts.find(id);
      file.nan_counts[id] = nans == nan_counts.end() ? 0 : nans->second;
    }
    if (metrics->second.mode != MetricsMode::kCounts)
      AddBounds(column, id, type, metrics->second, file);
  }
}

}  // namespace pk::datafile
