#include "parkeeper/coordination/coordinator.h"

#include <gtest/gtest.h>

#include "parkeeper/coordination/limits.h"
#include "parkeeper/coordination/memory.h"
#include "parkeeper/coordination/validate.h"
#include "tests/support/matchers.h"

namespace pk::coordination {
namespace {

using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;

TEST(Transaction, IsAListThatOthersAppendTo) {
  Transaction commit = Transaction().Set("/head", "v2", 1).Create("/head/2", "record");
  const Transaction task_ends = Transaction().Remove("/run/1", 0);
  commit.Append(task_ends);
  ASSERT_EQ(commit.operations().size(), 3u);
  EXPECT_EQ(std::get<RemoveOperation>(commit.operations()[2]).path, "/run/1");
  EXPECT_NE(commit, task_ends);
}

TEST(ValidateTransaction, CountsPathsValuesAndAnOverheadPerOperation) {
  const Transaction transaction = Transaction().Create("/ab", "1234").Check("/a").Remove("/b", 0);
  EXPECT_EQ(RequestBytes(transaction), 3 + 4 + 2 + 2 + 3 * kOperationOverheadBytes);
}

TEST(ValidateTransaction, NamesTheOperation) {
  EXPECT_THAT(ValidateTransaction(Transaction().Check("/a").Set("b", "", 0)),
              IsErrorWith(ErrorCode::kInvalidArgument, "operation 1: bad path"));
  EXPECT_THAT(ValidateTransaction(Transaction().Create("/", "", CreateMode::kEphemeralSequential)),
              IsErrorWith(ErrorCode::kInvalidArgument, "needs a name"));
}

TEST(EnsurePath, TakesOneTransactionForAllThatIsMissing) {
  const auto coordinator = OpenMemory(MakeMemoryTree());
  ASSERT_THAT(EnsurePath(*coordinator, "/a/b/c"), IsOk());
  EXPECT_EQ(coordinator->Get("/a")->stat.czxid, coordinator->Get("/a/b/c")->stat.czxid);
}

}  // namespace
}  // namespace pk::coordination
