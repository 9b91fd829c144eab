#include "parkeeper/ensemble/server_report.h"

#include <fmt/format.h>

#include <charconv>

#include "parkeeper/ensemble/loopback_internal.h"

namespace pk::ensemble {
namespace {

constexpr size_t kMaxReplyBytes = 1 << 20;

// "3.9.5" of "3.9.5-58eee1b4, built on 2026-02-23 10:15 UTC".
std::string VersionOf(std::string_view text) {
  return std::string(text.substr(0, text.find_first_of("-, ")));
}

template <class Number>
Result<Number> Parse(std::string_view key, std::string_view text, int base = 10) {
  Number value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size(),
           Corrupt(fmt::format("a server's {} is no number: '{}'", key, text)));
  return value;
}

Result<Role> ParseRole(std::string_view text) {
  for (const Role role : {Role::kStandalone, Role::kFollower, Role::kObserver, Role::kLeader}) {
    if (text == RoleName(role)) return role;
  }
  return Corrupt(fmt::format("a server's mode is not known: '{}'", text));
}

Result<> TakeLine(std::string_view key, std::string_view value, ServerReport& report) {
  if (key == "Zookeeper version") report.version = VersionOf(value);
  if (key == "Mode") report.role = PK_TRY(ParseRole(value));
  if (key == "Connections") report.connections = PK_TRY(Parse<int64_t>(key, value));
  if (key == "Outstanding") report.outstanding = PK_TRY(Parse<int64_t>(key, value));
  if (key == "Node count") report.nodes = PK_TRY(Parse<int64_t>(key, value));
  if (key == "Zxid") {
    PK_CHECK(value.starts_with("0x"), Corrupt(fmt::format("a server's zxid is '{}'", value)));
    report.zxid = PK_TRY(Parse<uint64_t>(key, value.substr(2), 16));
  }
  return {};
}

}  // namespace

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kDown:
      return "down";
    case Role::kStarting:
      return "starting";
    case Role::kStandalone:
      return "standalone";
    case Role::kFollower:
      return "follower";
    case Role::kObserver:
      return "observer";
    case Role::kLeader:
      return "leader";
  }
  return "down";
}

Result<ServerReport> ParseServerReport(std::string_view reply) {
  ServerReport report;
  if (reply.find("not currently serving requests") != std::string_view::npos) return report;
  PK_CHECK(
      reply.find("is not executed because it is not in the whitelist") == std::string_view::npos,
      Unsupported("the server does not allow srvr: add it to 4lw.commands.whitelist"));
  bool has_mode = false;
  while (!reply.empty()) {
    const size_t end = std::min(reply.find('\n'), reply.size());
    const std::string_view line = reply.substr(0, end);
    reply.remove_prefix(std::min(end + 1, reply.size()));
    const size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, colon);
    PK_TRY(TakeLine(key, line.substr(colon + 2), report));
    has_mode = has_mode || key == "Mode";
  }
  PK_CHECK(has_mode, Corrupt("the reply to srvr says no mode: is this a ZooKeeper server?"));
  return report;
}

Result<std::string> Ask(int port, std::string_view word, std::chrono::milliseconds timeout) {
  const SteadyTime deadline = SystemClock().Now() + timeout;
  const Descriptor socket = PK_TRY(ConnectToLoopback(port, deadline));
  PK_TRY(SendAll(socket, word, deadline));
  return ReceiveAll(socket, kMaxReplyBytes, deadline)
      .With(fmt::format("ask 127.0.0.1:{} for {}", port, word));
}

}  // namespace pk::ensemble
