// What only a real ZooKeeper server shows, beyond the contract: rights, chroots, watches on the
// server, replies over 1 MB, deep pipelines. PARKEEPER_TEST_ZOOKEEPER is its connect string.

#include <gtest/gtest.h>

#include <latch>

#include "parkeeper/base/ids.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination_zookeeper/client_internal.h"
#include "parkeeper/coordination_zookeeper/connect_string_internal.h"
#include "parkeeper/coordination_zookeeper/jute_internal.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"
#include "tests/support/matchers.h"
#include "tests/zookeeper/zookeeper_fixture.h"

namespace pk::coordination {
namespace {

using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using ::pk::testing::IsOkAnd;

class ZooKeeperServer : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(connect_.empty()) << "set PARKEEPER_TEST_ZOOKEEPER=host:port,...";
  }
  std::unique_ptr<Coordinator> OpenOrDie(ZooKeeperOptions options) {
    auto opened = OpenZooKeeper(std::move(options));
    EXPECT_THAT(opened, IsOk());
    return opened.ok() ? std::move(opened).value() : nullptr;
  }
  std::unique_ptr<Coordinator> OpenHere() {
    return OpenOrDie({.connect = connect_ + chroot_, .create_chroot = true});
  }

  const std::string connect_ = Ensemble();
  const std::string chroot_ = "/server-test/" + SystemIds().NewUuid4().ToString();
};

TEST_F(ZooKeeperServer, AChrootIsMadeOnlyWhenAskedFor) {
  const std::string connect = connect_ + chroot_ + "/a/b";
  EXPECT_THAT(OpenZooKeeper({.connect = connect}),
              IsErrorWith(ErrorCode::kNotFound, chroot_ + "/a/b"));
  const auto made = OpenOrDie({.connect = connect, .create_chroot = true});
  ASSERT_NE(made, nullptr);
  EXPECT_THAT(made->Create("/n", "x"), IsOkAnd(std::string("/n")));
  EXPECT_THAT(OpenZooKeeper({.connect = connect}), IsOk());
  const auto above = OpenOrDie({.connect = connect_ + chroot_});
  ASSERT_NE(above, nullptr);
  EXPECT_THAT(above->Sync(), IsOk());
  EXPECT_THAT(above->List("/a/b"), IsOkAnd(std::vector<std::string>{"n"}));
}

TEST_F(ZooKeeperServer, TheServersOwnNodeIsNotAChildOfTheRoot) {
  const auto root = OpenOrDie({.connect = connect_});
  ASSERT_NE(root, nullptr);
  PK_ASSERT_OK(const auto children, root->List("/"));
  EXPECT_THAT(children, ::testing::Not(::testing::Contains("zookeeper")));
  PK_ASSERT_OK(const auto replies, root->Read({{.path = "/"}, {.path = "/", .children = true}}));
  EXPECT_EQ(size_t(replies[0]->node.stat.children), replies[1]->children.size());
  EXPECT_THAT(replies[1]->children, ::testing::Not(::testing::Contains("zookeeper")));
}

// Every server with every other: one of them leads.
TEST_F(ZooKeeperServer, ReadsAfterASyncSeeWhatWasModifiedAtAnotherServer) {
  ASSERT_NE(OpenHere(), nullptr);
  std::vector<std::unique_ptr<Coordinator>> at;
  PK_ASSERT_OK(const auto parsed, zookeeper::ParseConnectString(connect_));
  for (const auto& host : parsed.hosts) {
    at.push_back(OpenOrDie({.connect = host.ToString() + chroot_}));
    ASSERT_NE(at.back(), nullptr);
  }
  ASSERT_THAT(at[0]->Create("/n", ""), IsOk());
  for (int round = 0; round < 50; ++round) {
    for (const auto& writer : at) {
      const std::string value = SystemIds().NewUuid4().ToString();
      ASSERT_THAT(writer->Set("/n", value, kAnyVersion), IsOk());
      for (const auto& reader : at) {
        ASSERT_THAT(reader->Sync(), IsOk());
        ASSERT_EQ(reader->Get("/n")->value, value) << "in round " << round;
      }
    }
  }
}

TEST_F(ZooKeeperServer, NodesOfAUserAreForThatUserAlone) {
  const auto others = OpenHere();
  ASSERT_NE(others, nullptr);
  const ZooKeeperOptions of_user = {.connect = connect_ + chroot_ + "/private",
                                    .create_chroot = true,
                                    .digest = DigestAuth{.user = "me", .password = "secret"}};
  const auto mine = OpenOrDie(of_user);
  ASSERT_NE(mine, nullptr);
  ASSERT_THAT(mine->Create("/n", "x"), IsOk());
  EXPECT_THAT(OpenOrDie(of_user)->Get("/n"), IsOk());
  EXPECT_THAT(others->Sync(), IsOk());
  EXPECT_THAT(others->Get("/private/n"), IsErrorWith(ErrorCode::kPermissionDenied, "/private/n"));
  const auto set = others->Commit(Transaction().Check("/").Set("/private/n", "y", 0));
  EXPECT_THAT(set, IsErrorWith(ErrorCode::kPermissionDenied, "/private/n"));
  EXPECT_EQ(mine->Get("/n")->value, "x");
  ZooKeeperOptions wrong = of_user;
  wrong.digest->password = "guessed";
  EXPECT_THAT(OpenZooKeeper(wrong),
              IsErrorWith(ErrorCode::kPermissionDenied, chroot_ + "/private"));
}

TEST_F(ZooKeeperServer, AListOverOneMegabyteArrivesWhole) {
  constexpr int kChildren = 12'000, kEach = 1'000;
  const auto here = OpenHere();
  ASSERT_NE(here, nullptr);
  ASSERT_THAT(here->Create("/many", ""), IsOk());
  const std::string name(90, 'c');
  for (int i = 0; i < kChildren; i += kEach) {
    Transaction transaction;
    for (int j = i; j < i + kEach; ++j) {
      transaction.Create("/many/" + name + std::to_string(100'000 + j), "");
    }
    ASSERT_THAT(here->Commit(transaction), IsOk());
  }
  PK_ASSERT_OK(const auto children, here->List("/many"));
  EXPECT_EQ(children.size(), size_t{kChildren});
  EXPECT_EQ(children.back(), name + std::to_string(100'000 + kChildren - 1));
}

class ZooKeeperClient : public ZooKeeperServer {
 protected:
  void SetUp() override {
    ZooKeeperServer::SetUp();
    if (IsSkipped()) return;
    auto opened = zookeeper::Client::Open({}, zookeeper::ParseConnectString(connect_).value());
    ASSERT_THAT(opened, IsOk());
    client_ = std::move(opened).value();
  }
  // Whether the server has a watch of ours on `path`.
  bool IsWatched(const std::string& path) {
    constexpr auto kCheckWatches = static_cast<zookeeper::OpCode>(17);
    auto reply = client_->Call(kCheckWatches, zookeeper::EncodeRemoveWatches(path), false);
    EXPECT_THAT(reply, IsOk());
    return reply.ok() && reply->error == zookeeper::kServerOk;
  }
  std::unique_ptr<zookeeper::Client> client_;
};

TEST_F(ZooKeeperClient, TheLastWatchOfAPathTakesTheServersWatchWithIt) {
  const std::string path = "/zookeeper/config";
  std::vector<std::shared_ptr<zookeeper::WatchState>> watches;
  for (const auto scope : {WatchScope::kNode, WatchScope::kSubtree, WatchScope::kChildren}) {
    watches.push_back(std::make_shared<zookeeper::WatchState>(scope));
    ASSERT_THAT(client_->StartWatch(path, path, watches.back()), IsOk());
  }
  for (const auto& watch : watches) {
    EXPECT_TRUE(IsWatched(path));
    client_->StopWatch(path, watch);
  }
  EXPECT_FALSE(IsWatched(path));
}

TEST_F(ZooKeeperClient, ThousandsOfRequestsInFlightAreAnsweredInOrder) {
  constexpr int kRequests = 5'000;
  std::latch done(kRequests);
  std::vector<int> order;  // only the I/O thread adds
  for (int i = 0; i < kRequests; ++i) {
    client_->Submit({.code = zookeeper::OpCode::kGetData,
                     .frame = zookeeper::EncodeRead("/zookeeper"),
                     .modifies = false,
                     .deadline = SystemClock().Now() + std::chrono::seconds(30),
                     .done = [&, i](const Result<zookeeper::Reply>& reply) {
                       if (reply.ok() && reply->error == zookeeper::kServerOk) order.push_back(i);
                       done.count_down();
                     }});
  }
  done.wait();
  ASSERT_EQ(order.size(), size_t{kRequests});
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

}  // namespace
}  // namespace pk::coordination
