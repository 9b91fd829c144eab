#include <gtest/gtest.h>

#include "parkeeper/coordination/memory.h"
#include "parkeeper/lake/warehouse_internal.h"
#include "tests/support/matchers.h"

namespace pk::lake {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOkAnd;

class WarehouseTest : public ::testing::Test {
 protected:
  std::shared_ptr<coordination::MemoryTree> tree_ = coordination::MakeMemoryTree();
  std::unique_ptr<coordination::Coordinator> coordinator_ = coordination::OpenMemory(tree_);
};

TEST_F(WarehouseTest, IsNamedOnceAndRemembered) {
  EXPECT_THAT(SettleWarehouse(*coordinator_, "file:///data/", true),
              IsOkAnd(std::string("file:///data")));
  EXPECT_THAT(SettleWarehouse(*coordinator_, "", true), IsOkAnd(std::string("file:///data")));
  EXPECT_THAT(SettleWarehouse(*coordinator_, "", false), IsOkAnd(std::string("file:///data")));
  EXPECT_THAT(SettleWarehouse(*coordinator_, "file:/data", false),
              IsOkAnd(std::string("file:///data")));
}

TEST_F(WarehouseTest, OfALakeNeverChanges) {
  ASSERT_THAT(SettleWarehouse(*coordinator_, "file:///data", true), testing::IsOk());
  EXPECT_THAT(SettleWarehouse(*coordinator_, "file:///other", true),
              IsErrorWith(ErrorCode::kFailedPrecondition, "file:///data, not file:///other"));
}

TEST_F(WarehouseTest, IsNeededAtTheFirstUse) {
  EXPECT_THAT(SettleWarehouse(*coordinator_, "", true),
              IsErrorWith(ErrorCode::kInvalidArgument, "?warehouse="));
}

TEST_F(WarehouseTest, IsNotMadeByWhoOnlyReads) {
  EXPECT_THAT(SettleWarehouse(*coordinator_, "file:///data", false), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(coordinator_->Get(kWarehousePath), IsError(ErrorCode::kNotFound));
}

TEST_F(WarehouseTest, ThatIsNoLocationIsRefusedBeforeAnythingIsMade) {
  EXPECT_THAT(SettleWarehouse(*coordinator_, "data", true), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(coordinator_->Get(kWarehousePath), IsError(ErrorCode::kNotFound));
}

TEST_F(WarehouseTest, WhoseNodeIsDamagedIsCorrupt) {
  for (const char* value : {"", "{}", "[]", R"({"warehouse": 1})"}) {
    std::ignore = coordinator_->Remove(kWarehousePath, coordination::kAnyVersion).ok();
    PK_ASSERT_OK(const std::string path, coordinator_->Create(kWarehousePath, value));
    EXPECT_THAT(SettleWarehouse(*coordinator_, "", true), IsErrorWith(ErrorCode::kCorrupt, path))
        << value;
  }
}

}  // namespace
}  // namespace pk::lake
