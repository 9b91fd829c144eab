#include "parkeeper/ensemble/server_report.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "parkeeper/ensemble/loopback_internal.h"
#include "tests/support/matchers.h"

namespace pk::ensemble {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOkAnd;

constexpr std::string_view kLeaderReply =
    "Zookeeper version: 3.9.5-58eee1b4, built on 2026-02-23 10:15 UTC\n"
    "Latency min/avg/max: 0/1.5/12\n"
    "Received: 42\n"
    "Sent: 41\n"
    "Connections: 3\n"
    "Outstanding: 2\n"
    "Zxid: 0x10000000a\n"
    "Mode: leader\n"
    "Node count: 17\n"
    "Proposal sizes last/min/max: 48/32/92\n";

TEST(ServerReport, SaysRoleVersionAndCounts) {
  EXPECT_THAT(ParseServerReport(kLeaderReply), IsOkAnd(ServerReport{.role = Role::kLeader,
                                                                    .version = "3.9.5",
                                                                    .zxid = 0x10000000a,
                                                                    .connections = 3,
                                                                    .outstanding = 2,
                                                                    .nodes = 17}));
}

TEST(ServerReport, OfEachModeHasItsRole) {
  for (const Role role : {Role::kStandalone, Role::kFollower, Role::kObserver, Role::kLeader}) {
    const std::string reply = "Mode: " + std::string(RoleName(role)) + "\n";
    EXPECT_THAT(ParseServerReport(reply), IsOkAnd(ServerReport{.role = role, .version = {}}));
  }
}

TEST(ServerReport, OfAServerWithoutAQuorumIsStarting) {
  EXPECT_THAT(ParseServerReport("This ZooKeeper instance is not currently serving requests\n"),
              IsOkAnd(ServerReport{.role = Role::kStarting, .version = {}}));
}

TEST(ServerReport, SaysWhenTheWordIsNotAllowed) {
  EXPECT_THAT(ParseServerReport("srvr is not executed because it is not in the whitelist.\n"),
              IsErrorWith(ErrorCode::kUnsupported, "4lw.commands.whitelist"));
}

TEST(ServerReport, RefusesWhatIsNone) {
  for (const std::string_view reply :
       {"", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "Mode: emperor\n",
        "Mode: leader\nZxid: 12\n", "Mode: leader\nZxid: 0xzz\n", "Mode: leader\nConnections: \n",
        "Mode: leader\nNode count: 99999999999999999999\n"}) {
    EXPECT_THAT(ParseServerReport(reply), IsError(ErrorCode::kCorrupt)) << reply;
  }
}

TEST(ServerReport, OfNobodyIsUnavailable) {
  EXPECT_THAT(Ask(1, "srvr", std::chrono::milliseconds(500)), IsError(ErrorCode::kUnavailable));
}

TEST(Port, IsTakenWhileSomebodyListens) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(socket.number(), 1), 0);
  ASSERT_EQ(getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int port = ntohs(address.sin_port);
  EXPECT_FALSE(IsPortFree(port));
  // Nobody accepts, so the question stays unanswered.
  EXPECT_THAT(Ask(port, "srvr", std::chrono::milliseconds(20)),
              IsErrorWith(ErrorCode::kUnavailable, "no answer in time"));
  socket = Descriptor();
  EXPECT_TRUE(IsPortFree(port));
}

}  // namespace
}  // namespace pk::ensemble
