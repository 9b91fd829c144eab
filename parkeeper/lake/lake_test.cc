#include "parkeeper/lake/lake.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <thread>

#include "parkeeper/lake/doctor.h"
#include "parkeeper/lake/import.h"
#include "parkeeper/storage/faulty.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::lake {
namespace {

using catalog::TableName;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using testing::TempFolder;

const TableName kOrders{{{"sales"}}, "orders"};

std::string WriteFile(const TempFolder& folder, const std::string& name, const std::string& text) {
  std::ofstream(folder / name) << text;
  return folder / name;
}

// A lake in memory, and files to import.
class LakeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    auto opened = Lake::Open(std::string("memory://") + test->name());
    ASSERT_THAT(opened, IsOk());
    lake_ = std::move(opened).value();
  }

  // `rows` rows from id `first` on.
  std::string Csv(int first, int rows) {
    std::string text = "id,cat\n";
    for (int id = first; id < first + rows; ++id) {
      text += std::to_string(id) + ",c" + std::to_string(id % 3) + "\n";
    }
    return WriteFile(folder_, "f" + std::to_string(first) + ".csv", text);
  }

  static ImportOptions Creating() {
    ImportOptions options;
    options.create = true;
    options.partition_by = "cat";
    options.writers = 2;
    return options;
  }

  std::vector<std::string> Findings() {
    std::vector<std::string> found;
    const auto diagnosis = Diagnose(*lake_, {.deep = true, .progress = {}});
    EXPECT_THAT(diagnosis, IsOk());
    if (!diagnosis.ok()) return {"no diagnosis"};
    for (const Finding& finding : diagnosis->findings) {
      EXPECT_EQ(finding.table, "sales.orders");
      found.push_back(finding.what);
    }
    return found;
  }

  // Files of the table whose location contains `part`.
  std::vector<std::string> FilesWith(const std::string& part) {
    std::vector<std::string> found;
    EXPECT_THAT(lake_->storage().List(lake_->storage().root(),
                                      [&](const storage::FileStatus& file) -> Result<> {
                                        if (file.location.find(part) != std::string::npos) {
                                          found.push_back(file.location);
                                        }
                                        return {};
                                      }),
                IsOk());
    return found;
  }

  // A truncated manifest: the file is gone and another one takes its name.
  void Replace(const std::string& location, const std::function<std::string(std::string)>& by) {
    auto bytes = storage::ReadAll(lake_->storage(), location);
    ASSERT_THAT(bytes, IsOk());
    ASSERT_THAT(lake_->storage().Remove(location), IsOk());
    ASSERT_THAT(storage::WriteIfAbsent(lake_->storage(), location, by(*bytes)), IsOk());
  }

  TempFolder folder_;
  std::unique_ptr<Lake> lake_;
};

TEST(LakeOpen, TakesFoldersInEverySpelling) {
  TempFolder folder;
  PK_ASSERT_OK(const auto by_path, Lake::Open(folder / "lake"));
  ASSERT_THAT(by_path->catalog().CreateNamespace({{"sales"}}, {}), IsOk());
  for (const std::string& url :
       {"file://" + (folder / "lake"), "file:" + (folder / "lake/"), folder / "x/../lake"}) {
    PK_ASSERT_OK(const auto lake, Lake::Open(url, {.must_exist = true}));
    EXPECT_THAT(lake->catalog().LoadNamespace({{"sales"}}), IsOk()) << url;
    EXPECT_EQ(lake->storage().root(), by_path->storage().root());
  }
}

TEST(LakeOpen, RefusesWhatIsNoLake) {
  TempFolder folder;
  EXPECT_THAT(Lake::Open(""), IsErrorWith(ErrorCode::kInvalidArgument, "no lake given"));
  EXPECT_THAT(Lake::Open("memory://"), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(Lake::Open("file://host/dir"), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(Lake::Open("s3://bucket"), IsErrorWith(ErrorCode::kInvalidArgument, "s3://bucket"));
  EXPECT_THAT(Lake::Open("zk://"), IsErrorWith(ErrorCode::kInvalidArgument, "names no host"));
  EXPECT_THAT(Lake::Open("zk://a?x=y"), IsErrorWith(ErrorCode::kInvalidArgument, "'x'"));
  EXPECT_THAT(Lake::Open(folder / "none", {.must_exist = true}),
              IsErrorWith(ErrorCode::kNotFound, "none"));
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));
}

TEST(LakeOpen, SharesLakesInMemoryByName) {
  PK_ASSERT_OK(auto first, Lake::Open("memory://shared"));
  PK_ASSERT_OK(const auto other, Lake::Open("memory://another"));
  ASSERT_THAT(first->catalog().CreateNamespace({{"sales"}}, {}), IsOk());
  {
    PK_ASSERT_OK(const auto second, Lake::Open("memory://shared"));
    EXPECT_THAT(second->catalog().LoadNamespace({{"sales"}}), IsOk());
  }
  EXPECT_THAT(other->catalog().LoadNamespace({{"sales"}}), IsError(ErrorCode::kNotFound));
  first.reset();
  PK_ASSERT_OK(const auto again, Lake::Open("memory://shared"));
  EXPECT_THAT(again->catalog().LoadNamespace({{"sales"}}), IsError(ErrorCode::kNotFound));
}

TEST_F(LakeTest, ImportsFilesAsOneCommitOrAsManyAsAsked) {
  const std::vector<std::string> paths = {Csv(0, 10), Csv(10, 10), Csv(20, 10)};
  EXPECT_THAT(Import(*lake_, kOrders, paths, {}), IsErrorWith(ErrorCode::kNotFound, "--create"));
  PK_ASSERT_OK(const ImportResult one, Import(*lake_, kOrders, paths, Creating()));
  EXPECT_TRUE(one.created);
  EXPECT_EQ(one.rows, 30);
  EXPECT_EQ(one.files, 3);
  EXPECT_EQ(one.data_files, 3);
  EXPECT_EQ(one.snapshots.size(), 1u);
  ImportOptions every;
  every.commit_every = 2;
  PK_ASSERT_OK(const ImportResult two, Import(*lake_, kOrders, paths, every));
  EXPECT_FALSE(two.created);
  EXPECT_EQ(two.snapshots.size(), 2u);
  PK_ASSERT_OK(const auto table, lake_->catalog().LoadTable(kOrders));
  EXPECT_EQ(table.version, 3);
  EXPECT_EQ(table.metadata->current_snapshot()->summary.at("total-records"), "60");
  EXPECT_THAT(Findings(), ::testing::IsEmpty());
}

TEST_F(LakeTest, AFileThatDoesNotFitLeavesNothing) {
  const std::string other = WriteFile(folder_, "other.csv", "id,dog\n1,rex\n");
  EXPECT_THAT(Import(*lake_, kOrders, {Csv(0, 10), other}, Creating()),
              IsErrorWith(ErrorCode::kInvalidArgument, "dog"));
  EXPECT_THAT(lake_->catalog().LoadNamespace({{"sales"}}), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(FilesWith(".parquet"), ::testing::IsEmpty());

  ASSERT_THAT(Import(*lake_, kOrders, {Csv(0, 10)}, Creating()), IsOk());
  const auto before = FilesWith("").size();
  const std::string bad = WriteFile(folder_, "bad.csv", "id,cat\n1,c1\nx,c1\n");
  EXPECT_THAT(Import(*lake_, kOrders, {Csv(10, 10), bad}, {}),
              IsErrorWith(ErrorCode::kInvalidArgument, "line 3"));
  EXPECT_EQ(FilesWith("").size(), before);
  ImportOptions every;
  every.commit_every = 1;
  EXPECT_THAT(Import(*lake_, kOrders, {Csv(10, 10), bad}, every),
              IsErrorWith(ErrorCode::kInvalidArgument, "first 1 files are committed"));
  EXPECT_THAT(Findings(), ::testing::IsEmpty());
}

TEST_F(LakeTest, IsSoundAfterImportsAtOnce) {
  const std::vector<std::string> paths = {Csv(0, 10), Csv(10, 10), Csv(20, 10), Csv(30, 10)};
  {
    std::vector<std::jthread> threads;
    for (const std::string& path : paths) {
      threads.emplace_back(
          [&] { EXPECT_THAT(Import(*lake_, kOrders, {path}, Creating()), IsOk()); });
    }
  }
  PK_ASSERT_OK(const Diagnosis diagnosis, Diagnose(*lake_, {.deep = true, .progress = {}}));
  EXPECT_THAT(diagnosis.findings, ::testing::IsEmpty());
  EXPECT_EQ(diagnosis.tables, 1);
  EXPECT_GE(diagnosis.snapshots, 1);  // imports that met are one version
  EXPECT_LE(diagnosis.snapshots, 4);
  EXPECT_EQ(diagnosis.data_files, 12);
  PK_ASSERT_OK(const auto table, lake_->catalog().LoadTable(kOrders));
  EXPECT_EQ(table.metadata->current_snapshot()->summary.at("total-records"), "40");
}

TEST_F(LakeTest, DoctorFindsWhatIsMissingOrOfAnotherSize) {
  ASSERT_THAT(Import(*lake_, kOrders, {Csv(0, 10)}, Creating()), IsOk());
  const auto data = FilesWith(".parquet");
  ASSERT_EQ(data.size(), 3u);
  ASSERT_THAT(lake_->storage().Remove(data[0]), IsOk());
  Replace(data[1], [](std::string bytes) { return bytes + "more"; });
  EXPECT_THAT(Findings(), ::testing::UnorderedElementsAre(
                              ::testing::HasSubstr("data file " + data[0] + " is missing"),
                              ::testing::AllOf(::testing::HasSubstr(data[1]),
                                               ::testing::HasSubstr("are stated"))));
}

TEST_F(LakeTest, DoctorFindsATruncatedManifest) {
  ASSERT_THAT(Import(*lake_, kOrders, {Csv(0, 10)}, Creating()), IsOk());
  for (const std::string& avro : FilesWith(".avro")) {
    Replace(avro, [](const std::string& bytes) { return bytes.substr(0, bytes.size() / 2); });
    const auto findings = Findings();
    ASSERT_EQ(findings.size(), 1u) << avro;
    EXPECT_THAT(findings[0], ::testing::HasSubstr("manifest"));
  }
}

TEST_F(LakeTest, DoctorLooksAtEverySnapshotKept) {
  PK_ASSERT_OK(const ImportResult first, Import(*lake_, kOrders, {Csv(0, 10)}, Creating()));
  ASSERT_THAT(Import(*lake_, kOrders, {Csv(10, 10)}, {}), IsOk());
  PK_ASSERT_OK(const auto table, lake_->catalog().LoadTable(kOrders));
  const auto old = table.metadata->FindSnapshot(first.snapshots.at(0));
  ASSERT_NE(old, nullptr);
  ASSERT_THAT(lake_->storage().Remove(old->manifest_list), IsOk());
  EXPECT_THAT(
      Findings(),
      ::testing::ElementsAre(::testing::HasSubstr("snapshot " + std::to_string(old->snapshot_id))));
}

TEST_F(LakeTest, DoctorCountsWhatSnapshotsStateWhenAskedToGoDeep) {
  ASSERT_THAT(Import(*lake_, kOrders, {Csv(0, 10)}, Creating()), IsOk());
  PK_ASSERT_OK(const auto table, lake_->catalog().LoadTable(kOrders));
  iceberg::Snapshot snapshot = *table.metadata->current_snapshot();
  PK_ASSERT_OK(const std::string list, storage::ReadAll(lake_->storage(), snapshot.manifest_list));
  snapshot.parent_id = snapshot.snapshot_id;
  snapshot.snapshot_id += 1;
  snapshot.sequence_number += 1;
  snapshot.timestamp_ms = table.metadata->last_updated_ms + 1;
  snapshot.manifest_list += ".copy";
  snapshot.summary["total-records"] = "11";
  ASSERT_THAT(storage::WriteIfAbsent(lake_->storage(), snapshot.manifest_list, list), IsOk());
  iceberg::UpdateTable update;
  update.updates.emplace_back(
      iceberg::AddSnapshot{std::make_shared<const iceberg::Snapshot>(snapshot)});
  PK_ASSERT_OK(
      const auto outcome,
      lake_->catalog().Commit(
          table.key,
          {.id = SystemIds().NewUuid7(SystemClock()), .change = update, .oldest_file_ms = 0},
          catalog::CommitId::kNew));
  ASSERT_TRUE(std::holds_alternative<catalog::Committed>(outcome));
  EXPECT_THAT(Findings(), ::testing::ElementsAre(
                              ::testing::HasSubstr("total-records of 11, its manifests hold 10")));
  PK_ASSERT_OK(const Diagnosis shallow, Diagnose(*lake_));
  EXPECT_THAT(shallow.findings, ::testing::IsEmpty());
}

TEST_F(LakeTest, DoctorFindsAMissingRecord) {
  ASSERT_THAT(Import(*lake_, kOrders, {Csv(0, 10)}, Creating()), IsOk());
  PK_ASSERT_OK(const auto table, lake_->catalog().LoadTable(kOrders));
  PK_ASSERT_OK(const auto coordinator, lake_->sessions().Get());
  PK_ASSERT_OK(const auto buckets, coordinator->List("/t"));
  std::string record;
  for (const std::string& bucket : buckets) {
    const std::string records = "/t/" + bucket + "/" + table.key + "/r";
    const auto listed = coordinator->List(records);
    if (listed.ok() && !listed->empty()) record = records + "/" + listed->front();
  }
  ASSERT_FALSE(record.empty());
  PK_ASSERT_OK(const auto node, coordinator->Get(record));
  ASSERT_THAT(coordinator->Remove(record, node.stat.version), IsOk());
  EXPECT_THAT(Findings(), ::testing::ElementsAre("record " + record + " is missing"));
}

TEST(WrapStorage, StandsBeforeEveryFile) {
  int finished = 0;
  LakeOptions options;
  options.wrap_storage = [&](storage::Storage& inner) {
    return storage::MakeFaulty(inner, {.schedule = [&](storage::Call call, std::string_view) {
                                 finished += call == storage::Call::kFinish ? 1 : 0;
                                 return storage::Fault::kNone;
                               }});
  };
  auto lake = Lake::Open("memory://wrapped", options);
  ASSERT_THAT(lake, IsOk());
  ASSERT_THAT((*lake)->catalog().CreateNamespace({{"sales"}}, {}), IsOk());
  catalog::NewTableRequest request;
  request.schema = iceberg::Schema(iceberg::StructType{{{.id = 1,
                                                         .name = "id",
                                                         .required = false,
                                                         .type = iceberg::PrimitiveKind::kLong,
                                                         .doc = std::nullopt}}});
  ASSERT_THAT((*lake)->catalog().CreateTable(kOrders, request), IsOk());
  EXPECT_EQ(finished, 1);  // the metadata
  ASSERT_THAT(storage::WriteIfAbsent((*lake)->storage(), (*lake)->storage().root() + "/a", "a"),
              IsOk());
  EXPECT_EQ(finished, 2);
}

}  // namespace
}  // namespace pk::lake
