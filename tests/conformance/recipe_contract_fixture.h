#pragma once

// What the tests of the recipes share; see recipe_contract.h.

#include "parkeeper/coordination/party.h"
#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

class RecipeContract : public CoordinatorContract {
 protected:
  Party Of(Coordinator& coordinator) { return {coordinator, fixture().clock()}; }
  // For what must happen.
  Until Patient() { return {.deadline = Soon(), .stop = {}}; }
  // For one try.
  Until AtOnce() { return {.deadline = Now(), .stop = {}}; }

  // How many children everybody sees at `path`.
  size_t Children(const std::string& path) {
    EXPECT_THAT(b().Sync(), testing::IsOk());
    const auto names = b().List(path);
    EXPECT_TRUE(names.ok()) << path;
    return names.ok() ? names->size() : 0;
  }
  // Waits until `path` has `count` children.
  void AwaitChildren(const std::string& path, size_t count) {
    EXPECT_THAT(EnsurePath(b(), path), testing::IsOk());
    const auto watch = b().StartWatch(path, WatchScope::kChildren);
    ASSERT_TRUE(watch.ok());
    const SteadyTime deadline = Soon();
    while (b().List(path)->size() != count) ASSERT_TRUE((*watch)->Wait(deadline)) << path;
  }
};

}  // namespace pk::coordination
