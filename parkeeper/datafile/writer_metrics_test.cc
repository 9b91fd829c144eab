#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "parkeeper/datafile/parquet_writer.h"
#include "parkeeper/datafile/row_mask_internal.h"
#include "parkeeper/datafile/transform_codes_internal.h"
#include "parkeeper/datafile/writer_metrics_internal.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/arrow_values.h"
#include "tests/support/matchers.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;
using iceberg::Value;
using testing::AllPrimitives;
using testing::IsErrorWith;
using testing::NestedTypes;
using testing::RandomRows;
using testing::ValueAt;

Result<iceberg::DataFile> Write(const iceberg::Schema& schema, const std::vector<Batch>& batches,
                                const WriterOptions& options) {
  auto storage = storage::MakeMemory();
  auto writer = PK_TRY(ParquetWriter::Open(*storage, storage->root() + "/a.parquet",
                                           std::make_shared<iceberg::Schema>(schema), options));
  for (const auto& batch : batches) PK_TRY(writer->Write(batch));
  return writer->Finish();
}

struct ByHand {
  int64_t values = 0, nulls = 0, nans = 0;
  std::optional<Value> lower, upper;
};

ByHand CountByHand(const std::vector<Batch>& batches, const iceberg::Schema& schema, int32_t id) {
  const PrimitiveType type = *schema.FindById(id)->type.primitive();
  ByHand result;
  for (const auto& batch : batches) {
    const auto column = ColumnById(*batch.rows, schema, id).value();
    for (int64_t row = 0; row < column->length(); ++row) {
      const Value value = ValueAt(*column, row, type);
      ++result.values;
      if (iceberg::IsNull(value)) {
        ++result.nulls;
      } else if (iceberg::IsNan(value)) {
        ++result.nans;
      } else {
        if (!result.lower || iceberg::Compare(value, *result.lower) < 0) result.lower = value;
        if (!result.upper || iceberg::Compare(value, *result.upper) > 0) result.upper = value;
      }
    }
  }
  return result;
}

bool IsZero(const Value& value) {
  const auto* f = std::get_if<float>(&value);
  const auto* d = std::get_if<double>(&value);
  return (f != nullptr && *f == 0) || (d != nullptr && *d == 0);
}

void ExpectMetricsAsByHand(const iceberg::DataFile& file, const std::vector<Batch>& batches,
                           const iceberg::Schema& schema, int32_t id) {
  SCOPED_TRACE(schema.FullName(id));
  const PrimitiveType type = *schema.FindById(id)->type.primitive();
  const bool real = type.kind == PrimitiveKind::kFloat || type.kind == PrimitiveKind::kDouble;
  const ByHand expected = CountByHand(batches, schema, id);
  EXPECT_EQ(file.value_counts.at(id), expected.values);
  EXPECT_EQ(file.null_counts.at(id), expected.nulls);
  EXPECT_EQ(file.nan_counts.contains(id), real);
  if (real) {
    EXPECT_EQ(file.nan_counts.at(id), expected.nans);
  }
  EXPECT_GT(file.column_sizes.at(id), 0);
  ASSERT_EQ(file.lower_bounds.contains(id), expected.lower.has_value());
  if (!expected.lower) return;
  PK_ASSERT_OK(const Value lower, iceberg::FromBytes(file.lower_bounds.at(id), type));
  PK_ASSERT_OK(const Value upper, iceberg::FromBytes(file.upper_bounds.at(id), type));
  // A zero of either sign is bounded by -0 and +0.
  if (!IsZero(*expected.lower)) {
    EXPECT_EQ(iceberg::Compare(lower, *expected.lower), 0);
  }
  if (!IsZero(*expected.upper)) {
    EXPECT_EQ(iceberg::Compare(upper, *expected.upper), 0);
  }
  EXPECT_LE(iceberg::Compare(lower, *expected.lower), 0);
  EXPECT_GE(iceberg::Compare(upper, *expected.upper), 0);
}

TEST(WriterMetrics, AgreeWithEveryValueWritten) {
  const WriterOptions full{.row_group_rows = 130, .metrics = {.mode = MetricsMode::kFull}};
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const testing::RowShape shape{.nulls = seed % 3 * 0.3,
                                  .odd_values = seed % 2 == 0 ? 0.0 : 0.2,
                                  .dictionaries = seed >= 3};
    const auto schema = AllPrimitives();
    const std::vector<Batch> batches{Batch{RandomRows(schema, 200, seed, shape)},
                                     Batch{RandomRows(schema, 60, seed + 100, shape)}};
    PK_ASSERT_OK(auto file, Write(schema, batches, full));
    for (const auto& field : schema.fields())
      ExpectMetricsAsByHand(file, batches, schema, field.id);
    const auto nested = NestedTypes();
    const std::vector<Batch> deep{Batch{RandomRows(nested, 200, seed, shape)}};
    PK_ASSERT_OK(auto other, Write(nested, deep, full));
    for (int32_t id : {5, 6, 7}) ExpectMetricsAsByHand(other, deep, nested, id);
    for (int32_t id : {8, 9, 10, 12, 14}) {
      EXPECT_TRUE(other.column_sizes.contains(id));
      EXPECT_FALSE(other.value_counts.contains(id));
      EXPECT_FALSE(other.lower_bounds.contains(id));
    }
  }
}

TEST(WriterMetrics, OfAllNullAndAllNanColumnsHaveNoBounds) {
  const auto schema = AllPrimitives();
  const std::vector<Batch> batches{Batch{RandomRows(schema, 50, 1, {.nulls = 1.0})}};
  PK_ASSERT_OK(auto file, Write(schema, batches, {.metrics = {.mode = MetricsMode::kFull}}));
  for (const auto& field : schema.fields()) {
    ExpectMetricsAsByHand(file, batches, schema, field.id);
    EXPECT_EQ(file.lower_bounds.contains(field.id), field.required);
  }
  const iceberg::Schema one(iceberg::StructType{
      {{.id = 1, .name = "x", .required = false, .type = PrimitiveKind::kDouble, .doc = {}}}});
  arrow::DoubleBuilder builder;
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(builder.Append(i < 10 ? std::nan("") : i == 15 ? 4.5 : std::nan("")).ok());
  const Batch nans{
      arrow::RecordBatch::Make(ToArrowSchema(one), 20, {builder.Finish().ValueOrDie()})};
  PK_ASSERT_OK(auto some, Write(one, {nans}, {.row_group_rows = 10}));
  ExpectMetricsAsByHand(some, {nans}, one, 1);
  PK_ASSERT_OK(auto none, Write(one, {nans.Slice(0, 10)}, {}));
  ExpectMetricsAsByHand(none, {nans.Slice(0, 10)}, one, 1);
}

TEST(WriterMetrics, TruncateBoundsOfStringsAndBinaries) {
  const auto schema = AllPrimitives();
  const std::vector<Batch> batches{Batch{RandomRows(schema, 200, 9)}};
  WriterOptions options{.metrics = {.mode = MetricsMode::kTruncate, .length = 3}};
  options.column_metrics[17] = {.mode = MetricsMode::kTruncate, .length = 2};
  PK_ASSERT_OK(auto file, Write(schema, batches, options));
  for (const auto& [id, length] : {std::pair<int32_t, int32_t>{14, 3}, {17, 2}}) {
    const PrimitiveType type = *schema.FindById(id)->type.primitive();
    const ByHand expected = CountByHand(batches, schema, id);
    EXPECT_EQ(Value(file.lower_bounds.at(id)),
              iceberg::TruncateLower(*expected.lower, type, length));
    const auto upper = iceberg::TruncateUpper(*expected.upper, type, length);
    ASSERT_EQ(file.upper_bounds.contains(id), upper.has_value());
    if (upper) {
      EXPECT_EQ(Value(file.upper_bounds.at(id)), *upper);
    }
  }
  EXPECT_EQ(file.lower_bounds.at(15).size(), 16U);
}

TEST(WriterMetrics, FollowTheModeOfEachColumn) {
  const auto schema = AllPrimitives();
  WriterOptions options{.metrics = {.mode = MetricsMode::kCounts}};
  options.column_metrics[3] = {.mode = MetricsMode::kFull};
  options.column_metrics[4] = {.mode = MetricsMode::kNone};
  PK_ASSERT_OK(auto file, Write(schema, {Batch{RandomRows(schema, 50, 1)}}, options));
  EXPECT_TRUE(file.value_counts.contains(2));
  EXPECT_FALSE(file.lower_bounds.contains(2));
  EXPECT_TRUE(file.lower_bounds.contains(3));
  EXPECT_FALSE(file.value_counts.contains(4));
  EXPECT_FALSE(file.column_sizes.contains(4));
}

TEST(WriterMetrics, AreInferredForTheFirstColumnsOnly) {
  const auto nested = NestedTypes();
  const auto plan = MetricsPlan(nested, {.max_metrics_columns = 4});
  EXPECT_EQ(plan.size(), 8U);
  EXPECT_EQ(plan.at(5).mode, MetricsMode::kTruncate);
  EXPECT_EQ(plan.at(8).mode, MetricsMode::kTruncate);
  EXPECT_EQ(plan.at(14).mode, MetricsMode::kNone);
}

Result<WriterOptions> Options(std::map<std::string, std::string> properties) {
  return WriterOptionsFrom(properties, AllPrimitives());
}

TEST(WriterOptions, ComeFromTableProperties) {
  PK_ASSERT_OK(auto options, Options({{"write.parquet.compression-codec", "GZIP"},
                                      {"write.parquet.compression-level", "3"},
                                      {"write.parquet.row-group-size-bytes", "1000000"},
                                      {"write.parquet.row-group-limit", "5000"},
                                      {"write.parquet.page-size-bytes", "4096"},
                                      {"write.parquet.page-row-limit", "77"},
                                      {"write.parquet.dict-size-bytes", "0"},
                                      {"write.parquet.page-version", "v2"},
                                      {"write.parquet.bloom-filter-enabled.column.string", "true"},
                                      {"write.parquet.bloom-filter-fpp.column.string", "0.05"},
                                      {"write.parquet.bloom-filter-enabled.column.int", "false"},
                                      {"write.parquet.bloom-filter-enabled.column.gone", "true"},
                                      {"write.metadata.metrics.default", "counts"},
                                      {"write.metadata.metrics.column.long", "truncate(5)"},
                                      {"owner", "me"}}));
  EXPECT_EQ(options.compression, Compression::kGzip);
  EXPECT_EQ(options.level, 3);
  EXPECT_EQ(options.row_group_bytes, 1'000'000);
  EXPECT_EQ(options.row_group_rows, 5000);
  EXPECT_EQ(options.page_bytes, 4096);
  EXPECT_EQ(options.page_rows, 77);
  EXPECT_EQ(options.dictionary_bytes, 0);
  EXPECT_EQ(options.encodings, Encodings::kAll);
  EXPECT_EQ(options.bloom_filters, (std::map<int32_t, double>{{14, 0.05}}));
  EXPECT_EQ(options.metrics.mode, MetricsMode::kCounts);
  EXPECT_EQ(options.column_metrics.at(4).length, 5);
  EXPECT_GT(options.max_metrics_columns, 1'000'000);
  PK_ASSERT_OK(auto defaults, Options({}));
  EXPECT_EQ(defaults.compression, Compression::kZstd);
  EXPECT_EQ(defaults.max_metrics_columns, 100);
}

TEST(WriterOptions, RefuseBadValuesNamingTheProperty) {
  const std::pair<std::string, std::string> cases[] = {
      {"write.parquet.compression-codec", "lzo"},
      {"write.parquet.compression-level", "99"},
      {"write.parquet.row-group-size-bytes", "-1"},
      {"write.parquet.page-size-bytes", "1MB"},
      {"write.parquet.page-version", "v3"},
      {"write.parquet.bloom-filter-enabled.column.string", "yes"},
      {"write.parquet.bloom-filter-enabled.column.boolean", "true"},
      {"write.metadata.metrics.default", "truncate(0)"},
      {"write.metadata.metrics.column.int", "some"}};
  for (const auto& [name, value] : cases)
    EXPECT_THAT(Options({{name, value}}), IsErrorWith(ErrorCode::kInvalidArgument, name));
}

}  // namespace
}  // namespace pk::datafile
