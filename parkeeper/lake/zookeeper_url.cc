#include "parkeeper/lake/zookeeper_url.h"

#include <fmt/format.h>

#include <charconv>

namespace pk::lake {
namespace {

constexpr std::string_view kScheme = "zk://";
constexpr std::string_view kSecureScheme = "zks://";

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    PK_CHECK(high >= 0 && low >= 0,
             InvalidArgument(fmt::format("'%' without two hex digits: {}", text)));
    decoded += char(high * 16 + low);
    i += 2;
  }
  return decoded;
}

Result<int64_t> Milliseconds(std::string_view text) {
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  PK_CHECK(
      failure == std::errc() && end == text.data() + text.size() && value > 0 && value <= 3'600'000,
      InvalidArgument(fmt::format("session-timeout-ms must be from 1 to 3600000: '{}'", text)));
  return value;
}

Result<> TakeParameter(std::string_view name, const std::string& value, ZooKeeperUrl& parsed) {
  coordination::ZooKeeperOptions& options = parsed.coordinator;
  if (name == "warehouse") {
    parsed.warehouse = value;
    return {};
  }
  if (name == "session-timeout-ms") {
    options.session_timeout = std::chrono::milliseconds(PK_TRY(Milliseconds(value)));
    return {};
  }
  const bool is_of_tls = name == "ca" || name == "certificate" || name == "key" || name == "verify";
  PK_CHECK(is_of_tls, InvalidArgument(fmt::format(
                          "no parameter '{}': there are warehouse, session-timeout-ms, ca, "
                          "certificate, key, verify",
                          name)));
  PK_CHECK(options.tls.has_value(),
           InvalidArgument(fmt::format("'{}' is of TLS: write zks:// instead of zk://", name)));
  if (name == "ca") options.tls->ca_file = value;
  if (name == "certificate") options.tls->certificate_file = value;
  if (name == "key") options.tls->key_file = value;
  if (name == "verify") {
    PK_CHECK(value == "true" || value == "false",
             InvalidArgument(fmt::format("verify is true or false, not '{}'", value)));
    options.tls->verify = value == "true";
  }
  return {};
}

Result<coordination::DigestAuth> ParseDigest(std::string_view text) {
  const size_t colon = text.find(':');
  PK_CHECK(colon != std::string_view::npos && colon > 0,
           InvalidArgument(fmt::format("{} must be user:password", kDigestVariable)));
  return coordination::DigestAuth{.user = std::string(text.substr(0, colon)),
                                  .password = std::string(text.substr(colon + 1))};
}

}  // namespace

bool IsZooKeeperUrl(std::string_view url) {
  return url.starts_with(kScheme) || url.starts_with(kSecureScheme);
}

Result<ZooKeeperUrl> ParseZooKeeperUrl(std::string_view url, std::string_view digest,
                                       const coordination::ZooKeeperOptions& defaults) {
  PK_CHECK(IsZooKeeperUrl(url), InvalidArgument(fmt::format("'{}' is not zk://...", url)));
  ZooKeeperUrl parsed{.coordinator = defaults, .warehouse = {}};
  const bool is_secure = url.starts_with(kSecureScheme);
  if (is_secure && !parsed.coordinator.tls) parsed.coordinator.tls.emplace();
  std::string_view rest = url.substr((is_secure ? kSecureScheme : kScheme).size());
  const size_t question = std::min(rest.find('?'), rest.size());
  parsed.coordinator.connect = rest.substr(0, question);
  while (parsed.coordinator.connect.ends_with('/')) parsed.coordinator.connect.pop_back();
  PK_CHECK(!parsed.coordinator.connect.empty() && !parsed.coordinator.connect.starts_with('/'),
           InvalidArgument(fmt::format("'{}' names no host: write zk://host:2181/chroot", url)));
  rest.remove_prefix(std::min(question + 1, rest.size()));
  while (!rest.empty()) {
    const std::string_view parameter = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(parameter.size() + 1, rest.size()));
    const size_t equals = parameter.find('=');
    PK_CHECK(equals != std::string_view::npos && equals > 0,
             InvalidArgument(fmt::format("'{}' is no parameter: write name=value", parameter)));
    const std::string value = PK_TRY(PercentDecoded(parameter.substr(equals + 1)));
    PK_TRY(TakeParameter(parameter.substr(0, equals), value, parsed));
  }
  if (!digest.empty()) parsed.coordinator.digest = PK_TRY(ParseDigest(digest));
  return parsed;
}

}  // namespace pk::lake
