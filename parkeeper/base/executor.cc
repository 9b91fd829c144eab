#include "parkeeper/base/executor.h"

#include <pthread.h>

#include <system_error>
#include <thread>
#include <utility>

namespace pk {
namespace {

constexpr size_t kLongestThreadName = 15;

class ThreadTask final : public Task {
 public:
  ThreadTask(std::string name, std::function<void(std::stop_token)> body)
      : thread_([name = std::move(name), body = std::move(body)](std::stop_token stop) {
          pthread_setname_np(pthread_self(), name.substr(0, kLongestThreadName).c_str());
          body(std::move(stop));
        }) {}

 private:
  std::jthread thread_;
};

class ThreadExecutor final : public Executor {
 public:
  std::unique_ptr<Task> Start(std::string name,
                              std::function<void(std::stop_token)> body) override {
    try {
      return std::make_unique<ThreadTask>(std::move(name), std::move(body));
    } catch (const std::system_error&) {
      return nullptr;
    }
  }
};

}  // namespace

Executor& SystemExecutor() {
  static auto* executor = new ThreadExecutor;
  return *executor;
}

}  // namespace pk
