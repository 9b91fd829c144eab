#include "parkeeper/datafile/arrow_c.h"

#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "tests/support/arrow_batches.h"
#include "tests/support/matchers.h"

namespace pk::datafile {
namespace {

using testing::AllPrimitives;
using testing::IsErrorWith;
using testing::IsOk;
using testing::RandomRows;

class Failing : public BatchSource {
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

int Next(ArrowArrayStream& stream, bool& ended) {
  ArrowArray array{};
  const int code = stream.get_next(&stream, &array);
  ended = array.release == nullptr;
  if (!ended) array.release(&array);
  return code;
}

TEST(HeldStream, TellsItsEndOnce) {
  std::optional<Error> failure;
  const iceberg::Schema schema = AllPrimitives();
  PK_ASSERT_OK(const auto stream,
               HoldStream(SourceOf(schema, {Batch{RandomRows(schema, 5, 1)}}), failure));
  ArrowArrayStream copy = *stream;
  bool ended = false;
  EXPECT_EQ(Next(copy, ended), 0);
  EXPECT_FALSE(ended);
  EXPECT_EQ(Next(copy, ended), 0);
  EXPECT_TRUE(ended);
  EXPECT_NE(Next(copy, ended), 0);
  EXPECT_STREQ(copy.get_last_error(&copy), "the rows of a stream were asked for twice");
  EXPECT_FALSE(failure);
}

TEST(HeldStream, KeepsTheErrorThatEndedIt) {
  std::optional<Error> failure;
  PK_ASSERT_OK(const auto stream, HoldStream(std::make_unique<Failing>(), failure));
  bool ended = false;
  EXPECT_EQ(Next(*stream, ended), 0);
  EXPECT_NE(Next(*stream, ended), 0);
  ASSERT_TRUE(failure);
  EXPECT_EQ(*failure, Unavailable("the disk is gone"));
}

TEST(FilledSource, GivesTheRowsThatItIsGiven) {
  const iceberg::Schema schema = AllPrimitives();
  const auto rows = RandomRows(schema, 7, 1);
  int left = 2;
  PK_ASSERT_OK(const auto source, SourceOfRows(
                                      [&](ArrowSchema* out) -> Result<> {
                                        EXPECT_TRUE(arrow::ExportSchema(*rows->schema(), out).ok());
                                        return {};
                                      },
                                      [&](ArrowArray* out) -> Result<bool> {
                                        if (left-- == 0) return false;
                                        EXPECT_TRUE(arrow::ExportRecordBatch(*rows, out).ok());
                                        return true;
                                      }));
  EXPECT_TRUE(source->schema().SameColumns(schema));
  for (int i = 0; i < 2; ++i) {
    PK_ASSERT_OK(const auto batch, source->Next());
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->num_rows(), 7);
  }
  PK_ASSERT_OK(const auto end, source->Next());
  EXPECT_FALSE(end);
}

TEST(FilledSource, PassesErrorsOn) {
  const FillRows none = [](ArrowArray*) -> Result<bool> { return Unavailable("no rows"); };
  EXPECT_THAT(SourceOfRows([](ArrowSchema*) -> Result<> { return NotFound("no columns"); }, none),
              IsErrorWith(ErrorCode::kNotFound, "no columns"));
  const auto schema = arrow::schema({arrow::field("d", arrow::month_interval())});
  const FillSchema odd = [&](ArrowSchema* out) -> Result<> {
    EXPECT_TRUE(arrow::ExportSchema(*schema, out).ok());
    return {};
  };
  EXPECT_THAT(SourceOfRows(odd, none), IsErrorWith(ErrorCode::kInvalidArgument, "'d'"));
}

}  // namespace
}  // namespace pk::datafile
