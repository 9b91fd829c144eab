// Takes a lock of ours for the tests of other clients:
//
//   lock_holder CONNECT PATH exclusive|shared NAME
//
// Holding it, prints "claimant NAME" for each who holds or waits for the lock exclusively, then
// "held NODE VALUE" with the value that the node PATH-value has. Releases when its input ends.

#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "parkeeper/coordination/lock.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"

namespace pk::coordination {
namespace {

Result<> HoldUntilInputEnds(const std::string& connect, const std::string& path, bool shared,
                            const std::string& name) {
  const auto coordinator = PK_TRY(OpenZooKeeper({.connect = connect}));
  const Party party{.coordinator = *coordinator};
  const Until until{.deadline = SystemClock().Now() + std::chrono::seconds(60)};
  Lease lease = shared ? PK_TRY(LockShared(party, path, until))
                       : PK_TRY(AcquireLease(party, path, name, until));
  for (const Claimant& claimant : PK_TRY(ListClaimants(*coordinator, path))) {
    fmt::print("claimant {}\n", claimant.payload);
  }
  const auto value = PK_TRY(coordinator->Find(path + "-value"));
  fmt::print("held {} {}\n", lease.node(), value.has_value() ? value->value : "");
  std::fflush(stdout);
  const std::string input(std::istreambuf_iterator<char>(std::cin), {});
  return lease.Release();
}

}  // namespace
}  // namespace pk::coordination

int main(int count, char** arguments) {
  if (count != 5) return 2;
  const auto done = pk::coordination::HoldUntilInputEnds(
      arguments[1], arguments[2], std::string_view(arguments[3]) == "shared", arguments[4]);
  if (!done.ok()) fmt::print(stderr, "lock_holder: {}\n", done.error().ToString());
  return done.ok() ? 0 : 1;
}
