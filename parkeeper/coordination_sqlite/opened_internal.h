#pragma once

// For the tests of this folder: Coordinators, opened or the test program ends.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "parkeeper/coordination_sqlite/sqlite_coordinator.h"

namespace pk::coordination {

// For tests that are not about time: a busy machine loses no session.
inline constexpr SqliteOptions kPatient{.session_timeout = std::chrono::seconds(60),
                                        .lock_timeout = std::chrono::seconds(30)};

inline std::unique_ptr<Coordinator> OpenOrDie(const std::string& folder,
                                              SqliteOptions options = kPatient) {
  Result<std::unique_ptr<Coordinator>> opened = OpenSqlite(folder, options);
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.error().ToString().c_str());
    std::abort();
  }
  return std::move(opened).value();
}

inline SteadyTime In(std::chrono::milliseconds time) { return SystemClock().Now() + time; }

}  // namespace pk::coordination
