// The contract suite over the back ends of this folder.

#include "tests/conformance/coordinator_contract.h"
#include "tests/conformance/local_fixtures.h"

namespace pk::coordination {
namespace {

INSTANTIATE_TEST_SUITE_P(Local, CoordinatorContract, ::testing::ValuesIn(LocalFactories()),
                         FactoryName);

}  // namespace
}  // namespace pk::coordination
