#pragma once

// What every recipe of this folder takes: who takes part, and how long it waits.
//
// All recipes hold these promises:
//
// - Suspended: nobody may act as an owner; the recipe waits until the session is connected again or
//   lost. Lost: what the session held is over, every call gives kUnavailable; open a new
//   Coordinator and begin again. Neither is proof of anything: only a Commit that checks the
//   owned node is (see lease.h).
// - A node that a recipe makes for its holder is ephemeral, has a random 128-bit name that is never
//   used again, and is gone when the handle is: a request whose outcome is unknown is settled until
//   it is definite, also past a deadline or a request to stop. That ends: a suspended session
//   becomes connected or lost.
// - The node at a recipe's path belongs to the recipe for ever: nobody else sets or removes it.
// - No threads of their own; a handle is used by one thread at a time, unless its header says more.
//   Destroy it before its Coordinator.

#include <stop_token>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/coordination/coordinator.h"

namespace pk::coordination {

// All three outlive what is made with them. One session may take part in any number of recipes,
// also twice in one.
struct Party {
  Coordinator& coordinator;
  Clock& clock = SystemClock();
  IdSource& ids = SystemIds();
};

// When to give up: kUnavailable at the deadline, on the party's clock; kCancelled when stop is
// requested. One try is made even when the deadline has passed.
struct Until {
  SteadyTime deadline = SteadyTime::max();
  std::stop_token stop = {};
};

}  // namespace pk::coordination
