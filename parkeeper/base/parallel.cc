#include "parkeeper/base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace pk {
namespace {

// False when the system gives no more threads for now.
bool Start(std::vector<std::jthread>& pool, const std::function<void()>& work) {
  try {
    pool.emplace_back(work);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

int AvailableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

Result<> ParallelFor(size_t count, int threads, const std::function<Result<>(size_t)>& body) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::optional<Error> first;
  const auto work = [&] {
    for (size_t index = next++; index < count; index = next++) {
      Result<> done = body(index);
      if (done.ok()) continue;
      next = count;
      std::lock_guard lock(mutex);
      if (!first) first = std::move(done).error();
    }
  };
  {
    const size_t others = std::min(count, size_t(std::max(threads, 1))) - (count > 0 ? 1 : 0);
    std::vector<std::jthread> pool;
    for (size_t i = 0; i < others; ++i)
      if (!Start(pool, work)) break;
    work();
  }
  if (first) return *std::move(first);
  return {};
}

}  // namespace pk
