#pragma once

// A real ZooKeeper ensemble as a CoordinatorFixture: PARKEEPER_TEST_ZOOKEEPER is its connect
// string, without a chroot. Each test has a chroot of its own, which stays there.

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>

#include "parkeeper/base/ids.h"
#include "parkeeper/coordination_zookeeper/connect_string_internal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"
#include "parkeeper/coordination_zookeeper/session_key_internal.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"
#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

inline std::string Ensemble() {
  const char* connect = std::getenv("PARKEEPER_TEST_ZOOKEEPER");
  return connect == nullptr ? "" : connect;
}

// A connection of no client: just enough to attach to a session and to close it.
class RawConnection {
  using Tcp = boost::asio::ip::tcp;

 public:
  explicit RawConnection(const zookeeper::HostPort& host) : socket_(io_) {
    Tcp::resolver resolver(io_);
    boost::asio::connect(socket_, resolver.resolve(host.host, std::to_string(host.port)));
  }
  void Send(const std::string& frame) { boost::asio::write(socket_, boost::asio::buffer(frame)); }
  // One frame; "" when the server has hung up.
  std::string Receive() {
    boost::system::error_code ended;
    std::string length(4, '\0');
    boost::asio::read(socket_, boost::asio::buffer(length), ended);
    if (ended) return "";
    uint32_t bytes = 0;
    for (const char c : length) bytes = bytes << 8 | static_cast<uint8_t>(c);
    std::string frame(bytes, '\0');
    boost::asio::read(socket_, boost::asio::buffer(frame), ended);
    return ended ? "" : frame;
  }
  // Until the server has hung up, whether it answers before or not.
  void AwaitEnd() {
    boost::system::error_code ended;
    for (char byte; !ended;) boost::asio::read(socket_, boost::asio::buffer(&byte, 1), ended);
  }

 private:
  boost::asio::io_context io_;
  Tcp::socket socket_;
};

// Ends the connection of `coordinator`, which has taken its session back when this returns.
inline void BreakConnection(Coordinator& coordinator) {
  const auto hosts = zookeeper::ParseConnectString(Ensemble());
  ASSERT_THAT(hosts, testing::IsOk());
  const zookeeper::SessionKey key = zookeeper::KeyOf(coordinator);
  {
    // The session moves to this connection. Its old server, when it is the same one, hangs up. When
    // it is another, it does not know until all servers must agree on the next request.
    RawConnection thief(hosts->hosts[0]);
    thief.Send(zookeeper::EncodeConnect(
        {.timeout_ms = 10'000, .session = key.id, .password = key.password}));
    ASSERT_FALSE(thief.Receive().empty());
  }
  Result<CommitOutcome> step = Unavailable("not asked");
  for (int attempt = 0; attempt < 100 && !step.ok(); ++attempt) {
    step = coordinator.Commit(Transaction().Check("/"));
  }
  ASSERT_THAT(step, testing::IsOk());
}

class ZooKeeperFixture final : public CoordinatorFixture {
 public:
  ZooKeeperFixture() : chroot_("/contract-" + SystemIds().NewUuid4().ToString()) {}

  std::unique_ptr<Coordinator> Connect() override {
    auto opened = OpenZooKeeper({.connect = Ensemble() + chroot_, .create_chroot = true});
    EXPECT_THAT(opened, testing::IsOk());
    return opened.ok() ? std::move(opened).value() : nullptr;
  }

  void ExpireSession(Coordinator& coordinator) override {
    const auto hosts = zookeeper::ParseConnectString(Ensemble());
    ASSERT_THAT(hosts, testing::IsOk());
    const zookeeper::SessionKey key = zookeeper::KeyOf(coordinator);
    // The server hangs up on the client, which may take its session back before we have closed it.
    bool over = false;
    for (int attempt = 0; attempt < 100 && !over; ++attempt) {
      RawConnection thief(hosts->hosts[0]);
      thief.Send(zookeeper::EncodeConnect(
          {.timeout_ms = 10'000, .session = key.id, .password = key.password}));
      const std::string reply = thief.Receive();
      if (reply.empty()) continue;
      PK_ASSERT_OK(const auto attached, zookeeper::DecodeConnect(reply));
      over = attached.session != key.id;
      if (over) continue;
      std::string close = zookeeper::EncodeEmpty();
      zookeeper::Seal(close, 1, zookeeper::OpCode::kCloseSession);
      thief.Send(close);
      thief.AwaitEnd();
    }
    ASSERT_TRUE(over) << "the session of the client lives on";
    // Its server has hung up. A request sent before the client knows may rightly have an unknown
    // outcome, which is not what the suite asks about.
    coordinator.session().WaitForChange(SessionState::kConnected,
                                        clock().Now() + std::chrono::seconds(30));
  }

 private:
  const std::string chroot_;
};

// None without an ensemble.
inline std::vector<CoordinatorFactory> ZooKeeperFactories() {
  if (Ensemble().empty()) return {};
  return {{.name = "zookeeper", .make = [] { return std::make_unique<ZooKeeperFixture>(); }}};
}

}  // namespace pk::coordination
