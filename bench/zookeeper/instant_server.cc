// A server for ./dev bench zookeeper that keeps nothing and answers each request as soon as it is
// read, as if all were well: what is measured against it is what a client itself can do. Prints its
// port; ends with its input.

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "parkeeper/coordination_zookeeper/frame_buffer_internal.h"
#include "parkeeper/coordination_zookeeper/jute_internal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"

namespace pk::bench {
namespace {

using namespace coordination::zookeeper;
using Tcp = boost::asio::ip::tcp;

constexpr int32_t kCreateWithoutStat = 1;
constexpr int32_t kTimeoutMs = 15'000;

std::atomic<int64_t> last_zxid = 1;

std::string Stat() {
  JuteWriter stat;
  for (int i = 0; i < 4; ++i) stat.Long(1);
  for (int i = 0; i < 3; ++i) stat.Int(0);
  stat.Long(0);
  stat.Int(100);
  stat.Int(0);
  stat.Long(1);
  return stat.Take();
}

std::string Node() {
  JuteWriter value;
  value.String(std::string(100, 'v'));
  return value.Take() + Stat();
}

std::string Session() {
  JuteWriter reply;
  reply.Int(0);
  reply.Int(kTimeoutMs);
  reply.Long(++last_zxid);
  reply.String(std::string(16, 'p'));
  reply.Bool(false);
  return reply.Take();
}

Result<> SkipAcl(JuteReader& request) {
  for (size_t left = PK_TRY(request.Count(12)); left > 0; --left) {
    PK_TRY(request.Int());
    PK_TRY(request.String());
    PK_TRY(request.String());
  }
  return {};
}

// The body of the answer; the whole request is read, for in a transaction others follow.
Result<std::string> AnswerOne(int32_t code, JuteReader& request) {
  static const std::string node = Node(), stat = Stat();
  switch (code) {
    case static_cast<int32_t>(OpCode::kGetData):
      return node;
    case static_cast<int32_t>(OpCode::kExists):
      return stat;
    case static_cast<int32_t>(OpCode::kSetData):
      PK_TRY(request.String());
      PK_TRY(request.String());
      PK_TRY(request.Int());
      return stat;
    case static_cast<int32_t>(OpCode::kCheck):
      PK_TRY(request.String());
      PK_TRY(request.Int());
      return std::string();
    case static_cast<int32_t>(OpCode::kCreate2):
    case kCreateWithoutStat: {
      JuteWriter path;
      path.String(PK_TRY(request.String()));
      PK_TRY(request.String());
      PK_TRY(SkipAcl(request));
      PK_TRY(request.Int());
      return path.Take() + (code == kCreateWithoutStat ? "" : stat);
    }
    default:
      return std::string();  // pings, and the end of the session
  }
}

Result<std::string> AnswerAll(JuteReader& request) {
  std::string body;
  while (true) {
    const int32_t code = PK_TRY(request.Int());
    const bool end = PK_TRY(request.Bool());
    PK_TRY(request.Int());
    JuteWriter header;
    header.Int(code);
    header.Bool(end);
    header.Int(end ? -1 : 0);
    body += header.Take();
    if (end) return body;
    body += PK_TRY(AnswerOne(code, request));
  }
}

Result<std::string> Answer(std::string_view frame) {
  JuteReader request(frame);
  JuteWriter header;
  header.Int(PK_TRY(request.Int()));
  header.Long(++last_zxid);
  header.Int(kServerOk);
  const int32_t code = PK_TRY(request.Int());
  const bool is_multi = code == static_cast<int32_t>(OpCode::kMulti);
  return header.Take() + PK_TRY(is_multi ? AnswerAll(request) : AnswerOne(code, request));
}

// Until the client hangs up, or says what no client should.
void Serve(Tcp::socket socket) {
  boost::system::error_code failed;
  socket.set_option(Tcp::no_delay(true), failed);
  FrameBuffer frames;
  bool attached = false;
  while (!failed) {
    const std::span<char> space = frames.Space();
    frames.Filled(socket.read_some(boost::asio::buffer(space.data(), space.size()), failed));
    if (failed) return;
    JuteWriter replies;
    while (true) {
      const auto frame = frames.Next();
      if (!frame.ok()) return;
      if (!*frame) break;
      const auto reply = std::exchange(attached, true) ? Answer(**frame) : Session();
      if (!reply.ok()) return;
      replies.String(*reply);
    }
    const std::string bytes = replies.Take();
    boost::asio::write(socket, boost::asio::buffer(bytes), failed);
  }
}

}  // namespace
}  // namespace pk::bench

int main() {
  using pk::bench::Tcp;
  boost::asio::io_context io;
  Tcp::acceptor acceptor(io, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  std::printf("%d\n", int(acceptor.local_endpoint().port()));
  std::fflush(stdout);
  std::thread([] {
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    _exit(0);
  }).detach();
  while (true) std::thread(pk::bench::Serve, acceptor.accept()).detach();
}
