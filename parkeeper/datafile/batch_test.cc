#include "parkeeper/datafile/batch.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/compute/cast.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/matchers.h"

namespace pk::datafile {
namespace {

using testing::AllPrimitives;
using testing::IsErrorWith;
using testing::IsOk;
using testing::NestedTypes;
using testing::RandomRows;

class FailingSource : public BatchSource {
 public:
  const iceberg::Schema& schema() const override { return schema_; }
  Result<std::optional<Batch>> Next() override {
    if (++calls_ == 1) return std::optional<Batch>(Batch{RandomRows(schema_, 3, 1)});
    return Unavailable("the disk is gone");
  }

 private:
  iceberg::Schema schema_ = AllPrimitives();
  int calls_ = 0;
};

Result<Batch> Through(const iceberg::Schema& schema, const Batch& batch, iceberg::Schema* out) {
  ArrowArrayStream stream;
  PK_TRY(ExportStream(SourceOf(schema, {batch}), &stream));
  auto source = PK_TRY(ImportStream(&stream));
  *out = source->schema();
  auto first = PK_TRY(source->Next());
  PK_CHECK(first.has_value(), Internal("no batch"));
  return *first;
}

TEST(Batch, TravelsThroughAnArrowStreamWithItsSchema) {
  for (const auto& schema : {AllPrimitives(), NestedTypes()}) {
    for (bool dictionaries : {false, true}) {
      Batch batch{RandomRows(schema, 100, 7, {.dictionaries = dictionaries})};
      iceberg::Schema arrived;
      PK_ASSERT_OK(Batch other, Through(schema, batch, &arrived));
      EXPECT_TRUE(arrived.SameColumns(schema));
      ASSERT_TRUE(other.rows->ValidateFull().ok());
      EXPECT_TRUE(
          other.rows->Equals(*batch.rows, false, arrow::EqualOptions::Defaults().nans_equal(true)));
    }
  }
}

TEST(Batch, OfAStreamKeepsTheFormsOfTheFirstBatch) {
  iceberg::Schema schema = AllPrimitives();
  Batch plain{RandomRows(schema, 10, 1)};
  Batch dictionary{RandomRows(schema, 10, 2, {.dictionaries = true})};
  for (bool plain_first : {true, false}) {
    std::vector<Batch> batches{plain, dictionary};
    if (!plain_first) std::swap(batches[0], batches[1]);
    ArrowArrayStream stream;
    ASSERT_THAT(ExportStream(SourceOf(schema, batches), &stream), IsOk());
    auto reader = arrow::ImportRecordBatchReader(&stream).ValueOrDie();
    auto table = reader->ToRecordBatches().ValueOrDie();
    ASSERT_EQ(table.size(), 2U);
    for (const auto& batch : table) {
      ASSERT_TRUE(batch->ValidateFull().ok());
      EXPECT_EQ(batch->GetColumnByName("string")->type_id(),
                plain_first ? arrow::Type::STRING : arrow::Type::DICTIONARY);
    }
  }
}

TEST(Batch, OfAnEmptySourceHasAStreamOfItsColumns) {
  ArrowArrayStream stream;
  ASSERT_THAT(ExportStream(SourceOf(AllPrimitives(), {}), &stream), IsOk());
  PK_ASSERT_OK(auto source, ImportStream(&stream));
  EXPECT_TRUE(source->schema().SameColumns(AllPrimitives()));
  PK_ASSERT_OK(auto end, source->Next());
  EXPECT_FALSE(end.has_value());
}

TEST(Batch, StreamCarriesTheSourcesErrorToItsConsumer) {
  ArrowArrayStream stream;
  ASSERT_THAT(ExportStream(std::make_unique<FailingSource>(), &stream), IsOk());
  PK_ASSERT_OK(auto source, ImportStream(&stream));
  ASSERT_THAT(source->Next(), IsOk());
  EXPECT_THAT(source->Next(), IsErrorWith(ErrorCode::kInvalidArgument, "the disk is gone"));
}

TEST(Batch, CountsTheBytesOfASliceOnly) {
  iceberg::Schema schema = AllPrimitives();
  for (bool dictionaries : {false, true}) {
    Batch batch{RandomRows(schema, 1000, 3, {.dictionaries = dictionaries})};
    EXPECT_GT(batch.bytes(), 1000 * 100);
    EXPECT_LT(batch.Slice(10, 10).bytes(), batch.bytes() / 50);
    EXPECT_EQ(batch.Slice(10, 10).num_rows(), 10);
  }
}

TEST(Adapter, GivesBackTheErrorThatWentThroughArrow) {
  Error error = Unavailable("no space left");
  EXPECT_EQ(ErrorFrom(ToArrow(error), ErrorCode::kCorrupt), error);
  EXPECT_EQ(ErrorFrom(arrow::Status::Invalid("bad page"), ErrorCode::kCorrupt),
            Corrupt("bad page"));
  EXPECT_EQ(ErrorFrom(arrow::Status::NotImplemented("lzo"), ErrorCode::kCorrupt),
            Unsupported("lzo"));
}

TEST(Adapter, TurnsWhatIsThrownIntoErrors) {
  auto thrown = Guarded(ErrorCode::kCorrupt, []() -> int { throw std::runtime_error("torn"); });
  EXPECT_THAT(thrown, IsErrorWith(ErrorCode::kCorrupt, "torn"));
  auto value = Guarded(ErrorCode::kCorrupt, []() -> arrow::Result<int> { return 7; });
  EXPECT_THAT(value, testing::IsOkAnd(7));
}

}  // namespace
}  // namespace pk::datafile
