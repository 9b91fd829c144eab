#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "parkeeper/ensemble/loopback_internal.h"

namespace pk::ensemble {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(uint16_t(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Waits until the socket is ready for `events`.
Result<> WaitReady(const Descriptor& socket, short events, SteadyTime deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - SystemClock().Now()).count();
    PK_CHECK(left > 0, Unavailable("no answer in time"));
    pollfd waiting{.fd = socket.number(), .events = events, .revents = 0};
    const int ready = poll(&waiting, 1, int(std::min<int64_t>(left, 60'000)));
    if (ready > 0) return {};
    PK_CHECK(ready == 0 || errno == EINTR, Unavailable(std::strerror(errno)));
  }
}

}  // namespace

Result<Descriptor> ConnectToLoopback(int port, SteadyTime deadline) {
  const auto fail = [&](int code) {
    return Unavailable(fmt::format("connect to 127.0.0.1:{}: {}", port, std::strerror(code)));
  };
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  PK_CHECK(socket, fail(errno));
  const sockaddr_in address = Loopback(port);
  if (connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return socket;
  }
  PK_CHECK(errno == EINPROGRESS, fail(errno));
  PK_TRY(WaitReady(socket, POLLOUT, deadline).With(fmt::format("connect to 127.0.0.1:{}", port)));
  int code = 0;
  socklen_t size = sizeof code;
  getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &code, &size);
  PK_CHECK(code == 0, fail(code));
  return socket;
}

Result<> SendAll(const Descriptor& socket, std::string_view bytes, SteadyTime deadline) {
  while (!bytes.empty()) {
    PK_TRY(WaitReady(socket, POLLOUT, deadline));
    const ssize_t sent = send(socket.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    PK_CHECK(sent >= 0, Unavailable(std::strerror(errno)));
    bytes.remove_prefix(size_t(sent));
  }
  return {};
}

Result<std::string> ReceiveAll(const Descriptor& socket, size_t most, SteadyTime deadline) {
  std::string received;
  char buffer[4'096];
  for (;;) {
    PK_TRY(WaitReady(socket, POLLIN, deadline));
    const ssize_t size = recv(socket.number(), buffer, sizeof buffer, 0);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    PK_CHECK(size >= 0, Unavailable(std::strerror(errno)));
    if (size == 0) return received;
    received.append(buffer, size_t(size));
    PK_CHECK(received.size() <= most, Corrupt(fmt::format("a reply of more than {} bytes", most)));
  }
}

bool IsPortFree(int port) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // As Java does; otherwise connections of a server that was just stopped would hold the port.
  const int on = 1;
  setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port);
  return bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         listen(socket.number(), 1) == 0;
}

}  // namespace pk::ensemble
