// Damaged Parquet files: always an error or rows, never a crash.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "parkeeper/datafile/parquet_reader.h"
#include "parkeeper/datafile/parquet_writer.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/arrow_batches.h"
#include "tests/support/matchers.h"
#include "tests/support/read_all.h"

namespace pk::datafile {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::ReadLines;

class Damaged : public ::testing::Test {
 protected:
  Result<std::string> Write(std::shared_ptr<const iceberg::Schema> schema) {
    WriterOptions options;
    options.row_group_rows = 60;
    options.bloom_filters[1] = 0.01;
    auto writer =
        PK_TRY(ParquetWriter::Open(*storage_, storage_->root() + "/good.parquet", schema, options));
    PK_TRY(writer->Write({testing::RandomRows(*schema, 120, 3)}));
    return storage::ReadAll(*storage_, PK_TRY(writer->Finish()).location);
  }

  Result<std::vector<std::string>> Read(std::shared_ptr<const iceberg::Schema> schema,
                                        std::string_view bytes) {
    iceberg::DataFile file;
    file.location = storage_->root() + fmt::format("/bad-{}.parquet", ++files_);
    PK_TRY(storage::WriteIfAbsent(*storage_, file.location, bytes));
    ReaderOptions options;
    options.projection = schema;
    options.table_schema = schema;
    auto lines = ReadLines(OpenParquet(*storage_, file, options));
    PK_TRY(storage_->Remove(file.location));
    return lines;
  }

  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory();
  int files_ = 0;
};

TEST_F(Damaged, FilesCutShortAreCorrupt) {
  const auto schema = std::make_shared<const iceberg::Schema>(testing::AllPrimitives());
  PK_ASSERT_OK(const std::string good, Write(schema));
  for (size_t length = 0; length < good.size(); length += 1 + good.size() / 40) {
    auto lines = Read(schema, std::string_view(good).substr(0, length));
    EXPECT_THAT(lines, IsErrorWith(ErrorCode::kCorrupt, "bad-")) << length << " bytes";
  }
}

// Checksums find what decodes just as well: plain, uncompressed numbers.
TEST_F(Damaged, AFlippedBitInAPageIsCorruption) {
  PK_ASSERT_OK(const iceberg::Schema columns, iceberg::ParseSchemaText("x double"));
  const auto schema = std::make_shared<const iceberg::Schema>(columns);
  WriterOptions options;
  options.compression = Compression::kUncompressed;
  PK_ASSERT_OK(auto writer,
               ParquetWriter::Open(*storage_, storage_->root() + "/good.parquet", schema, options));
  ASSERT_THAT(writer->Write({testing::RandomRows(*schema, 1000, 3)}), testing::IsOk());
  PK_ASSERT_OK(const iceberg::DataFile file, writer->Finish());
  PK_ASSERT_OK(std::string bytes, storage::ReadAll(*storage_, file.location));
  EXPECT_THAT(Read(schema, bytes), testing::IsOk());
  bytes[2000] = static_cast<char>(bytes[2000] ^ 1);
  EXPECT_THAT(Read(schema, bytes), IsErrorWith(ErrorCode::kCorrupt, "column 'x'"));
}

TEST_F(Damaged, FilesWithFlippedBitsGiveAnErrorOrRows) {
  std::mt19937_64 engine(11);
  int errors = 0;
  for (const iceberg::Schema& columns : {testing::AllPrimitives(), testing::NestedTypes()}) {
    storage_ = storage::MakeMemory();
    const auto schema = std::make_shared<const iceberg::Schema>(columns);
    PK_ASSERT_OK(const std::string good, Write(schema));
    for (int round = 0; round < 200; ++round) {
      std::string bad = good;
      for (int i = 0; i <= round % 3; ++i) {
        // The footer is the smaller part and the more delicate one.
        const size_t from = round % 2 == 0 ? 0 : bad.size() * 2 / 3;
        const size_t at = from + engine() % (bad.size() - from);
        bad[at] = static_cast<char>(bad[at] ^ (1 << engine() % 8));
      }
      const auto lines = Read(schema, bad);
      if (lines.ok()) continue;
      ++errors;
      EXPECT_THAT(lines, testing::IsErrorWith(lines.error().code(), "bad-"));
      EXPECT_TRUE(lines.error().code() == ErrorCode::kCorrupt ||
                  lines.error().code() == ErrorCode::kUnsupported ||
                  lines.error().code() == ErrorCode::kUnavailable)
          << lines.error().ToString();
    }
  }
  EXPECT_GT(errors, 100);
}

}  // namespace
}  // namespace pk::datafile
