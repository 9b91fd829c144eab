// Namespaces under simulation: several processes create, drop and change the same few, and put a
// table into them. Afterwards there must be an order of all that they were told (linearizability):
// what was created exists until it is dropped, and nothing comes back or vanishes.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/storage/memory.h"
#include "tests/simulation/for_each_seed.h"
#include "tests/simulation/linearizable.h"
#include "tests/simulation/simulated_process.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::Coordinator;
using coordination::Simulation;
using ::pk::testing::IsOk;

const Namespace kUpper{{"a"}}, kLower{{"a", "b"}};
const TableName kTable{kUpper, "t"};

// What there is. A namespace is the value of its property "p", -1 when it does not exist.
struct Present {
  int upper = -1, lower = -1;
  bool table = false;
  auto operator<=>(const Present&) const = default;

  int& of(const Namespace& ns) { return ns == kUpper ? upper : lower; }
};
using Operation = testing::Operation<Present>;
using Effect = std::function<std::optional<Present>(Present)>;

struct World {
  explicit World(Simulation& s)
      : simulation(s), storage(storage::MakeMemory("lake", s.clock())), client(s.MakeClient()) {}

  Simulation& simulation;
  std::unique_ptr<storage::Storage> storage;
  std::unique_ptr<Coordinator> client;  // of the checker, without faults
  std::vector<Operation> history;
  int next_value = 0;
  int dropped = 0;
};

Effect Always(const std::function<bool(Present)>& holds) {
  return
      [holds](Present present) { return holds(present) ? std::optional(present) : std::nullopt; };
}

bool IsFull(Present present, const Namespace& ns) {
  return ns == kUpper && (present.lower >= 0 || present.table);
}

bool HasParent(Present present, const Namespace& ns) { return ns == kUpper || present.upper >= 0; }

// What the answer says of the state, for an operation with the effect `done`.
Effect EffectOf(const Result<>& answer, const Effect& done, const Namespace& ns) {
  if (answer.ok()) return done;
  switch (answer.error().code()) {
    case ErrorCode::kNotFound:
      return Always([ns](Present p) { return p.of(ns) < 0; });
    case ErrorCode::kAlreadyExists:
      return Always([ns](Present p) { return p.of(ns) >= 0; });
    case ErrorCode::kFailedPrecondition:
      return Always([ns](Present p) { return IsFull(p, ns); });
    case ErrorCode::kUnavailable:
      return Always([](Present) { return true; });
    default:
      EXPECT_EQ(answer.error().code(), ErrorCode::kOutcomeUnknown) << answer.error().message();
      return done;
  }
}

void Record(World& run, const Process& process, const std::string& what, const Namespace& ns,
            const Effect& done, const std::function<Result<>()>& call) {
  // In the history before it is answered, for a process that dies never answers.
  const size_t at = run.history.size();
  run.history.push_back({what, run.simulation.clock().Now(), std::nullopt, done});
  const Result<> answer = call();
  run.simulation.Note(fmt::format("{}: {}", what, answer.ok() ? "ok" : answer.error().ToString()));
  Operation& operation = run.history[at];
  operation.what += answer.ok() ? " ok" : " " + answer.error().ToString();
  if (!process.alive()) return;
  operation.apply = EffectOf(answer, done, ns);
  const bool unknown = !answer.ok() && answer.error().code() == ErrorCode::kOutcomeUnknown;
  if (!unknown) operation.end = run.simulation.clock().Now();
}

void CreateOne(World& run, Process& process, const Namespace& ns) {
  const int value = run.next_value++;
  const Effect done = [=](Present p) -> std::optional<Present> {
    if (p.of(ns) >= 0 || !HasParent(p, ns)) return std::nullopt;
    p.of(ns) = value;
    return p;
  };
  const Effect no_parent = Always([=](Present p) { return !HasParent(p, ns); });
  bool missing = false;
  const size_t at = run.history.size();
  Record(run, process, fmt::format("create {} p={}", ToString(ns), value), ns, done, [&] {
    Result<> made = process.catalog().CreateNamespace(ns, {{"p", std::to_string(value)}});
    missing = !made.ok() && made.error().code() == ErrorCode::kNotFound;
    return made;
  });
  if (missing) run.history[at].apply = no_parent;
}

void DropOne(World& run, Process& process, const Namespace& ns) {
  // Several may drop it at once: all are told that it is dropped.
  const Effect done = [=](Present p) -> std::optional<Present> {
    if (IsFull(p, ns)) return std::nullopt;
    p.of(ns) = -1;
    return p;
  };
  Record(run, process, "drop " + ToString(ns), ns, done, [&] {
    Result<> dropped = process.catalog().DropNamespace(ns);
    run.dropped += dropped.ok();
    return dropped;
  });
}

void UpdateOne(World& run, Process& process, const Namespace& ns) {
  const int value = run.next_value++;
  const Effect done = [=](Present p) -> std::optional<Present> {
    if (p.of(ns) < 0) return std::nullopt;
    p.of(ns) = value;
    return p;
  };
  Record(run, process, fmt::format("set {} p={}", ToString(ns), value), ns, done,
         [&] { return process.catalog().UpdateNamespace(ns, {{"p", std::to_string(value)}}, {}); });
}

// Their refusals are read from servers that may be behind, so they say nothing.
Result<> OnlyWhatWasDone(Result<> answer) {
  if (answer.ok() || answer.error().code() == ErrorCode::kOutcomeUnknown) return answer;
  return Unavailable(answer.error().message());
}

void CreateTheTable(World& run, Process& process) {
  const Effect done = [](Present p) -> std::optional<Present> {
    if (p.upper < 0 || p.table) return std::nullopt;
    p.table = true;
    return p;
  };
  Record(run, process, "create table", kUpper, done, [&]() -> Result<> {
    const auto made = process.catalog().CreateTable(kTable, {});
    return OnlyWhatWasDone(made.ok() ? Result<>() : Result<>(made.error()));
  });
}

void DropTheTable(World& run, Process& process) {
  const Effect done = [](Present p) -> std::optional<Present> {
    if (!p.table) return std::nullopt;
    p.table = false;
    return p;
  };
  Record(run, process, "drop table", kUpper, done,
         [&] { return OnlyWhatWasDone(process.catalog().DropTable(kTable, false)); });
}

void Act(World& run, ProcessFaults faults) {
  Process process(run.simulation, *run.storage, faults);
  for (int n = 0; n < 8 && process.alive(); ++n) {
    const Namespace& ns = run.simulation.Random(3) == 0 ? kLower : kUpper;
    switch (run.simulation.Random(8)) {
      case 0:
      case 1:
      case 2:
        CreateOne(run, process, ns);
        break;
      case 3:
      case 4:
        DropOne(run, process, ns);
        break;
      case 5:
        UpdateOne(run, process, ns);
        break;
      case 6:
        CreateTheTable(run, process);
        break;
      default:
        DropTheTable(run, process);
    }
    // So that late requests come between.
    if (run.simulation.Random(2) == 0) process.Pause(std::chrono::seconds(20));
  }
}

int ValueOf(World& run, const Namespace& ns) {
  const auto node = run.client->Find(NamespacePath(ns));
  EXPECT_THAT(node, IsOk());
  if (!node.ok() || !*node) return -1;
  const auto decoded = DecodeNamespace((*node)->value);
  EXPECT_THAT(decoded, IsOk());
  EXPECT_THAT(run.client->Get(NamespaceGuidPath(ns, decoded->guid)), IsOk());
  const auto children = run.client->List(NamespacePath(ns));
  EXPECT_THAT(children, IsOk());
  EXPECT_EQ(children->size(), 3u) << "a namespace is whole";
  return std::atoi(decoded->properties.at("p").c_str());
}

int Simulate(Simulation& simulation, ProcessFaults faults) {
  World run(simulation);
  for (int i = 0; i < 3; ++i) {
    simulation.Spawn(fmt::format("process-{}", i), [&] { Act(run, faults); });
  }
  EXPECT_THAT(simulation.Run(), IsOk());
  EXPECT_THAT(run.client->Sync(), IsOk());
  const auto named = run.client->Find(NamePath(kTable));
  EXPECT_THAT(named, IsOk());
  const Present last{.upper = ValueOf(run, kUpper),
                     .lower = ValueOf(run, kLower),
                     .table = named.ok() && named->has_value()};
  if (!testing::Linearization<Present>(run.history, last).Exists({})) {
    std::string history;
    for (const Operation& operation : run.history) {
      history += fmt::format(
          "{:.6f} to {}: {}\n", double(operation.begin.time_since_epoch().count()) / 1e9,
          operation.end
              ? fmt::format("{:.6f}", double(operation.end->time_since_epoch().count()) / 1e9)
              : "never",
          operation.what);
    }
    ADD_FAILURE() << "no order explains these answers and the end a=" << last.upper
                  << " a.b=" << last.lower << " table=" << last.table << "\n"
                  << history;
  }
  return run.dropped;
}

TEST(NamespaceSimulation, WhatWasCreatedIsThereUntilItIsDropped) {
  int dropped = 0;
  const uint64_t seeds = Seeds(1'500);
  coordination::ForEachSeed(
      seeds, [&](Simulation& simulation) { dropped += Simulate(simulation, {.odds = 0.05}); });
  EXPECT_GT(dropped, int(seeds)) << "and many were dropped";
}

}  // namespace
}  // namespace pk::catalog
