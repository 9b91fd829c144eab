// The recipes over a real ZooKeeper ensemble; see contract_test.cc.

#include "tests/conformance/recipe_contract.h"
#include "tests/zookeeper/zookeeper_fixture.h"

namespace pk::coordination {
namespace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RecipeContract);
INSTANTIATE_TEST_SUITE_P(ZooKeeper, RecipeContract, ::testing::ValuesIn(ZooKeeperFactories()),
                         FactoryName);

}  // namespace
}  // namespace pk::coordination
