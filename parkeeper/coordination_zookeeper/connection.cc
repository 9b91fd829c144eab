#include "parkeeper/coordination_zookeeper/connection_internal.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <random>

namespace pk::coordination::zookeeper {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Completion as a tuple with the error in front: nothing throws.
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

}  // namespace

Result<std::unique_ptr<asio::ssl::context>> MakeTlsContext(const TlsOptions& options) {
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
  error_code error;
  const auto bad = [&](std::string_view what, const std::string& file) {
    return InvalidArgument(fmt::format("{} '{}' cannot be used: {}", what, file, error.message()));
  };
  context->set_options(asio::ssl::context::no_sslv2 | asio::ssl::context::no_sslv3 |
                           asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1,
                       error);
  if (!options.ca_file.empty()) {
    context->load_verify_file(options.ca_file, error);
    PK_CHECK(!error, bad("file of authorities", options.ca_file));
  } else {
    context->set_default_verify_paths(error);
  }
  if (!options.certificate_file.empty()) {
    context->use_certificate_chain_file(options.certificate_file, error);
    PK_CHECK(!error, bad("certificate", options.certificate_file));
    const std::string& key = options.key_file.empty() ? options.certificate_file : options.key_file;
    context->use_private_key_file(key, asio::ssl::context::pem, error);
    PK_CHECK(!error, bad("private key", key));
  }
  context->set_verify_mode(options.verify ? asio::ssl::verify_peer : asio::ssl::verify_none, error);
  return context;
}

Connection::Connection(asio::io_context& io, asio::ssl::context* tls, bool verify, HostPort host)
    : host_(std::move(host)),
      server_(std::make_shared<const std::string>(host_.ToString())),
      verify_(verify),
      resolver_(io),
      socket_(io),
      attempt_(io) {
  if (tls != nullptr) tls_.emplace(socket_, *tls);
}

Error Connection::Ended(const error_code& error, std::string_view doing) const {
  if (closed_) return *closed_;
  return Unavailable(fmt::format("{}: {}: {}", *server_, doing, error.message()));
}

void Connection::Close(Error why) {
  if (closed_) return;
  closed_ = std::move(why);
  attempt_.cancel();
  resolver_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

bool Connection::HasUnread() const {
  error_code error;
  return socket_.available(error) > 0 && !error;
}

asio::awaitable<Result<ConnectReply>> Connection::Open(ConnectRequest request, Duration within,
                                                       uint64_t order) {
  attempt_.expires_after(within);
  attempt_.async_wait([self = shared_from_this(), within](const error_code& error) {
    if (error) return;
    self->Close(Unavailable(
        fmt::format("{}: no session within {} ms", *self->server_,
                    std::chrono::duration_cast<std::chrono::milliseconds>(within).count())));
  });
  auto endpoints = co_await LookUp();
  if (!endpoints.ok()) co_return std::move(endpoints).error();
  std::shuffle(endpoints->begin(), endpoints->end(), std::mt19937_64(order));
  auto connected = co_await ConnectToAny(std::move(endpoints).value());
  if (!connected.ok()) co_return std::move(connected).error();
  if (tls_) {
    auto secured = co_await HandshakeTls();
    if (!secured.ok()) co_return std::move(secured).error();
  }
  auto reply = co_await Attach(std::move(request));
  if (closed_) co_return *closed_;
  attempt_.cancel();
  co_return reply;
}

asio::awaitable<Result<std::vector<asio::ip::tcp::endpoint>>> Connection::LookUp() {
  error_code error;
  const auto address = asio::ip::make_address(host_.host, error);
  std::vector<Tcp::endpoint> endpoints;
  if (!error) {
    endpoints.emplace_back(address, host_.port);
    co_return endpoints;
  }
  auto [failed, found] =
      co_await resolver_.async_resolve(host_.host, std::to_string(host_.port), kAwait);
  if (failed || closed_) co_return Ended(failed, "look up the host's name");
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

asio::awaitable<Result<>> Connection::ConnectToAny(std::vector<Tcp::endpoint> endpoints) {
  auto [failed, endpoint] = co_await asio::async_connect(socket_, endpoints, kAwait);
  if (failed || closed_) co_return Ended(failed, "connect");
  error_code ignored;
  socket_.set_option(Tcp::no_delay(true), ignored);
  co_return Result<>();
}

asio::awaitable<Result<>> Connection::HandshakeTls() {
  error_code error;
  asio::ip::make_address(host_.host, error);
  const bool is_name = static_cast<bool>(error);
  if (is_name) SSL_set_tlsext_host_name(tls_->native_handle(), host_.host.c_str());
  if (verify_) {
    tls_->set_verify_callback(asio::ssl::host_name_verification(host_.host), error);
  }
  auto [failed] = co_await tls_->async_handshake(asio::ssl::stream_base::client, kAwait);
  if (failed && !closed_ && failed.category() == asio::error::get_ssl_category()) {
    co_return Error(ErrorCode::kUnauthenticated,
                    fmt::format("{}: TLS handshake: {}", *server_, failed.message()));
  }
  if (failed || closed_) co_return Ended(failed, "TLS handshake");
  co_return Result<>();
}

asio::awaitable<Result<ConnectReply>> Connection::Attach(ConnectRequest request) {
  const std::string bytes = EncodeConnect(request);
  const auto write = [&]() -> asio::awaitable<error_code> {
    auto [failed, count] = tls_ ? co_await asio::async_write(*tls_, asio::buffer(bytes), kAwait)
                                : co_await asio::async_write(socket_, asio::buffer(bytes), kAwait);
    co_return failed;
  };
  const error_code failed = co_await write();
  if (failed || closed_) co_return Ended(failed, "ask for a session");
  while (true) {
    auto frame = frames_.Next();
    if (!frame.ok()) co_return std::move(frame).error().With(*server_);
    if (frame.value()) co_return DecodeConnect(*frame.value()).With(*server_);
    auto read = co_await ReadSome();
    if (!read.ok()) co_return std::move(read).error();
  }
}

asio::awaitable<Result<>> Connection::ReadSome() {
  const std::span<char> space = frames_.Space();
  const auto buffer = asio::buffer(space.data(), space.size());
  auto [failed, bytes] = tls_ ? co_await tls_->async_read_some(buffer, kAwait)
                              : co_await socket_.async_read_some(buffer, kAwait);
  if (failed || closed_) co_return Ended(failed, "read");
  frames_.Filled(bytes);
  co_return Result<>();
}

void Connection::Write(std::string bytes, std::function<void()> done) {
  writing_ = std::move(bytes);
  const auto after = [self = shared_from_this(), done = std::move(done)](const error_code& error,
                                                                         size_t) {
    if (error) return self->Close(self->Ended(error, "write"));
    if (!self->closed_) done();
  };
  if (tls_) {
    asio::async_write(*tls_, asio::buffer(writing_), after);
  } else {
    asio::async_write(socket_, asio::buffer(writing_), after);
  }
}

}  // namespace pk::coordination::zookeeper
