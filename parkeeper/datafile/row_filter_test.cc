// Filters against the row-by-row reference, over random rows: by Filter, and by reading files that
// are pruned in every way.

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "parkeeper/datafile/cell_text_internal.h"
#include "parkeeper/datafile/parquet_reader.h"
#include "parkeeper/datafile/parquet_writer.h"
#include "parkeeper/datafile/row_ranges_internal.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/matchers.h"
#include "tests/support/read_all.h"

namespace pk::datafile {
namespace {

using iceberg::BoundExpression;
using iceberg::BoundPredicate;
using iceberg::Operator;
using iceberg::PrimitiveKind;
using iceberg::Value;
using testing::IsOk;
using testing::ReadLines;

constexpr int64_t kRows = 4000;

std::shared_ptr<const iceberg::Schema> TestSchema() {
  return std::make_shared<const iceberg::Schema>(testing::AllPrimitives());
}

// Random rows with ascending ids, so that pages and row groups can be told apart.
Batch TestRows(const iceberg::Schema& schema, uint64_t seed, bool dictionaries) {
  auto rows = testing::RandomRows(schema, kRows, seed,
                                  {.nulls = 0.2, .odd_values = 0.2, .dictionaries = dictionaries});
  arrow::Int64Builder ids;
  for (int64_t i = 0; i < kRows; ++i) {
    if (!ids.Append(i).ok()) std::abort();
  }
  return {rows->SetColumn(0, rows->schema()->field(0), ids.Finish().ValueOrDie()).ValueOrDie()};
}

class RandomFilters {
 public:
  RandomFilters(const iceberg::Schema& schema, const Batch& batch, uint64_t seed)
      : schema_(schema), batch_(batch), engine_(seed) {}

  BoundExpression Make(int depth) {
    const int choice = Below(10);
    if (depth == 0 || choice < 4) return Predicate();
    if (choice == 9) return BoundExpression::Not{{Make(depth - 1)}};
    std::vector<BoundExpression> parts;
    for (int i = 0; i < 2 + Below(2); ++i) parts.push_back(Make(depth - 1));
    if (choice < 7) return BoundExpression::And{std::move(parts)};
    return BoundExpression::Or{std::move(parts)};
  }

 private:
  int Below(int limit) { return std::uniform_int_distribution<>(0, limit - 1)(engine_); }

  // A value of the column, neither null nor NaN; nullopt when it has none at hand.
  std::optional<Value> Literal(size_t column, const iceberg::PrimitiveType& type) {
    for (int i = 0; i < 20; ++i) {
      Value value = ValueAt(*batch_.rows->column(static_cast<int>(column)), Below(kRows), type);
      if (!iceberg::IsNull(value) && !iceberg::IsNan(value)) return value;
    }
    return std::nullopt;
  }

  BoundExpression Predicate() {
    const auto column = Below(3) == 0 ? 0 : static_cast<size_t>(Below(18));
    const iceberg::Field& field = schema_.fields()[column];
    BoundPredicate out;
    out.field_id = field.id;
    out.type = *field.type.primitive();
    out.op = static_cast<Operator>(Below(14));
    const bool is_float =
        out.type.kind == PrimitiveKind::kFloat || out.type.kind == PrimitiveKind::kDouble;
    const bool is_string = out.type.kind == PrimitiveKind::kString;
    if ((out.op == Operator::kIsNan || out.op == Operator::kNotNan) && !is_float) {
      out.op = Operator::kEqual;
    }
    if ((out.op == Operator::kStartsWith || out.op == Operator::kNotStartsWith) && !is_string) {
      out.op = Operator::kLess;
    }
    if (out.op == Operator::kIsNull || out.op == Operator::kNotNull || out.op == Operator::kIsNan ||
        out.op == Operator::kNotNan) {
      return out;
    }
    const bool is_list = out.op == Operator::kIn || out.op == Operator::kNotIn;
    for (int i = 0; i < (is_list ? 1 + Below(20) : 1); ++i) {
      if (auto value = Literal(column, out.type)) out.values.push_back(*value);
    }
    if (out.values.empty()) return iceberg::True{};
    if (out.op == Operator::kStartsWith || out.op == Operator::kNotStartsWith) {
      std::get_if<std::string>(&out.values[0])
          ->resize(std::min<size_t>(2, std::get_if<std::string>(&out.values[0])->size()));
    }
    auto less = [](const Value& a, const Value& b) { return iceberg::Compare(a, b) < 0; };
    std::sort(out.values.begin(), out.values.end(), less);
    out.values.erase(std::unique(out.values.begin(), out.values.end()), out.values.end());
    return out;
  }

  const iceberg::Schema& schema_;
  const Batch& batch_;
  std::mt19937_64 engine_;
};

// As JSON lines, the rows that the reference lets pass.
std::vector<std::string> Expected(const Batch& batch, const iceberg::Schema& schema,
                                  const BoundExpression& filter,
                                  const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  for (int64_t row = 0; row < kRows; ++row) {
    auto value_of = [&](int32_t id) {
      return ValueAt(*batch.rows->column(id - 1), row, *schema.FindById(id)->type.primitive());
    };
    if (iceberg::Matches(filter, value_of)) out.push_back(lines[static_cast<size_t>(row)]);
  }
  return out;
}

iceberg::Schema OnlyIds() {
  return iceberg::Schema(iceberg::StructType{{testing::AllPrimitives().fields()[0]}});
}

std::vector<std::string> Ids() {
  std::vector<std::string> out;
  for (int64_t row = 0; row < kRows; ++row) out.push_back(fmt::format(R"({{"id":{}}})", row));
  return out;
}

TEST(Filter, LetsPassWhatTheReferenceDoes) {
  const auto schema = TestSchema();
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Batch batch = TestRows(*schema, seed, seed % 2 == 0);
    const auto lines = Ids();
    RandomFilters filters(*schema, batch, seed);
    for (int i = 0; i < 60; ++i) {
      const BoundExpression filter = filters.Make(3);
      PK_ASSERT_OK(Batch passed, Filter(batch, *schema, filter));
      const Batch ids{passed.rows->SelectColumns({0}).ValueOrDie()};
      PK_ASSERT_OK(auto got, ReadLines(SourceOf(OnlyIds(), {ids})));
      ASSERT_TRUE(got == Expected(batch, *schema, filter, lines))
          << "seed " << seed << ": " << iceberg::ToString(filter, *schema);
    }
  }
}

TEST(Filter, LooksIntoStructs) {
  const iceberg::Schema schema = testing::NestedTypes();
  const Batch batch{testing::RandomRows(schema, 200, 7, {.nulls = 0.3})};
  PK_ASSERT_OK(auto parsed, iceberg::ParseExpression("point.label is null"));
  PK_ASSERT_OK(auto filter, iceberg::Bind(parsed, schema));
  PK_ASSERT_OK(Batch passed, Filter(batch, schema, filter));
  const auto& points = static_cast<const arrow::StructArray&>(*batch.rows->column(0));
  int64_t nulls = 0;
  for (int64_t i = 0; i < 200; ++i) nulls += points.IsNull(i) || points.field(2)->IsNull(i);
  EXPECT_EQ(passed.num_rows(), nulls);
}

Result<iceberg::DataFile> WriteTestFile(storage::Storage& storage,
                                        std::shared_ptr<const iceberg::Schema> schema,
                                        const Batch& batch, uint64_t seed) {
  WriterOptions options;
  options.row_group_rows = 2500;
  options.page_rows = 300;
  options.dictionary_bytes = seed % 2 == 0 ? 0 : 2000;
  if (seed % 3 == 0) {
    for (const auto& field : schema->fields()) {
      if (field.type.primitive()->kind != PrimitiveKind::kBoolean) {
        options.bloom_filters[field.id] = 0.01;
      }
    }
  }
  auto writer = PK_TRY(ParquetWriter::Open(
      storage, storage.root() + fmt::format("/{}.parquet", seed), schema, options));
  PK_TRY(writer->Write(batch));
  return writer->Finish();
}

TEST(PrunedReading, GivesWhatTheReferenceDoes) {
  const auto schema = TestSchema();
  auto storage = storage::MakeMemory();
  ReadCounters counters;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const Batch batch = TestRows(*schema, seed, false);
    const auto projection = std::make_shared<const iceberg::Schema>(iceberg::StructType{
        {schema->fields()[0], schema->fields()[2], schema->fields()[13], schema->fields()[6]}});
    const Batch projected{batch.rows->SelectColumns({0, 2, 13, 6}).ValueOrDie()};
    PK_ASSERT_OK(auto lines, ReadLines(SourceOf(*projection, {projected})));
    PK_ASSERT_OK(auto file, WriteTestFile(*storage, schema, batch, seed));
    RandomFilters filters(*schema, batch, seed);
    for (int i = 0; i < 25; ++i) {
      ReaderOptions options;
      options.projection = projection;
      options.table_schema = schema;
      options.filter = filters.Make(2);
      options.batch_rows = 1 + static_cast<int64_t>(seed) * 97;
      options.counters = &counters;
      PK_ASSERT_OK(auto got, ReadLines(OpenParquet(*storage, file, options)));
      ASSERT_TRUE(got == Expected(batch, *schema, options.filter, lines))
          << "seed " << seed << ": " << iceberg::ToString(options.filter, *schema);
    }
  }
  EXPECT_GT(counters.row_groups_skipped, 0);
  EXPECT_GT(counters.row_groups_skipped_by_bloom, 0);
  EXPECT_GT(counters.rows_skipped_by_pages, 0);
}

TEST(RowRanges, AreIntersectedAndUnited) {
  const RowRanges left{{0, 10}, {20, 30}};
  const RowRanges right{{5, 22}, {30, 40}};
  EXPECT_EQ(Intersect(left, right), (RowRanges{{5, 10}, {20, 22}}));
  EXPECT_EQ(Unite(left, right), (RowRanges{{0, 40}}));
  EXPECT_EQ(CountRows(left), 20);
  EXPECT_EQ(Intersect(left, {}), RowRanges{});
}

}  // namespace
}  // namespace pk::datafile
