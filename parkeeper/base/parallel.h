#pragma once

// Running independent pieces of work on a few threads.

#include <cstddef>
#include <functional>

#include "parkeeper/base/result.h"

namespace pk {

// Cores that this process may use, at least 1; cgroup and affinity limits are respected.
int AvailableCores();

// Calls body(0) ... body(count - 1), at most `threads` at a time, each index once. After the first
// error no further index is started; returns that error once the running ones have ended. With
// `threads` <= 1 it runs in the calling thread, and with fewer threads than asked for when the
// system gives no more. `body` must be safe to call from several threads and must not throw.
Result<> ParallelFor(size_t count, int threads, const std::function<Result<>(size_t)>& body);

}  // namespace pk
