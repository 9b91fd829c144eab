#pragma once

// The configuration of a development ensemble as values and texts. Pure.
//
// Ports. An ensemble of N on port P takes a block: clients connect to P to P+N-1; servers talk to
// each other on the next 2N; with TLS clients also connect to the N after these. Server K has the
// K-th of each.

#include <string>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::ensemble {

inline constexpr int kMostServers = 9;
inline constexpr int kDefaultPort = 2181;

// What an ensemble is, kept in its folder's ensemble.json.
struct Settings {
  int size = 3;
  int port = kDefaultPort;
  int heap_mb = 256;
  int tick_ms = 1'000;
  bool tls = false;
  std::string super_digest{};    // see SuperDigest; empty: no superuser
  std::string version{};         // of the server
  std::string zookeeper_home{};  // where an installed server lies; empty: the fetched one

  bool operator==(const Settings&) const = default;
};

// kInvalidArgument names the setting and its bounds.
Result<> Validate(const Settings& settings);

std::string ToJson(const Settings& settings);
// kCorrupt: not such a file; kUnsupported: of a newer version of Parkeeper.
Result<Settings> ParseSettings(std::string_view json);

struct Ports {
  int client = 0;
  int quorum = 0;
  int election = 0;
  int secure = 0;  // only with TLS
};
// Of server `id`, from 1.
Ports PortsOf(const Settings& settings, int id);
// All that the ensemble takes, from settings.port on.
int PortCount(const Settings& settings);

// "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183", and the same for TLS (empty without).
std::string ConnectString(const Settings& settings);
std::string SecureConnectString(const Settings& settings);

// Where things lie in an ensemble's folder.
std::string SettingsFile(std::string_view folder);
std::string TlsFolder(std::string_view folder);
std::string ServerFolder(std::string_view folder, int id);

// zoo.cfg of server `id`.
std::string ConfigurationText(const Settings& settings, std::string_view folder, int id);

// An argument that only the process of this server has on its command line.
std::string ProcessMark(std::string_view folder, int id);

// The command line of server `id`.
std::vector<std::string> ServerCommand(const Settings& settings, std::string_view folder, int id,
                                       const std::string& java, const std::string& classpath);

// What ZooKeeper keeps of a superuser: "super:" and base64(sha1("super:" + password)).
std::string SuperDigest(std::string_view password);

}  // namespace pk::ensemble
