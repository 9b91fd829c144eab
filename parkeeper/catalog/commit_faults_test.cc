// Commits that meet something broken: what is told, and what becomes of those beside them.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/group_internal.h"
#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "tests/support/late_requests.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::CommitOutcome;
using coordination::Coordinator;
using coordination::Transaction;
using testing::HoldingCoordinator;
using testing::IsErrorWith;
using testing::IsOk;
using testing::Stopped;
using CommitFaults = testing::LateRequests;

const Namespace kSales{{"sales"}};
const TableName kOrders{kSales, "orders"};

iceberg::TableCommit BadAppend(const LoadedTable& table, Uuid id, const std::string& location) {
  iceberg::DataFile file;
  file.location = location;
  file.spec_id = 9;
  file.record_count = 1;
  file.file_size = 1;
  iceberg::AppendFiles append;
  append.files = {file};
  append.schema_id = table.metadata->current_schema_id;
  return {.id = id, .change = append, .oldest_file_ms = 0};
}

// A reason that is cut in the middle of a character makes the record unreadable, for ever.
TEST_F(CommitFaults, AReasonOfManyBytesDoesNotSpoilTheRecord) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, {}));
  for (int pad = 0; pad < 3; ++pad) {
    std::string location = "file:///" + std::string(size_t(pad), 'a');
    for (int i = 0; i < 300; ++i) location += "\xe6\x97\xa5";  // 日
    const auto commit = BadAppend(table, ids_.NewUuid7(clock_), location);
    PK_ASSERT_OK(const auto first, catalog_->Commit(table.key, commit, CommitId::kMaybeRepeated));
    ASSERT_TRUE(std::holds_alternative<Rejected>(first));
    EXPECT_THAT(other_->Commit(table.key, commit, CommitId::kMaybeRepeated), IsOk());
  }
  for (int i = 0; i < 80; ++i) {
    ASSERT_THAT(other_->Commit(table.key, SetProperty("x"), CommitId::kNew), IsOk());
  }
  clock_.Advance(std::chrono::minutes(31));
  EXPECT_THAT(other_->Commit(table.key, SetProperty("y"), CommitId::kNew), IsOk());
  EXPECT_THAT(other_->Commit(table.key, SetProperty("y"), CommitId::kNew), IsOk());
}

// One id of the future stops the sweep of records.
TEST_F(CommitFaults, ARejectedIdOfTheFutureDoesNotStopTheSweep) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, {}));
  PK_ASSERT_OK(const Uuid v4, Uuid::Parse("f47ac10b-58cc-4372-a567-0e02b2c3d479"));
  auto commit = SetProperty("x");
  commit.id = v4;
  PK_ASSERT_OK(const auto first, catalog_->Commit(table.key, commit, CommitId::kMaybeRepeated));
  ASSERT_TRUE(std::holds_alternative<Rejected>(first));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 50; ++i) {
      ASSERT_THAT(other_->Commit(table.key, SetProperty("x"), CommitId::kNew), IsOk());
    }
    clock_.Advance(std::chrono::hours(24 * 30));
  }
  const auto coordinator = coordination::OpenMemory(tree_);
  PK_ASSERT_OK(const auto records,
               coordinator->List("/t/" + table.key.substr(0, 2) + "/" + table.key + "/r"));
  EXPECT_LT(records.size(), 300u);
}

// Although it would not be rejected any more.
TEST_F(CommitFaults, ARejectionIsTheAnswerToWhoeverAsksAgain) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, {}));
  PK_ASSERT_OK(const LoadedTable second, catalog_->CreateTable({kSales, "second"}, {}));
  auto commit = BadAppend(table, ids_.NewUuid7(clock_), "memory://lake/f");
  auto& append = std::get<iceberg::AppendFiles>(commit.change);
  append.files[0].spec_id = 0;
  append.schema_id = 1;
  MultiTableCommit both{.id = ids_.NewUuid7(clock_), .parts = {}, .oldest_file_ms = 0};
  both.parts = {{second.key, SetProperty("x").change}, {table.key, append}};
  const auto reason = [&](Catalog& catalog, CommitId id) {
    const auto result = catalog.Commit(table.key, commit, id);
    EXPECT_THAT(result, IsOk());
    const auto* rejected = result.ok() ? std::get_if<Rejected>(&*result) : nullptr;
    return rejected == nullptr ? "committed" : rejected->reason;
  };
  const auto reason_of_both = [&](Catalog& catalog, CommitId id) {
    const auto result = catalog.CommitAll(both, id);
    EXPECT_THAT(result, IsOk());
    const auto* rejected = result.ok() ? std::get_if<Rejected>(&*result) : nullptr;
    return rejected == nullptr ? "committed" : rejected->reason;
  };
  const std::string why = reason(*catalog_, CommitId::kNew);
  const std::string why_both = reason_of_both(*catalog_, CommitId::kNew);
  EXPECT_THAT(why, ::testing::HasSubstr("schema"));
  PK_ASSERT_OK(const auto other, iceberg::ParseSchemaText("a int"));
  iceberg::UpdateTable mend;
  mend.updates.emplace_back(
      iceberg::AddSchema{std::make_shared<const iceberg::Schema>(other.type(), 1)});
  ASSERT_THAT(
      other_->Commit(table.key, {.id = ids_.NewUuid7(clock_), .change = mend, .oldest_file_ms = 0},
                     CommitId::kNew),
      IsOk());
  EXPECT_EQ(reason(*other_, CommitId::kMaybeRepeated), why);
  EXPECT_EQ(reason_of_both(*other_, CommitId::kMaybeRepeated), why_both);
  commit.id = ids_.NewUuid7(clock_);
  both.id = ids_.NewUuid7(clock_);
  EXPECT_EQ(reason(*other_, CommitId::kNew), "committed");
  EXPECT_EQ(reason_of_both(*other_, CommitId::kNew), "committed");
}

// The same changes to another set of tables under the same id.
TEST_F(CommitFaults, AnIdOfAnotherSetOfTablesIsNotCommitted) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  std::vector<LoadedTable> t;
  for (const char* name : {"a", "b", "c"}) {
    PK_ASSERT_OK(LoadedTable made, catalog_->CreateTable({kSales, name}, {}));
    t.push_back(std::move(made));
  }
  std::ranges::sort(t, {}, &LoadedTable::key);
  const auto change = SetProperty("x").change;
  MultiTableCommit commit{.id = ids_.NewUuid7(clock_), .parts = {}, .oldest_file_ms = 0};
  commit.parts = {{t[0].key, change}, {t[1].key, change}};
  PK_ASSERT_OK(const auto one, catalog_->CommitAll(commit, CommitId::kMaybeRepeated));
  ASSERT_TRUE(std::holds_alternative<std::vector<Committed>>(one));
  commit.parts = {{t[0].key, change}, {t[2].key, change}};
  PK_ASSERT_OK(const auto two, catalog_->CommitAll(commit, CommitId::kMaybeRepeated));
  EXPECT_TRUE(std::holds_alternative<Rejected>(two)) << "told committed";
  PK_ASSERT_OK(const LoadedTable c, catalog_->LoadTable(t[2].name));
  EXPECT_EQ(c.version, 0);
}

// A commit to several tables one of which cannot be read holds up the others for ever.
TEST_F(CommitFaults, OneBrokenTableDoesNotBlockAnother) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable good, catalog_->CreateTable({kSales, "good"}, {}));
  PK_ASSERT_OK(const LoadedTable broken, catalog_->CreateTable({kSales, "broken"}, {}));
  const auto writer = [&](coordination::SessionSource& sessions) {
    auto options = Options();
    options.retry.within = std::chrono::seconds(30);
    auto opened = OpenCatalog(sessions, *storage_, options);
    EXPECT_THAT(opened, IsOk());
    return std::move(opened).value();
  };
  ASSERT_THAT(storage_->Remove(broken.metadata_location), IsOk());
  coordination::SessionSource server_sessions{
      [this]() -> Result<std::unique_ptr<Coordinator>> { return coordination::OpenMemory(tree_); }};
  coordination::SessionSource importer_sessions{
      [this]() -> Result<std::unique_ptr<Coordinator>> { return coordination::OpenMemory(tree_); }};
  const auto server = writer(server_sessions);
  const auto importer = writer(importer_sessions);
  const std::string head = HeadPath(good.key);
  {
    // Somebody is at work on the good table.
    const auto busy = coordination::OpenMemory(tree_);
    ASSERT_THAT(busy->Create(head + "/lease", "x", coordination::CreateMode::kEphemeral), IsOk());
    const auto change = SetProperty("x").change;
    MultiTableCommit commit{.id = ids_.NewUuid7(clock_),
                            .parts = {{good.key, change}, {broken.key, change}},
                            .oldest_file_ms = 0};
    const auto result = server->CommitAll(commit, CommitId::kNew);
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().code(), ErrorCode::kOutcomeUnknown) << result.error().ToString();
  }
  for (int i = 0; i < 3; ++i) {
    const auto result = importer->Commit(good.key, SetProperty("y"), CommitId::kNew);
    EXPECT_THAT(result, IsOk());
  }
  const auto coordinator = coordination::OpenMemory(tree_);
  PK_ASSERT_OK(const auto queue, coordinator->List(head + "/q"));
  EXPECT_THAT(queue, ::testing::IsEmpty());
}

// The cancelled entry goes with its session; a late copy of its creation, sent in another session
// that the coordinator has not ended yet, brings the commit back.
TEST_F(CommitFaults, OfACancelledEntryIsNotApplied) {
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, other_->CreateTable(kOrders, {}));
  const std::string head = HeadPath(table.key);
  const auto busy = coordination::OpenMemory(tree_);
  ASSERT_THAT(busy->Create(head + "/lease", "x", coordination::CreateMode::kEphemeral), IsOk());
  const iceberg::TableCommit late = SetProperty("late");
  Stopped stopped;
  {
    coordination::SessionSource sessions{[&]() -> Result<std::unique_ptr<Coordinator>> {
      return std::make_unique<HoldingCoordinator>(coordination::OpenMemory(tree_), stopped);
    }};
    auto options = Options();
    options.retry.within = std::chrono::milliseconds(1'500);
    PK_ASSERT_OK(const auto writer, OpenCatalog(sessions, *storage_, options));
    stopped.holds = 1;  // the creation of the entry, in a session that is lost
    const auto result = writer->Commit(table.key, late, CommitId::kNew);
    ASSERT_EQ(stopped.held.size(), 1u);
    ASSERT_THAT(result, IsErrorWith(ErrorCode::kUnavailable, "cancelled"));
  }  // it deletes its files and exits
  const auto lost_session = coordination::OpenMemory(tree_);
  ASSERT_THAT(lost_session->Commit(stopped.held[0]), IsOk());
  ASSERT_THAT(busy->Remove(head + "/lease", 0), IsOk());
  auto patient = Options();
  patient.retry.within = std::chrono::hours(10);  // of a clock that only waits move
  PK_ASSERT_OK(const auto next, OpenCatalog(other_sessions_, *storage_, patient));
  ASSERT_THAT(next->Commit(table.key, SetProperty("other"), CommitId::kNew), IsOk());
  PK_ASSERT_OK(const auto records, busy->List(RecordsPath(table.key)));
  for (const std::string& name : records) {
    PK_ASSERT_OK(const auto node, busy->Get(RecordsPath(table.key) + "/" + name));
    PK_ASSERT_OK(const RecordNode record, DecodeRecord(node.value));
    for (const RecordedCommit& commit : record.commits) {
      EXPECT_FALSE(commit.id == late.id && commit.committed) << "the cancelled commit is there";
    }
  }
}

// Notes when a watch outlives its coordinator.
struct Lives {
  std::atomic<int> outlived = 0;
  std::function<bool(const std::vector<coordination::ReadRequest>&)> dies_before;
};
class MortalWatch final : public coordination::Watch {
 public:
  MortalWatch(std::unique_ptr<coordination::Watch> inner, std::weak_ptr<int> life, Lives& lives)
      : inner_(std::move(inner)), life_(std::move(life)), lives_(lives) {}
  ~MortalWatch() override { lives_.outlived += life_.expired(); }
  bool Wait(SteadyTime deadline, std::stop_token stop) override {
    return inner_->Wait(deadline, stop);
  }

 private:
  std::unique_ptr<coordination::Watch> inner_;
  std::weak_ptr<int> life_;
  Lives& lives_;
};
class MortalCoordinator final : public testing::ForwardingCoordinator {
 public:
  MortalCoordinator(std::shared_ptr<coordination::MemoryTree> tree, Lives& lives)
      : ForwardingCoordinator(coordination::OpenMemory(tree)),
        tree_(std::move(tree)),
        lives_(lives) {}
  Result<std::vector<Result<coordination::ReadReply>>> Read(
      const std::vector<coordination::ReadRequest>& requests) override {
    if (lives_.dies_before && lives_.dies_before(requests)) {
      coordination::ExpireSession(*tree_, session().id());
    }
    return ForwardingCoordinator::Read(requests);
  }
  Result<std::unique_ptr<coordination::Watch>> StartWatch(std::string_view path,
                                                          coordination::WatchScope scope) override {
    auto watch = PK_TRY(ForwardingCoordinator::StartWatch(path, scope));
    return std::make_unique<MortalWatch>(std::move(watch), life_, lives_);
  }

 private:
  std::shared_ptr<coordination::MemoryTree> tree_;
  Lives& lives_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

TEST_F(CommitFaults, TheWatchOfAWaiterGoesBeforeItsCoordinator) {
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, other_->CreateTable(kOrders, {}));
  const std::string head = HeadPath(table.key);
  const auto busy = coordination::OpenMemory(tree_);
  ASSERT_THAT(busy->Create(head + "/lease", "x", coordination::CreateMode::kEphemeral), IsOk());
  Lives lives;
  int looks = 0;
  lives.dies_before = [&](const std::vector<coordination::ReadRequest>& requests) {
    return requests.size() == 3 && requests[0].path.find("/q/c-") != std::string::npos &&
           ++looks == 2;
  };
  coordination::SessionSource sessions{[&]() -> Result<std::unique_ptr<Coordinator>> {
    return std::make_unique<MortalCoordinator>(tree_, lives);
  }};
  auto patient = Options();
  patient.retry.within = std::chrono::hours(10'000);  // of a clock that only waits move
  PK_ASSERT_OK(const auto writer, OpenCatalog(sessions, *storage_, patient));
  EXPECT_THAT(writer->Commit(table.key, SetProperty("x"), CommitId::kNew), IsOk());
  EXPECT_GE(looks, 2);
  EXPECT_EQ(lives.outlived, 0);
}

// At the deadline, just after it went with its session: nobody applies it then, and its writer
// knows.
TEST_F(CommitFaults, AnEntryThatIsGoneAtTheDeadlineIsCancelledToo) {
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, other_->CreateTable(kOrders, {}));
  const auto busy = coordination::OpenMemory(tree_);
  ASSERT_THAT(busy->Create(LeasePath(table.key), "x", coordination::CreateMode::kEphemeral),
              IsOk());
  Lives lives;
  int removed = 0;
  lives.dies_before = [&](const std::vector<coordination::ReadRequest>& requests) {
    if (requests.size() != 3 || requests[0].path.find("/q/c-") == std::string::npos) return false;
    removed += busy->Remove(requests[0].path, 0).ok();
    clock_.Advance(std::chrono::seconds(2));
    return false;
  };
  coordination::SessionSource sessions{[&]() -> Result<std::unique_ptr<Coordinator>> {
    return std::make_unique<MortalCoordinator>(tree_, lives);
  }};
  auto options = Options();
  options.retry.within = std::chrono::milliseconds(1'500);
  PK_ASSERT_OK(const auto writer, OpenCatalog(sessions, *storage_, options));
  const iceberg::TableCommit commit = SetProperty("x");
  EXPECT_THAT(writer->Commit(table.key, commit, CommitId::kNew),
              IsErrorWith(ErrorCode::kUnavailable, "cancelled"));
  EXPECT_EQ(removed, 1);
  PK_ASSERT_OK(const auto again, other_->Commit(table.key, commit, CommitId::kMaybeRepeated));
  ASSERT_TRUE(std::holds_alternative<Rejected>(again));
  EXPECT_THAT(std::get<Rejected>(again).reason, ::testing::HasSubstr("cancelled by its writer"));
}

// A round stands on what a small cache, which all tables share, still has of its own snapshots.
TEST_F(CommitFaults, AGroupMayGoBackToABranchAfterManyOthers) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, {}));
  MetadataFiles files(*storage_, 1);
  Group group(files, table.metadata, table.metadata_location, 0, clock_, ids_);
  std::vector<iceberg::TableCommit> commits;
  for (int i = 0; i <= 65; ++i) {
    auto commit = BadAppend(table, ids_.NewUuid7(clock_), "memory://lake/f" + std::to_string(i));
    auto& append = std::get<iceberg::AppendFiles>(commit.change);
    append.files[0].spec_id = 0;
    append.branch = "b" + std::to_string(i % 65);
    commits.push_back(commit);
  }
  for (const auto& commit : commits) ASSERT_THAT(group.Add(commit), IsOk());
  EXPECT_THAT(group.Finish(), IsOk());
}

// "Reading records costs a round trip, so do it once for many."
TEST_F(CommitFaults, TheSweepReadsAboutAsManyRecordsAsItRemoves) {
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, other_->CreateTable(kOrders, {}));
  Lives lives;
  int records = 0;
  lives.dies_before = [&](const std::vector<coordination::ReadRequest>& requests) {
    for (const auto& each : requests) records += each.path.find("/r/") != std::string::npos;
    return false;
  };
  coordination::SessionSource sessions{[&]() -> Result<std::unique_ptr<Coordinator>> {
    return std::make_unique<MortalCoordinator>(tree_, lives);
  }};
  PK_ASSERT_OK(const auto writer, OpenCatalog(sessions, *storage_, Options()));
  for (int i = 0; i < 300; ++i) {
    if (i == 200) records = 0;
    clock_.Advance(std::chrono::seconds(10));
    ASSERT_THAT(writer->Commit(table.key, SetProperty("x"), CommitId::kNew), IsOk());
  }
  EXPECT_LE(records, 300) << "of 100 rounds that remove about one record each";
}

TEST_F(CommitFaults, AMergeThatFailsIsNoReasonNotToCommitButIsLogged) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  NewTableRequest request;
  request.properties = {{"commit.manifest.min-count-to-merge", "3"}};
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, request));
  const auto append = [&](Catalog& catalog, int n) {
    auto commit = BadAppend(table, ids_.NewUuid7(clock_), "memory://lake/f" + std::to_string(n));
    std::get<iceberg::AppendFiles>(commit.change).files[0].spec_id = 0;
    PK_ASSERT_OK(const auto result, catalog.Commit(table.key, commit, CommitId::kNew));
    ASSERT_TRUE(std::holds_alternative<Committed>(result));
  };
  for (int n = 0; n < 3; ++n) append(*catalog_, n);
  PK_ASSERT_OK(const LoadedTable before, other_->LoadTable(kOrders));
  PK_ASSERT_OK(const auto list,
               manifest::ReadManifestList(*storage::ReadAll(
                   *storage_, before.metadata->current_snapshot()->manifest_list)));
  ASSERT_EQ(list.size(), 3u);
  ASSERT_THAT(storage_->Remove(list[1].location), IsOk());
  ::testing::internal::CaptureStderr();
  append(*other_, 3);
  EXPECT_THAT(
      ::testing::internal::GetCapturedStderr(),
      ::testing::AllOf(::testing::HasSubstr("warning " + table.metadata->location),
                       ::testing::HasSubstr("unmerged"), ::testing::HasSubstr(list[1].location)));
}

// Of a process that nobody is in the way of: its rounds read the records of all versions once.
TEST_F(CommitFaults, IdsThatMayBeRepeatedMakeARoundReadTheNewRecordsOnly) {
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, other_->CreateTable(kOrders, {}));
  constexpr int64_t kVersions = 5'000;  // more than are remembered of a table without such ids
  const auto coordinator = coordination::OpenMemory(tree_);
  HeadNode head;
  while (head.version < kVersions) {
    Transaction records;
    for (int i = 0; i < 1'000; ++i) {
      records.Create(RecordPath(table.key, ++head.version), Encode(RecordNode{}));
    }
    ASSERT_THAT(coordinator->Commit(records), IsOk());
  }
  head.metadata_location = table.metadata_location;
  ASSERT_THAT(coordinator->Set(HeadPath(table.key), Encode(head), 0), IsOk());
  Lives lives;
  int64_t read = 0;
  lives.dies_before = [&](const std::vector<coordination::ReadRequest>& requests) {
    for (const auto& each : requests) read += each.path.find("/r/") != std::string::npos;
    return false;
  };
  coordination::SessionSource sessions{[&]() -> Result<std::unique_ptr<Coordinator>> {
    return std::make_unique<MortalCoordinator>(tree_, lives);
  }};
  PK_ASSERT_OK(const auto writer, OpenCatalog(sessions, *storage_, Options()));
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(writer->Commit(table.key, SetProperty("x"), CommitId::kMaybeRepeated), IsOk());
    ASSERT_THAT(other_->Commit(table.key, SetProperty("y"), CommitId::kNew), IsOk());
  }
  EXPECT_LE(read, kVersions + 20 + 64) << "64 to see what could be swept";
}

// A merge of manifests of an old spec, whose source column is gone, keeps the partition values.
TEST_F(CommitFaults, AMergeKeepsThePartitionValuesOfOldSpecs) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  NewTableRequest request;
  PK_ASSERT_OK(request.schema, iceberg::ParseSchemaText("a int, b long"));
  request.spec.fields = {{.source_id = 1, .name = "a", .transform = {}}};
  request.properties = {{"commit.manifest.min-count-to-merge", "3"}};
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, request));
  const auto append = [&](int32_t spec, int n) {
    auto commit = BadAppend(table, ids_.NewUuid7(clock_), "memory://lake/f" + std::to_string(n));
    auto& file = std::get<iceberg::AppendFiles>(commit.change).files[0];
    file.spec_id = spec;
    if (spec == 0) file.partition = {iceberg::Value(int32_t{7})};
    PK_ASSERT_OK(const auto result, catalog_->Commit(table.key, commit, CommitId::kNew));
    ASSERT_TRUE(std::holds_alternative<Committed>(result));
  };
  for (int n = 0; n < 3; ++n) append(0, n);
  iceberg::StructType type = table.metadata->schema().type();
  type.fields.erase(type.fields.begin());
  iceberg::UpdateTable drop;
  drop.updates.emplace_back(iceberg::AddPartitionSpec{});
  drop.updates.emplace_back(iceberg::SetDefaultSpec{-1});
  drop.updates.emplace_back(iceberg::AddSchema{std::make_shared<const iceberg::Schema>(type, 1)});
  drop.updates.emplace_back(iceberg::SetCurrentSchema{-1});
  PK_ASSERT_OK(const auto dropped,
               catalog_->Commit(table.key,
                                {.id = ids_.NewUuid7(clock_), .change = drop, .oldest_file_ms = 0},
                                CommitId::kNew));
  ASSERT_TRUE(std::holds_alternative<Committed>(dropped));
  append(1, 3);
  PK_ASSERT_OK(const LoadedTable after, catalog_->LoadTable(kOrders));
  const auto snapshot = after.metadata->current_snapshot();
  PK_ASSERT_OK(const auto list,
               manifest::ReadManifestList(*storage::ReadAll(*storage_, snapshot->manifest_list)));
  for (const iceberg::ManifestFile& each : list) {
    if (each.spec_id != 0) continue;
    PK_ASSERT_OK(const auto entries,
                 manifest::ReadEntries(*storage::ReadAll(*storage_, each.location), each,
                                       *after.metadata->FindSpec(0), table.metadata->schema()));
    for (const auto& entry : entries) {
      EXPECT_EQ(entry.file.partition.at(0), iceberg::Value(int32_t{7})) << entry.file.location;
    }
  }
}

}  // namespace
}  // namespace pk::catalog
