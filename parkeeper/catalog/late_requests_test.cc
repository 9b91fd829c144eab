// Requests that lie in a stopped server while the world goes on, and are carried out then. Random
// simulations rarely bring the one of interest late enough, so each has a test here.

#include <gtest/gtest.h>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/storage/faulty.h"
#include "tests/support/late_requests.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using testing::LateRequests;

const Namespace kSales{{"sales"}};
const TableName kOrders{kSales, "orders"};

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
