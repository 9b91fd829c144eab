#pragma once

// What a coordinator accepts, the same for every back end, so that what works on one works on all;
// validate.h holds requests against it. The numbers are ZooKeeper's defaults with room to spare:
// its server hangs up at 1 MB, which would look like an unknown outcome, so a request over the
// limit is refused here, definitely.

#include <cstddef>

namespace pk::coordination {

// All of a transaction: paths, values, and the overhead of each operation on the wire.
inline constexpr size_t kMaxRequestBytes = 900'000;
inline constexpr size_t kOperationOverheadBytes = 64;
inline constexpr size_t kMaxPathBytes = 4'096;
inline constexpr size_t kMaxOperations = 10'000;  // a larger multi holds up every other client
inline constexpr size_t kSequenceDigits = 10;     // added to the name of a sequential node

}  // namespace pk::coordination
