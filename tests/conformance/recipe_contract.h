#pragma once

// The recipes of parkeeper/coordination as tests over any back end. To run them over one, in a
// *_test.cc of its own:
//
//   #include "tests/conformance/recipe_contract.h"
//   INSTANTIATE_TEST_SUITE_P(Mine, RecipeContract, ::testing::Values(CoordinatorFactory{
//       .name = "mine", .make = [] { return std::make_unique<MyFixture>(); }}), FactoryName);
//
// MyFixture is the CoordinatorFixture that runs coordinator_contract.h. Faults are the matter of
// parkeeper/coordination/simulation_leases_test.cc.

#include "tests/conformance/recipe_contract_groups.h"
#include "tests/conformance/recipe_contract_leases.h"
#include "tests/conformance/recipe_contract_values.h"
