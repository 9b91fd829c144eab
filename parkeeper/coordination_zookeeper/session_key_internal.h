#pragma once

// What it takes to attach to a session from elsewhere: for tests that end one under its owner.

#include <cstdint>
#include <string>

#include "parkeeper/coordination/coordinator.h"

namespace pk::coordination::zookeeper {

struct SessionKey {
  uint64_t id = 0;
  std::string password;
};

// `coordinator` is one of OpenZooKeeper().
SessionKey KeyOf(Coordinator& coordinator);

}  // namespace pk::coordination::zookeeper
