#include "parkeeper/storage/faulty.h"

#include <algorithm>
#include <vector>

#include "parkeeper/storage/memory.h"
#include "tests/support/matchers.h"

namespace pk::storage {
namespace {

using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using ::pk::testing::IsOkAnd;
using ::testing::Eq;

constexpr auto kUnavailable = ErrorCode::kUnavailable;
constexpr auto kUnknown = ErrorCode::kOutcomeUnknown;
const std::string kPlace = "memory://lake/a";

// `fault` for each call of one kind.
FaultSchedule Always(Call which, Fault fault) {
  return [=](Call call, std::string_view) { return call == which ? fault : Fault::kNone; };
}

TEST(Faulty, ChangesNothingWithoutASchedule) {
  const auto inner = MakeMemory();
  const auto faulty = MakeFaulty(*inner, {});
  EXPECT_EQ(faulty->root(), inner->root());
  EXPECT_THAT(WriteIfAbsent(*faulty, kPlace, "bytes"), IsOk());
  EXPECT_THAT(ReadAll(*faulty, kPlace), IsOkAnd(Eq("bytes")));
}

TEST(Faulty, LosesTheReplyOfAFinishThatWasDone) {
  const auto inner = MakeMemory();
  const auto faulty = MakeFaulty(*inner, {.schedule = Always(Call::kFinish, Fault::kLostReply)});
  EXPECT_THAT(WriteIfAbsent(*faulty, kPlace, "bytes"), IsErrorWith(kUnknown, kPlace));
  EXPECT_THAT(ReadAll(*inner, kPlace), IsOkAnd(Eq("bytes")));
  EXPECT_THAT(WriteIfAbsent(*faulty, kPlace, "other"), IsError(kUnknown));
  EXPECT_THAT(ReadAll(*inner, kPlace), IsOkAnd(Eq("bytes")));
}

TEST(Faulty, LosesTheRequestSoThatNothingWasDone) {
  const auto inner = MakeMemory();
  const auto faulty = MakeFaulty(*inner, {.schedule = Always(Call::kFinish, Fault::kLostRequest)});
  EXPECT_THAT(WriteIfAbsent(*faulty, kPlace, "bytes"), IsError(kUnknown));
  EXPECT_THAT(inner->Stat(kPlace), IsError(ErrorCode::kNotFound));
}

TEST(Faulty, RefusesAndWritesHalf) {
  const auto inner = MakeMemory();
  for (const auto& [call, fault] :
       {std::pair(Call::kCreate, Fault::kUnavailable), std::pair(Call::kAppend, Fault::kPartial),
        std::pair(Call::kAppend, Fault::kUnavailable),
        std::pair(Call::kFinish, Fault::kUnavailable)}) {
    const auto faulty = MakeFaulty(*inner, {.schedule = Always(call, fault)});
    EXPECT_THAT(WriteIfAbsent(*faulty, kPlace, "bytes"), IsErrorWith(kUnavailable, kPlace));
    EXPECT_THAT(inner->Stat(kPlace), IsError(ErrorCode::kNotFound));
  }
}

TEST(Faulty, NeverFinishesAfterAFailedAppend) {
  const auto inner = MakeMemory();
  int appends = 0;
  const auto faulty = MakeFaulty(*inner, {.schedule = [&](Call call, std::string_view) {
    return call == Call::kAppend && ++appends == 2 ? Fault::kPartial : Fault::kNone;
  }});
  PK_ASSERT_OK(const auto writer, faulty->Create(kPlace));
  EXPECT_THAT(writer->Append("0123"), IsOk());
  EXPECT_THAT(writer->Append("4567"), IsError(kUnavailable));
  EXPECT_EQ(writer->size(), 6);
  EXPECT_THAT(writer->Append("89"), IsError(kUnavailable));
  EXPECT_THAT(writer->Finish(), IsError(kUnavailable));
  EXPECT_THAT(inner->Stat(kPlace), IsError(ErrorCode::kNotFound));
}

TEST(Faulty, FailsEveryKindOfCall) {
  const auto inner = MakeMemory();
  ASSERT_THAT(WriteIfAbsent(*inner, kPlace, "bytes"), IsOk());
  const auto none = [](const FileStatus&) { return Result<>(); };
  for (const Fault fault : {Fault::kUnavailable, Fault::kLostReply, Fault::kLostRequest}) {
    const auto only = [&](Call call) {
      return MakeFaulty(*inner, {.schedule = Always(call, fault)});
    };
    EXPECT_THAT(only(Call::kOpen)->Open(kPlace), IsError(kUnavailable));
    EXPECT_THAT(only(Call::kStat)->Stat(kPlace), IsError(kUnavailable));
    EXPECT_THAT(only(Call::kList)->List(inner->root(), none), IsError(kUnavailable));
    EXPECT_THAT(ReadAll(*only(Call::kRead), kPlace), IsError(kUnavailable));
  }
  EXPECT_THAT(
      MakeFaulty(*inner, {.schedule = Always(Call::kRemove, Fault::kLostReply)})->Remove(kPlace),
      IsError(kUnknown));
  EXPECT_THAT(inner->Stat(kPlace), IsError(ErrorCode::kNotFound));
}

TEST(Faulty, MeetsTheSameFaultsForTheSameSeed) {
  const auto draw = [](uint64_t seed) {
    const FaultSchedule next =
        RandomFaults(seed, {.unavailable = 0.2, .lost_request = 0.2, .lost_reply = 0.2});
    std::vector<Fault> faults;
    for (int i = 0; i < 500; ++i) faults.push_back(next(Call::kFinish, kPlace));
    return faults;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  const std::vector<Fault> faults = draw(3);
  for (const auto& [fault, most] :
       {std::pair(Fault::kNone, 240), std::pair(Fault::kUnavailable, 140),
        std::pair(Fault::kLostRequest, 140), std::pair(Fault::kLostReply, 140),
        std::pair(Fault::kPartial, 0)}) {
    const auto count = std::ranges::count(faults, fault);
    EXPECT_LE(count, most);
    EXPECT_GE(count, most / 3);
  }
}

TEST(Faulty, TakesItsTime) {
  ManualClock clock;
  const auto inner = MakeMemory("lake", clock);
  const auto faulty =
      MakeFaulty(*inner, {.clock = &clock, .latency = std::chrono::milliseconds(5)});
  const int64_t before = clock.WallMs();
  ASSERT_THAT(WriteIfAbsent(*faulty, kPlace, "bytes"), IsOk());
  EXPECT_EQ(clock.WallMs() - before, 15) << "create, append, finish";
  PK_ASSERT_OK(const auto status, inner->Stat(kPlace));
  EXPECT_EQ(status.modified_ms, before + 15);
}

}  // namespace
}  // namespace pk::storage
