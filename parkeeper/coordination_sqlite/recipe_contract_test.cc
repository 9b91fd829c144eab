// The recipes over the embedded back end.

#include "tests/conformance/recipe_contract.h"
#include "tests/conformance/sqlite_fixture.h"

namespace pk::coordination {
namespace {

INSTANTIATE_TEST_SUITE_P(Sqlite, RecipeContract,
                         ::testing::Values(CoordinatorFactory{
                             .name = "sqlite",
                             .make = [] { return std::make_unique<SqliteFixture>(); }}),
                         FactoryName);

}  // namespace
}  // namespace pk::coordination
