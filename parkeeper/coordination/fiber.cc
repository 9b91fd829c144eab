#include <sys/mman.h>
#include <unistd.h>

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "parkeeper/coordination/fiber_internal.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace pk::coordination {
namespace {

// Touched pages only cost memory; sanitizers make frames several times larger.
constexpr size_t kStackBytes = size_t{1} << 20;
constexpr size_t kGuardBytes = size_t{1} << 16;

// The fiber that Enter() begins: makecontext passes no pointer.
thread_local Fiber* g_entering = nullptr;

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) {
    std::perror("memory for the stack of a simulated actor");
    std::abort();
  }
  stack_ = static_cast<char*>(memory) + kGuardBytes;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, kStackBytes);  // an earlier fiber may have left marks
#endif
#if defined(__SANITIZE_THREAD__)
  inside_state_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  assert(ended_ || !begun_);
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(inside_state_);
#endif
  munmap(stack_ - kGuardBytes, kGuardBytes + kStackBytes);
}

void Fiber::Resume() {
  assert(!ended_);
  if (!begun_) {
    begun_ = true;
    g_entering = this;
    getcontext(&inside_);
    inside_.uc_stack.ss_sp = stack_;
    inside_.uc_stack.ss_size = kStackBytes;
    inside_.uc_link = nullptr;  // Run() switches out itself, and is never left
    makecontext(&inside_, &Fiber::Enter, 0);
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&outside_state_, stack_, kStackBytes);
#elif defined(__SANITIZE_THREAD__)
  outside_state_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(inside_state_, 0);
#endif
  swapcontext(&outside_, &inside_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(outside_state_, nullptr, nullptr);
#endif
}

void Fiber::Suspend() {
#if defined(__SANITIZE_ADDRESS__)
  // Without a place for its state the sanitizer frees what it keeps for this stack.
  __sanitizer_start_switch_fiber(ended_ ? nullptr : &inside_state_, outside_stack_,
                                 outside_stack_bytes_);
#elif defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(outside_state_, 0);
#endif
  swapcontext(&inside_, &outside_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(inside_state_, &outside_stack_, &outside_stack_bytes_);
#endif
}

void Fiber::Enter() { std::exchange(g_entering, nullptr)->Run(); }

void Fiber::Run() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &outside_stack_, &outside_stack_bytes_);
#endif
  body_();
  body_ = nullptr;  // what it holds dies while the fiber can still run
  ended_ = true;
  Suspend();
  std::abort();  // an ended fiber is never resumed
}

}  // namespace pk::coordination
