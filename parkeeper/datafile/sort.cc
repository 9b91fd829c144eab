#include <arrow/array/array_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/convert_internal.h"
#include "parkeeper/datafile/row_mask_internal.h"
#include "parkeeper/datafile/transform_codes_internal.h"

namespace pk::datafile {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

// One sort key, ascending: equal ranks are equal values.
struct Key {
  std::vector<int64_t> ranks;
  std::vector<bool> nulls;  // empty when there are none
  bool nulls_first = true;

  bool is_null(int32_t row) const { return !nulls.empty() && nulls[static_cast<size_t>(row)]; }
  int64_t rank(int32_t row) const { return ranks[static_cast<size_t>(row)]; }
};

// An integer that orders as the floats do: -0 before +0, NaN last.
template <class Float, class Bits>
int64_t RankOf(Float value) {
  if (std::isnan(value)) return std::numeric_limits<int64_t>::max();
  const Bits bits = std::bit_cast<Bits>(value);
  // Negative floats grow in magnitude with their bits.
  return bits < 0 ? static_cast<int64_t>(bits ^ std::numeric_limits<Bits>::max()) : bits;
}

template <class Stored, class Rank>
std::vector<int64_t> RanksOf(const arrow::Array& array, Rank rank) {
  const Stored* values = array.data()->GetValues<Stored>(1);
  std::vector<int64_t> ranks(static_cast<size_t>(array.length()));
  for (size_t i = 0; i < ranks.size(); ++i) ranks[i] = rank(values[i]);
  return ranks;
}

// Ranks of values that are no integers, or that a transform makes: the distinct ones are sorted.
Result<std::vector<int64_t>> RanksOfCodes(const arrow::Array& array,
                                          const iceberg::PrimitiveType& type,
                                          const iceberg::Transform& transform) {
  const TransformCodes codes = PK_TRY(CodesOf(array, type, transform));
  std::vector<int32_t> sorted(codes.values.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) {
    return iceberg::Compare(codes.values[static_cast<size_t>(a)],
                            codes.values[static_cast<size_t>(b)]) < 0;
  });
  std::vector<int64_t> rank_of_code(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i)
    rank_of_code[static_cast<size_t>(sorted[i])] = static_cast<int64_t>(i);
  std::vector<int64_t> ranks(codes.of_row.size());
  for (size_t i = 0; i < ranks.size(); ++i)
    ranks[i] = rank_of_code[static_cast<size_t>(codes.of_row[i])];
  return ranks;
}

Result<std::vector<int64_t>> RanksOfColumn(const arrow::Array& array,
                                           const iceberg::PrimitiveType& type,
                                           const iceberg::Transform& transform) {
  if (transform.kind == iceberg::TransformKind::kIdentity) {
    switch (array.type_id()) {
      case arrow::Type::INT32:
      case arrow::Type::DATE32:
        return RanksOf<int32_t>(array, [](int32_t value) -> int64_t { return value; });
      case arrow::Type::INT64:
      case arrow::Type::TIME64:
      case arrow::Type::TIMESTAMP:
        return RanksOf<int64_t>(array, [](int64_t value) { return value; });
      case arrow::Type::FLOAT:
        return RanksOf<float>(array, RankOf<float, int32_t>);
      case arrow::Type::DOUBLE:
        return RanksOf<double>(array, RankOf<double, int64_t>);
      default:
        break;
    }
  }
  return RanksOfCodes(array, type, transform);
}

Result<Key> KeyOf(const arrow::RecordBatch& rows, const iceberg::Schema& schema,
                  const iceberg::SortField& field) {
  const iceberg::Field* source = schema.FindById(field.source_id);
  PK_CHECK(source != nullptr && source->type.is_primitive(),
           InvalidArgument(fmt::format("sort column {} is no primitive column of the schema",
                                       field.source_id)));
  const ArrayPtr column = PK_TRY(ColumnById(rows, schema, field.source_id));
  Key key{.ranks = PK_TRY(RanksOfColumn(*column, *source->type.primitive(), field.transform)),
          .nulls = {},
          .nulls_first = field.nulls_first};
  if (column->null_count() > 0 || column->type_id() == arrow::Type::DICTIONARY) {
    key.nulls.resize(static_cast<size_t>(column->length()));
    for (int64_t i = 0; i < column->length(); ++i)
      key.nulls[static_cast<size_t>(i)] = column->IsNull(i);
  }
  if (field.descending)
    for (int64_t& rank : key.ranks) rank = ~rank;
  return key;
}

std::vector<int32_t> SortedRows(const std::vector<Key>& keys, int64_t rows) {
  std::vector<int32_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  if (keys.size() == 1 && keys[0].nulls.empty()) {
    // Ranks beside the rows save a memory access per comparison.
    std::vector<std::pair<int64_t, int32_t>> pairs(order.size());
    for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {keys[0].ranks[i], order[i]};
    std::sort(pairs.begin(), pairs.end());
    for (size_t i = 0; i < pairs.size(); ++i) order[i] = pairs[i].second;
    return order;
  }
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    for (const Key& key : keys) {
      const bool a_null = key.is_null(a);
      const bool b_null = key.is_null(b);
      if (a_null != b_null) return a_null == key.nulls_first;
      if (!a_null && key.rank(a) != key.rank(b)) return key.rank(a) < key.rank(b);
    }
    return a < b;
  });
  return order;
}

// All batches as one. A column that comes in several forms is made plain.
Result<std::shared_ptr<arrow::RecordBatch>> Together(const std::vector<Batch>& batches) {
  if (batches.size() == 1) return batches[0].rows;
  int64_t rows = 0;
  for (const auto& batch : batches) rows += batch.num_rows();
  arrow::ArrayVector columns;
  arrow::FieldVector fields;
  for (int i = 0; i < batches[0].rows->num_columns(); ++i) {
    arrow::ArrayVector pieces;
    bool same = true;
    for (const auto& batch : batches) {
      pieces.push_back(batch.rows->column(i));
      same &= pieces.back()->type()->Equals(*pieces[0]->type());
    }
    if (!same)
      for (auto& piece : pieces) piece = PK_TRY(InPlainForm(piece));
    columns.push_back(PK_TRY(FromArrow(arrow::Concatenate(pieces), ErrorCode::kUnsupported)
                                 .With("sort more than fits into one array")));
    fields.push_back(batches[0].rows->schema()->field(i)->WithType(columns.back()->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
}

}  // namespace

Result<std::vector<Batch>> Sort(const std::vector<Batch>& batches, const iceberg::Schema& schema,
                                const iceberg::SortOrder& order, int64_t batch_rows) {
  if (batches.empty() || order.unsorted()) return batches;
  const std::shared_ptr<arrow::RecordBatch> all = PK_TRY(Together(batches));
  PK_CHECK(all->num_rows() <= INT32_MAX,
           Unsupported("more than 2^31 - 1 rows cannot be sorted at once"));
  std::vector<Key> keys;
  for (const auto& field : order.fields) keys.push_back(PK_TRY(KeyOf(*all, schema, field)));
  const std::vector<int32_t> rows = SortedRows(keys, all->num_rows());
  std::vector<Batch> result;
  for (int64_t begin = 0; begin < all->num_rows(); begin += batch_rows) {
    const int64_t count = std::min(batch_rows, all->num_rows() - begin);
    arrow::ArrayVector columns;
    for (const auto& column : all->columns())
      columns.push_back(PK_TRY(Gather(column, rows.data() + begin, count)));
    result.push_back(Batch{arrow::RecordBatch::Make(all->schema(), count, std::move(columns))});
  }
  return result;
}

}  // namespace pk::datafile
