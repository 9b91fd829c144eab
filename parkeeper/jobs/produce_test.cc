#include "parkeeper/jobs/produce.h"

#include <gtest/gtest.h>

#include <fstream>

#include "parkeeper/iceberg/schema.h"
#include "parkeeper/storage/local.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::jobs {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;

class ProduceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = storage::OpenLocal(folder_ / "lake");
    ASSERT_THAT(opened, IsOk());
    storage_ = *std::move(opened);
    iceberg::NewTable table;
    table.schema = iceberg::ParseSchemaText("id long not null, word string").value();
    table.location = storage_->root() + "/t";
    table.table_uuid = "11111111-2222-4333-8444-555555555555";
    table.now_ms = 1'000;
    metadata_ = iceberg::MakeTableMetadata(std::move(table)).value();
  }

  std::string FileOf(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  ProduceRequest RequestOf(decltype(ProduceRequest::work) work) {
    return {.root = storage_->root(),
            .metadata = iceberg::ToJson(metadata_),
            .memory_bytes = int64_t{64} << 20,
            .work = std::move(work)};
  }

  // As over the border of a process.
  Result<Produced> ServeFile(const std::string& path) {
    return ParseReply(Serve(Encode(RequestOf(ReadFile{.path = path, .input = {}})), {}));
  }

  int FilesInLake() {
    int files = 0;
    EXPECT_THAT(storage_->List(storage_->root(),
                               [&](const storage::FileStatus&) -> Result<> {
                                 ++files;
                                 return {};
                               }),
                IsOk());
    return files;
  }

  testing::TempFolder folder_;
  std::unique_ptr<storage::Storage> storage_;
  iceberg::TableMetadata metadata_;
};

TEST_F(ProduceTest, GivesTheCommitOfTheRowsAndSaysOfWhichFile) {
  const auto ingested = ServeFile(FileOf("a.csv", "id,word\n1,x\n2,y\n"));
  ASSERT_THAT(ingested, IsOk());
  EXPECT_EQ(ingested->rows, 2);
  EXPECT_EQ(ingested->source.value(), IdentifySource(folder_ / "a.csv").value());
  EXPECT_EQ(ingested->source->size, 16);
  ASSERT_TRUE(ingested->commit);
  const auto& append = std::get<iceberg::AppendFiles>(ingested->commit->change);
  ASSERT_EQ(append.files.size(), 1);
  EXPECT_EQ(append.files[0].record_count, 2);
  EXPECT_THAT(storage_->Stat(append.files[0].location), IsOk());
}

TEST_F(ProduceTest, HasNothingToCommitOfAFileWithoutRows) {
  const auto ingested = ServeFile(FileOf("a.csv", "id,word\n"));
  ASSERT_THAT(ingested, IsOk());
  EXPECT_FALSE(ingested->commit);
  EXPECT_EQ(FilesInLake(), 0);
}

TEST_F(ProduceTest, SaysWhatIsWrongWithAFileAndLeavesNothing) {
  const auto ingested = ServeFile(FileOf("a.csv", "id,word\n1,x\nno,y\n"));
  EXPECT_THAT(ingested, IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ingested, IsErrorWith(ErrorCode::kInvalidArgument, "line 3: column 'id': 'no'"));
  EXPECT_EQ(FilesInLake(), 0);
}

TEST_F(ProduceTest, RefusesAFileThatIsMissingOrNone) {
  EXPECT_THAT(ServeFile(folder_ / "b.csv"), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(ServeFile(folder_.path()), IsError(ErrorCode::kInvalidArgument));
}

TEST_F(ProduceTest, BeginsAgainWhenTheFileChangesMeanwhile) {
  std::string text = "id,word\n";
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i) + ",w\n";
  const std::string path = FileOf("a.csv", text);
  bool changed = false;
  const auto ingested = Produce(*storage_, RequestOf(ReadFile{.path = path, .input = {}}),
                                [&](const ProduceProgress&) {
                                  if (std::exchange(changed, true)) return;
                                  std::ofstream(path, std::ios::app) << "1,late\n";
                                });
  ASSERT_TRUE(changed);
  EXPECT_THAT(ingested, IsError(ErrorCode::kUnavailable));
  EXPECT_THAT(ingested, IsErrorWith(ErrorCode::kUnavailable, "changed while it was read"));
  EXPECT_EQ(FilesInLake(), 0);
}

TEST_F(ProduceTest, TellsARequestOrReplyThatIsNone) {
  EXPECT_THAT(ParseReply("oops"), IsError(ErrorCode::kInternal));
  EXPECT_THAT(ParseReply(Serve("oops", {})), IsError(ErrorCode::kCorrupt));
}

TEST(ProduceErrors, OfTheFileAreForGoodAndOthersPass) {
  EXPECT_FALSE(MayPass(ErrorCode::kInvalidArgument));
  EXPECT_FALSE(MayPass(ErrorCode::kCorrupt));
  EXPECT_TRUE(MayPass(ErrorCode::kUnavailable));
  EXPECT_TRUE(MayPass(ErrorCode::kInternal));
}

}  // namespace
}  // namespace pk::jobs
