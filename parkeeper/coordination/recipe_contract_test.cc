// The recipes over the back ends of this folder.

#include "tests/conformance/recipe_contract.h"
#include "tests/conformance/local_fixtures.h"

namespace pk::coordination {
namespace {

INSTANTIATE_TEST_SUITE_P(Local, RecipeContract, ::testing::ValuesIn(LocalFactories()), FactoryName);

}  // namespace
}  // namespace pk::coordination
