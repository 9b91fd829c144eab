#pragma once

// Where the data of a lake on ZooKeeper lie: named once, remembered in the coordinator's node
// /warehouse (docs/znodes.md), the same for everybody.

#include <string>

#include "parkeeper/base/result.h"
#include "parkeeper/coordination/coordinator.h"

namespace pk::lake {

inline constexpr const char* kWarehousePath = "/warehouse";

// The root's URI, canonical. `given` is that of the lake's URL, empty for none; with `may_make` the
// first to give one makes the node.
// kNotFound: not there and not to be made; kInvalidArgument: not there and none given, or no
// location; kFailedPrecondition: another is remembered; kCorrupt: the node's content.
Result<std::string> SettleWarehouse(coordination::Coordinator& coordinator,
                                    const std::string& given, bool may_make);

}  // namespace pk::lake
