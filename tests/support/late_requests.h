#pragma once

// A catalog in memory whose requests can be held back, as by a server that stands still, and
// carried out later; and another one beside it, whose requests are not.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/coordination/memory.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/forwarding_coordinator.h"
#include "tests/support/matchers.h"

namespace pk::testing {

using catalog::Catalog;
using catalog::CatalogOptions;
using coordination::CommitOutcome;
using coordination::Coordinator;
using coordination::Transaction;

// A server that holds requests back.
struct Stopped {
  int holds = 0;         // the next modifications, which get no answer
  bool cut_off = false;  // and everything after them is not reached
  std::vector<Transaction> held;
  // Happens when something is held back, before its sender hears of it.
  std::function<void()> meanwhile = {};
  // Happens once, when a modification is carried out and its sender does not know it yet.
  std::function<void()> after = {};
};

class HoldingCoordinator final : public ForwardingCoordinator {
 public:
  HoldingCoordinator(std::unique_ptr<Coordinator> inner, Stopped& stopped)
      : ForwardingCoordinator(std::move(inner)), stopped_(stopped) {}

  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    if (stopped_.holds > 0) {
      --stopped_.holds;
      stopped_.held.push_back(transaction);
      if (stopped_.meanwhile) stopped_.meanwhile();
      return OutcomeUnknown("held");
    }
    if (stopped_.cut_off) return Unavailable("cut off");
    auto outcome = ForwardingCoordinator::Commit(transaction);
    if (stopped_.after) std::exchange(stopped_.after, nullptr)();
    return outcome;
  }

 private:
  Stopped& stopped_;
};

class LateRequests : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = OpenCatalog(sessions_, *storage_, Options());
    ASSERT_THAT(opened, IsOk());
    catalog_ = std::move(opened).value();
    auto other = OpenCatalog(other_sessions_, *storage_, Options());
    ASSERT_THAT(other, IsOk());
    other_ = std::move(other).value();
  }

  CatalogOptions Options() { return {.write_threads = 1, .clock = &clock_, .ids = &ids_}; }

  // The first copy of what `call` sends is held back; it is sent again and answered.
  template <class Call>
  auto WithALateCopy(const Call& call) {
    stopped_.holds = 1;
    auto result = call();
    EXPECT_EQ(stopped_.holds, 0) << "nothing was sent";
    return result;
  }

  // Carries out what was held back.
  void Deliver() {
    const auto coordinator = coordination::OpenMemory(tree_);
    ASSERT_FALSE(stopped_.held.empty());
    for (const Transaction& transaction : stopped_.held) {
      EXPECT_THAT(coordinator->Commit(transaction), IsOk());
    }
    stopped_.held.clear();
  }

  iceberg::TableCommit SetProperty(const std::string& value) {
    iceberg::UpdateTable update;
    update.updates.emplace_back(iceberg::SetProperties{{{"p", value}}});
    return {.id = ids_.NewUuid7(clock_), .change = update, .oldest_file_ms = clock_.WallMs()};
  }

  Stopped stopped_;
  ManualClock clock_;
  SeededIds ids_{1};
  std::shared_ptr<coordination::MemoryTree> tree_ = coordination::MakeMemoryTree(clock_);
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory();
  coordination::SessionSource sessions_{[this]() -> Result<std::unique_ptr<Coordinator>> {
    return std::make_unique<HoldingCoordinator>(coordination::OpenMemory(tree_), stopped_);
  }};
  coordination::SessionSource other_sessions_{
      [this]() -> Result<std::unique_ptr<Coordinator>> { return coordination::OpenMemory(tree_); }};
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Catalog> other_;
};

}  // namespace pk::testing
