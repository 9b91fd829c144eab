#include "parkeeper/lake/sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::lake {
namespace {

using testing::IsError;
using testing::IsOkAnd;

catalog::TableName Table(std::vector<std::string> levels, std::string name) {
  return {{std::move(levels)}, std::move(name)};
}

TEST(SqlNames, MeanTheTablesOfTheCatalog) {
  EXPECT_THAT(TableNameOf({"sales", "orders"}), IsOkAnd(::testing::Eq(Table({"sales"}, "orders"))));
  EXPECT_THAT(TableNameOf({"a", "b", "t"}), IsOkAnd(::testing::Eq(Table({"a", "b"}, "t"))));
  EXPECT_THAT(TableNameOf({"a.b.c", "t"}), IsOkAnd(::testing::Eq(Table({"a", "b", "c"}, "t"))));
  EXPECT_THAT(TableNameOf({"odd name", "t.u"}), IsOkAnd(::testing::Eq(Table({"odd name"}, "t.u"))));
  EXPECT_THAT(TableNameOf({"\"a.b\"", "t"}), IsOkAnd(::testing::Eq(Table({"a.b"}, "t"))));
  EXPECT_THAT(TableNameOf({"a..b", "t"}), IsError(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace pk::lake
