#pragma once

// Runs one simulation per seed and, at the first that fails, says which seed it was.
//
//   TEST(Commit, IsAppliedExactlyOnceWhateverHappens) {
//     ForEachSeed(2'000, [](Simulation& simulation) { ... EXPECT_THAT(simulation.Run(), IsOk());
//     ... });
//   }
//
// To replay one seed alone, with its whole history on standard error:
//   PARKEEPER_SEED=1234 build/debug/coordination_test --gtest_filter=Commit.*

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>

#include "parkeeper/coordination/simulation.h"

namespace pk::coordination {

inline void ForEachSeed(uint64_t count, const std::function<void(Simulation&)>& body,
                        SimulationOptions options = {}) {
  constexpr size_t kShown = 4'000;  // the end of the history of a failing seed
  const char* only = std::getenv("PARKEEPER_SEED");
  const uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  for (uint64_t seed = first; seed < first + (only != nullptr ? 1 : count); ++seed) {
    Simulation simulation(seed, options);
    body(simulation);
    const std::string& trace = simulation.trace();
    if (only != nullptr) std::cerr << trace;
    if (::testing::Test::HasFailure()) {
      const size_t shown = trace.size() > kShown ? trace.find('\n', trace.size() - kShown) + 1 : 0;
      FAIL() << "simulation of seed " << seed << " failed; replay it with PARKEEPER_SEED=" << seed
             << "\nthe end of its history:\n"
             << trace.substr(shown);
    }
  }
}

}  // namespace pk::coordination
