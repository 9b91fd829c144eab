// As stopped_follower_test.cc, with the commit of rows to a table: whatever is read meanwhile, the
// rows are there once, and the commit's id tells so.

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/datafile/input.h"
#include "parkeeper/lake/lake.h"
#include "parkeeper/table/append.h"
#include "parkeeper/table/scan.h"
#include "tests/support/forwarding_coordinator.h"
#include "tests/support/read_all.h"
#include "tests/support/temp_folder.h"
#include "tests/zookeeper/stopped_follower_fixture.h"

namespace pk {
namespace {

using coordination::CommitOutcome;
using coordination::Coordinator;
using coordination::StoppedFollower;
using coordination::Transaction;
using coordination::WatchScope;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;

// Stops the follower just before the first modification is sent to it.
class StopsBeforeACommit final : public testing::ForwardingCoordinator {
 public:
  StopsBeforeACommit(std::unique_ptr<Coordinator> inner, std::function<void()>& stop)
      : ForwardingCoordinator(std::move(inner)), stop_(stop) {}

  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    if (const auto stop = std::exchange(stop_, nullptr)) stop();
    return ForwardingCoordinator::Commit(transaction);
  }

 private:
  std::function<void()>& stop_;
};

const catalog::TableName kOrders{{{"sales"}}, "orders"};
constexpr int kRows = 1'000;

// A commit of kRows rows to an empty table.
class StoppedFollowerOfATable : public StoppedFollower {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(StoppedFollower::SetUp());
    PK_ASSERT_OK(lake_, lake::Lake::Open(fmt::format("zk://{}{}?warehouse=file://{}/data", others_,
                                                     chroot_, folder_.path())));
    ASSERT_THAT(lake_->catalog().CreateNamespace(kOrders.ns, {}), IsOk());
    catalog::NewTableRequest request;
    PK_ASSERT_OK(request.schema, iceberg::ParseSchemaText("id bigint not null"));
    PK_ASSERT_OK(table_, lake_->catalog().CreateTable(kOrders, request));
    PK_ASSERT_OK(here_, catalog::OpenCatalog(
                            sessions_, lake_->storage(),
                            {.retry = {.first = 10ms, .within = coordination::kDeadline + 1s}}));
    PK_ASSERT_OK(auto session, sessions_.Get());
    ASSERT_THAT(session->Sync(), IsOk());
    WriteRows();
  }
  void TearDown() override {
    StoppedFollower::TearDown();
    here_.reset();
  }

  void WriteRows() {
    const std::string path = folder_ / "rows.jsonl";
    {
      std::ofstream out(path);
      for (int i = 0; i < kRows; ++i) out << fmt::format("{{\"id\": {}}}\n", i);
    }
    bool given = false;
    const auto next = [&]() -> Result<std::unique_ptr<datafile::BatchSource>> {
      if (std::exchange(given, true)) return nullptr;
      return datafile::OpenInput(
          path, std::make_shared<const iceberg::Schema>(table_.metadata->schema()));
    };
    PK_ASSERT_OK(auto files,
                 table::WriteDataFiles(lake_->storage(), *table_.metadata, next, {.writers = 1}));
    commit_ = table::MakeAppendCommit(std::move(files), *table_.metadata);
  }

  void SendIntoTheStoppedServer() {
    stop_ = [this] { Stop(); };
    const auto unknown = here_->Commit(table_.key, commit_, catalog::CommitId::kNew);
    ASSERT_THAT(unknown, IsErrorWith(ErrorCode::kOutcomeUnknown, commit_.id.ToString()));
  }

  size_t Rows() {
    EXPECT_THAT(elsewhere_->Sync(), IsOk());
    const auto table = lake_->catalog().LoadTable(kOrders);
    EXPECT_THAT(table, IsOk());
    const auto plan = table::PlanScan(lake_->storage(), *table->metadata, {});
    EXPECT_THAT(plan, IsOk());
    const auto lines = testing::ReadLines(table::Scan(lake_->storage(), *plan));
    EXPECT_THAT(lines, IsOk());
    return lines.ok() ? lines->size() : 0;
  }
  // Whoever asks with the id of the commit hears that it was done, and it was done once.
  void ExpectCommittedOnce() {
    PK_ASSERT_OK(const auto again,
                 lake_->catalog().Commit(table_.key, commit_, catalog::CommitId::kMaybeRepeated));
    ASSERT_TRUE(std::holds_alternative<catalog::Committed>(again));
    EXPECT_EQ(std::get<catalog::Committed>(again).table.version, table_.version + 1);
    PK_ASSERT_OK(const auto after, lake_->catalog().LoadTable(kOrders));
    EXPECT_EQ(after.version, table_.version + 1);
    EXPECT_EQ(Rows(), size_t{kRows});
    EXPECT_THAT(lake_->catalog().CheckPointers(after), IsOkAnd(std::vector<std::string>{}));
  }

  testing::TempFolder folder_;
  std::unique_ptr<lake::Lake> lake_;
  catalog::LoadedTable table_;
  iceberg::TableCommit commit_;
  std::function<void()> stop_;
  coordination::SessionSource sessions_{[this]() -> Result<std::unique_ptr<Coordinator>> {
    auto session = Open(follower_);
    if (session == nullptr) return Unavailable("no session");
    return std::make_unique<StopsBeforeACommit>(std::move(session), stop_);
  }};
  std::unique_ptr<catalog::Catalog> here_;
};

TEST_F(StoppedFollowerOfATable, CarriesOutTheCommitAlthoughTheOldTableWasReadElsewhere) {
  PK_ASSERT_OK(const auto watch, elsewhere_->StartWatch("/", WatchScope::kSubtree));
  ASSERT_NO_FATAL_FAILURE(SendIntoTheStoppedServer());
  EXPECT_EQ(Rows(), 0u) << "which proves nothing:";
  Wake();
  ASSERT_TRUE(watch->Wait(coordination::Soon()));
  EXPECT_EQ(Rows(), size_t{kRows});
  ExpectCommittedOnce();
}

TEST_F(StoppedFollowerOfATable, AddsNoRowsTwiceWhenTheCommitWasRepeatedElsewhereMeanwhile) {
  ASSERT_NO_FATAL_FAILURE(SendIntoTheStoppedServer());
  ExpectCommittedOnce();
  PK_ASSERT_OK(const auto session, sessions_.Get());
  ASSERT_NO_FATAL_FAILURE(WakeAndWaitFor(*session));
  ExpectCommittedOnce();
}

}  // namespace
}  // namespace pk
