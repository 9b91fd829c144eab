#include "parkeeper/ensemble/server_config.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <boost/uuid/detail/sha1.hpp>

#include "parkeeper/base/json.h"

namespace pk::ensemble {
namespace {

namespace bj = boost::json;

constexpr int kFormat = 1;

// How long a server may take to find and follow a leader, and how long a peer may be silent.
constexpr int kInitTicks = 30;
constexpr int kSyncTicks = 10;
// A session may live at most this long; ZooKeeper's own limit is 20 ticks.
constexpr int kMaxSessionMs = 120'000;
// ZooKeeper writes its log into files that it makes this large beforehand; its own 64 MB is a lot
// for a test.
constexpr int kLogFileKb = 4'096;
// What serves connections. ZooKeeper's default takes a turn of its threads for each request; this
// one takes all that have come, so that the stages after it work, and sync, in larger groups.
constexpr std::string_view kConnections = "org.apache.zookeeper.server.NettyServerCnxnFactory";

std::string Base64(const std::vector<uint8_t>& bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (i + j < bytes.size() ? bytes[i + j] : 0u);
    for (size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

std::string Connect(int first, int size) {
  std::string text;
  for (int i = 0; i < size; ++i) {
    text += fmt::format("{}127.0.0.1:{}", i == 0 ? "" : ",", first + i);
  }
  return text;
}

Result<> CheckRange(std::string_view what, int64_t value, int64_t least, int64_t most) {
  PK_CHECK(value >= least && value <= most,
           InvalidArgument(fmt::format("{} must be from {} to {}: {}", what, least, most, value)));
  return {};
}

std::string TlsText(const Settings& settings, std::string_view folder, int id) {
  const std::string tls = TlsFolder(folder);
  return fmt::format(
      "secureClientPort={}\n"
      "secureClientPortAddress=127.0.0.1\n"
      "authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider\n"
      "ssl.keyStore.location={}/server.pem\n"
      "ssl.trustStore.location={}/ca.pem\n"
      "ssl.clientAuth=want\n",
      PortsOf(settings, id).secure, tls, tls);
}

}  // namespace

Result<> Validate(const Settings& settings) {
  PK_TRY(CheckRange("the number of servers", settings.size, 1, kMostServers));
  PK_TRY(CheckRange("the port", settings.port, 1, 65'536 - PortCount(settings)));
  PK_TRY(CheckRange("the heap in MB", settings.heap_mb, 64, 65'536));
  PK_TRY(CheckRange("the tick in ms", settings.tick_ms, 50, 60'000));
  return {};
}

std::string ToJson(const Settings& settings) {
  return json::Pretty(bj::object{{"format", kFormat},
                                 {"size", settings.size},
                                 {"port", settings.port},
                                 {"heap-mb", settings.heap_mb},
                                 {"tick-ms", settings.tick_ms},
                                 {"tls", settings.tls},
                                 {"super-digest", settings.super_digest},
                                 {"version", settings.version},
                                 {"zookeeper-home", settings.zookeeper_home}});
}

Result<Settings> ParseSettings(std::string_view text) {
  const bj::value value = PK_TRY(json::Parse(text));
  const bj::object& object = *PK_TRY(json::AsObject(value, "an ensemble's settings"));
  PK_CHECK(PK_TRY(json::Int32(object, "format")) <= kFormat,
           Unsupported("the ensemble was made by a newer version of parkeeper"));
  Settings settings;
  settings.size = PK_TRY(json::Int32(object, "size"));
  settings.port = PK_TRY(json::Int32(object, "port"));
  settings.heap_mb = PK_TRY(json::Int32(object, "heap-mb"));
  settings.tick_ms = PK_TRY(json::Int32(object, "tick-ms"));
  settings.tls = PK_TRY(json::Bool(object, "tls"));
  settings.super_digest = PK_TRY(json::String(object, "super-digest"));
  settings.version = PK_TRY(json::String(object, "version"));
  settings.zookeeper_home = PK_TRY(json::String(object, "zookeeper-home"));
  const Result<> valid = Validate(settings);
  PK_CHECK(valid.ok(), Corrupt(valid.error().message()));
  return settings;
}

Ports PortsOf(const Settings& settings, int id) {
  const int first = settings.port + id - 1;
  return {.client = first,
          .quorum = first + settings.size,
          .election = first + 2 * settings.size,
          .secure = settings.tls ? first + 3 * settings.size : 0};
}

int PortCount(const Settings& settings) { return settings.size * (settings.tls ? 4 : 3); }

std::string ConnectString(const Settings& settings) {
  return Connect(settings.port, settings.size);
}

std::string SecureConnectString(const Settings& settings) {
  return settings.tls ? Connect(PortsOf(settings, 1).secure, settings.size) : "";
}

std::string SettingsFile(std::string_view folder) {
  return fmt::format("{}/ensemble.json", folder);
}

std::string TlsFolder(std::string_view folder) { return fmt::format("{}/tls", folder); }

std::string ServerFolder(std::string_view folder, int id) {
  return fmt::format("{}/server-{}", folder, id);
}

std::string ConfigurationText(const Settings& settings, std::string_view folder, int id) {
  const std::string own = ServerFolder(folder, id);
  std::string text = fmt::format(
      "# Written by `parkeeper ensemble start`; changed at the next start.\n"
      "clientPort={}\n"
      "clientPortAddress=127.0.0.1\n"
      "dataDir={}/data\n"
      "dataLogDir={}/log\n"
      "tickTime={}\n"
      "initLimit={}\n"
      "syncLimit={}\n"
      "maxSessionTimeout={}\n"
      "serverCnxnFactory={}\n"
      "maxClientCnxns=0\n"
      "admin.enableServer=false\n"
      "4lw.commands.whitelist=ruok,srvr,mntr,isro,wchs\n"
      "autopurge.snapRetainCount=3\n"
      "autopurge.purgeInterval=1\n"
      "preAllocSize={}\n"
      "extendedTypesEnabled=true\n",
      PortsOf(settings, id).client, own, own, settings.tick_ms, kInitTicks, kSyncTicks,
      kMaxSessionMs, kConnections, kLogFileKb);
  if (!settings.super_digest.empty()) {
    text += fmt::format("DigestAuthenticationProvider.superDigest={}\n", settings.super_digest);
  }
  if (settings.tls) text += TlsText(settings, folder, id);
  for (int peer = 1; settings.size > 1 && peer <= settings.size; ++peer) {
    const Ports ports = PortsOf(settings, peer);
    text += fmt::format("server.{}=127.0.0.1:{}:{}\n", peer, ports.quorum, ports.election);
  }
  return text;
}

std::string ProcessMark(std::string_view folder, int id) {
  return fmt::format("-Dparkeeper.server={}", ServerFolder(folder, id));
}

std::vector<std::string> ServerCommand(const Settings& settings, std::string_view folder, int id,
                                       const std::string& java, const std::string& classpath) {
  return {java, ProcessMark(folder, id), fmt::format("-Xmx{}m", settings.heap_mb),
          "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData",
          fmt::format("-XX:ErrorFile={}/crash.log", ServerFolder(folder, id)),
          "-Djava.net.preferIPv4Stack=true",
          // Answers that a client does not read stay on the heap, which ends the server when it is
          // full. By default Netty copies them, and at the limit of what it may hold outside of the
          // heap the server stands still, then leaves answers out and goes on.
          "-Dio.netty.transport.noNative=true", "-Dio.netty.allocator.type=unpooled",
          "-Dio.netty.noUnsafe=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
          "-Dorg.slf4j.simpleLogger.showDateTime=true",
          "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS", "-cp", classpath,
          "org.apache.zookeeper.server.quorum.QuorumPeerMain",
          ServerFolder(folder, id) + "/zoo.cfg"};
}

std::string SuperDigest(std::string_view password) {
  boost::uuids::detail::sha1 sha1;
  const std::string text = fmt::format("super:{}", password);
  sha1.process_bytes(text.data(), text.size());
  boost::uuids::detail::sha1::digest_type words;
  sha1.get_digest(words);
  std::vector<uint8_t> bytes;
  for (const uint32_t word : words) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(uint8_t(word >> shift));
  }
  return "super:" + Base64(bytes);
}

}  // namespace pk::ensemble
