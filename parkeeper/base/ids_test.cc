#include "parkeeper/base/ids.h"

#include <set>

#include "tests/support/matchers.h"

namespace pk {
namespace {

using testing::IsErrorWith;
using testing::IsOkAnd;

TEST(Uuid, IsReadAsItWasPrinted) {
  SeededIds ids(1);
  for (int i = 0; i < 100; ++i) {
    const Uuid id = ids.NewUuid4();
    EXPECT_THAT(Uuid::Parse(id.ToString()), IsOkAnd(id));
  }
  const char* text = "0190163d-8694-739b-aea5-966c26f8ad91";
  PK_ASSERT_OK(const Uuid id, Uuid::Parse(text));
  EXPECT_EQ(id.ToString(), text);
  EXPECT_EQ(id.bytes[0], 0x01);
  EXPECT_EQ(id.bytes[15], 0x91);
  EXPECT_THAT(Uuid::Parse("0190163D-8694-739B-AEA5-966C26F8AD91"), IsOkAnd(id));
}

TEST(Uuid, IsNotReadFromOtherText) {
  for (const char* text :
       {"", "0190163d", "0190163d-8694-739b-aea5-966c26f8ad9",
        "0190163d-8694-739b-aea5-966c26f8ad911", "0190163d86948-739b-aea5-966c26f8ad91",
        "0190163g-8694-739b-aea5-966c26f8ad91", "{190163d-8694-739b-aea5-966c26f8ad91",
        "0190163d-8694-739b-aea5-966c26f8-d91"})
    EXPECT_THAT(Uuid::Parse(text), IsErrorWith(ErrorCode::kInvalidArgument, text)) << text;
}

TEST(Uuid, SaysItsVersionAndVariant) {
  SeededIds ids(2);
  ManualClock clock;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ids.NewUuid4().bytes[6] >> 4, 4);
    EXPECT_EQ(ids.NewUuid7(clock).bytes[6] >> 4, 7);
    EXPECT_EQ(ids.NewUuid4().bytes[8] >> 6, 2);
    EXPECT_EQ(ids.NewUuid7(clock).bytes[8] >> 6, 2);
  }
}

TEST(Uuid, OfVersion7OrdersByTimeAsItsTextDoes) {
  SeededIds ids(3);
  ManualClock clock(1'700'000'000'000);
  Uuid last = ids.NewUuid7(clock);
  EXPECT_EQ(last.UnixMs(), 1'700'000'000'000);
  for (int i = 1; i <= 300; ++i) {
    clock.Advance(std::chrono::milliseconds(i));
    const Uuid next = ids.NewUuid7(clock);
    EXPECT_EQ(next.UnixMs(), clock.WallMs());
    EXPECT_LT(last, next);
    EXPECT_LT(last.ToString(), next.ToString());
    last = next;
  }
}

TEST(IdSource, RepeatsItselfFromASeed) {
  SeededIds one(7), same(7), other(8);
  const Uuid id = one.NewUuid4();
  EXPECT_EQ(id, same.NewUuid4());
  EXPECT_NE(id, other.NewUuid4());
}

TEST(IdSource, GivesPositiveSnapshotIds) {
  SeededIds ids(9);
  std::set<int64_t> seen;
  for (int i = 0; i < 1'000; ++i) seen.insert(ids.NewSnapshotId());
  EXPECT_EQ(seen.size(), 1'000u);
  EXPECT_GT(*seen.begin(), 0);
}

TEST(IdSource, NeverGivesSnapshotIdZero) {
  class Ones : public IdSource {
    uint64_t Random64() override { return 1; }
  } ones;
  EXPECT_EQ(ones.NewSnapshotId(), 1);
}

TEST(IdSource, OfTheSystemDoesNotRepeatItself) {
  std::set<Uuid> seen;
  for (int i = 0; i < 1'000; ++i) seen.insert(SystemIds().NewUuid4());
  EXPECT_EQ(seen.size(), 1'000u);
}

}  // namespace
}  // namespace pk
