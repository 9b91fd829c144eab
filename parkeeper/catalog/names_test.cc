#include "parkeeper/catalog/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using testing::IsError;
using testing::IsOkAnd;

TableName Table(std::vector<std::string> levels, std::string name) {
  return {{std::move(levels)}, std::move(name)};
}

TEST(NamesInSql, MeanTablesWhateverTheirQuotesHold) {
  EXPECT_THAT(TableNameInSql({"sales", "orders"}),
              IsOkAnd(::testing::Eq(Table({"sales"}, "orders"))));
  EXPECT_THAT(TableNameInSql({"a", "b", "t"}), IsOkAnd(::testing::Eq(Table({"a", "b"}, "t"))));
  EXPECT_THAT(TableNameInSql({"a.b.c", "t"}), IsOkAnd(::testing::Eq(Table({"a", "b", "c"}, "t"))));
  EXPECT_THAT(TableNameInSql({"odd name", "t.u"}),
              IsOkAnd(::testing::Eq(Table({"odd name"}, "t.u"))));
  EXPECT_THAT(TableNameInSql({"\"a.b\"", "t"}), IsOkAnd(::testing::Eq(Table({"a.b"}, "t"))));
  EXPECT_THAT(TableNameInSql({"a..b", "t"}), IsError(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace pk::catalog
