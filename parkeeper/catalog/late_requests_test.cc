// Requests that lie in a stopped server while the world goes on, and are carried out then. Random
// simulations rarely bring the one of interest late enough, so each has a test here.

#include <gtest/gtest.h>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/coordination/memory.h"
#include "parkeeper/storage/faulty.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::CommitOutcome;
using coordination::Coordinator;
using coordination::Transaction;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;

// A server that holds requests back.
struct Stopped {
  int holds = 0;         // the next modifications, which get no answer
  bool cut_off = false;  // and everything after them is not reached
  std::vector<Transaction> held;
};

class HoldingCoordinator final : public Coordinator {
 public:
  HoldingCoordinator(std::unique_ptr<Coordinator> inner, Stopped& stopped)
      : inner_(std::move(inner)), stopped_(stopped) {}

  Result<coordination::Node> Get(std::string_view path) override { return inner_->Get(path); }
  Result<std::vector<std::string>> List(std::string_view path) override {
    return inner_->List(path);
  }
  Result<std::vector<Result<coordination::ReadReply>>> Read(
      const std::vector<coordination::ReadRequest>& requests) override {
    return inner_->Read(requests);
  }
  Result<std::vector<Result<coordination::NodeStat>>> Stats(
      const std::vector<std::string>& paths) override {
    return inner_->Stats(paths);
  }
  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    if (stopped_.holds > 0) {
      --stopped_.holds;
      stopped_.held.push_back(transaction);
      return OutcomeUnknown("held");
    }
    if (stopped_.cut_off) return Unavailable("cut off");
    return inner_->Commit(transaction);
  }
  Result<std::unique_ptr<coordination::Watch>> StartWatch(std::string_view path,
                                                          coordination::WatchScope scope) override {
    return inner_->StartWatch(path, scope);
  }
  Result<> Sync() override { return inner_->Sync(); }
  coordination::Session& session() override { return inner_->session(); }

 private:
  const std::unique_ptr<Coordinator> inner_;
  Stopped& stopped_;
};

const Namespace kSales{{"sales"}};
const TableName kOrders{kSales, "orders"};

class LateRequests : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = OpenCatalog(sessions_, *storage_, Options());
    ASSERT_THAT(opened, IsOk());
    catalog_ = std::move(opened).value();
    auto other = OpenCatalog(other_sessions_, *storage_, Options());
    ASSERT_THAT(other, IsOk());
    other_ = std::move(other).value();
  }

  CatalogOptions Options() { return {.write_threads = 1, .clock = &clock_, .ids = &ids_}; }

  // The first copy of what `call` sends is held back; it is sent again and answered.
  template <class Call>
  auto WithALateCopy(const Call& call) {
    stopped_.holds = 1;
    auto result = call();
    EXPECT_EQ(stopped_.holds, 0) << "nothing was sent";
    return result;
  }

  // Carries out what was held back.
  void Deliver() {
    const auto coordinator = coordination::OpenMemory(tree_);
    ASSERT_FALSE(stopped_.held.empty());
    for (const Transaction& transaction : stopped_.held) {
      EXPECT_THAT(coordinator->Commit(transaction), IsOk());
    }
    stopped_.held.clear();
  }

  iceberg::TableCommit SetProperty(const std::string& value) {
    iceberg::UpdateTable update;
    update.updates.emplace_back(iceberg::SetProperties{{{"p", value}}});
    return {.id = ids_.NewUuid7(clock_), .change = update, .oldest_file_ms = clock_.WallMs()};
  }

  Stopped stopped_;
  ManualClock clock_;
  SeededIds ids_{1};
  std::shared_ptr<coordination::MemoryTree> tree_ = coordination::MakeMemoryTree(clock_);
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory();
  coordination::SessionSource sessions_{[this]() -> Result<std::unique_ptr<Coordinator>> {
    return std::make_unique<HoldingCoordinator>(coordination::OpenMemory(tree_), stopped_);
  }};
  coordination::SessionSource other_sessions_{
      [this]() -> Result<std::unique_ptr<Coordinator>> { return coordination::OpenMemory(tree_); }};
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Catalog> other_;
};

TEST_F(LateRequests, ADroppedNamespaceDoesNotComeBack) {
  ASSERT_THAT(WithALateCopy([&] { return catalog_->CreateNamespace(kSales, {}); }), IsOk());
  ASSERT_THAT(other_->DropNamespace(kSales), IsOk());
  Deliver();
  EXPECT_THAT(other_->LoadNamespace(kSales), IsError(ErrorCode::kNotFound));
}

TEST_F(LateRequests, ACreationThatWasRefusedIsNotMadeUpFor) {
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  EXPECT_THAT(WithALateCopy([&] { return catalog_->CreateNamespace(kSales, {}); }),
              IsError(ErrorCode::kAlreadyExists));
  ASSERT_THAT(other_->DropNamespace(kSales), IsOk());
  Deliver();
  EXPECT_THAT(other_->LoadNamespace(kSales), IsError(ErrorCode::kNotFound));
}

TEST_F(LateRequests, ACreationBelowADroppedNamespaceMakesNoneBelowItsSuccessor) {
  const Namespace child{{"sales", "eu"}};
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  ASSERT_THAT(WithALateCopy([&] { return catalog_->CreateNamespace(child, {}); }), IsOk());
  ASSERT_THAT(other_->DropNamespace(child), IsOk());
  ASSERT_THAT(other_->DropNamespace(kSales), IsOk());
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  Deliver();
  EXPECT_THAT(other_->LoadNamespace(child), IsError(ErrorCode::kNotFound));
}

TEST_F(LateRequests, ANamespaceMadeAgainIsNotDropped) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  ASSERT_THAT(WithALateCopy([&] { return catalog_->DropNamespace(kSales); }), IsOk());
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  Deliver();
  EXPECT_THAT(other_->LoadNamespace(kSales), IsOk());
}

TEST_F(LateRequests, ADropThatWasRefusedIsNotMadeUpFor) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  ASSERT_THAT(catalog_->CreateTable(kOrders, {}), IsOk());
  EXPECT_THAT(WithALateCopy([&] { return catalog_->DropNamespace(kSales); }),
              IsErrorWith(ErrorCode::kFailedPrecondition, "sales.orders"));
  ASSERT_THAT(other_->DropTable(kOrders, false), IsOk());
  Deliver();
  EXPECT_THAT(other_->LoadNamespace(kSales), IsOk());
}

TEST_F(LateRequests, PropertiesAreSetOnceAndOnTheirNamespaceOnly) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  ASSERT_THAT(WithALateCopy([&] { return catalog_->UpdateNamespace(kSales, {{"a", "1"}}, {}); }),
              IsOk());
  ASSERT_THAT(other_->UpdateNamespace(kSales, {{"a", "2"}}, {}), IsOk());
  const auto held = stopped_.held;
  Deliver();
  EXPECT_THAT(other_->LoadNamespace(kSales), IsOkAnd(::testing::Eq(Properties{{"a", "2"}})));
  ASSERT_THAT(other_->DropNamespace(kSales), IsOk());
  ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
  stopped_.held = held;
  Deliver();
  EXPECT_THAT(other_->LoadNamespace(kSales), IsOkAnd(::testing::Eq(Properties{})));
}

TEST_F(LateRequests, OfRejectedCommitsAreNotApplied) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, {}));
  const iceberg::TableCommit commit = SetProperty("late");
  stopped_ = {.holds = 1, .cut_off = true, .held = {}};
  ASSERT_THAT(catalog_->Commit(table.key, commit, CommitId::kNew),
              IsError(ErrorCode::kOutcomeUnknown));
  stopped_.cut_off = false;
  clock_.Advance(std::chrono::hours(37));
  for (int i = 0; i < 2; ++i) {
    const auto again = other_->Commit(table.key, commit, CommitId::kMaybeRepeated);
    ASSERT_THAT(again, IsOk());
    ASSERT_TRUE(std::holds_alternative<Rejected>(*again));
    EXPECT_THAT(std::get<Rejected>(*again).reason, ::testing::HasSubstr("36 hours"));
    if (i == 0) Deliver();
  }
  PK_ASSERT_OK(const LoadedTable after, other_->LoadTable(kOrders));
  EXPECT_EQ(after.metadata->Property("p", "none"), "none");
  EXPECT_EQ(after.version, 1) << "the rejection was not recorded once";
}

TEST_F(LateRequests, OfCommitsAreNotAppliedAfterTheDrop) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, {}));
  const iceberg::TableCommit commit = SetProperty("late");
  stopped_ = {.holds = 1, .cut_off = true, .held = {}};
  ASSERT_THAT(catalog_->Commit(table.key, commit, CommitId::kNew),
              IsError(ErrorCode::kOutcomeUnknown));
  stopped_.cut_off = false;
  ASSERT_THAT(other_->DropTable(kOrders, true), IsOk());
  Deliver();
  const auto again = other_->Commit(table.key, commit, CommitId::kMaybeRepeated);
  ASSERT_THAT(again, IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*again));
  EXPECT_THAT(std::get<Rejected>(*again).reason, ::testing::HasSubstr("dropped"));
}

// A commit whose storage calls `meanwhile` before it opens the table's metadata.
class Meanwhile : public LateRequests {
 protected:
  Result<CommitResult> CommitWith(const LoadedTable& table, const iceberg::TableCommit& commit,
                                  const std::function<void()>& meanwhile) {
    bool done = false;
    const auto storage =
        storage::MakeFaulty(*storage_, {.schedule = [&](storage::Call call, std::string_view) {
          if (call == storage::Call::kOpen && !std::exchange(done, true)) meanwhile();
          return storage::Fault::kNone;
        }});
    auto catalog = PK_TRY(OpenCatalog(other_sessions_, *storage, Options()));
    auto result = catalog->Commit(table.key, commit, CommitId::kNew);
    EXPECT_TRUE(done);
    return result;
  }
};

TEST_F(Meanwhile, ACommitThatMeetsAPurgeIsRejectedAsDropped) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, {}));
  const auto result = CommitWith(table, SetProperty("x"),
                                 [&] { EXPECT_THAT(catalog_->DropTable(kOrders, true), IsOk()); });
  ASSERT_THAT(result, IsOk());
  ASSERT_TRUE(std::holds_alternative<Rejected>(*result));
  EXPECT_THAT(std::get<Rejected>(*result).reason, ::testing::HasSubstr("dropped"));
}

TEST_F(Meanwhile, ASecondTryMeetsTheOutcomeOfWhoeverSentTheSameId) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, {}));
  const iceberg::TableCommit commit = SetProperty("x");
  const auto result = CommitWith(table, commit, [&] {
    EXPECT_THAT(other_->Commit(table.key, commit, CommitId::kMaybeRepeated), IsOk());
  });
  ASSERT_THAT(result, IsOk());
  ASSERT_TRUE(std::holds_alternative<Committed>(*result));
  EXPECT_EQ(std::get<Committed>(*result).table.version, 1);
  PK_ASSERT_OK(const LoadedTable after, other_->LoadTable(kOrders));
  EXPECT_EQ(after.version, 1) << "applied twice";
}

TEST_F(Meanwhile, ACommitOfATableWithoutItsMetadataIsNotCalledDropped) {
  ASSERT_THAT(catalog_->CreateNamespace(kSales, {}), IsOk());
  PK_ASSERT_OK(const LoadedTable table, catalog_->CreateTable(kOrders, {}));
  EXPECT_THAT(CommitWith(table, SetProperty("x"),
                         [&] { EXPECT_THAT(storage_->Remove(table.metadata_location), IsOk()); }),
              IsErrorWith(ErrorCode::kNotFound, "metadata.json"));
}

}  // namespace
}  // namespace pk::catalog
