// The contract of tasks over a real ZooKeeper ensemble; see contract_test.cc.

#include "tests/conformance/task_contract.h"
#include "tests/zookeeper/zookeeper_fixture.h"

namespace pk::coordination {
namespace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TaskContract);
INSTANTIATE_TEST_SUITE_P(ZooKeeper, TaskContract, ::testing::ValuesIn(ZooKeeperFactories()),
                         FactoryName);

}  // namespace
}  // namespace pk::coordination
