#pragma once

// A storage that fails on purpose, over another one: for simulations and tests. What fails is a
// function of the calls made, so a seed or a script replays it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "parkeeper/base/clock.h"
#include "parkeeper/storage/storage.h"

namespace pk::storage {

enum class Call { kOpen, kRead, kCreate, kAppend, kFinish, kStat, kList, kRemove };

enum class Fault {
  kNone,
  kUnavailable,  // kUnavailable, and not done
  kLostRequest,  // kOutcomeUnknown, and not done
  kLostReply,    // kOutcomeUnknown, and done
  kPartial,      // an Append that takes half its bytes and fails with kUnavailable
};

// Decides about one call. Called by many threads at once, if there are such, and in the order of
// their calls.
using FaultSchedule = std::function<Fault(Call call, std::string_view location)>;

struct FaultOdds {
  double unavailable = 0;
  double lost_request = 0;
  double lost_reply = 0;
  double partial = 0;
};

// Draws for each call, independently, from `seed`; odds add up to at most 1. The same calls in the
// same order meet the same faults. Thread-safe.
FaultSchedule RandomFaults(uint64_t seed, FaultOdds odds);

struct FaultyOptions {
  FaultSchedule schedule{};  // none: no fault
  Clock* clock = nullptr;    // waits `latency` before each call; none: no wait
  Duration latency{};
};

// `inner` is shared by as many faulty clients as you like and outlives them all. Calls that only
// look (open, read, stat, list) and Create and Append have no outcome to be unknown: for them the
// two losses are kUnavailable. Every injected message says "injected" and names the location.
std::unique_ptr<Storage> MakeFaulty(Storage& inner, FaultyOptions options);

}  // namespace pk::storage
