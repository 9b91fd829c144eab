#include "parkeeper/iceberg/property_step.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using testing::IsErrorWith;
using testing::IsOk;

constexpr auto kBad = ErrorCode::kInvalidArgument;
constexpr auto kConflict = ErrorCode::kConflict;

PropertyStep Step(const std::string& name, std::optional<std::string> expected,
                  std::optional<std::string> value) {
  return {.name = name, .expected = std::move(expected), .value = std::move(value)};
}

TEST(PropertySteps, HoldWhenEachPropertyIsAsExpected) {
  TableMetadata table;
  table.properties = {{"position", "7"}, {"empty", ""}};
  EXPECT_THAT(Check({}, table), IsOk());
  EXPECT_THAT(
      Check({Step("position", "7", "8"), Step("empty", "", "x"), Step("none", std::nullopt, "1")},
            table),
      IsOk());
  EXPECT_THAT(Check({Step("none", std::nullopt, "1"), Step("position", "6", "7")}, table),
              IsErrorWith(kConflict,
                          "the property 'position' is not as expected: expected '6', found '7'"));
  EXPECT_THAT(Check({Step("position", std::nullopt, "1")}, table),
              IsErrorWith(kConflict, "expected none, found '7'"));
  EXPECT_THAT(Check({Step("none", "", "1")}, table),
              IsErrorWith(kConflict, "expected '', found none"));
  EXPECT_THAT(Check({Step("empty", std::nullopt, "1")}, table),
              IsErrorWith(kConflict, "expected none, found ''"));
}

TEST(PropertySteps, AreShortenedByWholeCharactersWhereTheyAreTold) {
  std::string longest;
  for (int i = 0; i < 1'000; ++i) longest += "\xE2\x82\xAC";
  TableMetadata table;
  table.properties = {{longest, longest + "1"}};
  const Result<> told = Check({Step(longest, longest, "x")}, table);
  ASSERT_THAT(told, IsErrorWith(kConflict, longest.substr(0, 240) + "...'"));
  EXPECT_LT(told.error().message().size(), 900u);
}

TEST(PropertySteps, ChangeWhatTheyNameAndNothingElse) {
  std::map<std::string, std::string> properties = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  Apply({Step("a", "1", "9"), Step("b", "2", std::nullopt), Step("d", std::nullopt, ""),
         Step("e", std::nullopt, std::nullopt)},
        properties);
  EXPECT_EQ(properties, (std::map<std::string, std::string>{{"a", "9"}, {"c", "3"}, {"d", ""}}));
}

TEST(PropertySteps, AreRefusedWhenNoTableCanTakeThem) {
  EXPECT_THAT(Validate({Step("a", "1", "2"), Step("\xE2\x82\xAC", std::nullopt, std::nullopt)}),
              IsOk());
  EXPECT_THAT(Validate({Step("", "1", "2")}), IsErrorWith(kBad, "a property needs a name"));
  EXPECT_THAT(Validate({Step("\xFFx", "1", "2")}), IsErrorWith(kBad, "x' is not UTF-8"));
  EXPECT_THAT(Validate({Step("a", "\xC3", "2")}), IsErrorWith(kBad, "'a' is not UTF-8"));
  EXPECT_THAT(Validate({Step("a", "1", "\xC3")}), IsErrorWith(kBad, "'a' is not UTF-8"));
  EXPECT_THAT(Validate({Step("format-version", "2", "3")}), IsErrorWith(kBad, "reserved"));
  EXPECT_THAT(Validate({Step("a", "1", "2"), Step("b", "1", "2"), Step("a", "2", "3")}),
              IsErrorWith(kBad, "two steps are of the property 'a'"));
}

}  // namespace
}  // namespace pk::iceberg
