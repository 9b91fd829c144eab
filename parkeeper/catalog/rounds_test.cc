// How much a round takes: of commits, in number and bytes, and of one request to the coordinator.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

#include "parkeeper/catalog/commit_internal.h"
#include "parkeeper/storage/faulty.h"
#include "tests/support/late_requests.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::CreateMode;
using coordination::Transaction;
using ::testing::ElementsAre;
using testing::IsOk;

const Namespace kSales{{"sales"}};
const TableName kOrders{kSales, "orders"};

class Rounds : public testing::LateRequests {
 protected:
  void SetUp() override {
    LateRequests::SetUp();
    ASSERT_THAT(other_->CreateNamespace(kSales, {}), IsOk());
    PK_ASSERT_OK(table_, other_->CreateTable(kOrders, {}));
  }

  // An append that waits in the queue, about as large as this and in a file.
  void Enqueue(size_t bytes) {
    iceberg::AppendFiles append;
    append.schema_id = table_.metadata->current_schema_id;
    for (size_t made = 0; made < bytes; made += 4'000) {
      iceberg::DataFile file;
      file.location =
          fmt::format("memory://lake/{}-{}", ids_.NewUuid4().ToString(), std::string(3'700, 'x'));
      file.record_count = 1;
      file.file_size = 1;
      append.files.push_back(file);
    }
    const iceberg::TableCommit commit{
        .id = ids_.NewUuid7(clock_), .change = append, .oldest_file_ms = 0};
    const EntryNode entry{
        .since = 0,
        .request_hash = RequestHash(commit),
        .commit = {},
        .commit_file = fmt::format("{}/metadata/commit-{}.json", table_.metadata->location,
                                   commit.id.ToString())};
    ASSERT_THAT(storage::WriteIfAbsent(*storage_, entry.commit_file, iceberg::ToJson(commit)),
                IsOk());
    ASSERT_THAT(tree_client_->Create(EntryPath(table_.key, commit.id), Encode(entry),
                                     CreateMode::kEphemeral),
                IsOk());
  }

  // A process that finds all that in the queue and carries it out, for its own commit is the last.
  void CommitBehindAll(CatalogOptions options, const storage::FaultSchedule& at_each_call) {
    options.retry.within = std::chrono::hours(10'000);  // of a clock that only waits move
    const auto storage = storage::MakeFaulty(*storage_, {.schedule = at_each_call});
    PK_ASSERT_OK(const auto catalog, OpenCatalog(other_sessions_, *storage, options));
    PK_ASSERT_OK(const auto result,
                 catalog->Commit(table_.key, SetProperty("last"), CommitId::kNew));
    ASSERT_TRUE(std::holds_alternative<Committed>(result));
  }

  HeadNode Head(const std::string& key) {
    const auto node = tree_client_->Get(HeadPath(key));
    EXPECT_THAT(node, IsOk());
    const auto head = DecodeHead(node->value);
    EXPECT_THAT(head, IsOk());
    return head.ok() ? *head : HeadNode{};
  }

  // How many commits each version has, from 1 on.
  std::vector<size_t> CommitsOfVersions() {
    std::vector<size_t> sizes;
    for (int64_t n = 1; n <= Head(table_.key).version; ++n) {
      const auto node = tree_client_->Get(RecordPath(table_.key, n));
      EXPECT_THAT(node, IsOk());
      const auto record = DecodeRecord(node->value);
      EXPECT_THAT(record, IsOk());
      sizes.push_back(record->commits.size());
    }
    return sizes;
  }

  static bool IsCommitFile(storage::Call call, std::string_view location) {
    return call == storage::Call::kOpen && location.find("/commit-") != std::string_view::npos;
  }

  const std::unique_ptr<coordination::Coordinator> tree_client_ = coordination::OpenMemory(tree_);
  LoadedTable table_;
};

TEST_F(Rounds, ReadTheFilesOfTheirCommitsSideBySide) {
  for (int i = 0; i < 4; ++i) Enqueue(20'000);
  auto options = Options();
  options.write_threads = 2;
  std::mutex mutex;
  std::condition_variable met;
  int there = 0;
  bool two = false;
  CommitBehindAll(options, [&](storage::Call call, std::string_view location) {
    if (!IsCommitFile(call, location)) return storage::Fault::kNone;
    std::unique_lock lock(mutex);
    two |= ++there == 2;
    met.notify_all();
    // Who is alone waits for another one; nobody comes if they are read one after another.
    if (!two) met.wait_for(lock, std::chrono::seconds(5), [&] { return two; });
    --there;
    return storage::Fault::kNone;
  });
  EXPECT_TRUE(two);
  EXPECT_THAT(CommitsOfVersions(), ElementsAre(5));
}

TEST_F(Rounds, TakeNoMoreBytesThanTheyMay) {
  for (int i = 0; i < 6; ++i) Enqueue(40'000);
  auto options = Options();
  options.round_bytes = 100'000;
  std::map<int64_t, int> read_at;  // by the version of the head
  CommitBehindAll(options, [&](storage::Call call, std::string_view location) {
    if (IsCommitFile(call, location)) ++read_at[Head(table_.key).version];
    return storage::Fault::kNone;
  });
  EXPECT_THAT(CommitsOfVersions(), ElementsAre(2, 2, 3));
  EXPECT_EQ(read_at, (std::map<int64_t, int>{{0, 3}, {1, 2}, {2, 1}}))
      << "each is read once, and none long before its round";
}

TEST_F(Rounds, TakeALargerCommitAlone) {
  for (const size_t bytes : {40'000, 40'000, 300'000, 40'000}) Enqueue(bytes);
  auto options = Options();
  options.round_bytes = 100'000;
  CommitBehindAll(options, [](storage::Call, std::string_view) { return storage::Fault::kNone; });
  EXPECT_THAT(CommitsOfVersions(), ElementsAre(2, 1, 2));
}

// The most that a transaction of a round can hold: as many commits as it takes, each with an entry
// and a reason that JSON makes six times as long, and records to sweep.
TEST_F(Rounds, FitIntoOneRequestWhateverTheReasons) {
  constexpr size_t kMostInRound = 300;
  for (int i = 0; i < 70; ++i) {
    ASSERT_THAT(other_->Commit(table_.key, SetProperty("x"), CommitId::kNew), IsOk());
  }
  clock_.Advance(std::chrono::minutes(31));
  ASSERT_THAT(other_->Commit(table_.key, SetProperty("x"), CommitId::kNew), IsOk());
  Transaction create;
  std::vector<Proposal> proposals;
  for (size_t i = 0; i < kMostInRound; ++i) {
    Proposal proposal{.id = ids_.NewUuid7(clock_)};
    proposal.refusal = std::string(10'000, '\x01');
    proposal.entry_path = EntryPath(table_.key, proposal.id);
    create.Create(proposal.entry_path, "");
    proposals.push_back(std::move(proposal));
  }
  ASSERT_THAT(tree_client_->Commit(create), IsOk());
  MetadataFiles files(*storage_, 1);
  const CatalogOptions options = Options();
  RecordsByTable known;
  const CommitContext context{other_sessions_, files, known, options};
  Backoff backoff = context.NewBackoff();
  TableMemory memory;
  PK_ASSERT_OK(const ReadHead head, LoadHead(other_sessions_, table_.key, backoff));
  PK_ASSERT_OK(const RoundEnd end, RunRound(context, table_.key, memory, head, proposals, backoff));
  EXPECT_EQ(end, RoundEnd::kDecided);
  EXPECT_EQ(Head(table_.key).floor, 65) << "as many as one round sweeps";
  PK_ASSERT_OK(const auto node, tree_client_->Get(RecordPath(table_.key, head.node.version + 1)));
  PK_ASSERT_OK(const RecordNode record, DecodeRecord(node.value));
  EXPECT_EQ(record.commits.size(), kMostInRound);
}

// Two hundred tables that all have records to sweep when one commit goes to all of them.
class ManyTables : public Rounds, public ::testing::WithParamInterface<bool> {};

TEST_P(ManyTables, FitIntoOneRequestWhateverThereIsToSweep) {
  constexpr int64_t kRecords = 70;
  const auto change = SetProperty("x").change;
  MultiTableCommit commit{.id = {}, .parts = {}, .oldest_file_ms = 0};
  for (size_t i = 0; i < kMaxTablesOfCommit; ++i) {
    PK_ASSERT_OK(const LoadedTable made, other_->CreateTable({kSales, std::to_string(i)}, {}));
    commit.parts.push_back({made.key, change});
  }
  std::ranges::sort(commit.parts, {}, &MultiTableCommit::Part::table_key);
  // All at one version; or each at the version at which a sweep is next.
  const auto version = [&](size_t i) { return GetParam() ? 95 : 127 - int64_t(i) % 32; };
  for (size_t i = 0; i < commit.parts.size(); ++i) {
    Transaction records;
    for (int64_t n = version(i) - kRecords + 1; n <= version(i); ++n) {
      records.Create(RecordPath(commit.parts[i].table_key, n), Encode(RecordNode{}));
    }
    ASSERT_THAT(tree_client_->Commit(records), IsOk());
  }
  clock_.Advance(std::chrono::minutes(31));
  for (size_t i = 0; i < commit.parts.size(); ++i) {
    const std::string& key = commit.parts[i].table_key;
    HeadNode head = Head(key);
    head.version = version(i);
    head.floor = version(i) - kRecords + 1;
    ASSERT_THAT(tree_client_->Set(HeadPath(key), Encode(head), 0), IsOk());
  }
  int64_t swept = 0;
  for (int round = 0; round < 2; ++round) {
    commit.id = ids_.NewUuid7(clock_);
    PK_ASSERT_OK(const auto result, other_->CommitAll(commit, CommitId::kNew));
    ASSERT_TRUE(std::holds_alternative<std::vector<Committed>>(result));
  }
  for (size_t i = 0; i < commit.parts.size(); ++i) {
    swept += Head(commit.parts[i].table_key).floor - (version(i) - kRecords + 1);
  }
  EXPECT_GE(swept, 64 * 6);
}

INSTANTIATE_TEST_SUITE_P(Versions, ManyTables, ::testing::Values(true, false),
                         [](const auto& each) { return each.param ? "Equal" : "AtASweep"; });

}  // namespace
}  // namespace pk::catalog
