#pragma once

// A ZooKeeper server on 127.0.0.1 that does what a script says, also what no server should: for
// tests of a client. One thread, one connection at a time, no time.

#include <sys/socket.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parkeeper/coordination_zookeeper/jute_internal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"

namespace pk::testing {

// What a client sent; `code` 0: the connection has ended.
struct ReceivedRequest {
  int32_t xid = 0;
  int32_t code = 0;
  std::string body;

  bool Is(coordination::zookeeper::OpCode expected) const {
    return code == static_cast<int32_t>(expected);
  }
};
struct ReceivedConnect {
  uint64_t last_zxid = 0;
  int32_t timeout_ms = 0;
  uint64_t session = 0;
  std::string password;
  bool read_only = false;
};

class FakeConnection {
 public:
  using Tcp = boost::asio::ip::tcp;
  explicit FakeConnection(Tcp::socket socket) : socket_(std::move(socket)) {}

  // The next frame; empty at the end of the connection.
  std::string Receive() {
    const std::string length = Read(4);
    if (length.size() < 4) return "";
    return Read(static_cast<size_t>(*coordination::zookeeper::JuteReader(length).Int()));
  }
  ReceivedRequest ReceiveRequest() {
    const std::string frame = Receive();
    if (frame.size() < 8) return {};
    coordination::zookeeper::JuteReader reader(frame);
    const int32_t xid = *reader.Int();
    const int32_t code = *reader.Int();
    return {.xid = xid, .code = code, .body = frame.substr(8)};
  }
  ReceivedConnect ReceiveConnect() {
    const std::string frame = Receive();
    coordination::zookeeper::JuteReader reader(frame);
    ReceivedConnect connect;
    if (frame.size() < 28) return connect;
    (void)*reader.Int();
    connect.last_zxid = static_cast<uint64_t>(*reader.Long());
    connect.timeout_ms = *reader.Int();
    connect.session = static_cast<uint64_t>(*reader.Long());
    connect.password = *reader.String();
    connect.read_only = *reader.Bool();
    return connect;
  }

  void SendRaw(std::string_view bytes) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), ignored);
  }
  void Send(std::string_view body) {
    coordination::zookeeper::JuteWriter frame;
    frame.String(body);
    SendRaw(frame.Take());
  }
  void Answer(int32_t xid, int64_t zxid, int32_t error, std::string_view body = "") {
    coordination::zookeeper::JuteWriter header;
    header.Int(xid);
    header.Long(zxid);
    header.Int(error);
    Send(header.Take() + std::string(body));
  }
  // Receives the request for a session and grants `session`; returns what was asked.
  ReceivedConnect Attach(uint64_t session, int32_t timeout_ms = 30'000, bool read_only = false) {
    ReceivedConnect connect = ReceiveConnect();
    coordination::zookeeper::JuteWriter reply;
    reply.Int(0);
    reply.Int(timeout_ms);
    reply.Long(static_cast<int64_t>(session));
    reply.String(std::string(16, 'p'));
    reply.Bool(read_only);
    Send(reply.Take());
    return connect;
  }

  // Answers until the client hangs up: values to reads, nothing but success to everything else.
  void Serve() {
    using coordination::zookeeper::OpCode;
    while (true) {
      const ReceivedRequest request = ReceiveRequest();
      if (request.code == 0) return;
      ServeOne(request);
    }
  }
  void ServeOne(const ReceivedRequest& request) {
    using coordination::zookeeper::OpCode;
    std::string body;
    if (request.Is(OpCode::kGetData)) body = NodeBody("value");
    if (request.Is(OpCode::kMulti)) body = EmptyMultiBody();
    Answer(request.xid, ++zxid_, 0, body);
  }

  // Reads and answers nothing until the client hangs up.
  void WaitForEnd() {
    while (!Receive().empty()) {
    }
  }
  void Shutdown() { ::shutdown(socket_.native_handle(), SHUT_RDWR); }

  static std::string NodeBody(std::string_view value) {
    coordination::zookeeper::JuteWriter body;
    body.String(value);
    for (int i = 0; i < 4; ++i) body.Long(1);
    for (int i = 0; i < 3; ++i) body.Int(0);
    body.Long(0);
    body.Int(static_cast<int32_t>(value.size()));
    body.Int(0);
    body.Long(1);
    return body.Take();
  }
  static std::string EmptyMultiBody() {
    coordination::zookeeper::JuteWriter body;
    body.Int(-1);
    body.Bool(true);
    body.Int(-1);
    return body.Take();
  }

 private:
  std::string Read(size_t bytes) {
    std::string data(bytes, '\0');
    boost::system::error_code error;
    boost::asio::read(socket_, boost::asio::buffer(data), error);
    return error ? "" : data;
  }

  Tcp::socket socket_;
  int64_t zxid_ = 100;
};

class FakeZooKeeper {
 public:
  using Script = std::function<void(FakeConnection&)>;

  // The n-th connection is served by the n-th script, then hung up; those after the last one are
  // hung up at once.
  explicit FakeZooKeeper(std::vector<Script> scripts)
      : acceptor_(io_, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
        port_(acceptor_.local_endpoint().port()),
        thread_([this, scripts = std::move(scripts)] { Run(scripts); }) {}
  ~FakeZooKeeper() {
    stopping_ = true;
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    {
      std::lock_guard lock(mutex_);
      if (connection_ != nullptr) connection_->Shutdown();
    }
    thread_.join();
  }
  FakeZooKeeper(const FakeZooKeeper&) = delete;
  FakeZooKeeper& operator=(const FakeZooKeeper&) = delete;

  std::string connect() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  using Tcp = boost::asio::ip::tcp;

  void Run(const std::vector<Script>& scripts) {
    for (size_t i = 0; !stopping_; ++i) {
      boost::system::error_code error;
      Tcp::socket socket(io_);
      acceptor_.accept(socket, error);
      if (error || i >= scripts.size()) continue;
      FakeConnection connection(std::move(socket));
      Present(&connection);
      if (!stopping_) scripts[i](connection);
      Present(nullptr);
    }
  }
  void Present(FakeConnection* connection) {
    std::lock_guard lock(mutex_);
    connection_ = connection;
  }

  boost::asio::io_context io_;
  Tcp::acceptor acceptor_;
  const uint16_t port_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  FakeConnection* connection_ = nullptr;
  std::thread thread_;
};

}  // namespace pk::testing
