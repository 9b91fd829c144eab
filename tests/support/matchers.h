#pragma once

// GoogleMock matchers for Result: EXPECT_THAT(call(), IsOk()), IsError(code), IsErrorWith(code,
// text).

#include <gmock/gmock.h>

#include "parkeeper/base/result.h"

namespace pk {

template <class T>
void PrintTo(const Result<T>& result, std::ostream* out) {
  *out << (result.ok() ? std::string("ok") : result.error().ToString());
}

namespace testing {

MATCHER(IsOk, "is ok") {
  if (!arg.ok()) *result_listener << arg.error().ToString();
  return arg.ok();
}

MATCHER_P(IsError, code, "fails with " + std::string(ErrorCodeName(code))) {
  return !arg.ok() && arg.error().code() == code;
}

// The message contains `text`.
MATCHER_P2(IsErrorWith, code, text,
           "fails with " + std::string(ErrorCodeName(code)) + " saying '" + std::string(text) +
               "'") {
  return !arg.ok() && arg.error().code() == code &&
         arg.error().message().find(text) != std::string::npos;
}

// ok and its value matches.
template <class Inner>
class IsOkAndMatcher {
 public:
  explicit IsOkAndMatcher(Inner inner) : inner_(std::move(inner)) {}
  template <class R>
  operator ::testing::Matcher<R>() const {
    return ::testing::MakeMatcher(new Matching<R>(inner_));
  }

 private:
  template <class R>
  class Matching : public ::testing::MatcherInterface<R> {
   public:
    using Value = typename std::remove_cvref_t<R>::value_type;
    explicit Matching(const Inner& inner)
        : matcher_(::testing::SafeMatcherCast<const Value&>(inner)) {}
    bool MatchAndExplain(R result, ::testing::MatchResultListener* listener) const override {
      if (!result.ok()) {
        *listener << result.error().ToString();
        return false;
      }
      return matcher_.MatchAndExplain(result.value(), listener);
    }
    void DescribeTo(std::ostream* out) const override {
      *out << "is ok and its value ";
      matcher_.DescribeTo(out);
    }

   private:
    ::testing::Matcher<const Value&> matcher_;
  };
  Inner inner_;
};

template <class Inner>
IsOkAndMatcher<Inner> IsOkAnd(Inner inner) {
  return IsOkAndMatcher<Inner>(std::move(inner));
}

}  // namespace testing
}  // namespace pk

// Declares `declaration` from the Result `...`, failing the test at once when it holds an error.
#define PK_ASSERT_OK(declaration, ...) \
  PK_ASSERT_OK_IMPL(PK_CONCAT(pk_result_, __LINE__), declaration, __VA_ARGS__)
#define PK_ASSERT_OK_IMPL(name, declaration, ...)    \
  auto name = (__VA_ARGS__);                         \
  ASSERT_TRUE(name.ok()) << name.error().ToString(); \
  declaration = std::move(name).value()
#define PK_CONCAT(a, b) PK_CONCAT_IMPL(a, b)
#define PK_CONCAT_IMPL(a, b) a##b
