#include "parkeeper/sql/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parkeeper/sql/answer_internal.h"
#include "parkeeper/storage/faulty.h"
#include "tests/support/sql_tables.h"

namespace pk::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using testing::Lines;
using testing::RowsOf;
using testing::SampleRows;
using testing::Sorted;
using testing::SqlTables;
using testing::TableInMemory;

// The same rows whether DuckDB opens the files or our scan does; sorted.
Result<Lines> BothWays(SqlTables& tables, const std::string& query) {
  auto memory = PK_TRY(tables.OverMemory());
  auto folder = PK_TRY(tables.OverFolder());
  const Lines scanned = Sorted(PK_TRY(RowsOf(*memory, query)));
  auto answer = PK_TRY(folder->Query(query, {}));
  for (const TableUse& use : answer.tables) EXPECT_NE(use.read_by, ReadBy::kScan) << use.why_scan;
  const Lines opened = Sorted(PK_TRY(testing::ReadLines(std::move(answer.rows))));
  EXPECT_EQ(scanned, opened) << query;
  return scanned;
}

TEST(Session, AnswersFromTheFilesWhoeverOpensThem) {
  SqlTables tables;
  TableInMemory& table = tables.Add("t", {.partition_by = "cat"});
  table.Append(SampleRows(0, 500));
  table.Append(SampleRows(500, 1'000));
  EXPECT_THAT(BothWays(tables, "select * from s.t"),
              IsOkAnd(::testing::Eq(Sorted(SampleRows(0, 1'000)))));
  EXPECT_THAT(BothWays(tables, "select count(*) n from s.t"), IsOkAnd(ElementsAre("{\"n\":1000}")));
  EXPECT_THAT(
      BothWays(tables, "select cat, sum(id) s from s.t where id < 8 group by cat"),
      IsOkAnd(ElementsAre("{\"cat\":\"c0\",\"s\":\"4\"}", "{\"cat\":\"c1\",\"s\":\"6\"}",
                          "{\"cat\":\"c2\",\"s\":\"8\"}", "{\"cat\":\"c3\",\"s\":\"10\"}")));
  EXPECT_THAT(BothWays(tables,
                       "select a.id from s.t a join s.t b on a.id + 1 = b.id where "
                       "b.id in (select id from s.t where id < 3)"),
              IsOkAnd(ElementsAre("{\"id\":0}", "{\"id\":1}")));
}

TEST(Session, LeavesOutRowsThatDeleteFilesHide) {
  SqlTables tables;
  TableInMemory& table = tables.Add("t");
  PK_ASSERT_OK(const auto written, table.Write(SampleRows(0, 100)));
  table.Commit(written.files);
  table.Commit({table.WritePositionDeletes({{written.files.at(0).location, 0}})},
               iceberg::ManifestContent::kDeletes);
  PK_ASSERT_OK(auto session, tables.OverFolder());
  PK_ASSERT_OK(Answer answer, session->Query("select count(*) n, min(id) least from s.t", {}));
  ASSERT_EQ(answer.tables.size(), 1U);
  EXPECT_EQ(answer.tables[0].read_by, ReadBy::kScan);
  EXPECT_THAT(testing::ReadLines(std::move(answer.rows)),
              IsOkAnd(ElementsAre("{\"n\":99,\"least\":1}")));
}

TEST(Session, DoesNotOpenFilesThatCannotMatch) {
  SqlTables tables;
  TableInMemory& table = tables.Add("t", {.partition_by = "cat"});
  table.Append(SampleRows(0, 100));
  table.Append(SampleRows(100, 200));
  PK_ASSERT_OK(auto session, tables.OverFolder());
  PK_ASSERT_OK(const Answer one, session->Query("select x from s.t where id = 105", {}));
  ASSERT_EQ(one.tables.size(), 1U);
  EXPECT_EQ(one.tables[0].name, "s.t");
  EXPECT_EQ(one.tables[0].plan.tasks.size(), 4U);
  EXPECT_EQ(one.tables[0].plan.counts.files_skipped_by_metrics, 4);
  EXPECT_THAT(one.tables[0].plan.projection->FullNames(), ElementsAre("id", "x"));
  PK_ASSERT_OK(const Answer two,
               session->Query("select * from s.t a, s.t b where a.cat = 'c1' and b.cat = 'c3' and "
                              "a.id < 50 and b.id < 50",
                              {}));
  EXPECT_EQ(two.tables[0].plan.tasks.size(), 2U);
  PK_ASSERT_OK(const Answer none, session->Query("select * from s.t where id < -1", {}));
  EXPECT_EQ(none.tables[0].read_by, ReadBy::kNobody);
  EXPECT_THAT(RowsOf(*session, "select count(*) n from s.t where id < -1"),
              IsOkAnd(ElementsAre("{\"n\":0}")));
  // A filter of a join's other side, and one that no file can be judged by.
  PK_ASSERT_OK(const Answer derived,
               session->Query("select * from s.t a join (values (7)) v(k) on a.id = v.k where "
                              "v.k < 50 and v.k + 0 < 8",
                              {}));
  EXPECT_LE(derived.tables[0].plan.tasks.size(), 8U);
}

TEST(Session, ReadsATableThatIsNamedSeveralTimesOverAStreamToo) {
  SqlTables tables;
  tables.Add("t").Append(SampleRows(0, 300));
  PK_ASSERT_OK(auto session, tables.OverMemory());
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(RowsOf(*session,
                       "with c as (select * from s.t where id < 100) select count(*) n from c a, "
                       "c b, s.t d where a.id = b.id and b.id = d.id"),
                IsOkAnd(ElementsAre("{\"n\":100}")));
  }
}

TEST(Session, ReadsColumnsByTheirIds) {
  SqlTables tables;
  TableInMemory& table =
      tables.Add("t", {.schema = "id long not null, i int, f float, p decimal(9,2), gone string"});
  table.Append({R"({"id":1,"i":7,"f":1.5,"p":"2.50","gone":"x"})"});
  auto fields = table.metadata().schema().fields();
  fields[1].name = "whole";
  fields[1].type = iceberg::PrimitiveKind::kLong;
  fields[2].type = iceberg::PrimitiveKind::kDouble;
  fields[3].type = iceberg::Decimal(18, 2);
  fields[4] = {.id = 9, .name = "gone", .type = iceberg::PrimitiveKind::kInt};
  std::swap(fields[0], fields[4]);
  table.metadata().schemas.push_back(
      std::make_shared<const iceberg::Schema>(iceberg::StructType{fields}, 1));
  table.metadata().current_schema_id = 1;
  table.Append({R"({"id":2,"whole":5000000000,"f":0.1,"p":"1234567890.25","gone":3})"});
  EXPECT_THAT(
      BothWays(tables, "select * from s.t where whole > 0"),
      IsOkAnd(ElementsAre(R"({"gone":3,"whole":5000000000,"f":0.1,"p":"1234567890.25","id":2})",
                          R"({"gone":null,"whole":7,"f":1.5,"p":"2.50","id":1})")));
  EXPECT_THAT(BothWays(tables, "select id from s.t where gone is null"),
              IsOkAnd(ElementsAre("{\"id\":1}")));
  // The first snapshot had other columns.
  EXPECT_THAT(BothWays(tables, "select i, gone from s.t at (version => 100)"),
              IsOkAnd(ElementsAre(R"({"i":7,"gone":"x"})")));
}

TEST(Session, ReadsOtherStatesOfATable) {
  SqlTables tables;
  TableInMemory& table = tables.Add("t");
  const int64_t first = table.Append(SampleRows(0, 3));
  table.Append(SampleRows(3, 5));
  table.metadata().refs["old"] = {.snapshot_id = first, .is_tag = true};
  const std::string count = "select count(*) n from s.t at ";
  for (const std::string at : {"(version => 100)", "(VERSION => 50 + 50)", "(version => 'old')",
                               "(timestamp => timestamptz '1970-01-01 00:00:02')",
                               "(timestamp => '1970-01-01 00:00:02.9')"}) {
    EXPECT_THAT(BothWays(tables, count + at), IsOkAnd(ElementsAre("{\"n\":3}"))) << at;
  }
  EXPECT_THAT(BothWays(tables,
                       "select t.id from s.t where t.id not in (select old.id from "
                       "s.t old at (version => 100))"),
              IsOkAnd(ElementsAre("{\"id\":3}", "{\"id\":4}")));
  PK_ASSERT_OK(auto session, tables.OverMemory());
  EXPECT_THAT(RowsOf(*session, count + "(version => 7)"), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(RowsOf(*session, count + "(version => 'new')"), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(RowsOf(*session, count + "(timestamp => 'soon')"),
              IsErrorWith(ErrorCode::kInvalidArgument, "AT (TIMESTAMP"));
  EXPECT_THAT(RowsOf(*session, count + "(version => null)"), IsError(ErrorCode::kInvalidArgument));
}

TEST(Session, HandsOverEveryTypeAsItIs) {
  SqlTables tables;
  TableInMemory& table = tables.Add(
      "t", {.schema = "b boolean, i int, l long, f float, d double, p decimal(38,10), "
                      "dt date, tm time, ts timestamp, tz timestamptz, s string, u "
                      "uuid, fx fixed[2], bn binary, st struct<x: int, y: list<string>>, "
                      "m map<string, double>"});
  const std::string row =
      R"({"b":true,"i":-7,"l":5000000000,"f":1.5,"d":0.1,"p":"-1.0000000001","dt":"1969-12-31",)"
      R"("tm":"10:11:12.5","ts":"2026-01-01T00:00:00","tz":"2026-01-01T00:00:00+00:00",)"
      R"("s":"é","u":"00112233-4455-6677-8899-aabbccddeeff","fx":"00ff","bn":"616200",)"
      R"("st":{"x":1,"y":["a",null]},"m":{"k":2.5}})";
  table.Append({row, "{}"});
  PK_ASSERT_OK(auto session, tables.OverMemory());
  EXPECT_THAT(RowsOf(*session, "select * from s.t where b"), IsOkAnd(ElementsAre(row)));
  EXPECT_THAT(
      BothWays(tables,
               "select b, i, l, f, d, p, dt, tm, ts, tz, s, u, fx, bn, sum(i) s_1 from s.t "
               "where l = 5000000000 and u = '00112233-4455-6677-8899-aabbccddeeff' group by all"),
      IsOkAnd(ElementsAre(row.substr(0, row.find(",\"st\"")) + R"(,"s_1":"-7"})")));
  // DuckDB does not open nested columns of files itself.
  PK_ASSERT_OK(auto folder, tables.OverFolder());
  PK_ASSERT_OK(Answer nested, folder->Query("select st.y[1] a, m['k'] k from s.t where b", {}));
  EXPECT_EQ(nested.tables[0].read_by, ReadBy::kScan);
  EXPECT_THAT(nested.tables[0].why_scan, HasSubstr("nested"));
  EXPECT_THAT(testing::ReadLines(std::move(nested.rows)),
              IsOkAnd(ElementsAre(R"({"a":"a","k":2.5})")));
}

TEST(Session, KeepsTheOrderThatIsAskedForAndNamesColumnsOnce) {
  SqlTables tables;
  tables.Add("t").Append(SampleRows(0, 50'000));
  PK_ASSERT_OK(auto session, tables.OverFolder());
  PK_ASSERT_OK(const Lines lines, RowsOf(*session, "select id, id from s.t order by id desc;"));
  ASSERT_EQ(lines.size(), 50'000U);
  EXPECT_EQ(lines.front(), R"({"id":49999,"id_1":49999})");
  EXPECT_TRUE(std::ranges::is_sorted(
      lines, {}, [](const std::string& line) { return -std::stol(line.substr(6)); }));
}

TEST(Answer, HasNamesThatAFileCanHold) {
  EXPECT_THAT(UniqueNames({"a", "a", "a_1", "", "a", ""}),
              ElementsAre("a", "a_2", "a_1", "column_3", "a_3", "column_5"));
}

TEST(Session, TellsWhatDuckDbSaysOfABadQuery) {
  SqlTables tables;
  tables.Add("t").Append(SampleRows(0, 3));
  PK_ASSERT_OK(auto session, tables.OverMemory());
  const auto refused = [&](const std::string& query, const std::string& says) {
    EXPECT_THAT(RowsOf(*session, query), IsErrorWith(ErrorCode::kInvalidArgument, says)) << query;
  };
  refused("select no from s.t", "LINE 1: select no from s.t");
  refused("select id + 'x' from s.t", "Could not convert");
  refused("select * from s.t where id = $1", "parameters");
  refused("select interval 1 day d", "d");
  EXPECT_THAT(RowsOf(*session, "select 1 from s.none"), IsError(ErrorCode::kNotFound));
  refused("select error('at once') where 1 = 1", "at once");
  // An error far behind the first rows.
  refused("select case when i = 4000000 then error('boom') else i end from range(5000000) r(i)",
          "boom");
  EXPECT_THAT(RowsOf(*session, "select 1 a"), IsOkAnd(ElementsAre("{\"a\":1}")));
}

TEST(Session, RefusesNamesThatSqlCannotTellApart) {
  SqlTables tables;
  tables.Add("t", {.schema = "a int, A int"}).Append({R"({"a":1,"A":2})"});
  tables.Add("T").Append(SampleRows(0, 3));
  PK_ASSERT_OK(auto session, tables.OverMemory());
  EXPECT_THAT(RowsOf(*session, "select a from s.t"),
              IsErrorWith(ErrorCode::kUnsupported, "'a' and 'A'"));
  PK_ASSERT_OK(auto other, tables.OverMemory());
  EXPECT_THAT(RowsOf(*other, "select id from s.T"), IsOk());
  tables.Add("u").Append(SampleRows(0, 3));
  tables.Add("U").Append(SampleRows(0, 3));
  PK_ASSERT_OK(auto both, tables.OverMemory());
  EXPECT_THAT(RowsOf(*both, "select u.id from s.u, s.U x"),
              IsErrorWith(ErrorCode::kUnsupported, "'s.u' and 's.U'"));
}

TEST(Session, AnswersOverATableWithoutRows) {
  SqlTables tables;
  tables.Add("t");
  EXPECT_THAT(BothWays(tables, "select count(*) n, max(x) m from s.t where id > 3"),
              IsOkAnd(ElementsAre(R"({"n":0,"m":null})")));
}

TEST(Session, AnswersWithoutRows) {
  SqlTables tables;
  tables.Add("t").Append(SampleRows(0, 10));
  for (const char* filter : {"id < -1", "id > 3 and id * 2 < 3", "false"}) {
    EXPECT_THAT(BothWays(tables, std::string("select * from s.t where ") + filter),
                IsOkAnd(::testing::IsEmpty()))
        << filter;
  }
}

TEST(Session, GivesTheErrorOfAFileAsTheScanHasIt) {
  SqlTables tables;
  TableInMemory& table = tables.Add("t");
  table.Append(SampleRows(0, 3));
  const std::string file = table.Files().front();
  ASSERT_THAT(table.storage().Remove(file), IsOk());
  for (const char* query : {"select * from s.t", "select * from s.t a, s.t b"}) {
    PK_ASSERT_OK(auto memory, tables.OverMemory());
    EXPECT_THAT(RowsOf(*memory, query), IsErrorWith(ErrorCode::kNotFound, file)) << query;
    PK_ASSERT_OK(auto folder, tables.OverFolder());
    EXPECT_THAT(RowsOf(*folder, query), IsErrorWith(ErrorCode::kNotFound, file)) << query;
  }
}

TEST(Session, StopsWhenItIsAskedTo) {
  SqlTables tables;
  tables.Add("t").Append(SampleRows(0, 1'000));
  PK_ASSERT_OK(auto session, tables.OverMemory());
  std::stop_source stop;
  PK_ASSERT_OK(Answer answer,
               session->Query("select a.i from range(1000000000) a(i), s.t", stop.get_token()));
  EXPECT_THAT(answer.rows->Next(), IsOk());
  stop.request_stop();
  Result<std::optional<datafile::Batch>> next = std::optional<datafile::Batch>();
  do {
    next = answer.rows->Next();
  } while (next.ok() && *next);
  EXPECT_THAT(next, IsError(ErrorCode::kCancelled));
  EXPECT_THAT(session->Query("select 1", stop.get_token()), IsError(ErrorCode::kCancelled));
  EXPECT_THAT(RowsOf(*session, "select count(*) n from s.t"), IsOkAnd(ElementsAre("{\"n\":1000}")));
}

TEST(Session, ExplainsWithoutReading) {
  SqlTables tables;
  TableInMemory& table = tables.Add("t", {.partition_by = "cat"});
  table.Append(SampleRows(0, 100));
  PK_ASSERT_OK(auto session, tables.OverFolder());
  PK_ASSERT_OK(const Explanation folder,
               session->Explain("select x from s.t where cat = 'c2'", {}));
  EXPECT_THAT(ToText(folder), HasSubstr("table       s.t\n"));
  EXPECT_THAT(ToText(folder), HasSubstr("1 of 4 to read"));
  EXPECT_THAT(ToText(folder), HasSubstr("read by     DuckDB"));
  EXPECT_THAT(folder.plan, HasSubstr("READ_PARQUET"));
  EXPECT_THAT(ToJson(folder), HasSubstr(R"("read-by":"duckdb")"));
  for (const std::string& file : table.Files()) ASSERT_THAT(table.storage().Remove(file), IsOk());
  PK_ASSERT_OK(auto memory, tables.OverMemory());
  PK_ASSERT_OK(const Explanation scan, memory->Explain("select x from s.t where cat = 'c2'", {}));
  EXPECT_THAT(ToText(scan), HasSubstr("our scan: the storage is no local folder"));
}

}  // namespace
}  // namespace pk::sql
