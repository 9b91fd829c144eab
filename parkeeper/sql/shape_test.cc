// What Describe says of a query's shape, and that what it says is so: the same queries run over
// parts of tables.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "parkeeper/datafile/batch.h"
#include "tests/support/sql_tables.h"

namespace pk::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::Lines;
using testing::RowsOf;
using testing::Sorted;
using testing::SqlTables;
using testing::TableInMemory;

constexpr const char* kFacts = "id long, k int, x double, cat string, tags list<int>";
constexpr const char* kLabels = "k int, label string";

// Of the tables a, b and d, those in which a query is linear, as "a d".
struct Shape {
  std::string query;
  std::string linear;
};

const std::vector<Shape>& LinearShapes() {
  static const std::vector<Shape> kShapes = {
      {"select * from s.a", "a"},
      {"select id + 1 as next, upper(cat) u from s.a where x > 3 and k in (1, 2)", "a"},
      {"from s.a select k where cat like 'c%' or id is null", "a"},
      {"select * exclude (x) replace (k + 1 as k) from s.a", "a"},
      {"select case when k > 2 then 'many' else cat end, coalesce(x, 0) from s.a", "a"},
      {"select nullif(k, 2), split_part(cat, 'c', 2), list_sum(tags) from s.a", "a"},
      {"select a.id, b.x from s.a join s.b on a.k = b.k where a.id < 30", "a b"},
      {"select a.id, b.id from s.a, s.b", "a b"},
      {"select a.id, b.id from s.a join s.b on a.id < b.id and a.x > b.x", "a b"},
      {"select a.id, b.id from s.a join s.b on a.id + b.id = 7 or a.cat = b.cat", "a b"},
      {"select a.id, label from s.a join s.b using (k) join s.d using (k) where b.cat = 'c1'",
       "a b d"},
      {"select * from s.a natural join s.b", "a b"},
      {"select a.id, d.label from s.a left join s.d on a.k = d.k", "a"},
      {"select a.id, d.label from s.d right join s.a on a.k = d.k and a.x > 2", "a"},
      {"select d.label, a.id from s.d left join s.a on a.k = d.k", "d"},
      {"select a.id from s.a left join s.b using (id) where b.id is null", "a"},
      {"select id from s.a where k in (select k from s.b where x > 2)", "a"},
      {"select id from s.a where k not in (select k from s.b where x > 2)", "a"},
      {"select id from s.a semi join s.b using (k)", "a"},
      {"select id from s.b anti join s.a using (k)", "b"},
      {"select id from s.a where exists (select 1 from s.b where b.k = a.k and b.x > a.x)", "a"},
      {"select id from s.a where not exists (select 1 from s.b where b.k = a.k and b.id > a.id)",
       "a"},
      {"select id, (select max(x) from s.b where b.k = a.k) from s.a", "a"},
      {"select id, (select count(*) from s.b where b.id < a.id) from s.a", "a"},
      {"select id from s.a where (select count(*) from s.b where b.cat = a.cat) > 2", "a"},
      {"select id, (select min(id) from s.b) from s.a where x >= (select min(x) from s.b)", "a"},
      {"select id from s.a where x > all (select x from s.b where k = 3)", "a"},
      {"select id, unnest(tags) from s.a", "a"},
      {"select id, v from s.a, unnest(a.tags) as t(v) where v > 2", "a"},
      {"select id, v from s.a left join unnest(a.tags) as t(v) on true", "a"},
      {"select id, v from s.a, unnest(string_split(cat, 'c')) as t(v)", "a"},
      {"select id, (select max(v) from unnest([id, k]) as t(v)) from s.a", "a"},
      {"select id, r.v from s.a, range(a.k) as r(v)", "a"},
      {"select id, r.v from s.a, range(3) as r(v)", "a"},
      {"select a.id, v.k from s.a join (values (1), (2), (2)) v(k) on a.k = v.k", "a"},
      {"with c as (select * from s.a where k > 1), e as (select k from s.b) "
       "select c.id from c join e using (k)",
       "a b"},
      {"with e as (select k, id from s.b where k > 0) select a.id from s.a join e using (k) join e "
       "f on f.id = a.id",
       "a"},
      {"select a.id, n from s.a join (select k, count(*) n from s.b group by k) using (k)", "a"},
      {"select a.id from s.a join (select distinct k from s.b) using (k)", "a"},
      {"select a.id from s.a join (select k from s.b union all select k from s.d) using (k)", "a"},
      {"select a.id, l.id from s.a left join lateral (select id from s.b where b.k > a.k) l on "
       "true",
       "a"},
      {"select a.id, l.m from s.a, lateral (select max(id) m from s.b where b.k > a.k) l", "a"},
      {"select id from s.a where k in (select b.k from s.b where exists (select 1 from s.d where "
       "d.k = b.k and d.label = a.cat))",
       "a"},
      {"select a.id from s.a where k in (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)", "a"},
      {"select u.id from (select id from s.a order by id) u where u.id > 3", ""},
      {"select a.id, b.id from s.a full join s.b using (k)", ""},
      {"select a.id from s.a, s.b b at (version => 100) where a.k = b.k", "a"},
  };
  return kShapes;
}

struct Refusal {
  std::string query;
  std::string why;  // not linear in a
};

const std::vector<Refusal>& Refusals() {
  static const std::vector<Refusal> kRefusals = {
      {"select id from s.a order by id", "ORDER BY"},
      {"select id from s.a limit 3", "LIMIT"},
      {"select id from s.a order by id limit 3", "LIMIT"},
      {"select id from s.a using sample 3 rows", "SAMPLE"},
      {"select id from s.a tablesample 10%", "SAMPLE"},
      {"select row_number() over (order by id) from s.a", "window function"},
      {"select sum(x) over (partition by cat) from s.a", "window function"},
      {"select id from s.a qualify row_number() over (partition by cat order by id) = 1",
       "window function"},
      {"select id from s.a union all select id from s.b", "UNION"},
      {"select id from s.a union select id from s.b", "UNION"},
      {"select id from s.a except select id from s.b", "aggregated"},
      {"select id from s.b where k not in (select k from s.a)", "MARK"},
      {"select b.id, a.id from s.b left join s.a using (k)", "LEFT"},
      {"select id from s.b where exists (select 1 from s.a where a.k = b.k and a.x > b.x)",
       "a subquery"},
      {"select id, (select count(*) from s.a where a.k < b.k) from s.b", "aggregated"},
      {"select b.id from s.b join (select k, count(*) from s.a group by k) using (k)",
       "after they are aggregated"},
      {"select id from s.a where id > (select max(id) - 3 from s.a)", "names it 2 times"},
      {"select a.id from s.a, s.a c where a.k = c.k", "names it 2 times"},
      {"select a.id from s.a, s.a c at (version => 100) where a.k = c.k", "names it 2 times"},
      {"select id from s.a at (version => 100)", "AT"},
      {"with c as (select * from s.a) select c.id from c join c f using (k)", "WITH"},
      {"with c as materialized (select * from s.a) select id from c", "WITH"},
      {"with recursive r(n) as (select id from s.a union all select n + 1 from r where n < 3) "
       "from r",
       "recursive"},
      {"select a.id from s.a asof join s.b on a.k = b.k and a.id >= b.id", "ASOF"},
      {"select a.id from s.a positional join s.b", "position"},
      {"select random() from s.a", "random()"},
      {"select id from s.a where random() < 0.5", "random()"},
      {"select id, now() from s.a", "now()"},
      {"select id, current_date from s.a", "current_date is another one each time"},
      {"select id, gen_random_uuid() from s.a", "gen_random_uuid()"},
      {"select age(timestamp '2026-01-01')::varchar from s.a", "age()"},
      {"select current_setting('threads') from s.a", "current_setting()"},
      {"select id from s.a join (select k from s.b limit 3) using (k)", "LIMIT"},
      {"select id from s.a join (select k, sum(x) from s.b group by k) using (k) ", ""},
      {"select id, s from s.a join (select k, sum(x) s from s.b group by k) using (k)",
       "joined with rows that are aggregated"},
      {"select id, (select first(x) from s.b) from s.a", "first()"},
      {"select a.id, n.x from s.a join (select distinct on (k) k, x from s.b) n using (k)",
       "joined with rows that are aggregated"},
      {"select id, o from s.a, unnest(tags) with ordinality as t(v, o)", "ORDINALITY"},
      {"select b.id from s.b left join s.a on false", "no part of it adds to"},
  };
  return kRefusals;
}

// Of aggregations, whose parts are no partial ones either.
const std::vector<Refusal>& AggregateRefusals() {
  static const std::vector<Refusal> kRefusals = {
      {"select distinct cat from s.a", "behind the aggregation"},
      {"select cat, sum(x) from s.a group by cat having sum(x) > 3", "after they are aggregated"},
      {"select cat, sum(x) from s.a group by cat order by cat", "ORDER BY"},
      {"select cat, sum(x) from s.a group by cat limit 1", "LIMIT"},
      {"select cat, sum(x) + 1 from s.a group by cat", "neither an aggregate nor"},
      {"select sum(x) from s.a group by cat", "does not show all keys"},
      {"select cat, avg(x) from s.a group by cat", "avg()"},
      {"select cat, max(x, 2) from s.a group by cat", "max()"},
      {"select (select sum(a.x)) from s.a", "after they are aggregated"},
      {"select array(select x from s.b) from s.a", "array_agg()"},
      {"select sum(x), (select max(x) from s.b) from s.a", "aggregated"},
      {"select cat, count(*) from s.a group by all having count(*) > 1", "after they are"},
      {"select cat, count(distinct k) from s.a group by cat", "DISTINCT"},
      {"select cat, list(k) from s.a group by cat", "list()"},
      {"select cat, sum(x) from s.a group by rollup (cat)", "ROLLUP"},
      {"select cat, count(*) from (select distinct cat, k from s.a) group by cat",
       "more than once"},
      {"select count(*) from s.b left join s.a using (k)", "LEFT"},
      {"select * from (select cat, sum(x) s from s.a group by cat)", "in a subquery"},
      {"select 1 from (select id from s.a qualify row_number() over (partition by cat order by id) "
       "= 1)",
       "window function"},
      {"select 1 from (select distinct id from s.a)", "in a subquery"},
      {"select count(*) from s.a join (select distinct k from s.b) using (k)", "in a subquery too"},
      {"select count(*) from s.a join (select k from s.b group by all) using (k)",
       "in a subquery too"},
      {"select max(s) from (select cat, sum(x) s from s.a group by cat)", "more than once"},
      {"select id, (select max(v) from unnest(tags) as t(v)) from s.a", "aggregated by a function"},
      {"select id from s.a intersect all select id from s.b", "window function"},
  };
  return kRefusals;
}

// Aggregations, with what puts the results over parts together, in a table `parts`.
struct Partial {
  std::string query;
  std::string columns;
  std::string together;
};

const std::vector<Partial>& Partials() {
  static const std::vector<Partial> kPartials = {
      {"select count(*) n, sum(k) s, min(x) least, max(id) most from s.a",
       "n long, s decimal(38,0), "
       "least double, most long",
       "select sum(n)::bigint n, sum(s)::decimal(38,0) s, min(least) least, max(most) most "
       "from s.parts"},
      {"select cat, count(x) filter (where k > 1) n from s.a where id is not null group by cat",
       "cat string, n long", "select cat, sum(n)::bigint n from s.parts group by cat"},
      {"select cat c, k % 2 odd, bool_or(x > 3) any_x, bit_xor(id) bits from s.a group by all",
       "c string, odd int, any_x boolean, bits long",
       "select c, odd, bool_or(any_x) any_x, bit_xor(bits) bits from s.parts group by all"},
      {"select d.label, sum(a.k) s from s.a join s.d on a.k = d.k group by 1",
       "label string, s decimal(38,0)",
       "select label, sum(s)::decimal(38,0) s from s.parts group by 1"},
      {"select k, cat from s.a group by cat, k", "k int, cat string",
       "select k, cat from s.parts group by cat, k"},
      {"with e as (select * from s.b where x > 1) select 'all' what, count(*) n from s.a semi join "
       "e "
       "using (k)",
       "what string, n long", "select 'all' what, sum(n)::bigint n from s.parts"},
  };
  return kPartials;
}

class Draws {
 public:
  explicit Draws(uint64_t seed) : engine_(seed) {}

  int Below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(engine_); }

  std::string Fact() {
    std::string row;
    const auto add = [&](const std::string& name, const std::string& value) {
      if (Below(8) == 0) return;
      row += (row.empty() ? "{\"" : ",\"") + name + "\":" + value;
    };
    add("id", std::to_string(Below(20)));
    add("k", std::to_string(Below(5)));
    add("x", std::to_string(Below(6)) + ".5");
    add("cat", "\"c" + std::to_string(Below(3)) + "\"");
    add("tags", "[" + std::to_string(Below(5)) + (Below(2) == 0 ? "]" : ",1,null]"));
    return row.empty() ? "{}" : row + "}";
  }

  Lines Facts() {
    Lines rows;
    for (int i = Below(7); i >= 0; --i) rows.push_back(Fact());
    return rows;
  }

  // Each file in one of some parts, which may be empty.
  std::vector<Lines> Parts(const Lines& files) {
    std::vector<Lines> parts(size_t(2 + Below(3)));
    for (const std::string& file : files) parts[size_t(Below(int(parts.size())))].push_back(file);
    return parts;
  }

 private:
  std::mt19937_64 engine_;
};

uint64_t Seed() {
  const char* given = getenv("PARKEEPER_SEED");
  return given == nullptr ? 20'261'128 : std::stoull(given);
}

class ShapeTest : public ::testing::Test {
 protected:
  void Fill(Draws& draws) {
    for (const char* name : {"a", "b", "d"}) {
      TableInMemory& table =
          tables_.Add(name, {.schema = name[0] == 'd' ? kLabels : kFacts,
                             .partition_by = name[0] == 'd' || draws.Below(2) == 0 ? "" : "k"});
      for (int i = 0; i < 3; ++i) {
        if (name[0] == 'd') {
          table.Append({"{\"k\":" + std::to_string(i + 1) + ",\"label\":\"c" +
                        std::to_string(draws.Below(3)) + "\"}"});
        } else {
          table.Append(draws.Facts());
        }
      }
      by_name_[name] = &table;
    }
  }

  // Whole rows, whatever order; errors end the test.
  Lines Rows(Session& session, const std::string& query) {
    const auto rows = RowsOf(session, query);
    EXPECT_THAT(rows, IsOk()) << query;
    return rows.ok() ? Sorted(*rows) : Lines{"failed"};
  }

  void ExpectSums(Session& session, const std::string& query, const std::string& name,
                  Draws& draws) {
    tables_.state(name) = {};
    const Lines whole = Rows(session, query);
    Lines sum;
    for (const Lines& part : draws.Parts(by_name_.at(name)->Files())) {
      tables_.state(name).files = part;
      const Lines rows = Rows(session, query);
      sum.insert(sum.end(), rows.begin(), rows.end());
    }
    EXPECT_EQ(Sorted(sum), whole) << query << " over parts of " << name;
    const int64_t old = 100 + draws.Below(3);
    tables_.state(name) = {.metadata = nullptr, .snapshot = old};
    sum = Rows(session, query);
    tables_.state(name) = {.metadata = nullptr, .after_snapshot = old};
    const Lines added = Rows(session, query);
    sum.insert(sum.end(), added.begin(), added.end());
    EXPECT_EQ(Sorted(sum), whole) << query << " after " << old << " of " << name;
    tables_.state(name) = {};
    rows_seen_ += whole.size();
  }

  SqlTables tables_;
  std::map<std::string, TableInMemory*> by_name_;
  size_t rows_seen_ = 0;
};

std::string LinearIn(const QueryShape& shape) {
  std::vector<std::string> names;
  for (const TableShape& table : shape.tables) {
    if (table.linear) names.push_back(table.name.back());
    EXPECT_EQ(table.linear, table.why_not.empty()) << table.why_not;
  }
  std::string text;
  for (const std::string& name : Sorted(names)) text += (text.empty() ? "" : " ") + name;
  return text;
}

TEST_F(ShapeTest, TellsInWhichTablesAQueryIsLinear) {
  Draws draws(1);
  Fill(draws);
  PK_ASSERT_OK(auto session, tables_.OverMemory());
  for (const Shape& wanted : LinearShapes()) {
    const auto shape = session->Describe(wanted.query);
    ASSERT_THAT(shape, IsOk()) << wanted.query;
    EXPECT_EQ(LinearIn(*shape), wanted.linear) << wanted.query;
  }
}

TEST_F(ShapeTest, SaysWhyAQueryIsNotLinear) {
  Draws draws(1);
  Fill(draws);
  PK_ASSERT_OK(auto session, tables_.OverMemory());
  std::vector<Refusal> refusals = Refusals();
  refusals.insert(refusals.end(), AggregateRefusals().begin(), AggregateRefusals().end());
  for (const Refusal& wanted : refusals) {
    const auto shape = session->Describe(wanted.query);
    ASSERT_THAT(shape, IsOk()) << wanted.query;
    for (const TableShape& table : shape->tables) {
      if (table.name.back() != "a") continue;
      EXPECT_EQ(table.linear, wanted.why.empty()) << wanted.query;
      EXPECT_FALSE(table.aggregates_linear) << wanted.query;
      EXPECT_THAT(table.why_not, HasSubstr(wanted.why)) << wanted.query;
    }
  }
}

TEST_F(ShapeTest, IsLinearWhereItSaysSo) {
  SCOPED_TRACE("PARKEEPER_SEED=" + std::to_string(Seed()));
  Draws draws(Seed());
  Fill(draws);
  PK_ASSERT_OK(auto memory, tables_.OverMemory(1));
  PK_ASSERT_OK(auto folder, tables_.OverFolder(1));
  std::vector<std::string> queries;
  for (const Shape& shape : LinearShapes()) queries.push_back(shape.query);
  for (const Refusal& refusal : Refusals()) queries.push_back(refusal.query);
  for (const Refusal& refusal : AggregateRefusals()) queries.push_back(refusal.query);
  for (const std::string& query : queries) {
    Session& session = draws.Below(2) == 0 ? *memory : *folder;
    PK_ASSERT_OK(const QueryShape shape, session.Describe(query));
    for (const TableShape& table : shape.tables) {
      if (table.linear) ExpectSums(session, query, table.name.back(), draws);
    }
  }
  EXPECT_GT(rows_seen_, 300U);
}

TEST_F(ShapeTest, GivesPartialAggregatesWhereItSaysSo) {
  SCOPED_TRACE("PARKEEPER_SEED=" + std::to_string(Seed()));
  Draws draws(Seed());
  Fill(draws);
  PK_ASSERT_OK(auto session, tables_.OverMemory(1));
  for (const Partial& partial : Partials()) {
    PK_ASSERT_OK(const QueryShape shape, session->Describe(partial.query));
    int found = 0;
    for (const TableShape& table : shape.tables) {
      if (table.name.back() != "a") continue;
      ++found;
      EXPECT_FALSE(table.linear) << partial.query;
      EXPECT_TRUE(table.aggregates_linear) << partial.query << ": " << table.why_not;
      EXPECT_THAT(table.why_not, HasSubstr("the rows are aggregated")) << partial.query;
    }
    EXPECT_EQ(found, 1) << partial.query;
    TableInMemory& parts = tables_.Replace("parts", {.schema = partial.columns});
    for (const Lines& files : draws.Parts(by_name_.at("a")->Files())) {
      tables_.state("a").files = files;
      parts.Append(Rows(*session, partial.query));
    }
    tables_.state("a") = {};
    EXPECT_EQ(Rows(*session, partial.together), Rows(*session, partial.query));
  }
}

TEST_F(ShapeTest, GrowsByTheNewRowsOfEachTable) {
  SCOPED_TRACE("PARKEEPER_SEED=" + std::to_string(Seed()));
  Draws draws(Seed());
  Fill(draws);
  PK_ASSERT_OK(auto session, tables_.OverMemory(1));
  int tried = 0;
  for (const Shape& shape : LinearShapes()) {
    if (!shape.linear.starts_with("a b")) continue;
    ++tried;
    const int64_t old_a = 100 + draws.Below(3), old_b = 100 + draws.Below(3);
    const TableState a{.metadata = nullptr, .snapshot = old_a},
        b{.metadata = nullptr, .snapshot = old_b},
        new_a{.metadata = nullptr, .after_snapshot = old_a},
        new_b{.metadata = nullptr, .after_snapshot = old_b};
    Lines sum;
    for (const auto& [of_a, of_b] :
         {std::pair(a, b), std::pair(new_a, b), std::pair(TableState(), new_b)}) {
      tables_.state("a") = of_a;
      tables_.state("b") = of_b;
      const Lines rows = Rows(*session, shape.query);
      sum.insert(sum.end(), rows.begin(), rows.end());
    }
    tables_.state("a") = tables_.state("b") = {};
    EXPECT_EQ(Sorted(sum), Rows(*session, shape.query)) << shape.query;
  }
  EXPECT_GT(tried, 5);
}

TEST_F(ShapeTest, TellsTheColumnsThatAQueryGives) {
  tables_
      .Add("t", {.schema = "b boolean, i int, l long, f float, d double, p decimal(38,10), dt "
                           "date, tm time, ts timestamp, tz timestamptz, s string, u uuid, fx "
                           "fixed[2], bn binary, st struct<x: int, y: list<string>>, m "
                           "map<string, double>"})
      .Append({"{}"});
  PK_ASSERT_OK(auto session, tables_.OverMemory());
  for (const char* query :
       {"select * from s.t", "select i, i, sum(l) over () from s.t", "select 1 as one, 'x'",
        "values (1, null, date '2026-01-01')",
        "select count(*), sum(i), avg(d), max(p), list(s), min(tz) from s.t where l = 3;"}) {
    PK_ASSERT_OK(const QueryShape shape, session->Describe(query));
    PK_ASSERT_OK(const Answer answer, session->Query(query, {}));
    EXPECT_EQ(shape.columns.type(), answer.rows->schema().type()) << query;
    EXPECT_FALSE(shape.columns.fields().empty()) << query;
  }
}

TEST_F(ShapeTest, NamesTheTablesAndReadsNoRows) {
  Draws draws(1);
  Fill(draws);
  for (const std::string& file : by_name_["a"]->Files()) {
    ASSERT_THAT(by_name_["a"]->storage().Remove(file), IsOk());
  }
  PK_ASSERT_OK(auto session, tables_.OverMemory());
  PK_ASSERT_OK(const QueryShape shape,
               session->Describe("select a.id from s.a join s.d using (k) where a.id in (select id "
                                 "from s.a at (version => 100))"));
  ASSERT_EQ(shape.tables.size(), 2U);
  const bool a_first = shape.tables[0].name.back() == "a";
  const TableShape& a = shape.tables[a_first ? 0 : 1];
  const TableShape& d = shape.tables[a_first ? 1 : 0];
  EXPECT_THAT(a.name, ElementsAre("s", "a"));
  EXPECT_EQ(a.times, 2);
  EXPECT_TRUE(a.at);
  EXPECT_THAT(d.name, ElementsAre("s", "d"));
  EXPECT_EQ(d.times, 1);
  EXPECT_FALSE(d.at);
  EXPECT_TRUE(d.linear);
  PK_ASSERT_OK(const QueryShape none, session->Describe("select 1 where random() < 2"));
  EXPECT_THAT(none.tables, IsEmpty());
  EXPECT_THAT(session->Describe("select no from s.a"),
              IsErrorWith(ErrorCode::kInvalidArgument, "LINE 1: select no from s.a"));
  EXPECT_THAT(session->Describe("select id from s.a where k = $1"),
              IsErrorWith(ErrorCode::kInvalidArgument, "parameters"));
  EXPECT_THAT(session->Describe("insert into s.a values (1)"),
              IsErrorWith(ErrorCode::kInvalidArgument, "parkeeper import"));
  EXPECT_THAT(session->Describe("select 1 from s.none"), IsError(ErrorCode::kNotFound));
}

// Two names of one table, as the lake gives for a.b.t and "a.b".t.
TEST_F(ShapeTest, KnowsATableAgainUnderAnotherName) {
  tables_.Add("a", {.schema = kFacts}).Append({"{}"});
  tables_.Add("other", {.schema = kFacts}).Append({"{}"});
  PK_ASSERT_OK(auto session, tables_.OverMemory());
  const std::string query = "select a.id from s.a join s.other using (k)";
  PK_ASSERT_OK(QueryShape shape, session->Describe(query));
  EXPECT_EQ(LinearIn(shape), "a other");
  tables_.state("other").metadata =
      std::make_shared<const iceberg::TableMetadata>(tables_.Add("a").metadata());
  PK_ASSERT_OK(shape, session->Describe(query));
  EXPECT_EQ(LinearIn(shape), "");
  EXPECT_EQ(shape.tables[0].times, 2);
}

TEST_F(ShapeTest, ReadsTheStateThatTheSourcePins) {
  TableInMemory& table = tables_.Add("t");
  const int64_t first = table.Append(testing::SampleRows(0, 10));
  const int64_t second = table.Append(testing::SampleRows(10, 15));
  table.Append(testing::SampleRows(15, 18));
  PK_ASSERT_OK(auto memory, tables_.OverMemory());
  PK_ASSERT_OK(auto folder, tables_.OverFolder());
  const auto expect = [&](const std::string& query, const TableState& state, int64_t rows) {
    tables_.state("t") = state;
    for (Session* session : {memory.get(), folder.get()}) {
      EXPECT_EQ(Rows(*session, "select count(*) n from " + query),
                Lines{"{\"n\":" + std::to_string(rows) + "}"})
          << query << (session == memory.get() ? " by scan" : " by DuckDB");
    }
  };
  expect("s.t", {}, 18);
  expect("s.t", {.metadata = nullptr, .snapshot = second}, 15);
  expect("s.t", {.metadata = nullptr, .after_snapshot = first}, 8);
  expect("s.t", {.metadata = nullptr, .snapshot = second, .after_snapshot = first}, 5);
  expect("s.t", {.metadata = nullptr, .files = Lines()}, 0);
  // AT is resolved in the metadata alone, whatever else is pinned.
  const TableState nothing{
      .metadata = nullptr, .snapshot = second, .after_snapshot = second, .files = Lines()};
  expect("s.t", nothing, 0);
  expect("s.t at (version => 100)", nothing, 10);
  expect("s.t at (version => 'main')", nothing, 18);
  expect("s.t x at (version => 'main'), s.t y", nothing, 0);
}

TEST_F(ShapeTest, RefusesAStateThatTheTableDoesNotHave) {
  TableInMemory& table = tables_.Add("t");
  PK_ASSERT_OK(const auto written, table.Write(testing::SampleRows(0, 10)));
  const int64_t first = table.Commit(written.files);
  const std::string file = written.files[0].location;
  PK_ASSERT_OK(auto memory, tables_.OverMemory());
  PK_ASSERT_OK(auto folder, tables_.OverFolder());
  const auto refused = [&](const TableState& state, ErrorCode code, const std::string& says) {
    tables_.state("t") = state;
    for (Session* session : {memory.get(), folder.get()}) {
      for (const char* query : {"select * from s.t", "select id from s.t where id > 100",
                                "select count(*) from s.t where false"}) {
        EXPECT_THAT(RowsOf(*session, query), IsErrorWith(code, says)) << query;
      }
    }
  };
  refused({.metadata = nullptr, .files = Lines{file, "memory://lake/t/gone"}},
          ErrorCode::kFailedPrecondition, "data file memory://lake/t/gone");
  refused({.metadata = nullptr, .after_snapshot = first, .files = Lines{file}},
          ErrorCode::kFailedPrecondition, file);
  refused({.metadata = nullptr, .snapshot = int64_t{7}}, ErrorCode::kNotFound, "no snapshot 7");
  table.Replace({}, "overwrite");
  refused({.metadata = nullptr, .after_snapshot = first}, ErrorCode::kUnsupported,
          "did more than append rows (overwrite)");
}

// Rows that go through a query are the table's again.
TEST_F(ShapeTest, GivesRowsThatATableTakesBack) {
  const std::string schema =
      "b boolean, i int, l long, f float, d double, p decimal(38,10), dt date, tm time, ts "
      "timestamp, tz timestamptz, s string, u uuid, fx fixed[2], bn binary";
  TableInMemory& table = tables_.Add("t", {.schema = schema});
  const Lines rows = {
      R"({"b":true,"i":-7,"l":5000000000,"f":1.5,"d":0.1,"p":"-1.0000000001","dt":"1969-12-31",)"
      R"("tm":"10:11:12.5","ts":"2026-01-01T00:00:00","tz":"2026-01-01T00:00:00+00:00",)"
      R"("s":"\u00e9","u":"00112233-4455-6677-8899-aabbccddeeff","fx":"00ff","bn":"616200"})",
      "{}"};
  table.Append(rows);
  PK_ASSERT_OK(const Lines stored, table.Read(table.Plan()));
  PK_ASSERT_OK(auto memory, tables_.OverMemory());
  PK_ASSERT_OK(auto folder, tables_.OverFolder());
  for (const auto& field : table.metadata().schema().fields()) {
    // Each column by itself, too.
    for (Session* session : {memory.get(), folder.get()}) {
      PK_ASSERT_OK(
          Answer answer,
          session->Query("select " + field.name + " as \"" + field.name + "\" from s.t", {}));
      auto column = std::make_shared<const iceberg::Schema>(
          iceberg::Select(table.metadata().schema(), {field.name}).value());
      PK_ASSERT_OK(auto conformed, datafile::ConformTo(std::move(answer.rows), column));
      PK_ASSERT_OK(const Lines lines, testing::ReadLines(std::move(conformed)));
      PK_ASSERT_OK(const Lines read,
                   table.Read(table.Plan(
                       {.filter = {}, .columns = {field.name}, .snapshot = {}, .limit = {}})));
      EXPECT_EQ(Sorted(lines), Sorted(read)) << field.name;
    }
  }
  auto whole = std::make_shared<const iceberg::Schema>(table.metadata().schema());
  PK_ASSERT_OK(Answer answer, memory->Query("select columns(*) from s.t", {}));
  PK_ASSERT_OK(auto conformed, datafile::ConformTo(std::move(answer.rows), whole));
  PK_ASSERT_OK(const Lines lines, testing::ReadLines(std::move(conformed)));
  EXPECT_EQ(Sorted(lines), Sorted(stored));
}

TEST_F(ShapeTest, GivesSumsThatALongTakesAsFarAsTheyFit) {
  tables_.Add("t", {.schema = "k int, n long"})
      .Append({R"({"k":1,"n":9000000000000000000})", R"({"k":2,"n":5})", R"({"k":2,"n":6})"});
  PK_ASSERT_OK(auto session, tables_.OverMemory());
  auto schema = std::make_shared<const iceberg::Schema>(
      iceberg::ParseSchemaText("Total long, K long not null, note string").value());
  const auto conformed = [&](const std::string& query) -> Result<Lines> {
    auto answer = PK_TRY(session->Query(query, {}));
    return testing::ReadLines(datafile::ConformTo(std::move(answer.rows), schema));
  };
  const std::string sums = " sum(n) as TOTAL, k from s.t group by k order by k";
  EXPECT_THAT(conformed("select" + sums),
              testing::IsOkAnd(ElementsAre(R"({"Total":9000000000000000000,"K":1,"note":null})",
                                           R"({"Total":11,"K":2,"note":null})")));
  EXPECT_THAT(conformed("select sum(n) * 2 as total, k from s.t group by k order by k desc"),
              IsErrorWith(ErrorCode::kInvalidArgument,
                          "row 1: column 'Total': 18000000000000000000 does not fit long"));
  EXPECT_THAT(conformed("select 1 as more," + sums),
              IsErrorWith(ErrorCode::kInvalidArgument, "column 'more' is not in the table"));
  EXPECT_THAT(conformed("select 5 as total"),
              IsErrorWith(ErrorCode::kInvalidArgument, "column 'K' is required and missing"));
  EXPECT_THAT(conformed("select k, 0.5::double as total from s.t"),
              IsErrorWith(ErrorCode::kInvalidArgument, "column 'total': double does not convert"));
  EXPECT_THAT(conformed("select nullif(k, 2) k from s.t where k = 2"),
              IsErrorWith(ErrorCode::kInvalidArgument, "column 'K': null, but"));
}

}  // namespace
}  // namespace pk::sql
