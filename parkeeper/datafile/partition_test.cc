#include <arrow/table.h>
#include <gtest/gtest.h>

#include <map>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/convert_internal.h"
#include "parkeeper/datafile/row_mask_internal.h"
#include "parkeeper/datafile/transform_codes_internal.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/arrow_values.h"
#include "tests/support/matchers.h"

namespace pk::datafile {
namespace {

using iceberg::PartitionSpec;
using iceberg::PrimitiveKind;
using iceberg::Transform;
using iceberg::TransformKind;
using iceberg::Value;
using testing::AllPrimitives;
using testing::IsErrorWith;
using testing::RandomRows;
using testing::ValueAt;

PartitionSpec SpecOf(std::vector<std::pair<int32_t, Transform>> parts) {
  PartitionSpec spec;
  for (auto& [source, transform] : parts) {
    const auto id = static_cast<int32_t>(1000 + spec.fields.size());
    spec.fields.push_back({.source_id = source,
                           .field_id = id,
                           .name = "p" + std::to_string(id),
                           .transform = transform});
  }
  return spec;
}

// What SplitByPartition must give, row by row.
void ExpectSplitAsByHand(const Batch& batch, const iceberg::Schema& schema,
                         const PartitionSpec& spec) {
  std::vector<std::vector<Value>> order;
  std::vector<std::vector<int64_t>> rows;
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    std::vector<Value> partition;
    for (const auto& part : spec.fields) {
      const auto* field = schema.FindById(part.source_id);
      const auto column = ColumnById(*batch.rows, schema, part.source_id).value();
      const auto& type = *field->type.primitive();
      partition.push_back(ApplyTransform(part.transform, type, ValueAt(*column, row, type)));
    }
    auto same = [&](const std::vector<Value>& other) {
      for (size_t i = 0; i < partition.size(); ++i)
        if (iceberg::Compare(partition[i], other[i]) != 0) return false;
      return true;
    };
    auto found = std::find_if(order.begin(), order.end(), same);
    if (found == order.end()) {
      order.push_back(partition);
      rows.emplace_back();
      found = order.end() - 1;
    }
    rows[static_cast<size_t>(found - order.begin())].push_back(row);
  }
  PK_ASSERT_OK(auto parts, SplitByPartition(batch, schema, spec));
  ASSERT_EQ(parts.size(), order.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    ASSERT_TRUE(parts[i].batch.rows->ValidateFull().ok());
    for (size_t k = 0; k < order[i].size(); ++k)
      EXPECT_EQ(iceberg::Compare(parts[i].partition[k], order[i][k]), 0);
    std::vector<std::shared_ptr<arrow::RecordBatch>> pieces;
    for (const int64_t row : rows[i]) pieces.push_back(batch.rows->Slice(row, 1));
    auto expected = arrow::Table::FromRecordBatches(pieces).ValueOrDie()->CombineChunksToBatch();
    EXPECT_TRUE(parts[i].batch.rows->Equals(**expected, false,
                                            arrow::EqualOptions::Defaults().nans_equal(true)));
  }
}

TEST(SplitByPartition, AgreesWithTheTransformOfEachRow) {
  const auto schema = AllPrimitives();
  const auto nested = testing::NestedTypes();
  const TransformKind kinds[] = {TransformKind::kIdentity, TransformKind::kBucket,
                                 TransformKind::kTruncate, TransformKind::kYear,
                                 TransformKind::kMonth,    TransformKind::kDay,
                                 TransformKind::kHour,     TransformKind::kVoid};
  for (bool dictionaries : {false, true}) {
    const Batch whole{RandomRows(schema, 130, 11, {.dictionaries = dictionaries})};
    const Batch batch = whole.Slice(7, 60);
    for (const auto& field : schema.fields()) {
      for (const auto kind : kinds) {
        const Transform transform{.kind = kind, .parameter = 3};
        if (!iceberg::ResultType(transform, *field.type.primitive()).ok()) continue;
        SCOPED_TRACE(field.name + " " + iceberg::ToString(transform));
        ExpectSplitAsByHand(batch, schema, SpecOf({{field.id, transform}}));
      }
    }
  }
  ExpectSplitAsByHand(Batch{RandomRows(nested, 50, 3, {.nulls = 0.4})}, nested,
                      SpecOf({{7, {.kind = TransformKind::kTruncate, .parameter = 1}}}));
}

TEST(SplitByPartition, CombinesSeveralFields) {
  const auto schema = AllPrimitives();
  for (uint64_t seed = 0; seed < 3; ++seed)
    ExpectSplitAsByHand(Batch{RandomRows(schema, 300, seed)}, schema,
                        SpecOf({{10, {.kind = TransformKind::kYear}},
                                {2, {.kind = TransformKind::kIdentity}},
                                {14, {.kind = TransformKind::kBucket, .parameter = 4}}}));
}

TEST(SplitByPartition, GivesBackTheBatchItselfWhenItIsOnePartition) {
  const auto schema = AllPrimitives();
  const Batch batch{RandomRows(schema, 20, 1)};
  PK_ASSERT_OK(auto whole, SplitByPartition(batch, schema, {}));
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_TRUE(whole[0].partition.empty());
  EXPECT_EQ(whole[0].batch.rows, batch.rows);
  PK_ASSERT_OK(auto one,
               SplitByPartition(batch, schema, SpecOf({{3, {.kind = TransformKind::kVoid}}})));
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].batch.rows, batch.rows);
  PK_ASSERT_OK(auto none, SplitByPartition(batch.Slice(0, 0), schema, {}));
  EXPECT_TRUE(none.empty());
}

TEST(SplitByPartition, RefusesUnknownTransformsAndColumns) {
  const auto schema = AllPrimitives();
  const Batch batch{RandomRows(schema, 20, 1)};
  const Transform unknown{.kind = TransformKind::kUnknown, .unknown = "zorder"};
  EXPECT_THAT(SplitByPartition(batch, schema, SpecOf({{3, unknown}})),
              IsErrorWith(ErrorCode::kUnsupported, "zorder"));
  EXPECT_THAT(SplitByPartition(batch, schema, SpecOf({{99, {}}})),
              IsErrorWith(ErrorCode::kInvalidArgument, "99"));
}

}  // namespace
}  // namespace pk::datafile
