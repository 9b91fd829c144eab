#pragma once

// The faults that a call can meet, each by itself and by name: for suites in which one happens at
// each step in turn.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "parkeeper/coordination/simulation.h"

namespace pk::coordination {

using NamedFault = std::pair<const char*, Faults>;

inline std::vector<NamedFault> EachFault() {
  return {{"LostRequest", {.lost_request = 1}}, {"LostReply", {.lost_reply = 1}},
          {"LateRequest", {.late_request = 1}}, {"SessionLoss", {.session_loss = 1}},
          {"Suspension", {.suspension = 1}},    {"Crash", {.crash = 1}}};
}

// Those that only take time, too.
inline std::vector<NamedFault> EachFaultAndDelay() {
  std::vector<NamedFault> faults = EachFault();
  faults.push_back({"Delay", {.delay = 1}});
  faults.push_back(
      {"DelayBeyondTheSession", {.delay = 1, .longest_delay = std::chrono::minutes(3)}});
  return faults;
}

inline std::string NameOfFault(const ::testing::TestParamInfo<NamedFault>& fault) {
  return fault.param.first;
}

// The steps at which `meets` says of one of four seeds that the fault was met.
inline std::set<int> StepsMet(const std::function<bool(int step, uint64_t seed)>& meets) {
  constexpr int kSteps = 16;
  constexpr uint64_t kSeeds = 4;
  std::set<int> met;
  for (int step = 1; step <= kSteps && !::testing::Test::HasFailure(); ++step) {
    for (uint64_t seed = 1; seed <= kSeeds && !::testing::Test::HasFailure(); ++seed) {
      if (meets(step, seed)) met.insert(step);
    }
  }
  return met;
}

}  // namespace pk::coordination
