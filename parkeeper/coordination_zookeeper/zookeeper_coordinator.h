#pragma once

// The back end for many machines: an Apache ZooKeeper ensemble (3.6 or newer; 3.9.4 or newer for
// durability, older servers can lose acknowledged writes in recovery) through a wire client of our
// own. One connection and one I/O thread per Coordinator; requests of any number of threads are
// pipelined on it.
//
// Session. After a disconnect the session is Suspended and re-attached at another server. It is
// Lost when the server says so, when a server hands out another session instead of ours, or by our
// own clock when two thirds of the negotiated timeout have passed since the last answered request
// was sent. Lost is told without the network, also after a long pause of the process.
//
// Requests at a disconnect. Sent and modifying: kOutcomeUnknown. Sent and only reading (a Commit of
// checks, or of nothing, too): sent again. Not yet sent: wait for the next connection. All end at
// their deadline: reads and what was never sent with kUnavailable, the others with kOutcomeUnknown.
//
// Messages name the server and the path as the caller gave it, without the chroot.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"
#include "parkeeper/coordination/coordinator.h"

namespace pk::coordination {

// Scheme "digest". Every node made by such a session is for its user alone; without one, for
// everybody. Sent in clear text unless TLS is on.
struct DigestAuth {
  std::string user;
  std::string password;
};

// Files are PEM.
struct TlsOptions {
  std::string ca_file{};           // empty: the system's authorities
  std::string certificate_file{};  // with key_file: who we are, for servers that ask
  std::string key_file{};
  bool verify = true;  // the chain, and that the certificate is for the host's name
};

struct ZooKeeperOptions {
  // "host:port,host:port/chroot"; port 2181 when left out, an IPv6 address in brackets. All paths
  // are relative to the chroot.
  std::string connect{};
  bool create_chroot = false;
  // Asked for; the server may give another within its limits, see Session::timeout().
  std::chrono::milliseconds session_timeout = std::chrono::seconds(15);
  // How long opening tries all servers; one attempt at one server takes at most half of it.
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
  // The deadline of each call, from its beginning.
  std::chrono::milliseconds request_deadline = std::chrono::seconds(30);
  std::optional<DigestAuth> digest{};
  std::optional<TlsOptions> tls{};
  // Serves reads also from a server that has lost its quorum. The session is Suspended there.
  bool allow_read_only = false;
  Clock* clock = nullptr;  // nullptr: SystemClock()
  uint64_t seed = 0;       // of the order of hosts and of back-off; 0: random
};

// Opens a session and looks that the chroot is there.
// kInvalidArgument: a bad connect string or an unreadable TLS file; kUnavailable: no server answers
// within connect_timeout (the message gives the last error of each host); kUnauthenticated: TLS or
// digest authentication failed at every host; kNotFound: no chroot; kPermissionDenied: no right to
// read it (a wrong password is told so).
Result<std::unique_ptr<Coordinator>> OpenZooKeeper(ZooKeeperOptions options);

}  // namespace pk::coordination
