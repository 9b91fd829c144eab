#pragma once

// The URL of a lake on ZooKeeper, as values. Pure.
//
//   zk://host:port,host:port/chroot?warehouse=file:///data
//   zks://...?ca=/etc/parkeeper/ca.pem                      over TLS
//
// Parameters (values percent-encoded where they hold '&', '%' or '#'):
//   warehouse            where the data lie: file:///dir. Needed at the first use, remembered after
//   session-timeout-ms   asked of the servers
//   ca, certificate, key PEM files, zks:// only: who signs servers; who we are
//   verify               "false" takes any certificate, zks:// only
// A secret never stands in a URL: user and password come from the environment, see the function.

#include <string>
#include <string_view>

#include "parkeeper/base/result.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"

namespace pk::lake {

inline constexpr const char* kDigestVariable = "PARKEEPER_ZOOKEEPER_DIGEST";

struct ZooKeeperUrl {
  coordination::ZooKeeperOptions coordinator{};
  std::string warehouse{};  // as given; empty: as remembered
};

bool IsZooKeeperUrl(std::string_view url);

// `digest` is what kDigestVariable holds: "user:password", or empty. `defaults` holds for what the
// URL does not say. kInvalidArgument shows what is wrong; the digest is never shown.
Result<ZooKeeperUrl> ParseZooKeeperUrl(std::string_view url, std::string_view digest,
                                       const coordination::ZooKeeperOptions& defaults = {});

}  // namespace pk::lake
