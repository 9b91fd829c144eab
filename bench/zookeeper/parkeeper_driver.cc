// Ours: the public Coordinator, one thread that begins requests and waits for the oldest.

#include <atomic>
#include <barrier>
#include <deque>
#include <thread>

#include "bench/zookeeper/measure.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"

namespace pk::bench {
namespace {

using namespace coordination;

std::unique_ptr<Coordinator> Open(const std::string& connect) {
  auto opened = OpenZooKeeper({.connect = connect});
  if (!opened.ok()) Fail(opened.error().ToString());
  return std::move(opened).value();
}

bool Applies(const Result<CommitOutcome>& outcome) {
  return outcome.ok() && std::holds_alternative<Applied>(*outcome);
}

Transaction Modification(const Command& command, int number) {
  Transaction transaction;
  if (command.kind == "set") {
    transaction.Set(command.node(), kValue, kAnyVersion);
  } else if (command.kind == "create") {
    transaction.Create(command.child(number), kValue);
  } else {
    transaction.Check(command.node())
        .Set(command.node(), kValue, kAnyVersion)
        .Create(command.child(number), kValue);
  }
  return transaction;
}

void RunSynchronous(Coordinator& coordinator, const Command& command) {
  const std::string node = command.node();
  Measurement measurement(command.seconds);
  for (int i = 0; !measurement.over(); ++i) {
    const auto begun = SteadyClock::now();
    if (command.kind == "get") {
      measurement.Done(begun, coordinator.Get(node).ok());
    } else {
      measurement.Done(begun, Applies(coordinator.Commit(Modification(command, i))));
    }
  }
  measurement.Print();
}

// `begin` begins the operation of that number, `ok` looks at its outcome.
template <class T>
void RunPipelined(const Command& command, const std::function<Pending<T>(int)>& begin,
                  const std::function<bool(const Result<T>&)>& ok) {
  struct UnderWay {
    SteadyClock::time_point begun;
    Pending<T> pending;
  };
  std::deque<UnderWay> under_way;
  Measurement measurement(command.seconds);
  int number = 0;
  while (!measurement.over() || !under_way.empty()) {
    while (!measurement.over() && under_way.size() < static_cast<size_t>(command.count)) {
      const auto begun = SteadyClock::now();
      under_way.push_back({begun, begin(number++)});
    }
    if (under_way.empty()) break;
    const bool done = ok(under_way.front().pending.Wait());
    measurement.Done(under_way.front().begun, done);
    under_way.pop_front();
  }
  measurement.Print();
}

// One thread a connection waits for its watches one after the other: the last one told counts.
void RunWatch(const Command& command) {
  const std::string node = command.node();
  const auto changer = Open(command.host(0));
  std::vector<std::unique_ptr<Coordinator>> coordinators;
  std::vector<std::vector<std::unique_ptr<Watch>>> watches(kWatchConnections);
  for (int i = 0; i < kWatchConnections; ++i) coordinators.push_back(Open(command.host(i)));
  for (int i = 0; i < command.count; ++i) {
    const auto connection = static_cast<size_t>(i % kWatchConnections);
    auto watch = coordinators[connection]->StartWatch(node, WatchScope::kNode);
    if (!watch.ok()) Fail(watch.error().ToString());
    watches[connection].push_back(std::move(watch).value());
  }
  std::vector<SteadyClock::time_point> told(kWatchConnections);
  std::vector<size_t> missed(kWatchConnections);
  std::atomic<bool> over = false;
  std::barrier round(kWatchConnections + 1);
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < kWatchConnections; ++i) {
    threads.emplace_back([&, i] {
      for (round.arrive_and_wait(); !over; round.arrive_and_wait()) {
        for (const auto& watch : watches[i]) {
          if (!watch->Wait(SteadyClock::now() + std::chrono::seconds(30))) ++missed[i];
        }
        told[i] = SteadyClock::now();
        round.arrive_and_wait();
      }
    });
  }
  Measurement measurement(command.seconds);
  while (!measurement.over()) {
    round.arrive_and_wait();
    const auto begun = SteadyClock::now();
    const bool set = changer->Set(node, kValue, kAnyVersion).ok();
    round.arrive_and_wait();
    const bool all = std::ranges::all_of(missed, [](size_t count) { return count == 0; });
    measurement.Done(begun, set && all, *std::ranges::max_element(told));
  }
  over = true;
  round.arrive_and_wait();
  threads.clear();
  measurement.Print();
}

void Run(const Command& command) {
  if (command.kind == "watch") return RunWatch(command);
  const auto coordinator = Open(command.connect);
  if (command.count == 1) return RunSynchronous(*coordinator, command);
  if (command.kind == "get") {
    return RunPipelined<Node>(
        command, [&](int) { return coordinator->BeginGet(command.node()); },
        [](const Result<Node>& node) { return node.ok(); });
  }
  RunPipelined<CommitOutcome>(
      command, [&](int i) { return coordinator->BeginCommit(Modification(command, i)); }, Applies);
}

}  // namespace
}  // namespace pk::bench

int main() { return pk::bench::ServeCommands(pk::bench::Run); }
