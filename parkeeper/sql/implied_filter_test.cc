#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parkeeper/sql/engine_internal.h"
#include "parkeeper/sql/pushdown_internal.h"
#include "tests/support/matchers.h"

namespace pk::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsError;

// Columns c0 to c12.
iceberg::Schema Columns() {
  return iceberg::ParseSchemaText(
             "id long not null, i int, f float, x double, price decimal(9,2), day date, t time, "
             "ts timestamp, tz timestamptz, s string, flag boolean, u uuid, st struct<a: int>")
      .value();
}

class ImpliedFilterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    PK_ASSERT_OK(const DuckApi* api, LoadDuckDb(""));
    PK_ASSERT_OK(engine_, Engine::Open(*api, {.threads = 1, .temp_folder = "/tmp/none"}));
  }
  std::string Of(const std::string& expression) {
    const auto rows =
        engine_->Rows("SELECT json_serialize_sql(" + Quoted("SELECT " + expression) + ")");
    EXPECT_THAT(rows, testing::IsOk());
    return iceberg::ToString(ImpliedFilter(*rows->front()[0], Columns()));
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(ImpliedFilterTest, UnderstandsWhatDuckDbWritesInPlans) {
  for (const auto& [expression, filter] : std::vector<std::pair<std::string, std::string>>{
           {"(c0 > 5)", "id > 5"},
           {"(5 > c0)", "id < 5"},
           {"(c0 = -5000000000)", "id = -5000000000"},
           {"((c1 >= 1) AND (c1 <= 3) AND (c9 = 'it''s'))", "i >= 1 and i <= 3 and s = 'it''s'"},
           {"((c1 = 1) OR (c1 = 2))", "i = 1 or i = 2"},
           {"(c1 BETWEEN 1 AND 3)", "i >= 1 and i <= 3"},
           {"(c5 <= '1998-09-02'::DATE)", "day <= '1998-09-02'"},
           {"(c6 < '10:11:12.5'::TIME)", "t < '10:11:12.5'"},
           {"(c7 < '1995-01-01 00:00:00'::TIMESTAMP)", "ts < '1995-01-01 00:00:00'"},
           {"(c8 > '1994-01-01 09:00:00.5+00'::TIMESTAMP WITH TIME ZONE)",
            "tz > '1994-01-01 09:00:00.5+00:00'"},
           {"(c4 < 24.00)", "price < 24.00"},
           {"(c3 < 1.5)", "x < 1.5"},
           {"(c1 IN (1, 2, 3))", "i in (1, 2, 3)"},
           {"(c1 NOT IN (1, 2))", "i not in (1, 2)"},
           {"(NOT (c1 IN (1, 2)))", "i not in (1, 2)"},
           {"prefix(c9, 'ab')", "s like 'ab%'"},
           {"(NOT prefix(c9, 'ab'))", "s not like 'ab%'"},
           {"(c9 IS NULL)", "s is null"},
           {"(c9 IS NOT NULL)", "s is not null"},
           {"c10", "flag = true"},
           {"(NOT c10)", "flag = false"},
           {"(c11 = '00000000-0000-0000-0000-000000000001'::UUID)",
            "u = '00000000-0000-0000-0000-000000000001'"},
           {"(CAST(c0 AS DECIMAL(20,1)) = 3.5)", "id = 3.5"},
           {"(CAST(c1 AS BIGINT) < 7)", "i < 7"},
           {"(CAST(c1 AS DOUBLE) < 7.5)", "i < 7.5"},
           {"((c0 > 5) AND (c1 + 1 = 3))", "id > 5"}}) {
    EXPECT_EQ(Of(expression), filter) << expression;
  }
}

// DuckDB's NaN is above all numbers, and ours passes no comparison.
TEST_F(ImpliedFilterTest, KeepsNanWhereDuckDbDoes) {
  EXPECT_EQ(Of("(c3 > 1.5)"), "x > 1.5 or x is nan");
  EXPECT_EQ(Of("(c2 >= 1.5)"), "f >= 1.5 or f is nan");
  EXPECT_EQ(Of("(c3 = 'nan'::DOUBLE)"), "true");
}

TEST_F(ImpliedFilterTest, LeavesOutWhatItCannotKnow) {
  for (const char* expression : {"(c1 + 1 = 3)",
                                 "(c1 = c0)",
                                 "((c1 = 1) OR (c1 + 1 = 3))",
                                 "(c9 ~~ 'a_c%')",
                                 "suffix(c9, 'x')",
                                 "(NOT ((c1 > 1) AND (c1 < 3)))",
                                 "(NOT (c1 BETWEEN 1 AND 3))",
                                 "(c0 IN (1, c1))",
                                 "(c0 = NULL)",
                                 "(c99 = 1)",
                                 "(c = 1)",
                                 "(c11 < '00'::UUID)",
                                 "(CAST(c4 AS DECIMAL(9,1)) = 1.5)",
                                 "(CAST(c0 AS DOUBLE) = 1.5)",
                                 "(CAST(c2 AS DOUBLE) > 1.1)",
                                 "(CAST(c3 AS INTEGER) = 1)",
                                 "(c12 IS NULL)",
                                 "(random() < 0.5)",
                                 "(c9 > 5)",
                                 "(c5 = 'x'::DATE)",
                                 "(c1 IS DISTINCT FROM 3)",
                                 "struct_extract(c12, 'a') = 1",
                                 "(c5 < '1995-01-01 00:00:00'::TIMESTAMP)"}) {
    EXPECT_EQ(Of(expression), "true") << expression;
  }
  EXPECT_TRUE(ImpliedFilter("{", Columns()).is_true());
  EXPECT_TRUE(ImpliedFilter("{\"statements\": []}", Columns()).is_true());
}

// A node of a plan.
std::string ScanOf(int table, const std::string& projections) {
  const std::string name = "PARKEEPER_SCAN_" + std::to_string(table);
  return R"({"name": ")" + name + R"(", "extra_info": {"Function": ")" + name + "\"" + projections +
         R"(}, "children": []})";
}
std::string Above(const std::string& head, const std::string& child) {
  return "{" + head + R"(, "children": [)" + child + "]}";
}

std::string Filter(const std::string& expression, const std::string& child) {
  return Above(R"("name": "FILTER", "extra_info": {"Expression": )" + expression + "}", child);
}

TEST(Plans, NameTheScansWithColumnsAndTheFilterRightAbove) {
  const std::string one = Filter("\"(c1 > 3)\"", ScanOf(1, R"(, "Projections": ["c0", "c1"])"));
  const std::string two = Filter(
      "\"(c2 > 3)\"", Above(R"("name": "PROJECTION")", ScanOf(0, R"(, "Projections": "c2")")));
  const std::string three =
      Filter("[\"(c9 = 'a\", \"b')\"]", ScanOf(0, R"(, "Projections": "c9")"));
  const std::string join =
      Above(R"("name": "JOIN", "extra_info": {})", one + ", " + two + ", " + three);
  PK_ASSERT_OK(const auto scans, ReadScans("[" + join + "]", 2));
  ASSERT_EQ(scans.size(), 3U);
  EXPECT_EQ(scans[0].table, 1U);
  EXPECT_THAT(scans[0].columns, ElementsAre(0, 1));
  EXPECT_EQ(scans[0].filter, "(c1 > 3)");
  EXPECT_THAT(scans[1].columns, ElementsAre(2));
  EXPECT_EQ(scans[1].filter, "");
  EXPECT_EQ(scans[2].filter, "");
}

// What is taken for "nothing read" by mistake would be read as null.
TEST(Plans, AreRefusedWhereAScanMayBeMissed) {
  for (const std::string& plan :
       {std::string("{}"), std::string("[1]"), std::string("no JSON"),
        "[" + ScanOf(0, R"(, "Projections": "price")") + "]", "[" + ScanOf(0, "") + "]",
        "[" + ScanOf(7, R"(, "Projections": "c0")") + "]",
        std::string(R"([{"name": "PARKEEPER_SCAN_0", "extra_info": {}, "children": []}])"),
        "[" +
            Above(R"("name": "X", "uses": "parkeeper_scan_1")",
                  ScanOf(0, R"(, "Projections": "c0")")) +
            "]"}) {
    EXPECT_THAT(ReadScans(plan, 2), IsError(ErrorCode::kUnsupported)) << plan;
  }
  EXPECT_THAT(ReadScans("[]", 2), testing::IsOkAnd(IsEmpty()));
}

}  // namespace
}  // namespace pk::sql
