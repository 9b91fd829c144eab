#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/row_mask_internal.h"
#include "parkeeper/datafile/transform_codes_internal.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/arrow_values.h"
#include "tests/support/matchers.h"

namespace pk::datafile {
namespace {

using iceberg::SortOrder;
using iceberg::TransformKind;
using iceberg::Value;
using testing::AllPrimitives;
using testing::IsErrorWith;
using testing::RandomRows;
using testing::ValueAt;

// The ids of the rows as a stable sort by single values orders them.
std::vector<int64_t> SortedByHand(const std::vector<Batch>& batches, const iceberg::Schema& schema,
                                  const SortOrder& order) {
  struct Row {
    std::vector<Value> keys;
    int64_t id;
  };
  std::vector<Row> rows;
  for (const auto& batch : batches) {
    for (int64_t i = 0; i < batch.num_rows(); ++i) {
      Row row{{}, std::get<int64_t>(ValueAt(*batch.rows->column(0), i, {}))};
      for (const auto& field : order.fields) {
        const auto& type = *schema.FindById(field.source_id)->type.primitive();
        const auto column = ColumnById(*batch.rows, schema, field.source_id).value();
        row.keys.push_back(ApplyTransform(field.transform, type, ValueAt(*column, i, type)));
      }
      rows.push_back(std::move(row));
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    for (size_t i = 0; i < order.fields.size(); ++i) {
      const bool a_null = iceberg::IsNull(a.keys[i]);
      const bool b_null = iceberg::IsNull(b.keys[i]);
      if (a_null != b_null) return a_null == order.fields[i].nulls_first;
      const int compared = iceberg::Compare(a.keys[i], b.keys[i]);
      if (compared != 0) return order.fields[i].descending ? compared > 0 : compared < 0;
    }
    return false;
  });
  std::vector<int64_t> ids;
  for (const auto& row : rows) ids.push_back(row.id);
  return ids;
}

void ExpectSortedAsByHand(const std::vector<Batch>& batches, const iceberg::Schema& schema,
                          const SortOrder& order) {
  PK_ASSERT_OK(auto sorted, Sort(batches, schema, order, 64));
  std::vector<int64_t> ids;
  for (const auto& batch : sorted) {
    ASSERT_TRUE(batch.rows->ValidateFull().ok());
    EXPECT_LE(batch.num_rows(), 64);
    for (int64_t i = 0; i < batch.num_rows(); ++i)
      ids.push_back(std::get<int64_t>(ValueAt(*batch.rows->column(0), i, {})));
  }
  EXPECT_EQ(ids, SortedByHand(batches, schema, order));
}

TEST(Sort, OrdersEveryTypeBothWaysWithNullsAtEitherEnd) {
  const auto schema = AllPrimitives();
  for (bool dictionaries : {false, true}) {
    std::vector<Batch> batches;
    for (uint64_t seed = 0; seed < 3; ++seed)
      batches.push_back(
          Batch{RandomRows(schema, 70, seed, {.nulls = 0.2, .dictionaries = dictionaries})});
    for (const auto& field : schema.fields()) {
      for (int flags = 0; flags < 4; ++flags) {
        SCOPED_TRACE(field.name);
        ExpectSortedAsByHand(batches, schema,
                             {.order_id = 1,
                              .fields = {{.source_id = field.id,
                                          .transform = {},
                                          .descending = (flags & 1) != 0,
                                          .nulls_first = (flags & 2) != 0}}});
      }
    }
  }
}

TEST(Sort, BreaksTiesByTheNextFieldAndThenKeepsTheOrder) {
  const auto schema = AllPrimitives();
  std::vector<Batch> batches{Batch{RandomRows(schema, 300, 1)},
                             Batch{RandomRows(schema, 300, 2, {.dictionaries = true})}};
  ExpectSortedAsByHand(
      batches, schema,
      {.order_id = 1,
       .fields = {
           {.source_id = 2, .transform = {}, .descending = true, .nulls_first = false},
           {.source_id = 14, .transform = {.kind = TransformKind::kTruncate, .parameter = 1}},
           {.source_id = 12, .transform = {.kind = TransformKind::kYear}}}});
}

TEST(Sort, LeavesBatchesAsTheyAreWithoutAnOrder) {
  const auto schema = AllPrimitives();
  const Batch batch{RandomRows(schema, 10, 1)};
  PK_ASSERT_OK(auto same, Sort({batch}, schema, {}));
  EXPECT_EQ(same[0].rows, batch.rows);
  PK_ASSERT_OK(auto none,
               Sort({}, schema, {.order_id = 1, .fields = {{.source_id = 1, .transform = {}}}}));
  EXPECT_TRUE(none.empty());
}

TEST(Sort, RefusesAnUnknownColumn) {
  EXPECT_THAT(Sort({Batch{RandomRows(AllPrimitives(), 10, 1)}}, AllPrimitives(),
                   {.order_id = 1, .fields = {{.source_id = 77, .transform = {}}}}),
              IsErrorWith(ErrorCode::kInvalidArgument, "77"));
}

}  // namespace
}  // namespace pk::datafile
