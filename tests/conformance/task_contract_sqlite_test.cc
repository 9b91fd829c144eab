// The contract of tasks over the embedded coordinator.

#include "tests/conformance/sqlite_fixture.h"
#include "tests/conformance/task_contract.h"

namespace pk::coordination {
namespace {

INSTANTIATE_TEST_SUITE_P(Sqlite, TaskContract,
                         ::testing::Values(CoordinatorFactory{
                             .name = "sqlite",
                             .make = [] { return std::make_unique<SqliteFixture>(); }}),
                         FactoryName);

}  // namespace
}  // namespace pk::coordination
