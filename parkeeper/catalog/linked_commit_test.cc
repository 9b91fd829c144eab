// Commits with links: what hangs on them happens with their outcome, once, whatever becomes of
// whoever asked for them.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/links_internal.h"
#include "parkeeper/catalog/nodes_internal.h"
#include "tests/support/late_requests.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::CheckOperation;
using coordination::CreateMode;
using coordination::CreateOperation;
using coordination::Refused;
using coordination::RemoveOperation;
using coordination::SetOperation;
using coordination::Transaction;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;

const Namespace kSales{{"sales"}};
const TableName kOrders{kSales, "orders"};

class LinkedCommits : public testing::LateRequests {
 protected:
  void SetUp() override {
    LateRequests::SetUp();
    ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
    PK_ASSERT_OK(table_, other_->CreateTable(kOrders, {}));
    ASSERT_THAT(client_->Create("/claim", ""), IsOk());
    patient_ = Open(other_sessions_, std::chrono::hours(10'000));
  }

  std::unique_ptr<Catalog> Open(coordination::SessionSource& sessions,
                                std::chrono::milliseconds within) {
    auto options = Options();
    options.retry.within = within;  // of a clock that only waits move
    auto opened = OpenCatalog(sessions, *storage_, options);
    EXPECT_THAT(opened, IsOk());
    return opened.ok() ? std::move(opened).value() : nullptr;
  }

  static Transaction With() { return Transaction().Remove("/claim", 0); }
  static CommitLinks Links() {
    return {.if_committed = {CreateOperation{.path = "/done", .value = "ä"}},
            .if_rejected = {CreateOperation{.path = "/again", .value = ""}}};
  }
  iceberg::TableCommit Bad() {
    iceberg::AppendFiles append;
    append.files.resize(1);
    append.files[0].location = "memory://lake/f";
    append.files[0].spec_id = 9;
    append.schema_id = table_.metadata->current_schema_id;
    return {.id = ids_.NewUuid7(clock_), .change = append, .oldest_file_ms = 0};
  }

  // Queues it where nobody works, by a writer who does not wait long.
  void QueueOnly(const iceberg::TableCommit& commit, const Transaction& with,
                 const CommitLinks& links) {
    const auto busy = coordination::OpenMemory(tree_);
    ASSERT_THAT(busy->Create(LeasePath(table_.key), "x", CreateMode::kEphemeral), IsOk());
    const auto hasty = Open(sessions_, std::chrono::milliseconds(1'500));
    ASSERT_THAT(hasty->CommitLinked(table_.key, commit, CommitId::kNew, with, links),
                IsErrorWith(ErrorCode::kOutcomeUnknown, "is queued, and will be decided"));
    PK_ASSERT_OK(const auto entry, client_->Get(EntryPath(table_.key, commit.id)));
    EXPECT_EQ(entry.stat.ephemeral_owner, 0u);
  }

  bool Exists(const std::string& path) {
    const auto found = client_->Find(path);
    EXPECT_THAT(found, IsOk());
    return found.ok() && found->has_value();
  }
  // What there is of /claim, /done and /again.
  std::string Nodes() {
    std::string nodes;
    for (const char* path : {"/claim", "/done", "/again"}) nodes += Exists(path) ? path : "";
    return nodes;
  }
  std::string Property() {
    const auto loaded = other_->LoadTable(kOrders);
    EXPECT_THAT(loaded, IsOk());
    return loaded.ok() ? loaded->metadata->Property("p", "none") : "";
  }
  static std::string ReasonOf(const Result<LinkedResult>& result) {
    EXPECT_THAT(result, IsOk());
    const auto* rejected = result.ok() ? std::get_if<Rejected>(&*result) : nullptr;
    return rejected == nullptr ? "not rejected" : rejected->reason;
  }

  const std::unique_ptr<coordination::Coordinator> client_ = coordination::OpenMemory(tree_);
  LoadedTable table_;
  std::unique_ptr<Catalog> patient_;
};

TEST_F(LinkedCommits, CarryOutTheLinksOfTheirOutcomeOnly) {
  const auto commit = SetProperty("x");
  PK_ASSERT_OK(const auto done,
               patient_->CommitLinked(table_.key, commit, CommitId::kNew, With(), Links()));
  EXPECT_TRUE(std::holds_alternative<Committed>(done));
  EXPECT_EQ(Nodes(), "/done");
  EXPECT_THAT(client_->Get("/done"), IsOkAnd(::testing::Field(&coordination::Node::value, "ä")));
  EXPECT_EQ(Property(), "x");
  ASSERT_THAT(client_->Create("/claim", ""), IsOk());
  EXPECT_THAT(ReasonOf(patient_->CommitLinked(table_.key, Bad(), CommitId::kNew, With(), Links())),
              HasSubstr("partition spec 9"));
  EXPECT_EQ(Nodes(), "/done/again");
  EXPECT_THAT(client_->List(QueuePath(table_.key)), IsOkAnd(IsEmpty()));
}

TEST_F(LinkedCommits, AreNotQueuedWithoutWhatTheyComeWith) {
  const Transaction with = Transaction().Check("/").Remove("/gone", 0);
  PK_ASSERT_OK(const auto result,
               patient_->CommitLinked(table_.key, SetProperty("x"), CommitId::kNew, with, Links()));
  ASSERT_TRUE(std::holds_alternative<Refused>(result));
  EXPECT_EQ(std::get<Refused>(result).operation, 1u);
  EXPECT_THAT(patient_->CommitLinked(ids_.NewUuid4().ToString(), SetProperty("x"), CommitId::kNew,
                                     With(), Links()),
              IsError(ErrorCode::kNotFound));
  ASSERT_THAT(other_->DropTable(kOrders, false), IsOk());
  EXPECT_THAT(patient_->CommitLinked(table_.key, SetProperty("x"), CommitId::kNew, With(), Links()),
              IsErrorWith(ErrorCode::kNotFound, "dropped"));
  EXPECT_EQ(Nodes(), "/claim");
}

TEST_F(LinkedCommits, OfALateCopyAreNotQueuedAgain) {
  const auto commit = SetProperty("x");
  const auto writer = Open(sessions_, std::chrono::hours(10'000));
  const auto result = WithALateCopy(
      [&] { return writer->CommitLinked(table_.key, commit, CommitId::kNew, With(), Links()); });
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(std::holds_alternative<Committed>(*result));
  Deliver();
  EXPECT_THAT(client_->List(QueuePath(table_.key)), IsOkAnd(IsEmpty()));
  EXPECT_EQ(Nodes(), "/done");
}

// Its first copy was applied, and carried out by others, before the second one is refused.
TEST_F(LinkedCommits, FindOutWhatBecameOfACopyWithoutReply) {
  const auto commit = SetProperty("x");
  const auto hasty = Open(sessions_, std::chrono::milliseconds(1'500));
  stopped_ = {.holds = 1, .cut_off = true, .held = {}};
  ASSERT_THAT(hasty->CommitLinked(table_.key, commit, CommitId::kNew, With(), Links()),
              IsErrorWith(ErrorCode::kOutcomeUnknown, "may be queued"));
  stopped_.cut_off = false;
  Deliver();
  EXPECT_THAT(patient_->DriveQueue(table_.key), IsOkAnd(::testing::Eq(1)));
  EXPECT_THAT(patient_->DriveQueue(table_.key), IsOkAnd(::testing::Eq(0)));
  PK_ASSERT_OK(const auto again, patient_->CommitLinked(table_.key, commit,
                                                        CommitId::kMaybeRepeated, With(), Links()));
  EXPECT_TRUE(std::holds_alternative<Committed>(again));
  // Somebody else's claim, and none that was queued.
  PK_ASSERT_OK(const auto lost, patient_->CommitLinked(table_.key, SetProperty("y"),
                                                       CommitId::kMaybeRepeated, With(), Links()));
  EXPECT_TRUE(std::holds_alternative<Refused>(lost));
  EXPECT_EQ(Property(), "x");
}

TEST_F(LinkedCommits, StayWhenTheirWriterIsGoneUntilSomebodyDrivesTheQueue) {
  const auto commit = SetProperty("x");
  QueueOnly(commit, With(), Links());
  EXPECT_EQ(Nodes(), "");
  // Who gives the same id up cannot take away what is queued.
  {
    const auto hasty = Open(sessions_, std::chrono::milliseconds(0));
    EXPECT_THAT(hasty->Commit(table_.key, commit, CommitId::kMaybeRepeated),
                IsErrorWith(ErrorCode::kOutcomeUnknown, "queued to stay"));
  }
  EXPECT_TRUE(Exists(EntryPath(table_.key, commit.id)));
  EXPECT_THAT(patient_->DriveQueue(table_.key), IsOkAnd(::testing::Eq(1)));
  EXPECT_EQ(Nodes(), "/done");
  EXPECT_EQ(Property(), "x");
}

TEST_F(LinkedCommits, OfADroppedTableAreRejectedWithTheirLinks) {
  const auto commit = SetProperty("x");
  QueueOnly(commit, With(), Links());
  ASSERT_THAT(other_->DropTable(kOrders, true), IsOk());
  EXPECT_EQ(Nodes(), "");
  EXPECT_THAT(patient_->DriveQueue(table_.key), IsOkAnd(::testing::Eq(1)));
  EXPECT_EQ(Nodes(), "/again");
  EXPECT_THAT(ReasonOf(patient_->CommitLinked(table_.key, commit, CommitId::kMaybeRepeated, With(),
                                              Links())),
              HasSubstr("dropped"));
  PK_ASSERT_OK(const auto head, client_->Get(HeadPath(table_.key)));
  PK_ASSERT_OK(const HeadNode node, DecodeHead(head.value));
  EXPECT_TRUE(node.dropped);
  PK_ASSERT_OK(const auto record, client_->Get(RecordPath(table_.key, node.version)));
  EXPECT_THAT(DecodeRecord(record.value), IsOkAnd(::testing::Field(&RecordNode::dropped, true)));
}

// Somebody took away by hand what the links rest on.
TEST_F(LinkedCommits, WhoseLinksDoNotHoldHoldUpNobody) {
  const auto broken = SetProperty("broken");
  CommitLinks links = Links();
  links.if_committed.emplace_back(SetOperation{"/state", "x", 7});
  QueueOnly(broken, With(), links);
  CommitLinks good = Links();
  ASSERT_THAT(client_->Create("/second", ""), IsOk());
  const auto second = SetProperty("good");
  QueueOnly(second, Transaction().Remove("/second", 0), good);
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(patient_->DriveQueue(table_.key), IsOkAnd(::testing::Eq(2)));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(broken.id.ToString()));
  EXPECT_EQ(Property(), "good");
  EXPECT_EQ(Nodes(), "/done") << "of the second one";
  EXPECT_THAT(
      ReasonOf(patient_->CommitLinked(table_.key, broken, CommitId::kMaybeRepeated, With(), links)),
      HasSubstr("/state"));
}

// All of them together are more than one request takes.
TEST_F(LinkedCommits, OfManyLargeLinksAreSeveralRounds) {
  const std::string large(150'000, 'x');
  for (int i = 0; i < 8; ++i) {
    const std::string claim = fmt::format("/claim-{}", i);
    ASSERT_THAT(client_->Create(claim, ""), IsOk());
    QueueOnly(SetProperty(std::to_string(i)), Transaction().Remove(claim, 0),
              {.if_committed = {CreateOperation{fmt::format("/done-{}", i), large}},
               .if_rejected = {CreateOperation{fmt::format("/again-{}", i), large}}});
  }
  EXPECT_THAT(patient_->DriveQueue(table_.key), IsOkAnd(::testing::Eq(8)));
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(Exists(fmt::format("/done-{}", i)));
  EXPECT_EQ(Property(), "7") << "in their order";
}

TEST_F(LinkedCommits, ThatNoRoundCouldCarryOutAreRefused) {
  const auto refuses = [&](const std::vector<coordination::Operation>& operations) {
    for (const bool committed : {true, false}) {
      CommitLinks links;
      (committed ? links.if_committed : links.if_rejected) = operations;
      EXPECT_THAT(
          patient_->CommitLinked(table_.key, SetProperty("x"), CommitId::kNew, With(), links),
          IsError(ErrorCode::kInvalidArgument));
    }
  };
  refuses({5, CheckOperation{"/", -1}});
  refuses({CreateOperation{"/a", "", CreateMode::kEphemeral}});
  refuses({CreateOperation{"/a", "", CreateMode::kPersistentSequential}});
  refuses({CreateOperation{"/a", "\xFF"}});
  refuses({CreateOperation{"/a", std::string(kMostLinkBytes, 'x')}});
  refuses({CreateOperation{"no path", ""}});
  refuses({SetOperation{HeadPath(table_.key), "", -1}});
  refuses({RemoveOperation{"/", -1}});
  EXPECT_EQ(Nodes(), "/claim");
}

TEST_F(LinkedCommits, AreReadAsTheyWereWritten) {
  EntryNode entry{.since = 3, .request_hash = 7, .commit = R"({"a":1})", .commit_file = {}};
  entry.links = CommitLinks{
      .if_committed = {SetOperation{"/a", "\"quoted\"\n", 4}, RemoveOperation{"/b", -1}},
      .if_rejected = {CreateOperation{.path = "/c", .value = ""}, CheckOperation{"/d", 0}}};
  PK_ASSERT_OK(const EntryNode read, DecodeEntry(Encode(entry)));
  EXPECT_EQ(read.links, entry.links);
  EXPECT_EQ(read.commit, entry.commit);
  entry.links.reset();
  EXPECT_THAT(DecodeEntry(Encode(entry)),
              IsOkAnd(::testing::Field(&EntryNode::links, ::testing::Eq(std::nullopt))));
  EXPECT_THAT(DecodeEntry(R"({"since":0,"hash":"0","file":"f","links":{"if-committed":
                              [{"remove":"x","version":0}],"if-rejected":[]}})"),
              IsErrorWith(ErrorCode::kInvalidArgument, "path"));
}

}  // namespace
}  // namespace pk::catalog
