#include "parkeeper/coordination/simulation.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::coordination {
namespace {

}  // namespace
}  // namespace pk::coordination
