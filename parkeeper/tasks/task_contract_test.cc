// The contract of tasks over the back ends of parkeeper/coordination.

#include "tests/conformance/task_contract.h"
#include "tests/conformance/local_fixtures.h"

namespace pk::coordination {
namespace {

INSTANTIATE_TEST_SUITE_P(Local, TaskContract, ::testing::ValuesIn(LocalFactories()), FactoryName);

}  // namespace
}  // namespace pk::coordination
