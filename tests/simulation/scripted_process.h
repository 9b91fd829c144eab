#pragma once

// A process of a simulation that meets no fault but the one that a test chooses, at the call that
// it chooses.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/coordination/simulation.h"
#include "parkeeper/storage/storage.h"
#include "tests/support/forwarding_coordinator.h"
#include "tests/support/matchers.h"

namespace pk::catalog {

// Counts what a process asks for, and lets one of its calls meet a fault.
struct Script {
  int writes = 0;
  int64_t records = 0;  // read
  int calls = 0;
  int fault_at = 0;  // the call, counted from 1
  coordination::Faults fault = {};
  bool counts = false;
};

class ScriptedCoordinator final : public testing::ForwardingCoordinator {
 public:
  ScriptedCoordinator(coordination::Simulation& simulation, Script& script)
      : ForwardingCoordinator(simulation.MakeClient()), simulation_(simulation), script_(script) {}

  Result<std::vector<Result<coordination::ReadReply>>> Read(
      const std::vector<coordination::ReadRequest>& requests) override {
    for (const coordination::ReadRequest& each : requests) {
      script_.records += script_.counts && each.path.find("/r/") != std::string::npos;
    }
    return ForwardingCoordinator::Read(requests);
  }
  Result<coordination::CommitOutcome> Commit(
      const coordination::Transaction& transaction) override {
    script_.writes += script_.counts;
    return ForwardingCoordinator::Commit(transaction);
  }

 private:
  void Around(const std::function<void()>& call) override {
    script_.calls += script_.counts;
    const bool fails = script_.counts && script_.calls == script_.fault_at;
    if (fails) simulation_.SetFaults(inner(), script_.fault);
    call();
    if (fails) simulation_.SetFaults(inner(), {});
  }

  coordination::Simulation& simulation_;
  Script& script_;
};

// A process without faults of its own, whose calls follow a script.
class ScriptedProcess {
 public:
  ScriptedProcess(coordination::Simulation& simulation, storage::Storage& storage,
                  std::chrono::milliseconds within = std::chrono::minutes(5),
                  size_t round_bytes = CatalogOptions{}.round_bytes)
      : sessions_(
            [this, &simulation]() -> Result<std::unique_ptr<coordination::Coordinator>> {
              if (simulation.crashed()) return Unavailable("the process is dead");
              return std::make_unique<ScriptedCoordinator>(simulation, script);
            },
            simulation.clock()) {
    auto opened = OpenCatalog(sessions_, storage,
                              {.retry = {.within = within},
                               .write_threads = 1,
                               .round_bytes = round_bytes,
                               .clock = &simulation.clock(),
                               .ids = &simulation.ids(),
                               .executor = &simulation.executor()});
    EXPECT_THAT(opened, testing::IsOk());
    if (opened.ok()) catalog_ = std::move(opened).value();
  }
  Catalog& catalog() { return *catalog_; }

  Script script;

 private:
  coordination::SessionSource sessions_;
  std::unique_ptr<Catalog> catalog_;
};

}  // namespace pk::catalog
