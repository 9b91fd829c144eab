// Random filters over random rows: what reaches planning never takes a row away, whoever reads.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "tests/support/sql_tables.h"

namespace pk::sql {
namespace {

using testing::IsOk;
using testing::Lines;
using testing::RowsOf;
using testing::Sorted;
using testing::SqlTables;
using testing::TableInMemory;

constexpr const char* kSchema =
    "id long not null, i int, f float, x double, p decimal(9,2), day date, ts timestamp, tz "
    "timestamptz, s string, flag boolean, u uuid, t time";

class Draws {
 public:
  explicit Draws(uint64_t seed) : engine_(seed) {}

  int Below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(engine_); }
  std::string Of(const std::vector<std::string>& choices) {
    return choices[size_t(Below(int(choices.size())))];
  }

  // A value of the column as JSON has it, without quotes.
  std::string Value(const std::string& column) {
    const std::string n = std::to_string(Below(12));
    if (column == "i" || column == "id") return std::to_string(Below(12) - 6);
    if (column == "f" || column == "x")
      return Of({"NaN", "Infinity", "-Infinity", "-0.0", "0.0", n + ".1", "-" + n + ".5"});
    if (column == "p") return Of({"-", ""}) + n + "." + Of({"00", "05", "50"});
    if (column == "day") return "19" + Of({"69-12-", "70-01-"}) + std::to_string(10 + Below(12));
    if (column == "ts")
      return "19" + Of({"69-12-31", "70-01-01"}) + " 2" + Of({"0", "3"}) + ":00:00.5";
    if (column == "tz")
      return "19" + Of({"69-12-31", "70-01-01"}) + " 1" + n.substr(0, 1) + ":00:00+00:00";
    if (column == "s") return Of({"", "a", "ab", "abc", "b", "é", "it''s", "z%_"});
    if (column == "flag") return Of({"true", "false"});
    if (column == "u") return "00000000-0000-0000-0000-0000000000" + Of({"00", "7f", "80", "ff"});
    return "10:0" + n.substr(0, 1) + ":00";
  }

  std::string Row(int64_t id) {
    std::string row = "{\"id\":" + std::to_string(id);
    for (const char* column : {"i", "f", "x", "p", "day", "ts", "tz", "s", "flag", "u", "t"}) {
      if (Below(6) == 0) continue;
      std::string value = Value(column);
      if (value == "it''s") value = "it's";
      const bool bare = column == std::string("i") || column == std::string("flag");
      row += std::string(",\"") + column + "\":" + (bare ? value : "\"" + value + "\"");
    }
    return row + "}";
  }

  std::string Constant(const std::string& column) {
    static const std::map<std::string, std::string> kTypes = {
        {"f", "FLOAT"},      {"x", "DOUBLE"},       {"p", "DECIMAL(9,2)"}, {"day", "DATE"},
        {"ts", "TIMESTAMP"}, {"tz", "TIMESTAMPTZ"}, {"u", "UUID"},         {"t", "TIME"}};
    const std::string value = Value(column);
    const auto type = kTypes.find(column);
    if (column == "i" && Below(8) == 0) return value + ".125";
    if (column == "i" || column == "id" || column == "flag") return value;
    return "'" + value + "'" + (type == kTypes.end() ? "" : "::" + type->second);
  }

  std::string Predicate() {
    const std::string column =
        Of({"id", "i", "f", "x", "p", "day", "ts", "tz", "s", "flag", "u", "t"});
    switch (Below(8)) {
      case 0:
        return column + Of({" is null", " is not null"});
      case 1:
        return column + Of({" in (", " not in ("}) + Constant(column) + ", " + Constant(column) +
               ")";
      case 2:
        return column + " between " + Constant(column) + " and " + Constant(column);
      case 3:
        return "s like " + Of({"'a%'", "'ab%'", "'%b'", "'a_c%'", "''"});
      case 4:
        return Of({"flag", "i + 1 = 3", "id < i", "abs(i) > 2", "x > 1.5", "i < 2.5", "id >= 1e0"});
      case 5:
        return Constant(column) + Of({" < ", " >= ", " = "}) + column;
      default:
        return column + Of({" = ", " <> ", " < ", " <= ", " > ", " >= "}) + Constant(column);
    }
  }

  std::string Filter(int depth = 0) {
    if (depth == 3 || Below(3) == 0) return Predicate();
    if (Below(4) == 0) return "not (" + Filter(depth + 1) + ")";
    return "(" + Filter(depth + 1) + Of({" and ", " or "}) + Filter(depth + 1) + ")";
  }

 private:
  std::mt19937_64 engine_;
};

TEST(Pruning, NeverTakesARowAwayThatDuckDbWouldKeep) {
  const char* given = getenv("PARKEEPER_SEED");
  const uint64_t seed = given == nullptr ? 20'261'128 : std::stoull(given);
  SCOPED_TRACE("PARKEEPER_SEED=" + std::to_string(seed));
  Draws draws(seed);
  int64_t pruned = 0;
  for (const char* partition : {"", "s, day(ts)", "truncate(4, i), x", "bucket(3, id), flag",
                                "p, month(day)", "hour(tz), truncate(1, s)", "u, f"}) {
    SqlTables tables;
    TableInMemory& table = tables.Add("t", {.schema = kSchema, .partition_by = partition});
    table.metadata().properties["write.parquet.row-group-limit"] = "8";
    for (int64_t first = 0; first < 60; first += 20) {
      Lines rows;
      for (int64_t id = first; id < first + 20; ++id) rows.push_back(draws.Row(id % 50 - 6));
      table.Append(rows);
    }
    PK_ASSERT_OK(auto memory, tables.OverMemory());
    PK_ASSERT_OK(auto folder, tables.OverFolder());
    for (int i = 0; i < 20; ++i) {
      const std::string filter = draws.Filter();
      const std::string query = "select * from s.t where ";
      // Nothing of a filter inside of coalesce() is understood, so it reads every file.
      const auto whole = RowsOf(*folder, query + "coalesce(" + filter + ", false)");
      ASSERT_THAT(whole, IsOk()) << filter;
      for (auto* session : {memory.get(), folder.get()}) {
        auto answer = session->Query(query + filter, {});
        ASSERT_THAT(answer, IsOk()) << filter;
        const auto& counts = answer->tables[0].plan.counts;
        pruned += counts.files_skipped_by_metrics + counts.files_skipped_by_partition;
        const auto rows = testing::ReadLines(std::move(answer->rows));
        ASSERT_THAT(rows, IsOk()) << filter;
        EXPECT_EQ(Sorted(*rows), Sorted(*whole))
            << filter << (session == memory.get() ? " by scan" : " by DuckDB")
            << " partitioned by '" << partition << "'";
      }
    }
  }
  EXPECT_GT(pruned, 500);
}

}  // namespace
}  // namespace pk::sql
