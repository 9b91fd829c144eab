// The contract suite over a real ZooKeeper ensemble: PARKEEPER_TEST_ZOOKEEPER is its connect
// string, without a chroot.

#include "tests/conformance/coordinator_contract.h"
#include "tests/zookeeper/zookeeper_fixture.h"

namespace pk::coordination {
namespace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CoordinatorContract);
INSTANTIATE_TEST_SUITE_P(ZooKeeper, CoordinatorContract, ::testing::ValuesIn(ZooKeeperFactories()),
                         FactoryName);

TEST(ZooKeeperContract, HasAnEnsembleToRunOn) {
  EXPECT_NE(Ensemble(), "") << "set PARKEEPER_TEST_ZOOKEEPER=host:port,...";
}

}  // namespace
}  // namespace pk::coordination
