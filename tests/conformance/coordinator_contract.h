#pragma once

// The contract of Coordinator as tests: every sentence of parkeeper/coordination/coordinator.h that
// can be tested is. A back end is done when it passes. To run it over one, in one *_test.cc of a
// test program:
//
//   #include "tests/conformance/coordinator_contract.h"
//   class MyFixture : public CoordinatorFixture { ... };
//   INSTANTIATE_TEST_SUITE_P(Mine, CoordinatorContract, ::testing::Values(CoordinatorFactory{
//       .name = "mine", .make = [] { return std::make_unique<MyFixture>(); }}), FactoryName);
//
// No test sleeps: waits go through Watch::Wait and Session::WaitForChange with deadlines that only
// a broken back end reaches.

#include "tests/conformance/coordinator_contract_concurrency.h"
#include "tests/conformance/coordinator_contract_nodes.h"
#include "tests/conformance/coordinator_contract_pending.h"
#include "tests/conformance/coordinator_contract_property.h"
#include "tests/conformance/coordinator_contract_sessions.h"
#include "tests/conformance/coordinator_contract_transactions.h"
#include "tests/conformance/coordinator_contract_watches.h"
