// The contract suite over the back ends of this folder. It is a lot to compile at once, so its
// parts lie in contract_*_test.cc; they run here.

#include "tests/conformance/coordinator_contract_nodes.h"
#include "tests/conformance/local_fixtures.h"

namespace pk::coordination {
namespace {

INSTANTIATE_TEST_SUITE_P(Local, CoordinatorContract, ::testing::ValuesIn(LocalFactories()),
                         FactoryName);

}  // namespace
}  // namespace pk::coordination
