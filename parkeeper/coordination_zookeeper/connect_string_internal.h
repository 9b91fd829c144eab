#pragma once

// "h1:2181,[::1]:2182/chroot" as values. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::coordination::zookeeper {

struct HostPort {
  std::string host;
  uint16_t port = 2181;

  std::string ToString() const;
  bool operator==(const HostPort&) const = default;
};

struct ConnectString {
  std::vector<HostPort> hosts;
  std::string chroot;  // "" or a path that is not "/"

  bool operator==(const ConnectString&) const = default;
};

// kInvalidArgument shows the text and what is wrong.
Result<ConnectString> ParseConnectString(std::string_view text);

}  // namespace pk::coordination::zookeeper
