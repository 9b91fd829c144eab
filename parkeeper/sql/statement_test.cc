#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "parkeeper/sql/statement_internal.h"
#include "tests/support/matchers.h"

namespace pk::sql {
namespace {

using ::testing::ElementsAre;
using testing::IsErrorWith;
using testing::IsOk;

class StatementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    PK_ASSERT_OK(const DuckApi* api, LoadDuckDb(""));
    PK_ASSERT_OK(engine_, Engine::Open(*api, {.threads = 1, .temp_folder = "/tmp/none"}));
  }
  Result<Statement> Read(const std::string& text) { return ReadStatement(*engine_, text); }

  std::unique_ptr<Engine> engine_;
};

TEST_F(StatementTest, NamesTheTablesWhereverTheyStand) {
  PK_ASSERT_OK(const Statement statement,
               Read("with c as (select * from a.b) select (select max(x) from \"q.r\".\"s t\") "
                    "from c join (from d.e.f) on exists (select 1 from a.b as z) -- , g.h\n"
                    "union all table i.j"));
  std::vector<std::vector<std::string>> found;
  for (const TableReference& table : statement.tables) {
    EXPECT_EQ(table.travel, TableReference::Travel::kNone);
    found.push_back(table.parts);
  }
  std::ranges::sort(found);
  EXPECT_THAT(found,
              ElementsAre(ElementsAre("a", "b"), ElementsAre("a", "b"), ElementsAre("d", "e", "f"),
                          ElementsAre("i", "j"), ElementsAre("q.r", "s t")));
}

TEST_F(StatementTest, RenamesTablesAndTakesTheClauseOut) {
  PK_ASSERT_OK(const Statement statement,
               Read("select b.x, y.x from a.b at (version => 'v)1'), a.b as y (x) AT /* ( */ "
                    "(timestamp => now() - interval 1 day) where 'a.b' = x"));
  ASSERT_EQ(statement.tables.size(), 2U);
  EXPECT_EQ(statement.tables[0].travel, TableReference::Travel::kVersion);
  EXPECT_EQ(statement.tables[0].travel_value, " 'v)1'");
  EXPECT_EQ(statement.tables[1].travel, TableReference::Travel::kTimestamp);
  EXPECT_EQ(statement.tables[1].travel_value, " now() - interval 1 day");
  EXPECT_EQ(Renamed(statement, {{"a", "one"}, {"a", "t\"wo"}}),
            "select b.x, y.x from \"a\".\"one\" AS \"b\" , \"a\".\"t\"\"wo\" as y (x)  "
            "where 'a.b' = x");
}

TEST_F(StatementTest, IsLeftAsItIsWhereNamesFit) {
  const std::string text = "select 1 from a.b";
  PK_ASSERT_OK(const Statement statement, Read(text));
  EXPECT_EQ(Renamed(statement, {{"a", "b"}}), text);
}

TEST_F(StatementTest, RefusesAllButQueriesAndSaysWhatToUse) {
  for (const auto& [text, says] : std::vector<std::pair<std::string, std::string>>{
           {"insert into a.b values (1)", "not INSERT: to add rows use 'parkeeper import"},
           {"with x as (select 1) delete from a.b", "not DELETE"},
           {"Create Table a.b (x int)", "not CREATE: use 'parkeeper table create'"},
           {"explain select 1", "not EXPLAIN: use 'parkeeper sql QUERY --explain'"},
           {"set threads = 1", "not SET: use the options"},
           {"copy a.b to 'x'", "--format parquet --output"},
           {"vacuum", "not VACUUM: only queries are run"},
           {"describe a.b", "are no queries"},
           {"show tables", "are no queries"},
           {"", "there is no query"},
           {" -- nothing", "there is no query"},
           {"select 1; select 2", "one query at a time, not 2"},
           {"select from where", "syntax error"},
           {"select * from read_text('/etc/hostname')", "read_text() is not part"},
           {"select * from 'x.parquet'", "files are not read by a query"},
           {"select * from b", "NAMESPACE.b"},
           {"select 1 from a.b at (version => 1), b at (version => 1)", "NAMESPACE.TABLE"},
           {std::string("select '\0'", 10), "NUL"},
           {"select '\xff'", "not UTF-8"}}) {
    EXPECT_THAT(Read(text), IsErrorWith(ErrorCode::kInvalidArgument, says)) << text;
  }
}

TEST_F(StatementTest, TakesEveryFormOfAQuery) {
  for (const char* text :
       {"values (1), (2)", "from a.b", "table a.b", "(select 1)", "select 1;",
        "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) from r",
        "select * from range(3), unnest([1, 2]), generate_series(1, 2)",
        "select * from (pivot a.b on x in (1, 2) using sum(y))"}) {
    EXPECT_THAT(Read(text), IsOk()) << text;
  }
}

TEST_F(StatementTest, MayBeNestedDeeply) {
  std::string sum = "1";
  for (int i = 0; i < 300; ++i) sum += " + 1";
  EXPECT_THAT(Read("select " + sum + " from a.b"), IsOk());
}

TEST(Engine, SeesNoFileOutsideOfItsFolder) {
  PK_ASSERT_OK(const DuckApi* api, LoadDuckDb(""));
  PK_ASSERT_OK(auto engine, Engine::Open(*api, {.threads = 1, .temp_folder = "/tmp/none"}));
  for (const char* text :
       {"SELECT * FROM read_text('/proc/version')", "COPY (SELECT 1) TO '/tmp/x.csv'",
        "ATTACH '/tmp/x.db'", "INSTALL httpfs", "LOAD '/tmp/x.duckdb_extension'",
        "SET enable_external_access = true", "SET allowed_directories = ['/']",
        "SELECT * FROM read_csv('https://127.0.0.1/x.csv')"}) {
    EXPECT_FALSE(engine->Execute(text).ok()) << text;
  }
}

TEST(Engine, GivesTextsOfAnyLengthAndNulls) {
  PK_ASSERT_OK(const DuckApi* api, LoadDuckDb(""));
  PK_ASSERT_OK(auto engine, Engine::Open(*api, {.threads = 1, .temp_folder = "/tmp/none"}));
  PK_ASSERT_OK(const auto rows,
               engine->Rows("SELECT CASE WHEN i % 7 = 3 THEN NULL ELSE repeat('x', (i % 30)::INT) "
                            "END, i::VARCHAR FROM range(5000) t(i)"));
  ASSERT_EQ(rows.size(), 5'000U);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i][1], std::to_string(i));
    if (i % 7 == 3) {
      EXPECT_EQ(rows[i][0], std::nullopt);
    } else {
      EXPECT_EQ(rows[i][0], std::string(i % 30, 'x'));
    }
  }
}

}  // namespace
}  // namespace pk::sql
