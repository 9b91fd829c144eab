#include "parkeeper/coordination_sqlite/sqlite_coordinator.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "parkeeper/coordination_sqlite/file_lock_internal.h"
#include "parkeeper/coordination_sqlite/folder_internal.h"
#include "parkeeper/coordination_sqlite/opened_internal.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::coordination {
namespace {

using sqlite::FileWithLocks;
using sqlite::FolderFiles;

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using pk::testing::IsOkAnd;
using pk::testing::TempFolder;
using ::testing::ElementsAre;
using ::testing::Field;

TEST(SqliteCoordinator, KeepsWhatWasCommittedWhenOpenedAgain) {
  const TempFolder folder;
  {
    auto coordinator = OpenOrDie(folder.path());
    ASSERT_THAT(coordinator->Create("/a", "one"), IsOk());
    ASSERT_THAT(coordinator->Set("/a", "two", 0), IsOk());
    ASSERT_THAT(coordinator->Create("/e", "", CreateMode::kEphemeral), IsOk());
  }
  auto coordinator = OpenOrDie(folder.path());
  PK_ASSERT_OK(const Node node, coordinator->Get("/a"));
  EXPECT_EQ(node.value, "two");
  EXPECT_EQ(node.stat.version, 1);
  EXPECT_THAT(coordinator->List("/"), IsOkAnd(ElementsAre("a")));
}

TEST(SqliteCoordinator, MakesTheFolderAndWhatIsMissingAboveIt) {
  const TempFolder folder;
  EXPECT_THAT(OpenSqlite(folder.path() + "/lake/.parkeeper"), IsOk());
  EXPECT_THAT(OpenSqlite(folder.path() + "/lake/.parkeeper"), IsOk());
}

TEST(SqliteCoordinator, RefusesAPathThatIsNoFolder) {
  const TempFolder folder;
  const std::string file = FolderFiles(folder.path()).bell;
  ASSERT_TRUE(FileWithLocks::Open(file).ok());
  EXPECT_THAT(OpenSqlite(file), IsErrorWith(ErrorCode::kInvalidArgument, "not a folder"));
}

TEST(SqliteCoordinator, NumbersSequentialNodesOnWhenEarlierOnesAreGone) {
  const TempFolder folder;
  auto coordinator = OpenOrDie(folder.path());
  ASSERT_THAT(coordinator->Create("/q", ""), IsOk());
  const auto create = [&] {
    return coordinator->Create("/q/n-", "", CreateMode::kPersistentSequential);
  };
  EXPECT_THAT(create(), IsOkAnd("/q/n-0000000000"));
  ASSERT_THAT(coordinator->Remove("/q/n-0000000000", kAnyVersion), IsOk());
  coordinator = OpenOrDie(folder.path());
  EXPECT_THAT(create(), IsOkAnd("/q/n-0000000001"));
}

TEST(SqliteCoordinator, AppliesNothingOfATransactionThatIsRefused) {
  const TempFolder folder;
  auto coordinator = OpenOrDie(folder.path());
  Transaction transaction;
  transaction.Create("/a", "").Set("/missing", "", kAnyVersion);
  PK_ASSERT_OK(const CommitOutcome outcome, coordinator->Commit(transaction));
  EXPECT_EQ(std::get<Refused>(outcome).operation, 1u);
  EXPECT_EQ(std::get<Refused>(outcome).reason.code(), ErrorCode::kNotFound);
  EXPECT_THAT(coordinator->Get("/a"), IsError(ErrorCode::kNotFound));
}

TEST(SqliteCoordinator, OrdersTheCommitsOfManyThreadsAndCoordinators) {
  const TempFolder folder;
  constexpr int kThreads = 6, kSets = 20;
  std::vector<std::unique_ptr<Coordinator>> coordinators;
  for (int i = 0; i < kThreads / 2; ++i) coordinators.push_back(OpenOrDie(folder.path()));
  ASSERT_THAT(coordinators[0]->Create("/n", ""), IsOk());
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      Coordinator& coordinator = *coordinators[i / 2];
      for (int done = 0; done < kSets;) {
        const Result<Node> node = coordinator.Get("/n");
        ASSERT_THAT(node, IsOk());
        const auto set = coordinator.Set("/n", std::to_string(i), node->stat.version);
        if (set.ok()) {
          ++done;
        } else {
          ASSERT_THAT(set, IsError(ErrorCode::kConflict));
        }
      }
    });
  }
  threads.clear();
  EXPECT_THAT(coordinators[0]->Get("/n"),
              IsOkAnd(Field(&Node::stat, Field(&NodeStat::version, kThreads * kSets))));
}

TEST(SqliteCoordinator, ReadsManyNodesAtOnePoint) {
  const TempFolder folder;
  auto writer = OpenOrDie(folder.path());
  auto reader = OpenOrDie(folder.path());
  ASSERT_THAT(writer->Create("/a", "0"), IsOk());
  ASSERT_THAT(writer->Create("/b", "0"), IsOk());
  std::jthread writing([&](std::stop_token stop) {
    for (int i = 1; !stop.stop_requested(); ++i) {
      Transaction both;
      both.Set("/a", std::to_string(i), kAnyVersion).Set("/b", std::to_string(i), kAnyVersion);
      ASSERT_THAT(writer->Commit(both), IsOk());
    }
  });
  for (int i = 0; i < 200; ++i) {
    PK_ASSERT_OK(const auto replies,
                 reader->Read({{.path = "/a"}, {.path = "/b"}, {.path = "/", .children = true}}));
    ASSERT_EQ(replies[0]->node.value, replies[1]->node.value);
    ASSERT_THAT(replies[2]->children, ElementsAre("a", "b"));
  }
}

TEST(SqliteCoordinator, SaysWhichProcessesHoldItUpWhenTheWriteLockIsNotFree) {
  const TempFolder folder;
  auto coordinator = OpenOrDie(folder.path(), {.lock_timeout = 500ms});
  PK_ASSERT_OK(FileWithLocks lock, FileWithLocks::Open(FolderFiles(folder.path()).lock));
  constexpr int64_t kWriterByte = 1;
  while (!lock.TryLock(kWriterByte)) {
  }
  EXPECT_THAT(coordinator->Create("/a", ""),
              IsErrorWith(ErrorCode::kUnavailable, "another process has held"));
  EXPECT_EQ(coordinator->session().state(), SessionState::kSuspended);
  EXPECT_THAT(coordinator->Get("/a"), IsError(ErrorCode::kNotFound));
  lock.Unlock(kWriterByte);
  EXPECT_EQ(coordinator->session().WaitForChange(SessionState::kSuspended, In(30s)),
            SessionState::kConnected);
  EXPECT_THAT(coordinator->Create("/a", ""), IsOk());
}

TEST(SqliteCoordinator, RemovesEphemeralsWhenItIsClosed) {
  const TempFolder folder;
  auto other = OpenOrDie(folder.path());
  auto coordinator = OpenOrDie(folder.path());
  ASSERT_THAT(coordinator->Create("/e", "", CreateMode::kEphemeral), IsOk());
  PK_ASSERT_OK(const Node node, other->Get("/e"));
  EXPECT_EQ(node.stat.ephemeral_owner, coordinator->session().id());
  PK_ASSERT_OK(const auto watch, other->StartWatch("/e", WatchScope::kNode));
  coordinator.reset();
  EXPECT_TRUE(watch->Wait(In(30s)));
  EXPECT_THAT(other->Get("/e"), IsError(ErrorCode::kNotFound));
}

TEST(SqliteCoordinator, WakesEachWatchByItsScopeOnly) {
  const TempFolder folder;
  auto writer = OpenOrDie(folder.path());
  auto watcher = OpenOrDie(folder.path());
  ASSERT_THAT(EnsurePath(*writer, "/a/b"), IsOk());
  PK_ASSERT_OK(const auto node, watcher->StartWatch("/a", WatchScope::kNode));
  PK_ASSERT_OK(const auto children, watcher->StartWatch("/a", WatchScope::kChildren));
  PK_ASSERT_OK(const auto subtree, watcher->StartWatch("/a", WatchScope::kSubtree));
  EXPECT_THAT(watcher->StartWatch("/none", WatchScope::kChildren), IsError(ErrorCode::kNotFound));
  ASSERT_THAT(writer->Create("/a/b/c", ""), IsOk());
  EXPECT_TRUE(subtree->Wait(In(30s)));
  ASSERT_THAT(writer->Create("/a/d", ""), IsOk());
  EXPECT_TRUE(children->Wait(In(30s)));
  EXPECT_TRUE(subtree->Wait(In(30s)));
  ASSERT_THAT(writer->Set("/a", "x", 0), IsOk());
  EXPECT_TRUE(node->Wait(In(30s)));
  // Whatever concerns `children` was looked at together with what woke `node`.
  EXPECT_FALSE(children->Wait(In(0ms)));
}

}  // namespace
}  // namespace pk::coordination
