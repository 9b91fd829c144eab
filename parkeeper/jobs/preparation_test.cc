#include <gmock/gmock.h>

#include "parkeeper/jobs/preparation_internal.h"
#include "tests/support/matchers.h"

namespace pk::jobs {
namespace {

using testing::IsError;
using testing::IsOkAnd;

RefreshPlan JoinOf(const std::vector<bool>& incremental) {
  RefreshPlan plan{.name = "n", .sql = "select", .inputs = {}};
  for (size_t i = 0; i < incremental.size(); ++i) {
    const std::string name(1, char('a' + i));
    plan.inputs.push_back({.name = {"ns", name}, .key = name, .incremental = incremental[i]});
  }
  return plan;
}

// "a(5..7] b@3": new rows of a, all of b at snapshot 3; "b-" without rows, "c*" as its metadata has
// it.
std::string TextOf(const std::vector<QueryInput>& state) {
  std::string text;
  for (const QueryInput& input : state) {
    text += text.empty() ? "" : " ";
    text += input.name.back();
    if (input.files) {
      text += "-";
    } else if (!input.snapshot_id) {
      text += "*";
    } else if (input.after_snapshot_id) {
      text += "(" + std::to_string(*input.after_snapshot_id) + ".." +
              std::to_string(*input.snapshot_id) + "]";
    } else {
      text += "@" + std::to_string(*input.snapshot_id);
    }
  }
  return text;
}

std::vector<std::string> Texts(const RefreshPlan& plan, const Position& from, const Position& to) {
  std::vector<std::string> texts;
  const std::vector<std::string> metadata(plan.inputs.size(), "{}");
  for (const auto& state : StatesOfNewRows(plan, metadata, from, to)) {
    texts.push_back(TextOf(state));
  }
  return texts;
}

Position At(std::map<std::string, std::optional<int64_t>> snapshots) {
  return {.query = "q", .snapshots = std::move(snapshots)};
}

TEST(StatesOfNewRows, AreTheNewRowsOfOneTable) {
  const RefreshPlan plan = JoinOf({true});
  EXPECT_THAT(Texts(plan, {}, At({{"a", 7}})), ::testing::ElementsAre("a@7"));
  EXPECT_THAT(Texts(plan, At({{"a", std::nullopt}}), At({{"a", 7}})),
              ::testing::ElementsAre("a@7"));
  EXPECT_THAT(Texts(plan, At({{"a", 5}}), At({{"a", 7}})), ::testing::ElementsAre("a(5..7]"));
}

TEST(StatesOfNewRows, JoinNewRowsWithAllOfThoseBeforeAndTheOldOnesOfThoseBehind) {
  const RefreshPlan plan = JoinOf({true, true, true});
  EXPECT_THAT(Texts(plan, At({{"a", 1}, {"b", 2}, {"c", 3}}), At({{"a", 4}, {"b", 5}, {"c", 6}})),
              ::testing::ElementsAre("a(1..4] b@2 c@3", "a@4 b(2..5] c@3", "a@4 b@5 c(3..6]"));
  EXPECT_THAT(Texts(plan, At({{"a", 1}, {"b", 2}, {"c", 3}}), At({{"a", 1}, {"b", 5}, {"c", 3}})),
              ::testing::ElementsAre("a@1 b(2..5] c@3"));
  EXPECT_THAT(Texts(plan, {}, At({{"a", 4}, {"b", 5}, {"c", std::nullopt}})),
              ::testing::ElementsAre("a@4 b- c-", "a@4 b@5 c-"));
}

TEST(StatesOfNewRows, ReadOtherTablesAsTheyAre) {
  EXPECT_THAT(Texts(JoinOf({false, true}), At({{"b", 5}}), At({{"b", 7}})),
              ::testing::ElementsAre("a* b(5..7]"));
}

TEST(Position, SaysTheSameInAProperty) {
  const Position position = At({{"a", 5}, {"b", std::nullopt}, {"c", int64_t{1} << 62}});
  EXPECT_THAT(DecodePosition(Encode(position)), IsOkAnd(position));
  EXPECT_THAT(DecodePosition(R"({"query": "q", "snapshots": {"a": "x"}})"),
              IsError(ErrorCode::kCorrupt));
}

TEST(Position, IsOfOneQueryAndItsIncrementalTables) {
  const RefreshPlan plan = JoinOf({true, false});
  RefreshPlan other = plan;
  other.sql += " ";
  EXPECT_EQ(QueryOf(plan), QueryOf(plan));
  EXPECT_NE(QueryOf(plan), QueryOf(other));
  EXPECT_NE(QueryOf(plan), QueryOf(JoinOf({true, true})));
}

}  // namespace
}  // namespace pk::jobs
