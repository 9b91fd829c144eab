#pragma once

// What the contract suite needs of a back end, and what its tests share.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/path.h"
#include "tests/support/matchers.h"

namespace pk::coordination {

// One fresh, empty tree (only the root), for one test.
class CoordinatorFixture {
 public:
  virtual ~CoordinatorFixture() = default;

  // A new session on the tree; fails the test itself when it cannot.
  virtual std::unique_ptr<Coordinator> Connect() = 0;

  // Ends the session of `coordinator` as if its process had hung for longer than the timeout.
  // Returns when the session is over for everybody else; the coordinator itself may learn it later.
  virtual void ExpireSession(Coordinator& coordinator) = 0;

  // The clock on which the deadlines of waits are read.
  virtual Clock& clock() { return SystemClock(); }

  // Runs all of them at once and returns when all have ended.
  virtual void RunAll(std::vector<std::function<void()>> actors) {
    std::vector<std::jthread> threads;
    for (auto& actor : actors) threads.emplace_back(std::move(actor));
  }
};

struct CoordinatorFactory {
  std::string name;
  std::function<std::unique_ptr<CoordinatorFixture>()> make;
};
inline void PrintTo(const CoordinatorFactory& factory, std::ostream* out) { *out << factory.name; }
inline std::string FactoryName(const ::testing::TestParamInfo<CoordinatorFactory>& info) {
  return info.param.name;
}

class CoordinatorContract : public ::testing::TestWithParam<CoordinatorFactory> {
 protected:
  void SetUp() override {
    fixture_ = GetParam().make();
    a_ = fixture_->Connect();
    b_ = fixture_->Connect();
  }

  CoordinatorFixture& fixture() { return *fixture_; }
  // Two sessions that every test has.
  Coordinator& a() { return *a_; }
  Coordinator& b() { return *b_; }
  void CloseA() { a_.reset(); }

  SteadyTime Now() { return fixture_->clock().Now(); }
  // A deadline for what must happen.
  SteadyTime Soon() { return Now() + std::chrono::seconds(30); }

  // What `coordinator` sees at `path` once it has everything that happened before; nullopt: no
  // node.
  std::optional<Node> Latest(Coordinator& coordinator, std::string_view path) {
    EXPECT_THAT(coordinator.Sync(), testing::IsOk());
    auto node = coordinator.Find(path);
    EXPECT_THAT(node, testing::IsOk()) << path;
    return node.ok() ? *node : std::nullopt;
  }

  // Removes the node and all below it, if it is there.
  void RemoveTree(const std::string& path) {
    EXPECT_THAT(a().Sync(), testing::IsOk());
    const auto children = a().List(path);
    if (!children.ok()) return;
    for (const std::string& child : *children) RemoveTree(Join(path, child));
    EXPECT_THAT(a().Remove(path, kAnyVersion), testing::IsOk());
  }

  // Waits through Suspended until the session is Lost; false at the deadline.
  bool BecomesLost(Session& session) {
    const SteadyTime deadline = Soon();
    SessionState state = session.state();
    while (state != SessionState::kLost && Now() < deadline) {
      state = session.WaitForChange(state, deadline);
    }
    return state == SessionState::kLost;
  }

  // Consumes wake-ups until there are none; false when they do not end.
  bool FallsSilent(Watch& watch) {
    for (int i = 0; i < 100; ++i) {
      if (!watch.Wait(Now() + std::chrono::milliseconds(20))) return true;
    }
    return false;
  }

 private:
  // Sessions end before the tree that they are on.
  std::unique_ptr<CoordinatorFixture> fixture_;
  std::unique_ptr<Coordinator> a_;
  std::unique_ptr<Coordinator> b_;
};

}  // namespace pk::coordination
