// Tables with delete files that Iceberg's Java library wrote, against the rows that it read itself:
// tests/golden/deletes.

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/memory.h"
#include "parkeeper/table/compact.h"
#include "parkeeper/table/scan.h"
#include "tests/support/matchers.h"
#include "tests/support/read_all.h"

namespace pk::table {
namespace {

namespace bj = boost::json;
namespace fs = std::filesystem;
using Lines = std::vector<std::string>;
using testing::IsOk;

std::string Bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  EXPECT_TRUE(in.good()) << path;
  return bytes.str();
}

Lines Sorted(Lines lines) {
  std::ranges::sort(lines);
  return lines;
}

Lines LinesOf(const bj::value& rows) {
  Lines lines;
  for (const bj::value& row : rows.as_array()) lines.push_back(bj::serialize(row));
  return lines;
}

class GoldenTable {
 public:
  explicit GoldenTable(const std::string& name) {
    const fs::path folder = fs::path(PARKEEPER_SOURCE_DIR) / "tests/golden/deletes";
    for (const auto& entry : fs::recursive_directory_iterator(folder / "ns" / name)) {
      if (!entry.is_regular_file()) continue;
      const std::string location =
          "memory://lake/" + fs::relative(entry.path(), folder).generic_string();
      EXPECT_THAT(storage::WriteIfAbsent(*storage_, location, Bytes(entry.path())), IsOk());
    }
    expected_ = bj::parse(Bytes(folder / (name + ".json")));
    const auto json =
        storage::ReadAll(*storage_, std::string_view(expected_.at("metadata").as_string()));
    metadata_ = iceberg::ParseTableMetadata(json.value()).value();
  }

  const bj::value& expected() const { return expected_; }
  storage::Storage& storage() { return *storage_; }
  const iceberg::TableMetadata& metadata() const { return metadata_; }

  // A group for each partition of each spec, of all its files.
  std::vector<CompactionGroup> Partitions() {
    std::vector<CompactionGroup> groups;
    const auto plan = PlanScan(*storage_, metadata_, {});
    EXPECT_THAT(plan, IsOk());
    for (const FileTask& task : plan->tasks) {
      auto group = std::ranges::find_if(groups, [&](const CompactionGroup& known) {
        return known.spec_id == task.file.spec_id && known.partition == task.file.partition;
      });
      if (group == groups.end()) {
        groups.push_back({task.file.spec_id, task.file.partition, {}});
        group = groups.end() - 1;
      }
      group->files.push_back({task.file.location, task.file.file_size, task.file.record_count});
    }
    return groups;
  }
  Lines RowsOf(const iceberg::DataFile& file) {
    const auto schema = std::make_shared<const iceberg::Schema>(metadata_.schema());
    datafile::ReaderOptions options;
    options.projection = options.table_schema = schema;
    const auto lines = testing::ReadLines(datafile::OpenParquet(*storage_, file, options));
    EXPECT_THAT(lines, IsOk());
    return *lines;
  }

  Lines Read(const ScanRequest& request) {
    const auto plan = PlanScan(*storage_, metadata_, request);
    EXPECT_THAT(plan, IsOk());
    if (!plan.ok()) return {};
    deletes_ = plan->deletes.size();
    auto lines = testing::ReadLines(Scan(*storage_, *plan, {.threads = 2, .keep_order = true}));
    EXPECT_THAT(lines, IsOk());
    return lines.ok() ? *lines : Lines{};
  }
  size_t deletes() const { return deletes_; }  // of the last plan

  void ExpectAllSnapshots(const Lines& columns) {
    ScanRequest request{.filter = {}, .columns = columns, .snapshot = {}, .limit = {}};
    EXPECT_EQ(Sorted(Read(request)), Sorted(LinesOf(expected_.at("current"))));
    for (const bj::value& snapshot : expected_.at("snapshots").as_array()) {
      request.snapshot = snapshot.at("snapshot-id").as_int64();
      EXPECT_EQ(Sorted(Read(request)), Sorted(LinesOf(snapshot.at("rows")))) << snapshot;
    }
  }

 private:
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory("lake");
  bj::value expected_;
  iceberg::TableMetadata metadata_;
  size_t deletes_ = 0;
};

TEST(DeletesOfJava, OfBothKindsHideTheRowsThatJavaHides) {
  GoldenTable table("deletes");
  table.ExpectAllSnapshots({});
  table.Read({.filter = {}, .columns = {}, .snapshot = {}, .limit = {}});
  EXPECT_GE(table.deletes(), 5u);
  const auto filter = iceberg::ParseExpression("cat = 'b' and v > 10").value();
  EXPECT_EQ(table.Read({.filter = filter, .columns = {"name"}, .snapshot = {}, .limit = {}}),
            Lines{R"({"name":"SIX"})"});
}

TEST(DeletesOfJava, AreAppliedWhenEachPartitionIsRewritten) {
  GoldenTable table("deletes");
  Lines rows;
  int64_t deletes = 0, cleaned = 0;
  for (const CompactionGroup& group : table.Partitions()) {
    const auto made = RewriteFiles(table.storage(), table.metadata(), group);
    ASSERT_THAT(made, IsOk());
    deletes += made->delete_files_removed;
    cleaned += !made->delta.removed.empty();
    std::vector<iceberg::DataFile> files = made->delta.added;
    for (const CompactionFile& file : group.files) {
      // As it was: nothing to gain.
      if (made->delta.removed.empty()) files.emplace_back().location = file.location;
    }
    for (const iceberg::DataFile& file : files) {
      for (const std::string& line : table.RowsOf(file)) rows.push_back(line);
    }
  }
  EXPECT_GT(cleaned, 1);
  EXPECT_GT(deletes, 1);
  EXPECT_EQ(Sorted(rows), Sorted(LinesOf(table.expected().at("current"))));
}

TEST(DeletesOfJava, CompareFloatsByTheirBits) { GoldenTable("floats").ExpectAllSnapshots({"id"}); }

TEST(DeletesOfJava, RewritesAreToldAsJavaTellsThem) {
  GoldenTable table("rewrites");
  table.ExpectAllSnapshots({});
  const auto& snapshots = table.expected().at("snapshots").as_array();
  const Lines changes = table.Read({.filter = {},
                                    .columns = {},
                                    .snapshot = {},
                                    .limit = {},
                                    .after_snapshot = snapshots[0].at("snapshot-id").as_int64(),
                                    .changes = true});
  EXPECT_EQ(Sorted(changes), Sorted(LinesOf(table.expected().at("changes"))));
}

// What each snapshot of this table changed is the difference of what Java reads before and after:
// none of its commits rewrites a row that stays.
TEST(DeletesOfJava, AreToldAsChanges) {
  GoldenTable table("deletes");
  const auto& snapshots = table.expected().at("snapshots").as_array();
  for (size_t i = 1; i < snapshots.size(); ++i) {
    std::multiset<int64_t> ids;
    for (const bj::value& row : snapshots[i - 1].at("rows").as_array()) {
      ids.insert(row.at("id").as_int64());
    }
    const Lines changes =
        table.Read({.filter = {},
                    .columns = {"id"},
                    .snapshot = snapshots[i].at("snapshot-id").as_int64(),
                    .limit = {},
                    .after_snapshot = snapshots[i - 1].at("snapshot-id").as_int64(),
                    .changes = true});
    for (const std::string& line : changes) {
      const bj::value row = bj::parse(line);
      const int64_t id = row.at("id").as_int64();
      if (row.at("_change_type").as_string() == "insert") {
        ids.insert(id);
      } else {
        ASSERT_TRUE(ids.contains(id)) << line;
        ids.erase(ids.find(id));
      }
    }
    std::multiset<int64_t> after;
    for (const bj::value& row : snapshots[i].at("rows").as_array()) {
      after.insert(row.at("id").as_int64());
    }
    EXPECT_EQ(ids, after) << snapshots[i];
  }
}

}  // namespace
}  // namespace pk::table
