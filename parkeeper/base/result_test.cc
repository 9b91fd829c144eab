#include "parkeeper/base/result.h"

#include <memory>
#include <set>
#include <vector>

#include "tests/support/matchers.h"

namespace pk {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;

Result<int> Half(int number) {
  PK_CHECK(number % 2 == 0, InvalidArgument("odd"));
  return number / 2;
}

Result<int> Quarter(int number) { return PK_TRY(Half(PK_TRY(Half(number)))); }

Result<> Both(int one, int other) {
  PK_TRY(Half(one));
  PK_TRY(Half(other));
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_THAT(Half(4), IsOkAnd(2));
  EXPECT_THAT(Half(3), IsErrorWith(ErrorCode::kInvalidArgument, "odd"));
  EXPECT_TRUE(bool(Half(4)));
  EXPECT_FALSE(bool(Half(3)));
}

TEST(Result, HandsAnErrorThroughNestedCallsAndStopsThere) {
  EXPECT_THAT(Quarter(8), IsOkAnd(2));
  EXPECT_THAT(Quarter(6), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(Quarter(5), IsError(ErrorCode::kInvalidArgument));
}

TEST(Result, CarriesNothingButSuccessWhenItHasNoType) {
  EXPECT_THAT(Both(2, 4), IsOk());
  EXPECT_THAT(Both(2, 3), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(Both(3, 2), IsError(ErrorCode::kInvalidArgument));
}

TEST(Result, MovesWhatCannotBeCopied) {
  const auto make = []() -> Result<std::unique_ptr<const int>> { return std::make_unique<int>(7); };
  const auto use = [&]() -> Result<std::unique_ptr<const int>> { return PK_TRY(make()); };
  PK_ASSERT_OK(const std::unique_ptr<const int> seven, use());
  EXPECT_EQ(*seven, 7);
}

TEST(Result, GivesAValueThatOutlivesATemporary) {
  const auto three = [] { return Result<std::vector<int>>(std::vector{1, 2, 3}); };
  int sum = 0;
  for (const int each : three().value()) sum += each;
  for (const int each : *three()) sum += each;
  EXPECT_EQ(sum, 12);
  static_assert(std::is_same_v<decltype(three().value()), std::vector<int>>);
  static_assert(std::is_same_v<decltype(*three()), std::vector<int>>);
}

TEST(Result, TakesWhateverConvertsToItsValue) {
  const auto text = []() -> Result<std::string> { return "text"; };
  EXPECT_THAT(text(), IsOkAnd(std::string("text")));
  const auto none = []() -> Result<std::optional<int>> { return std::nullopt; };
  EXPECT_THAT(none(), IsOkAnd(std::optional<int>()));
}

TEST(Result, AddsTheTrailBeforeTheMessageOfAnErrorAlone) {
  EXPECT_THAT(Half(3).With("halve 3"), IsErrorWith(ErrorCode::kInvalidArgument, "halve 3: odd"));
  EXPECT_THAT(Half(4).With("halve 4"), IsOkAnd(2));
  EXPECT_EQ(NotFound("gone").With("inner").With("outer").ToString(),
            "not_found: outer: inner: gone");
  Error error = Conflict("late");
  error.With("commit").With("table t");
  EXPECT_EQ(error, Conflict("table t: commit: late"));
}

TEST(Error, HasANameOfItsOwnForEachCode) {
  std::set<std::string_view> names;
  for (int code = 0; code <= int(ErrorCode::kInternal); ++code)
    names.insert(ErrorCodeName(ErrorCode(code)));
  EXPECT_EQ(names.size(), size_t(ErrorCode::kInternal) + 1);
  EXPECT_EQ(ErrorCodeName(ErrorCode::kOutcomeUnknown), "outcome_unknown");
}

TEST(Error, IsMadeWithItsCodeByTheShorthands) {
  const std::pair<Error, ErrorCode> shorthands[] = {
      {InvalidArgument("m"), ErrorCode::kInvalidArgument},
      {NotFound("m"), ErrorCode::kNotFound},
      {AlreadyExists("m"), ErrorCode::kAlreadyExists},
      {FailedPrecondition("m"), ErrorCode::kFailedPrecondition},
      {Conflict("m"), ErrorCode::kConflict},
      {Unavailable("m"), ErrorCode::kUnavailable},
      {OutcomeUnknown("m"), ErrorCode::kOutcomeUnknown},
      {Corrupt("m"), ErrorCode::kCorrupt},
      {Unsupported("m"), ErrorCode::kUnsupported},
      {Cancelled("m"), ErrorCode::kCancelled},
      {Internal("m"), ErrorCode::kInternal}};
  for (const auto& [error, code] : shorthands) {
    EXPECT_EQ(error.code(), code);
    EXPECT_EQ(error.message(), "m");
  }
}

}  // namespace
}  // namespace pk
