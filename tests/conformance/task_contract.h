#pragma once

// The tasks of parkeeper/tasks as tests over any coordinator. To run them over one, in a *_test.cc
// of its own:
//
//   #include "tests/conformance/task_contract.h"
//   INSTANTIATE_TEST_SUITE_P(Mine, TaskContract, ::testing::Values(CoordinatorFactory{
//       .name = "mine", .make = [] { return std::make_unique<MyFixture>(); }}), FactoryName);
//
// Faults are the matter of tests/simulation/task_simulation_test.cc.

#include "tests/conformance/task_contract_claims.h"
#include "tests/conformance/task_contract_queues.h"
#include "tests/conformance/task_contract_stages.h"
