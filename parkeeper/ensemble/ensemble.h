#pragma once

// A ZooKeeper ensemble on this machine, for development, demos and tests: N server processes of
// Apache ZooKeeper that listen on 127.0.0.1 only and outlive the program that started them. How to
// run one in production: docs/guide/zookeeper.md.
//
// Everything lies in one folder: `ensemble.json` (what was asked for at the first start), and per
// server `server-K/` with zoo.cfg, data, log (transactions), server.log and server.pid. Started
// again on the same folder the servers go on with their data.
//
// A recorded pid is trusted only while its process has our mark on its command line, so a pid that
// the system gave to somebody else is never signalled. Commands on one folder exclude each other.
//
// Threading: free functions without shared state, safe from any thread on different folders.

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"
#include "parkeeper/ensemble/server_jars.h"
#include "parkeeper/ensemble/server_report.h"

namespace pk::ensemble {

struct StartOptions {
  std::string folder{};  // made when missing; must be empty or hold an ensemble
  // What is not given is as it was at the first start; there, the defaults below. What is given
  // and differs from the first start is kFailedPrecondition.
  std::optional<int> size{};     // 1 to 9; default 3
  std::optional<int> port{};     // see Ports; default 2181; 0: a free block of ports
  std::optional<int> heap_mb{};  // each server's largest heap; default 256
  // ZooKeeper's unit of time: sessions live at least two ticks, a peer may be silent for ten.
  std::optional<int> tick_ms{};                     // default 1000
  std::optional<bool> tls{};                        // also listen for TLS; needs openssl
  std::optional<std::string> superuser_password{};  // lets the digest user "super" do everything
  JarOptions jars{};                                // of the first start
  std::optional<int> server{};                      // start this one only, 1 to size
  std::chrono::milliseconds wait_for = std::chrono::seconds(90);
  std::stop_token stop{};
};

struct ServerState {
  int id = 0;    // from 1
  int pid = 0;   // 0: not running
  int port = 0;  // for clients
  Role role = Role::kDown;
  ServerReport report;  // only of a server that serves
};

struct EnsembleState {
  std::string connect;         // "127.0.0.1:2181,127.0.0.1:2182"
  std::string secure_connect;  // the same for TLS; empty without
  std::vector<ServerState> servers;

  // More than half of the servers serve, one of them leading.
  bool has_quorum() const;
};

// Starts what does not run yet and waits until every server that runs serves; waits for nothing
// when fewer than half of them run. Running servers stay as they are.
// kNotFound: no java (or openssl, for TLS), see FindServerJars for the jars; kFailedPrecondition: a
// port is taken, the folder holds something else, or other settings; kUnavailable: a server ended
// (the message ends with the end of its log), or the time is over: what runs goes on running;
// kCancelled: stop was requested.
Result<EnsembleState> Start(const StartOptions& options, Clock& clock = SystemClock());

// kNotFound: no ensemble in `folder`.
Result<EnsembleState> Status(const std::string& folder);

struct StopOptions {
  std::optional<int> server{};  // this one only
  bool kill = false;            // with SIGKILL, as a crash would
  // After this a server that does not end by SIGTERM is killed.
  std::chrono::milliseconds wait_for = std::chrono::seconds(10);
};

// Returns when the servers have ended; one that does not run is fine. The data stay.
// kNotFound: no ensemble in `folder`.
Result<EnsembleState> Stop(const std::string& folder, StopOptions options = {},
                           Clock& clock = SystemClock());

}  // namespace pk::ensemble
