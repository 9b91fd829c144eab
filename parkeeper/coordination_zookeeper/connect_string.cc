#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination_zookeeper/connect_string_internal.h"

namespace pk::coordination::zookeeper {
namespace {

Result<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  PK_CHECK(error == std::errc() && end == text.data() + text.size() && port > 0,
           InvalidArgument(fmt::format("bad port '{}'", text)));
  return port;
}

bool NeverInHost(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= ' ' || byte == 0x7F || std::string_view("@?#\"\\[]").find(c) != std::string::npos;
}

Result<HostPort> ParseHost(std::string_view text) {
  HostPort result;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    PK_CHECK(close != std::string_view::npos, InvalidArgument("'[' without ']'"));
    result.host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    PK_CHECK(rest.empty() || rest.starts_with(':'),
             InvalidArgument(fmt::format("'{}' after ']'", rest)));
    if (!rest.empty()) port = rest.substr(1);
    if (!rest.empty()) result.port = PK_TRY(ParsePort(port));
  } else {
    const size_t colon = text.find(':');
    result.host = text.substr(0, colon);
    if (colon != std::string_view::npos) {
      PK_CHECK(text.find(':', colon + 1) == std::string_view::npos,
               InvalidArgument("an IPv6 address must be in brackets"));
      result.port = PK_TRY(ParsePort(text.substr(colon + 1)));
    }
  }
  PK_CHECK(!result.host.empty(), InvalidArgument("a host has no name"));
  PK_CHECK(std::ranges::none_of(result.host, NeverInHost),
           InvalidArgument(fmt::format("bad host name '{}'", result.host)));
  return result;
}

Result<ConnectString> Parse(std::string_view text) {
  ConnectString result;
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos && slash + 1 < text.size()) {
    result.chroot = text.substr(slash);
    PK_TRY(ValidatePath(result.chroot).With("chroot"));
  }
  std::string_view hosts = text.substr(0, slash);
  while (true) {
    const size_t comma = hosts.find(',');
    result.hosts.push_back(PK_TRY(ParseHost(hosts.substr(0, comma))));
    if (comma == std::string_view::npos) return result;
    hosts.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string HostPort::ToString() const {
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

Result<ConnectString> ParseConnectString(std::string_view text) {
  return Parse(text).With(fmt::format("ZooKeeper connect string '{}'", text.substr(0, 200)));
}

}  // namespace pk::coordination::zookeeper
