#pragma once

// One connection to one server: name look-up, TCP, TLS, the exchange that begins or re-attaches a
// session, then frames. Everything on the I/O thread; keep it alive by shared_ptr.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"
#include "parkeeper/coordination_zookeeper/connect_string_internal.h"
#include "parkeeper/coordination_zookeeper/frame_buffer_internal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"

namespace pk::coordination::zookeeper {

// kInvalidArgument names the file that cannot be used.
Result<std::unique_ptr<boost::asio::ssl::context>> MakeTlsContext(const TlsOptions& options);

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `tls` (nullptr: without) outlives it.
  Connection(boost::asio::io_context& io, boost::asio::ssl::context* tls, bool verify,
             HostPort host);

  // `order` shuffles the addresses of the host's name: one that is mute must not be the first
  // again. kUnauthenticated: the TLS handshake failed; kUnavailable and kCorrupt: another server
  // may do.
  boost::asio::awaitable<Result<ConnectReply>> Open(ConnectRequest request, Duration within,
                                                    uint64_t order);

  // Reads what is there into frames(); the error is why the connection has ended.
  boost::asio::awaitable<Result<>> ReadSome();
  FrameBuffer& frames() { return frames_; }

  // `done` is called when all is written; never after an error, which ReadSome() tells. One at a
  // time.
  void Write(std::string bytes, std::function<void()> done);

  // Ends what is under way; the first reason stays.
  void Close(Error why);
  bool is_open() const { return !closed_; }
  // Bytes have come that are not read yet.
  bool HasUnread() const;

  const std::shared_ptr<const std::string>& server() const { return server_; }

 private:
  using Tcp = boost::asio::ip::tcp;

  boost::asio::awaitable<Result<std::vector<Tcp::endpoint>>> LookUp();
  boost::asio::awaitable<Result<>> ConnectToAny(std::vector<Tcp::endpoint> endpoints);
  boost::asio::awaitable<Result<>> HandshakeTls();
  boost::asio::awaitable<Result<ConnectReply>> Attach(ConnectRequest request);
  Error Ended(const boost::system::error_code& error, std::string_view doing) const;

  const HostPort host_;
  const std::shared_ptr<const std::string> server_;
  const bool verify_;
  Tcp::resolver resolver_;
  Tcp::socket socket_;
  std::optional<boost::asio::ssl::stream<Tcp::socket&>> tls_;
  boost::asio::steady_timer attempt_;
  FrameBuffer frames_;
  std::string writing_;
  std::optional<Error> closed_;
};

}  // namespace pk::coordination::zookeeper
