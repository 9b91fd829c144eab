#include <gtest/gtest.h>

#include <random>

#include "parkeeper/table/scan.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using testing::Lines;
using testing::SampleRows;
using testing::Sorted;
using testing::TableInMemory;

// Many files, some with several row groups.
void Fill(TableInMemory& table, int64_t rows) {
  table.metadata().properties["write.parquet.row-group-limit"] = "64";
  const int64_t step = rows / 4;
  for (int64_t first = 0; first < rows; first += step) {
    table.Append(SampleRows(first, std::min(first + step, rows)));
  }
}

Result<ScanPlan> PlanLimit(TableInMemory& table, int64_t limit) {
  return table.Plan({.filter = {}, .columns = {}, .snapshot = {}, .limit = limit});
}

TEST(Scan, GivesEveryRowOnceWhateverThreadsMemoryAndOrder) {
  TableInMemory table({.partition_by = "cat"});
  Fill(table, 2'000);
  PK_ASSERT_OK(const ScanPlan plan, table.Plan());
  const Lines all = Sorted(SampleRows(0, 2'000));
  Lines in_order;
  for (const int threads : {1, 2, 16}) {
    for (const int64_t memory : {int64_t{0}, int64_t{5'000}, int64_t{512} << 20}) {
      for (const bool keep_order : {false, true}) {
        PK_ASSERT_OK(const Lines lines, table.Read(plan, {.threads = threads,
                                                          .memory_bytes = memory,
                                                          .keep_order = keep_order}));
        EXPECT_EQ(Sorted(lines), all) << threads << " " << memory << " " << keep_order;
        if (!keep_order) continue;
        if (in_order.empty()) in_order = lines;
        EXPECT_EQ(lines, in_order) << threads << " " << memory;
      }
    }
  }
}

TEST(Scan, InOrderFollowsTasksAndThenTheFile) {
  TableInMemory table;
  Fill(table, 1'000);
  PK_ASSERT_OK(const ScanPlan plan, table.Plan());
  Lines expected;
  for (const FileTask& task : plan.tasks) {
    for (std::string& line : table.RowsOf(task.file)) expected.push_back(std::move(line));
  }
  EXPECT_THAT(table.Read(plan, {.threads = 4, .memory_bytes = 1, .keep_order = true}),
              IsOkAnd(expected));
}

TEST(Scan, EndsAtTheLimit) {
  TableInMemory table;
  Fill(table, 1'000);
  for (const int64_t limit : {0, 1, 63, 64, 65, 999, 1'000, 5'000}) {
    PK_ASSERT_OK(const ScanPlan plan, PlanLimit(table, limit));
    for (const bool keep_order : {false, true}) {
      EXPECT_THAT(table.Read(plan, {.threads = 4, .memory_bytes = 1'000, .keep_order = keep_order}),
                  IsOkAnd(::testing::SizeIs(std::min<int64_t>(limit, 1'000))));
    }
  }
}

TEST(Scan, IsAbandonedAtAnyTime) {
  TableInMemory table;
  Fill(table, 2'000);
  PK_ASSERT_OK(const ScanPlan plan, table.Plan());
  for (int taken = 0; taken < 4; ++taken) {
    for (const bool keep_order : {false, true}) {
      PK_ASSERT_OK(auto source, Scan(table.storage(), plan,
                                     {.threads = 4, .memory_bytes = 1, .keep_order = keep_order}));
      for (int i = 0; i < taken; ++i) EXPECT_THAT(source->Next(), IsOk());
    }
  }
}

TEST(Scan, StopsWhenAsked) {
  TableInMemory table;
  Fill(table, 2'000);
  PK_ASSERT_OK(const ScanPlan plan, table.Plan());
  for (const bool keep_order : {false, true}) {
    std::stop_source stop;
    ScanOptions options{.threads = 2, .memory_bytes = 1, .keep_order = keep_order};
    options.stop = stop.get_token();
    PK_ASSERT_OK(auto source, Scan(table.storage(), plan, options));
    EXPECT_THAT(source->Next(), IsOk());
    stop.request_stop();
    EXPECT_THAT(source->Next(), IsError(ErrorCode::kCancelled));
  }
}

TEST(Scan, FailsWithTheErrorOfAFileThatIsGone) {
  TableInMemory table({.partition_by = "cat"});
  Fill(table, 1'000);
  PK_ASSERT_OK(const ScanPlan plan, table.Plan());
  const std::string gone = plan.tasks[plan.tasks.size() / 2].file.location;
  ASSERT_THAT(table.storage().Remove(gone), IsOk());
  for (const bool keep_order : {false, true}) {
    EXPECT_THAT(table.Read(plan, {.threads = 4, .memory_bytes = 1, .keep_order = keep_order}),
                IsErrorWith(ErrorCode::kNotFound, gone));
  }
}

TEST(Scan, CountsWhatItReads) {
  TableInMemory table({.partition_by = "cat"});
  Fill(table, 1'000);
  datafile::ReadCounters counters;
  ScanOptions options;
  options.counters = &counters;
  EXPECT_THAT(table.Read(table.PlanWhere("id < 10"), options), IsOkAnd(::testing::SizeIs(10)));
  EXPECT_EQ(counters.rows, 10);
  EXPECT_LT(counters.rows_decoded, 1'000);
}

// A row of SampleRows, as the filters below see it.
bool Passes(const std::string& filter_column, const std::string& op, int64_t bound, int64_t id) {
  const int64_t value = filter_column == "cat" ? id % 4 : id;  // x is id + 0.5
  if (filter_column == "x") {
    const double x = double(id) + 0.5, with = double(bound) + 0.5;
    return op == "<" ? x < with : op == ">=" ? x >= with : op == "=" ? x == with : x != with;
  }
  return op == "<"    ? value < bound
         : op == ">=" ? value >= bound
         : op == "="  ? value == bound
                      : value != bound;
}

struct RandomPredicate {
  std::string column, op;
  int64_t bound;
  std::string ToText() const {
    const std::string number = std::to_string(bound);
    return column + " " + op + " " +
           (column == "cat" ? "'c" + number + "'"
            : column == "x" ? number + ".5"
                            : number);
  }
  bool operator()(int64_t id) const { return Passes(column, op, bound, id); }
};

RandomPredicate Draw(std::mt19937& random, int64_t rows) {
  const Lines columns = {"id", "cat", "x"}, ops = {"<", ">=", "=", "!="};
  RandomPredicate drawn{columns[random() % 3], ops[random() % 4], 0};
  drawn.bound = drawn.column == "cat" ? int64_t(random() % 5) : int64_t(random() % uint32_t(rows));
  return drawn;
}

TEST(Scan, FiltersExactlyAsBruteForceDoes) {
  constexpr int64_t kRows = 800;
  for (const char* partitions :
       {"", "cat", "truncate(100, id)", "bucket(3, id), truncate(1, cat)"}) {
    TableInMemory table({.partition_by = partitions});
    Fill(table, kRows);
    const Lines all = SampleRows(0, kRows);
    for (uint32_t seed = 0; seed < 40; ++seed) {
      std::mt19937 random(seed);
      const RandomPredicate a = Draw(random, kRows), b = Draw(random, kRows);
      const int form = int(random() % 4);
      const std::string text = form == 0   ? a.ToText()
                               : form == 1 ? a.ToText() + " and " + b.ToText()
                               : form == 2 ? a.ToText() + " or " + b.ToText()
                                           : "not (" + a.ToText() + " and " + b.ToText() + ")";
      Lines expected;
      for (int64_t id = 0; id < kRows; ++id) {
        const bool passes = form == 0   ? a(id)
                            : form == 1 ? a(id) && b(id)
                            : form == 2 ? a(id) || b(id)
                                        : !(a(id) && b(id));
        if (passes) expected.push_back(all[size_t(id)]);
      }
      PK_ASSERT_OK(const Lines lines, table.Read(table.PlanWhere(text)));
      EXPECT_EQ(Sorted(lines), Sorted(expected)) << partitions << " where " << text;
    }
  }
}

}  // namespace
}  // namespace pk::table
