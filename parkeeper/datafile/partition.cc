#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <unordered_map>

#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/row_mask_internal.h"
#include "parkeeper/datafile/transform_codes_internal.h"

namespace pk::datafile {
namespace {

// Each row's partition, by number in the order of first appearance.
struct Groups {
  std::vector<int32_t> of_row;
  std::vector<std::vector<iceberg::Value>> values;  // of each partition
};

Groups FromCodes(TransformCodes codes) {
  Groups groups{.of_row = std::move(codes.of_row), .values = {}};
  for (auto& value : codes.values) groups.values.push_back({std::move(value)});
  return groups;
}

// The groups of both `groups` and one more field.
Groups Refine(const Groups& groups, const TransformCodes& codes) {
  const uint64_t width = codes.values.size();
  const uint64_t pairs = groups.values.size() * width;
  constexpr uint64_t kTable = 1 << 20;
  std::vector<int32_t> table(pairs <= kTable ? pairs : 0, -1);
  std::unordered_map<uint64_t, int32_t> map;
  Groups result;
  result.of_row.resize(groups.of_row.size());
  for (size_t row = 0; row < groups.of_row.size(); ++row) {
    const auto group = static_cast<size_t>(groups.of_row[row]);
    const auto code = static_cast<size_t>(codes.of_row[row]);
    const uint64_t pair = group * width + code;
    int32_t& position = table.empty() ? map.try_emplace(pair, -1).first->second : table[pair];
    if (position < 0) {
      position = static_cast<int32_t>(result.values.size());
      result.values.push_back(groups.values[group]);
      result.values.back().push_back(codes.values[code]);
    }
    result.of_row[row] = position;
  }
  return result;
}

Result<Groups> GroupsOf(const Batch& batch, const iceberg::Schema& schema,
                        const iceberg::PartitionSpec& spec) {
  std::optional<Groups> groups;
  for (const auto& partition_field : spec.fields) {
    TransformCodes codes;
    if (partition_field.transform.kind == iceberg::TransformKind::kVoid) {
      // Its source column may have been dropped.
      codes.of_row.assign(static_cast<size_t>(batch.num_rows()), 0);
      codes.values.emplace_back();
    } else {
      const iceberg::Field* source = schema.FindById(partition_field.source_id);
      PK_CHECK(source != nullptr && source->type.is_primitive(),
               InvalidArgument(fmt::format("partition field '{}': its source column {} is no "
                                           "primitive column of the schema",
                                           partition_field.name, partition_field.source_id)));
      const auto column = PK_TRY(ColumnById(*batch.rows, schema, source->id));
      codes = PK_TRY(CodesOf(*column, *source->type.primitive(), partition_field.transform)
                         .With(fmt::format("partition field '{}'", partition_field.name)));
    }
    groups = groups ? Refine(*groups, codes) : FromCodes(std::move(codes));
  }
  return std::move(*groups);
}

// The rows of each group, all behind one another, and where each group begins.
struct Order {
  std::vector<int32_t> rows;
  std::vector<size_t> begins;  // one more than there are groups
};

Order OrderOf(const Groups& groups) {
  Order order;
  order.begins.assign(groups.values.size() + 1, 0);
  for (const int32_t group : groups.of_row) ++order.begins[static_cast<size_t>(group) + 1];
  for (size_t i = 1; i < order.begins.size(); ++i) order.begins[i] += order.begins[i - 1];
  std::vector<size_t> next(order.begins.begin(), order.begins.end() - 1);
  order.rows.resize(groups.of_row.size());
  for (size_t row = 0; row < groups.of_row.size(); ++row)
    order.rows[next[static_cast<size_t>(groups.of_row[row])]++] = static_cast<int32_t>(row);
  return order;
}

Result<Batch> RowsOf(const Batch& batch, const int32_t* rows, int64_t count) {
  const bool contiguous = rows[count - 1] - rows[0] == count - 1;
  // A slice keeps the whole batch in memory, so it must be a fair part of it.
  if (contiguous && count >= batch.num_rows() / 2) return batch.Slice(rows[0], count);
  arrow::ArrayVector columns;
  for (const auto& column : batch.rows->columns())
    columns.push_back(PK_TRY(Gather(column, rows, count)));
  return Batch{arrow::RecordBatch::Make(batch.rows->schema(), count, std::move(columns))};
}

}  // namespace

Result<std::vector<PartitionRows>> SplitByPartition(const Batch& batch,
                                                    const iceberg::Schema& schema,
                                                    const iceberg::PartitionSpec& spec) {
  std::vector<PartitionRows> result;
  if (batch.num_rows() == 0) return result;
  PK_CHECK(batch.num_rows() <= INT32_MAX,
           InvalidArgument("a batch to be split has more than 2^31 - 1 rows"));
  if (spec.unpartitioned()) {
    result.push_back({.partition = {}, .batch = batch});
    return result;
  }
  Groups groups = PK_TRY(GroupsOf(batch, schema, spec));
  if (groups.values.size() == 1) {
    result.push_back({.partition = std::move(groups.values[0]), .batch = batch});
    return result;
  }
  const Order order = OrderOf(groups);
  for (size_t i = 0; i < groups.values.size(); ++i) {
    const auto count = static_cast<int64_t>(order.begins[i + 1] - order.begins[i]);
    auto& added = result.emplace_back();
    added.partition = std::move(groups.values[i]);
    added.batch = PK_TRY(RowsOf(batch, order.rows.data() + order.begins[i], count));
  }
  return result;
}

}  // namespace pk::datafile
