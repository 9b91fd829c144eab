#include <gtest/gtest.h>

#include <limits>

#include "parkeeper/coordination/queue_internal.h"

namespace pk::coordination {
namespace {

using Next = Turn::Next;

TEST(EntryNames, AreAGuidAMarkerAndANumber) {
  const auto entry = ParseEntryName("3f-2a__rlock__0000000012");
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->kind, EntryKind::kShared);
  EXPECT_EQ(entry->sequence, 12);
  EXPECT_EQ(ParseEntryName("3f__lock__-2147483648")->sequence, std::numeric_limits<int>::min());
  for (const char* other :
       {"", "__", "lock", "3f__lock__", "3f__lock__x", "3f__lock__1x", "3f__key__0000000001",
        "3f__lock_0000000001", "3f__lock__99999999999999999999999"}) {
    EXPECT_FALSE(ParseEntryName(other).has_value()) << other;
  }
}

TEST(EntryNames, KeepTheirOrderWhenTheNumbersWrapAround) {
  EXPECT_TRUE(IsBefore(1, 2));
  EXPECT_FALSE(IsBefore(2, 2));
  EXPECT_FALSE(IsBefore(2, 1));
  EXPECT_TRUE(IsBefore(std::numeric_limits<int>::max(), std::numeric_limits<int>::min()));
}

Turn TurnOf(const std::vector<std::string>& names, const std::string& mine, size_t limit) {
  const auto turn = FindTurn(names, mine, limit);
  EXPECT_TRUE(turn.ok()) << mine;
  return turn.ok() ? *turn : Turn();
}

TEST(FindTurn, OfAnExclusiveEntryWaitsForTheNearestOfAll) {
  const std::vector<std::string> names = {"a__lock__0000000003", "b__rlock__0000000001", "config",
                                          "c__permit__0000000002", "d__lock__0000000009"};
  EXPECT_EQ(TurnOf(names, "b__rlock__0000000001", 1).next, Next::kAdmitted);
  const Turn turn = TurnOf(names, "a__lock__0000000003", 1);
  EXPECT_EQ(turn.next, Next::kWatchEntry);
  EXPECT_EQ(turn.entry, "b__rlock__0000000001");
  EXPECT_EQ(TurnOf(names, "d__lock__0000000009", 1).entry, "a__lock__0000000003");
}

TEST(FindTurn, OfASharedEntryWaitsForTheNearestExclusiveOne) {
  const std::vector<std::string> names = {"a__lock__0000000001", "b__rlock__0000000002",
                                          "c__rlock__0000000003"};
  EXPECT_EQ(TurnOf(names, "c__rlock__0000000003", 1).entry, "a__lock__0000000001");
  EXPECT_EQ(TurnOf({names[1], names[2]}, names[2], 1).next, Next::kAdmitted);
}

TEST(FindTurn, OfAPermitWatchesTheQueueOnlyFirstInLine) {
  const std::vector<std::string> names = {"a__permit__0000000001", "b__permit__0000000002",
                                          "c__permit__0000000003", "d__permit__0000000004"};
  EXPECT_EQ(TurnOf(names, names[1], 2).next, Next::kAdmitted);
  EXPECT_TRUE(TurnOf(names, names[1], 2).has_behind);
  EXPECT_EQ(TurnOf(names, names[2], 2).next, Next::kWatchQueue);
  EXPECT_EQ(TurnOf(names, names[3], 2).next, Next::kWatchEntry);
  EXPECT_EQ(TurnOf(names, names[3], 2).entry, names[2]);
  EXPECT_FALSE(TurnOf(names, names[3], 2).has_behind);
}

TEST(FindTurn, FailsForAnEntryThatIsGone) {
  EXPECT_EQ(FindTurn({"a__lock__0000000001"}, "b__lock__0000000002", 1).error().code(),
            ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace pk::coordination
