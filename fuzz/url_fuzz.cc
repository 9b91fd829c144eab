// Fuzzes the URL of a lake on ZooKeeper, with user and password, and the connect string in it. What
// is refused must not show the password.
//
// The next lines are read by `./dev fuzz url`; see jute_fuzz.cc.
// sources: parkeeper/base/{clock,result}.cc parkeeper/coordination/path.cc
// sources: parkeeper/coordination_zookeeper/connect_string.cc parkeeper/lake/zookeeper_url.cc
// libraries: fmt

#include <cstdint>

#include "fuzz/seeds.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination_zookeeper/connect_string_internal.h"
#include "parkeeper/lake/zookeeper_url.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void TakeConnectString(std::string_view text) {
  using namespace pk::coordination;
  const auto connect = zookeeper::ParseConnectString(text);
  if (!connect.ok()) return;
  Require(!connect->hosts.empty());
  Require(connect->chroot.empty() ||
          (connect->chroot != "/" && ValidatePath(connect->chroot).ok()));
  std::string written;
  for (const auto& host : connect->hosts) {
    Require(host.port != 0);
    written += (written.empty() ? "" : ",") + host.ToString();
  }
  const auto again = zookeeper::ParseConnectString(written + connect->chroot);
  Require(again.ok() && *again == *connect);
}

}  // namespace

void WriteSeeds(const std::string& folder) {
  int count = 0;
  for (const char* url :
       {"zk://h1:2181,h2/lakes/main?warehouse=file:///data/main&session-timeout-ms=5000",
        "zks://[::1]:2281?ca=/etc/ca.pem&certificate=/c%20d.pem&key=/k.pem&verify=false", "zk://h",
        "h1:1,h2:2,[fe80::1]:3/a/b"}) {
    WriteSeed(folder, std::to_string(count++), url);
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  TakeConnectString(text);
  const std::string secret = "S3cr3t-of-the-fuzzer";
  const auto url = pk::lake::ParseZooKeeperUrl(text, "user:" + secret);
  if (url.ok()) {
    TakeConnectString(url->coordinator.connect);
  } else {
    Require(url.error().message().find(secret) == std::string::npos ||
            text.find(secret) != std::string_view::npos);
  }
  return 0;
}
