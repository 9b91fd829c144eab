#pragma once

// The embedded back end: one SQLite file in a folder on a local disk, shared by any number of
// processes of one machine. Nothing to set up. See docs/guide/embedded.md for durability, sessions
// and limits.

#include <chrono>
#include <memory>
#include <string>

#include "parkeeper/base/clock.h"
#include "parkeeper/coordination/coordinator.h"

namespace pk::coordination {

struct SqliteOptions {
  std::chrono::milliseconds session_timeout = std::chrono::seconds(10);
  // How long one call waits for the file's write lock before it gives kUnavailable.
  std::chrono::milliseconds lock_timeout = std::chrono::seconds(10);
};

// Opens `folder` (made when missing) and a new session in it.
// kFailedPrecondition: a newer layout, or a network file system; kPermissionDenied: a read-only
// folder; kCorrupt: not our file. Each message names the folder and says what to do.
Result<std::unique_ptr<Coordinator>> OpenSqlite(const std::string& folder,
                                                SqliteOptions options = {});

}  // namespace pk::coordination
