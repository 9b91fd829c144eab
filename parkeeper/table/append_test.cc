#include "parkeeper/table/append.h"

#include <gtest/gtest.h>

#include <set>

#include "parkeeper/storage/faulty.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using datafile::Batch;
using datafile::BatchSource;
using testing::Each;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::Lines;
using testing::RowSources;
using testing::SampleRows;
using testing::Sorted;
using testing::TableInMemory;

// `inner`, with something done before each batch.
class Watched final : public BatchSource {
 public:
  Watched(std::unique_ptr<BatchSource> inner, std::function<Result<>(int batch)> before)
      : inner_(std::move(inner)), before_(std::move(before)) {}
  const iceberg::Schema& schema() const override { return inner_->schema(); }
  Result<std::optional<Batch>> Next() override {
    PK_TRY(before_(count_++));
    return inner_->Next();
  }

 private:
  std::unique_ptr<BatchSource> inner_;
  std::function<Result<>(int)> before_;
  int count_ = 0;
};

NextSource Of(std::unique_ptr<BatchSource> first, std::unique_ptr<BatchSource> second = nullptr) {
  std::vector<std::unique_ptr<BatchSource>> sources;
  sources.push_back(std::move(first));
  if (second != nullptr) sources.push_back(std::move(second));
  return Each(std::move(sources));
}

Lines RowsOfAll(TableInMemory& table, const std::vector<iceberg::DataFile>& files) {
  Lines all;
  for (const iceberg::DataFile& file : files) {
    for (std::string& line : table.RowsOf(file)) all.push_back(std::move(line));
  }
  return Sorted(all);
}

// So small that every batch is written at once, and so is every file.
AppendOptions TinyMemory() { return {.writers = 3, .memory_bytes = 1}; }

TEST(Append, WritesOneFilePerPartitionWithMetricsAndPartitionValues) {
  TableInMemory table({.partition_by = "cat"});
  PK_ASSERT_OK(const AppendedFiles written, table.Write(SampleRows(0, 1'000)));
  ASSERT_EQ(written.files.size(), 4u);
  EXPECT_EQ(written.rows, 1'000);
  int64_t bytes = 0;
  std::set<std::string> partitions;
  for (const iceberg::DataFile& file : written.files) {
    const auto& cat = std::get<std::string>(file.partition.at(0));
    EXPECT_NE(file.location.find("/data/cat=" + cat + "/"), std::string::npos) << file.location;
    partitions.insert(cat);
    bytes += file.file_size;
    EXPECT_EQ(file.record_count, 250);
    EXPECT_EQ(file.value_counts.at(1), 250);
    EXPECT_EQ(file.null_counts.at(2), 0);
    const iceberg::Value lowest = int64_t{cat[1] - '0'};
    EXPECT_EQ(file.lower_bounds.at(1),
              iceberg::ToBytes(lowest, {.kind = iceberg::PrimitiveKind::kLong}));
    EXPECT_EQ(file.spec_id, table.metadata().default_spec_id);
    EXPECT_FALSE(file.sort_order_id.has_value());
    PK_ASSERT_OK(const auto status, table.storage().Stat(file.location));
    EXPECT_EQ(status.size, file.file_size);
  }
  EXPECT_EQ(partitions, (std::set<std::string>{"c0", "c1", "c2", "c3"}));
  EXPECT_EQ(written.bytes, bytes);
  EXPECT_EQ(RowsOfAll(table, written.files), Sorted(SampleRows(0, 1'000)));
}

TEST(Append, PartitionsOfNanNullAndOddTextAreOnesOfTheirOwn) {
  TableInMemory table({.partition_by = "x, cat"});
  PK_ASSERT_OK(const AppendedFiles written,
               table.Write({R"({"id":1,"cat":"..","x":"NaN"})", R"({"id":2,"cat":"a/b","x":1.5})",
                            R"({"id":3,"cat":"..","x":"NaN"})", R"({"id":4,"cat":null,"x":null})",
                            R"({"id":5,"cat":"a/b","x":1.5})"}));
  EXPECT_EQ(written.files.size(), 3u);
  EXPECT_EQ(written.rows, 5);
}

TEST(Append, EndsAFileAtTheTargetSize) {
  TableInMemory table;
  PK_ASSERT_OK(const AppendedFiles written,
               table.Write(SampleRows(0, 5'000), {.writers = 1, .target_file_bytes = 2'000}));
  EXPECT_GE(written.files.size(), 4u);
  for (const iceberg::DataFile& file : written.files) EXPECT_LT(file.file_size, 20'000);
  EXPECT_EQ(RowsOfAll(table, written.files), Sorted(SampleRows(0, 5'000)));
}

TEST(Append, TakesTheTargetSizeFromThePropertyAndRefusesNonsense) {
  TableInMemory table;
  table.metadata().properties["write.target-file-size-bytes"] = "2000";
  PK_ASSERT_OK(const AppendedFiles written, table.Write(SampleRows(0, 5'000)));
  EXPECT_GE(written.files.size(), 4u);
  for (const char* bad : {"0", "-5", "12MB", "many"}) {
    table.metadata().properties["write.target-file-size-bytes"] = bad;
    EXPECT_THAT(table.Write(SampleRows(0, 1)), IsErrorWith(ErrorCode::kInvalidArgument, bad));
  }
}

TEST(Append, SortsWithinEachFileAndSaysByWhichOrder) {
  TableInMemory table({.partition_by = "cat", .sort_by = "x desc"});
  PK_ASSERT_OK(const AppendedFiles written,
               table.Write(SampleRows(0, 2'000, 2), {.writers = 1, .target_file_bytes = 2'000}));
  EXPECT_GT(written.files.size(), 2u);
  for (const iceberg::DataFile& file : written.files) {
    EXPECT_EQ(file.sort_order_id, table.metadata().default_sort_order_id);
    int64_t previous = INT64_MAX;
    for (const std::string& line : table.RowsOf(file)) {
      const int64_t id = std::stoll(line.substr(line.find(':') + 1));  // x grows with id
      EXPECT_LT(id, previous);
      previous = id;
    }
  }
  EXPECT_EQ(RowsOfAll(table, written.files), Sorted(SampleRows(0, 2'000, 2)));
}

TEST(Append, StaysRightWithHardlyAnyMemory) {
  for (const char* sort : {"", "id"}) {
    TableInMemory table({.partition_by = "cat", .sort_by = sort});
    RowSources rows;
    const auto& schema = table.metadata().schema();
    PK_ASSERT_OK(const AppendedFiles written,
                 WriteDataFiles(table.storage(), table.metadata(),
                                Of(rows.Of(schema, SampleRows(0, 600), 50),
                                   rows.Of(schema, SampleRows(600, 1'200), 50)),
                                TinyMemory()));
    EXPECT_EQ(RowsOfAll(table, written.files), Sorted(SampleRows(0, 1'200))) << sort;
    // Unsorted rows go on in the partition's open file, sorted ones need a file each.
    if (*sort == '\0') {
      EXPECT_EQ(written.files.size(), 4u);
    } else {
      EXPECT_GT(written.files.size(), 4u);
    }
  }
}

TEST(Append, CountsTheRowsOfManySourcesExactly) {
  TableInMemory table({.partition_by = "bucket(8, id)"});
  RowSources rows;
  std::vector<std::unique_ptr<BatchSource>> sources;
  for (int64_t i = 0; i < 20; ++i) {
    sources.push_back(rows.Of(table.metadata().schema(), SampleRows(i * 97, (i + 1) * 97), 10));
  }
  AppendProgress last;
  PK_ASSERT_OK(const AppendedFiles written,
               WriteDataFiles(table.storage(), table.metadata(), Each(std::move(sources)),
                              {.writers = 4, .progress = [&](const AppendProgress& progress) {
                                 EXPECT_GT(progress.rows, last.rows);
                                 last = progress;
                               }}));
  EXPECT_EQ(written.rows, 20 * 97);
  EXPECT_EQ(last.rows, 20 * 97);
  EXPECT_EQ(written.files.size(), 8u);
  EXPECT_EQ(RowsOfAll(table, written.files), Sorted(SampleRows(0, 20 * 97)));
}

TEST(Append, OfNoRowsMakesNoFiles) {
  TableInMemory table;
  PK_ASSERT_OK(const AppendedFiles nothing, table.Write({}));
  EXPECT_TRUE(nothing.files.empty());
  EXPECT_EQ(nothing.rows, 0);
  EXPECT_THAT(WriteDataFiles(table.storage(), table.metadata(), Each({}), {}), IsOk());
  EXPECT_TRUE(table.Files().empty());
}

TEST(Append, RemovesItsFilesWhenASourceFails) {
  for (const char* sort : {"", "id"}) {
    TableInMemory table({.partition_by = "cat", .sort_by = sort});
    RowSources rows;
    const auto& schema = table.metadata().schema();
    bool there_were_files = false;
    auto bad = std::make_unique<Watched>(rows.Of(schema, SampleRows(0, 500), 50),
                                         [&](int batch) -> Result<> {
                                           if (batch < 8) return {};
                                           there_were_files = !table.Files().empty();
                                           return Corrupt("row 400 is bad");
                                         });
    EXPECT_THAT(WriteDataFiles(table.storage(), table.metadata(),
                               Of(std::move(bad), rows.Of(schema, SampleRows(0, 500), 50)),
                               {.writers = 2, .target_file_bytes = 100, .memory_bytes = 1}),
                IsErrorWith(ErrorCode::kCorrupt, "row 400 is bad"));
    EXPECT_TRUE(there_were_files);
    EXPECT_TRUE(table.Files().empty()) << sort;
  }
}

// The same batch again and again, so often that only a failed test sees the end.
class Endless final : public BatchSource {
 public:
  Endless(iceberg::Schema schema, Batch batch)
      : schema_(std::move(schema)), batch_(std::move(batch)) {}
  const iceberg::Schema& schema() const override { return schema_; }
  Result<std::optional<Batch>> Next() override {
    if (++count_ > 100'000) return Internal("nobody stopped the endless source");
    return std::optional<Batch>(batch_);
  }

 private:
  iceberg::Schema schema_;
  Batch batch_;
  int count_ = 0;
};

TEST(Append, LetsNoOtherSourceGoOnAfterAnError) {
  TableInMemory table;
  RowSources rows;
  const auto& schema = table.metadata().schema();
  PK_ASSERT_OK(const auto batch, rows.Of(schema, SampleRows(0, 10))->Next());
  auto bad = std::make_unique<Watched>(rows.Of(schema, SampleRows(0, 10)),
                                       [](int) -> Result<> { return Corrupt("bad"); });
  EXPECT_THAT(
      WriteDataFiles(table.storage(), table.metadata(),
                     Of(std::make_unique<Endless>(schema, *batch), std::move(bad)), {.writers = 2}),
      IsErrorWith(ErrorCode::kCorrupt, "bad"));
  EXPECT_TRUE(table.Files().empty());
}

TEST(Append, StopsWhenAskedAndLeavesNothing) {
  TableInMemory table({.partition_by = "cat"});
  RowSources rows;
  std::stop_source stop;
  auto source = std::make_unique<Watched>(
      rows.Of(table.metadata().schema(), SampleRows(0, 900), 50), [&](int batch) -> Result<> {
        if (batch == 5) stop.request_stop();
        return {};
      });
  EXPECT_THAT(
      WriteDataFiles(
          table.storage(), table.metadata(), Of(std::move(source)),
          {.writers = 2, .target_file_bytes = 100, .memory_bytes = 1, .stop = stop.get_token()}),
      IsError(ErrorCode::kCancelled));
  EXPECT_TRUE(table.Files().empty());
}

TEST(Append, RemovesAFileWhoseReplyWasLost) {
  TableInMemory table({.partition_by = "cat"});
  std::atomic<int> finished{0};
  const auto faulty = storage::MakeFaulty(
      table.storage(), {.schedule = [&](storage::Call call, std::string_view) {
        return call == storage::Call::kFinish && ++finished == 3 ? storage::Fault::kLostReply
                                                                 : storage::Fault::kNone;
      }});
  RowSources rows;
  EXPECT_THAT(
      WriteDataFiles(*faulty, table.metadata(),
                     Of(rows.Of(table.metadata().schema(), SampleRows(0, 100))), {.writers = 2}),
      IsError(ErrorCode::kOutcomeUnknown));
  EXPECT_GE(finished, 3);
  EXPECT_TRUE(table.Files().empty());
}

TEST(Append, EndsWithTheStoragesErrorWhereverItComes) {
  for (const storage::Call at :
       {storage::Call::kCreate, storage::Call::kAppend, storage::Call::kFinish}) {
    for (int which = 1; which <= 4; ++which) {
      TableInMemory table({.partition_by = "cat"});
      std::atomic<int> calls{0};
      const auto faulty = storage::MakeFaulty(
          table.storage(), {.schedule = [&](storage::Call call, std::string_view) {
            return call == at && ++calls >= which ? storage::Fault::kUnavailable
                                                  : storage::Fault::kNone;
          }});
      RowSources rows;
      const auto& schema = table.metadata().schema();
      EXPECT_THAT(WriteDataFiles(*faulty, table.metadata(),
                                 Of(rows.Of(schema, SampleRows(0, 300), 20),
                                    rows.Of(schema, SampleRows(0, 300), 20)),
                                 TinyMemory()),
                  IsErrorWith(ErrorCode::kUnavailable, "injected"));
      EXPECT_TRUE(table.Files().empty());
    }
  }
}

TEST(Append, RefusesASourceWithOtherColumns) {
  TableInMemory table;
  RowSources rows;
  const auto write = [&](const std::string& schema) {
    const auto other = iceberg::ParseSchemaText(schema).value();
    return WriteDataFiles(table.storage(), table.metadata(), Of(rows.Of(other, {"{\"id\":1}"})),
                          {});
  };
  EXPECT_THAT(write("id long"), IsErrorWith(ErrorCode::kInvalidArgument, "1 columns, the table 3"));
  EXPECT_THAT(write("id int, cat string, x double"),
              IsErrorWith(ErrorCode::kInvalidArgument, "'id' int"));
  EXPECT_THAT(write("id long, cats string, x double"),
              IsErrorWith(ErrorCode::kInvalidArgument, "'cats'"));
  EXPECT_THAT(write("id long, cat string, x double"), IsOk());
}

TEST(Append, WritesWhereThePropertySays) {
  TableInMemory table({.properties = {{"write.data.path", "memory://lake/elsewhere/"}}});
  PK_ASSERT_OK(const AppendedFiles written, table.Write(SampleRows(0, 1)));
  EXPECT_TRUE(written.files.at(0).location.starts_with("memory://lake/elsewhere/0"));
}

TEST(Append, MakesACommitOfItsFiles) {
  TableInMemory table;
  ManualClock clock;
  SeededIds ids(1);
  AppendedFiles files;
  files.files.resize(2);
  files.oldest_file_ms = 77;
  const auto commit = MakeAppendCommit(files, table.metadata(), clock, ids);
  EXPECT_EQ(commit.oldest_file_ms, 77);
  EXPECT_EQ(commit.id.UnixMs(), clock.WallMs());
  EXPECT_EQ(std::get<iceberg::AppendFiles>(commit.change).files.size(), 2u);
  EXPECT_NE(commit.id, MakeAppendCommit(files, table.metadata(), clock, ids).id);
}

}  // namespace
}  // namespace pk::table
