// The C client of Apache ZooKeeper (libzookeeper_mt). In flight, each completion issues the next
// request, so that no thread has to be woken for it.

#include <zookeeper/zookeeper.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <semaphore>

#include "bench/zookeeper/measure.h"

namespace pk::bench {
namespace {

struct CloseHandle {
  void operator()(zhandle_t* handle) const { zookeeper_close(handle); }
};
using Handle = std::unique_ptr<zhandle_t, CloseHandle>;

void ReleaseWhenConnected(zhandle_t*, int type, int state, const char*, void* context) {
  if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE && context != nullptr) {
    static_cast<std::binary_semaphore*>(context)->release();
  }
}

Handle Open(const std::string& connect) {
  std::binary_semaphore connected(0);
  Handle handle(
      zookeeper_init(connect.c_str(), ReleaseWhenConnected, 15'000, nullptr, &connected, 0));
  if (!handle || !connected.try_acquire_for(std::chrono::seconds(10))) {
    Fail("no session at " + connect);
  }
  zoo_set_context(handle.get(), nullptr);
  return handle;
}

const char* Value() { return kValue.data(); }
int ValueBytes() { return static_cast<int>(kValue.size()); }

// Check, set and create as one transaction; must live until it is sent.
struct Multi {
  Multi(const std::string& node, std::string child) : created(std::move(child)) {
    zoo_check_op_init(operations.data(), node.c_str(), -1);
    zoo_set_op_init(&operations[1], node.c_str(), Value(), ValueBytes(), -1, &stat);
    zoo_create_op_init(&operations[2], created.c_str(), Value(), ValueBytes(), &ZOO_OPEN_ACL_UNSAFE,
                       0, nullptr, 0);
  }
  int count() const { return static_cast<int>(operations.size()); }

  std::string created;
  std::array<zoo_op_t, 3> operations{};
  std::array<zoo_op_result_t, 3> results{};
  Stat stat{};
};

void RunSynchronous(zhandle_t* handle, const Command& command) {
  const std::string node = command.node();
  std::array<char, 1024> buffer{};
  Stat stat{};
  Measurement measurement(command.seconds);
  for (int i = 0; !measurement.over(); ++i) {
    const auto begun = SteadyClock::now();
    int error = ZOK;
    if (command.kind == "get") {
      int bytes = buffer.size();
      error = zoo_get(handle, node.c_str(), 0, buffer.data(), &bytes, &stat);
    } else if (command.kind == "set") {
      error = zoo_set2(handle, node.c_str(), Value(), ValueBytes(), -1, &stat);
    } else if (command.kind == "create") {
      error = zoo_create2(handle, command.child(i).c_str(), Value(), ValueBytes(),
                          &ZOO_OPEN_ACL_UNSAFE, 0, nullptr, 0, &stat);
    } else {
      Multi multi(node, command.child(i));
      error = zoo_multi(handle, multi.count(), multi.operations.data(), multi.results.data());
    }
    measurement.Done(begun, error == ZOK);
  }
  measurement.Print();
}

// Everything but the first requests and the end happens on the client's completion thread.
class Pipeline {
 public:
  Pipeline(zhandle_t* handle, const Command& command)
      : handle_(handle), command_(command), node_(command.node()), measurement_(command.seconds) {}

  void Run() {
    // One more, so that the end is not seen before all have begun.
    under_way_ = command_.count + 1;
    slots_.reserve(static_cast<size_t>(command_.count));
    for (int i = 0; i < command_.count; ++i) {
      slots_.push_back(std::make_unique<Slot>(*this));
      Issue(*slots_.back());
    }
    EndOne();
    over_.acquire();
    measurement_.Print();
  }

 private:
  struct Slot {
    explicit Slot(Pipeline& p) : pipeline(p) {}
    Pipeline& pipeline;
    SteadyClock::time_point begun;
    std::optional<Multi> multi;
  };

  void Issue(Slot& slot) {
    slot.begun = SteadyClock::now();
    const int number = number_++;
    int error = ZOK;
    if (command_.kind == "get") {
      error = zoo_aget(handle_, node_.c_str(), 0, GetDone, &slot);
    } else if (command_.kind == "set") {
      error = zoo_aset(handle_, node_.c_str(), Value(), ValueBytes(), -1, SetDone, &slot);
    } else if (command_.kind == "create") {
      error = zoo_acreate2(handle_, command_.child(number).c_str(), Value(), ValueBytes(),
                           &ZOO_OPEN_ACL_UNSAFE, 0, CreateDone, &slot);
    } else {
      slot.multi.emplace(node_, command_.child(number));
      error = zoo_amulti(handle_, slot.multi->count(), slot.multi->operations.data(),
                         slot.multi->results.data(), MultiDone, &slot);
    }
    if (error != ZOK) Fail(std::string("cannot send: ") + zerror(error));
  }

  static void Done(int error, const void* data) {
    // The client hands back as const what was given to it.
    Slot& slot = *static_cast<Slot*>(const_cast<void*>(data));
    Pipeline& pipeline = slot.pipeline;
    pipeline.measurement_.Done(slot.begun, error == ZOK);
    if (pipeline.measurement_.over()) {
      pipeline.EndOne();
    } else {
      pipeline.Issue(slot);
    }
  }
  static void GetDone(int error, const char*, int, const Stat*, const void* data) {
    Done(error, data);
  }
  static void SetDone(int error, const Stat*, const void* data) { Done(error, data); }
  static void CreateDone(int error, const char*, const Stat*, const void* data) {
    Done(error, data);
  }
  static void MultiDone(int error, const void* data) { Done(error, data); }

  void EndOne() {
    if (--under_way_ == 0) over_.release();
  }

  zhandle_t* const handle_;
  const Command& command_;
  const std::string node_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<int> number_ = 0, under_way_ = 0;
  std::binary_semaphore over_{0};
  Measurement measurement_;
};

// Watchers that are told once and armed again.
class Watchers {
 public:
  explicit Watchers(const Command& command) : node_(command.node()) {
    for (int i = 0; i < kWatchConnections; ++i) handles_.push_back(Open(command.host(i)));
    for (int i = 0; i < command.count; ++i) watchers_.push_back(std::make_unique<Watcher>(*this));
  }

  // Returns when all are armed.
  void Arm() {
    untold_ = unarmed_ = watchers_.size();
    for (size_t i = 0; i < watchers_.size(); ++i) {
      zhandle_t* handle = handles_[i % handles_.size()].get();
      const int error =
          zoo_awget(handle, node_.c_str(), Told, watchers_[i].get(), Armed, watchers_[i].get());
      if (error != ZOK) Fail(std::string("cannot watch: ") + zerror(error));
    }
    all_armed_.acquire();
  }

  SteadyClock::time_point WaitForLast() {
    if (!all_told_.try_acquire_for(std::chrono::seconds(30))) Fail("a watcher was not told");
    return last_;
  }

 private:
  struct Watcher {
    explicit Watcher(Watchers& all) : watchers(all) {}
    Watchers& watchers;
  };

  static void Told(zhandle_t*, int type, int, const char*, void* context) {
    if (type == ZOO_SESSION_EVENT) return;
    Watchers& watchers = static_cast<Watcher*>(context)->watchers;
    if (--watchers.untold_ > 0) return;
    watchers.last_ = SteadyClock::now();
    watchers.all_told_.release();
  }
  static void Armed(int error, const char*, int, const Stat*, const void* data) {
    if (error != ZOK) Fail(std::string("cannot watch: ") + zerror(error));
    Watchers& watchers = static_cast<const Watcher*>(data)->watchers;
    if (--watchers.unarmed_ == 0) watchers.all_armed_.release();
  }

  const std::string node_;
  std::atomic<size_t> untold_ = 0, unarmed_ = 0;
  std::binary_semaphore all_armed_{0}, all_told_{0};
  SteadyClock::time_point last_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  std::vector<Handle> handles_;  // end first: they call back
};

void RunWatch(const Command& command) {
  const Handle changer = Open(command.host(0));
  const std::string node = command.node();
  Watchers watchers(command);
  Measurement measurement(command.seconds);
  while (!measurement.over()) {
    watchers.Arm();
    const auto begun = SteadyClock::now();
    const int error = zoo_set(changer.get(), node.c_str(), Value(), ValueBytes(), -1);
    const auto last = watchers.WaitForLast();
    measurement.Done(begun, error == ZOK, last);
  }
  measurement.Print();
}

void Run(const Command& command) {
  if (command.kind == "watch") return RunWatch(command);
  const Handle handle = Open(command.connect);
  if (command.count == 1) return RunSynchronous(handle.get(), command);
  Pipeline(handle.get(), command).Run();
}

}  // namespace
}  // namespace pk::bench

int main() {
  zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
  return pk::bench::ServeCommands(pk::bench::Run);
}
