#pragma once

// A process of a simulation: a session source, a storage that fails, and the catalog over them.

#include <cstdlib>
#include <memory>
#include <optional>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/coordination/simulation.h"
#include "parkeeper/storage/faulty.h"

namespace pk::catalog {

struct ProcessFaults {
  double odds = 0.03;                          // of each fault
  double late = 0;                             // of a late request, beside that
  Duration latest = std::chrono::seconds(60);  // that it comes
  // Of the catalog's calls; none: short for one half of the processes, so that outcomes leave the
  // catalog unknown, and long for the other, so that it settles them.
  std::optional<std::chrono::milliseconds> within = {};
  std::chrono::milliseconds storage_latency{1};
};

class Process {
 public:
  Process(coordination::Simulation& simulation, storage::Storage& storage, ProcessFaults faults)
      : simulation_(simulation),
        sessions_(
            [this, faults]() -> Result<std::unique_ptr<coordination::Coordinator>> {
              if (simulation_.crashed()) return Unavailable("the process is dead");
              coordination::Faults all = coordination::Faults::All(faults.odds);
              all.late_request += faults.late;
              all.latest = faults.latest;
              return simulation_.MakeClient(all);
            },
            simulation.clock()) {
    storage_ = storage::MakeFaulty(
        storage, {.schedule = [this, odds = faults.odds](storage::Call,
                                                         std::string_view) { return Draw(odds); },
                  .clock = &simulation.clock(),
                  .latency = faults.storage_latency});
    const auto within =
        faults.within.value_or(std::chrono::milliseconds(simulation.Random(2) == 0 ? 20'000 : 200));
    while (catalog_ == nullptr && !simulation_.crashed()) {
      auto opened = OpenCatalog(sessions_, *storage_,
                                {.retry = {.within = within},
                                 .write_threads = 1,
                                 .clock = &simulation.clock(),
                                 .ids = &simulation.ids(),
                                 .executor = &simulation.executor()});
      if (opened.ok()) catalog_ = std::move(opened).value();
    }
  }
  bool alive() const { return !simulation_.crashed(); }
  Catalog& catalog() { return *catalog_; }

  // Does nothing for up to `longest`.
  void Pause(std::chrono::milliseconds longest) {
    const uint64_t drawn = simulation_.Random(uint64_t(longest.count()) + 1);
    static_cast<void>(simulation_.clock().Wait(std::chrono::milliseconds(drawn)));
  }

 private:
  storage::Fault Draw(double odds) {
    if (simulation_.crashed()) return storage::Fault::kUnavailable;
    const double drawn = double(simulation_.Random(10'000)) / 10'000;
    if (drawn < odds) return storage::Fault::kLostReply;
    return drawn < 1.2 * odds ? storage::Fault::kUnavailable : storage::Fault::kNone;
  }

  coordination::Simulation& simulation_;
  coordination::SessionSource sessions_;
  std::unique_ptr<storage::Storage> storage_;
  std::unique_ptr<Catalog> catalog_;
};

// PARKEEPER_SEEDS in thousandths of `usual`, so that one number scales all simulations.
inline uint64_t Seeds(uint64_t usual) {
  const char* given = std::getenv("PARKEEPER_SEEDS");
  return given == nullptr ? usual : usual * std::strtoull(given, nullptr, 10) / 1'000;
}

}  // namespace pk::catalog
