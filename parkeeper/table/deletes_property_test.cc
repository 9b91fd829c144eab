// Random histories of a table with delete files, against a model that looks at every pair of a row
// and a delete. PARKEEPER_SEED=n replays one.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <random>
#include <set>

#include "parkeeper/table/scan.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

namespace bj = boost::json;
using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using testing::IsOk;
using testing::Lines;
using testing::Sorted;
using testing::TableInMemory;

const Lines kColumns = {"k", "cat", "v", "s"};

std::string LineOf(const bj::object& row, const Lines& columns) {
  bj::object line;
  for (const std::string& column : columns) line[column] = row.at(column);
  return bj::serialize(line);
}

struct Stored {
  DataFile file;
  int64_t sequence = 0;
  int64_t snapshot = 0;
  bool live = true;
  std::vector<bj::object> rows = {};  // of a data file, in order; of an equality delete, its keys
  std::set<std::pair<std::string, int64_t>> positions = {};
  Lines columns = {};  // of an equality delete
};

bool SamePartition(const DataFile& left, const DataFile& right) {
  return left.spec_id == right.spec_id && left.partition == right.partition;
}

bool Hides(const Stored& deletes, const Stored& data, size_t row) {
  if (!deletes.live) return false;
  if (deletes.file.content == FileContent::kPositionDeletes) {
    return deletes.sequence >= data.sequence && SamePartition(deletes.file, data.file) &&
           deletes.positions.contains({data.file.location, int64_t(row)});
  }
  constexpr int32_t kUnpartitioned = 1;
  if (deletes.sequence <= data.sequence ||
      (deletes.file.spec_id != kUnpartitioned && !SamePartition(deletes.file, data.file))) {
    return false;
  }
  return std::ranges::any_of(deletes.rows, [&](const bj::object& key) {
    return std::ranges::all_of(deletes.columns, [&](const std::string& column) {
      return key.at(column) == data.rows[row].at(column);
    });
  });
}

struct RowFilter {
  std::string text;
  std::function<bool(const bj::object&)> passes;
};

class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {
    auto& metadata = table_.metadata();
    metadata.properties["write.parquet.row-group-limit"] = std::to_string(Between(3, 40));
    metadata.specs.push_back({.spec_id = 1, .fields = {}});
    auto buckets = iceberg::ParsePartitionText("bucket(2, k)", metadata.schema()).value();
    buckets.spec_id = 2;
    buckets.fields[0].field_id = 1001;
    metadata.specs.push_back(buckets);
  }

  void Run() {
    const int64_t steps = Between(4, 10);
    for (int64_t step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      const auto before = Visible();
      const int64_t kind = data_.empty() ? 0 : Between(0, 9);
      std::string operation = "overwrite";
      if (kind < 2) {
        operation = "append";
        AddRows();
      } else if (kind < 7) {
        if (Between(0, 1) == 0) AddRows();
        for (int64_t i = Between(1, 3); i > 0; --i) AddDeletes();
      } else if (kind < 9) {
        RemoveSome();
      } else {
        operation = "replace";
        Compact();
      }
      Commit(operation);
      Remember(operation, before);
      CheckScans();
    }
    for (int i = 0; i < 4; ++i) CheckChanges();
  }

 private:
  using RowId = std::pair<size_t, size_t>;  // data file, position

  int64_t Between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  template <class T>
  const T& OneOf(const std::vector<T>& all) {
    return all[size_t(Between(0, int64_t(all.size()) - 1))];
  }

  bj::object RandomRow() {
    const auto maybe = [&](bj::value value) { return Between(0, 5) == 0 ? bj::value() : value; };
    bj::object row;
    row["k"] = Between(0, 30);
    row["cat"] = maybe(bj::value("c" + std::to_string(Between(0, 2))));
    row["v"] = maybe(bj::value(Between(0, 4)));
    row["s"] = maybe(bj::value(std::string(size_t(Between(0, 2)), 'a')));
    return row;
  }

  std::set<RowId> Visible() const {
    std::set<RowId> rows;
    for (size_t file = 0; file < data_.size(); ++file) {
      if (!data_[file].live) continue;
      for (size_t row = 0; row < data_[file].rows.size(); ++row) {
        if (std::ranges::none_of(deletes_, [&](const Stored& deletes) {
              return Hides(deletes, data_[file], row);
            })) {
          rows.insert({file, row});
        }
      }
    }
    return rows;
  }

  // Writes the lines under a spec; the files are added by the next commit.
  void Write(const Lines& lines, int32_t spec_id, std::optional<int64_t> sequence = {}) {
    table_.metadata().default_spec_id = spec_id;
    auto written = table_.Write(lines);
    ASSERT_THAT(written, IsOk());
    for (const DataFile& file : written->files) {
      Stored stored{.file = file, .sequence = sequence.value_or(-1)};
      stored.file.spec_id = spec_id;
      for (const std::string& line : table_.RowsOf(file)) {
        stored.rows.push_back(bj::parse(line).as_object());
      }
      data_.push_back(std::move(stored));
    }
  }

  void AddRows() {
    Lines lines;
    for (int64_t i = Between(1, 40); i > 0; --i) lines.push_back(LineOf(RandomRow(), kColumns));
    Write(lines, int32_t(Between(0, 2)));
  }

  void AddDeletes() {
    const Stored& of = OneOf(data_);
    table_.metadata().default_spec_id = of.file.spec_id;
    Between(0, 1) == 0 ? AddPositions(of) : AddKeys(of);
  }

  // Of this file, often of others, too: in its partition, and in others where they do nothing.
  void AddPositions(const Stored& of) {
    Stored stored;
    const bool of_one = Between(0, 1) == 0;
    for (int64_t i = Between(1, 6); i > 0; --i) {
      const Stored& target = of_one || Between(0, 1) == 0 ? of : OneOf(data_);
      stored.positions.emplace(target.file.location, Between(0, int64_t(target.rows.size()) - 1));
    }
    stored.file = table_.WritePositionDeletes({stored.positions.begin(), stored.positions.end()},
                                              of.file.partition, Between(0, 1) == 0);
    if (of_one && Between(0, 2) == 0) stored.file.referenced_data_file = of.file.location;
    stored.sequence = -1;
    deletes_.push_back(std::move(stored));
  }

  void AddKeys(const Stored& of) {
    Stored stored;
    for (const std::string& column : kColumns) {
      if (Between(0, 2) == 0) stored.columns.push_back(column);
    }
    if (stored.columns.empty()) stored.columns.push_back(OneOf(kColumns));
    Lines lines;
    for (int64_t i = Between(1, 4); i > 0; --i) {
      stored.rows.push_back(Between(0, 2) == 0 ? RandomRow() : OneOf(OneOf(data_).rows));
      lines.push_back(LineOf(stored.rows.back(), stored.columns));
    }
    stored.file = table_.WriteEqualityDeletes(stored.columns, lines, of.file.partition);
    stored.sequence = -1;
    deletes_.push_back(std::move(stored));
  }

  void RemoveSome() {
    rewrite_ = true;
    for (Stored& stored : data_) stored.live = stored.live && Between(0, 3) != 0;
    for (Stored& stored : deletes_) stored.live = stored.live && Between(0, 3) != 0;
  }

  // One file's rows go into a new one, as old as the table is now.
  void Compact() {
    rewrite_ = true;
    const auto chosen = size_t(Between(0, int64_t(data_.size()) - 1));
    if (!data_[chosen].live) return;
    Lines lines;
    for (const auto& [file, row] : Visible()) {
      if (file == chosen) lines.push_back(LineOf(data_[file].rows[row], kColumns));
    }
    data_[chosen].live = false;
    const int32_t spec_id = data_[chosen].file.spec_id;
    if (!lines.empty()) Write(lines, spec_id, table_.metadata().last_sequence_number);
  }

  // Entries of what changed, or of everything, in a manifest for each spec and content.
  void Commit(const std::string& operation) {
    const int64_t snapshot = table_.NextSnapshot();
    const int64_t sequence = table_.metadata().last_sequence_number + 1;
    std::map<std::pair<int32_t, bool>, TableInMemory::NewManifest> manifests;
    const auto add = [&](std::vector<Stored>& all, ManifestContent content) {
      for (Stored& stored : all) {
        const bool is_new = stored.snapshot == 0;
        if (!is_new && (!rewrite_ || (!stored.live && gone_.contains(stored.file.location)))) {
          continue;
        }
        ManifestEntry entry{.status = is_new        ? EntryStatus::kAdded
                                      : stored.live ? EntryStatus::kExisting
                                                    : EntryStatus::kDeleted,
                            .snapshot_id = {},
                            .sequence_number = {},
                            .file_sequence_number = {},
                            .file = stored.file};
        if (is_new) {
          if (stored.sequence >= 0) entry.sequence_number = stored.sequence;
          if (stored.sequence < 0) stored.sequence = sequence;
          stored.snapshot = snapshot;
        } else {
          entry.snapshot_id = stored.live ? stored.snapshot : snapshot;
          entry.sequence_number = stored.sequence;
          entry.file_sequence_number = stored.sequence;
        }
        if (!stored.live) gone_.insert(stored.file.location);
        auto& manifest = manifests[{stored.file.spec_id, content == ManifestContent::kDeletes}];
        manifest.content = content;
        manifest.spec_id = stored.file.spec_id;
        manifest.entries.push_back(std::move(entry));
      }
    };
    add(data_, ManifestContent::kData);
    add(deletes_, ManifestContent::kDeletes);
    std::vector<TableInMemory::NewManifest> added;
    for (auto& [key, manifest] : manifests) added.push_back(std::move(manifest));
    table_.CommitManifests(added, operation, !rewrite_);
    rewrite_ = false;
  }

  struct Change {
    int64_t snapshot = 0;
    bool replaced = false;
    Lines deleted = {}, inserted = {};  // rows
  };

  void Remember(const std::string& operation, const std::set<RowId>& before) {
    Change change{.snapshot = table_.NextSnapshot() - 1, .replaced = operation == "replace"};
    const auto after = Visible();
    for (const auto& [file, row] : before) {
      if (!after.contains({file, row})) {
        change.deleted.push_back(LineOf(data_[file].rows[row], kColumns));
      }
    }
    for (const auto& [file, row] : after) {
      if (!before.contains({file, row})) {
        change.inserted.push_back(LineOf(data_[file].rows[row], kColumns));
      }
    }
    changes_.push_back(std::move(change));
  }

  RowFilter RandomFilter() {
    const int64_t n = Between(0, 30), m = Between(0, 4);
    const auto number = [](const bj::object& row, const char* column) {
      return row.at(column).is_null() ? INT64_MIN : row.at(column).as_int64();
    };
    const std::string cat = "c" + std::to_string(Between(0, 2));
    const auto is_cat = [cat](const bj::object& row) { return row.at("cat") == bj::value(cat); };
    switch (Between(0, 6)) {
      case 0:
        return {fmt::format("k >= {} and k < {}", n, n + 6), [=](const bj::object& row) {
                  return number(row, "k") >= n && number(row, "k") < n + 6;
                }};
      case 1:
        return {fmt::format("cat = '{}'", cat), is_cat};
      case 2:
        return {"cat is null", [](const bj::object& row) { return row.at("cat").is_null(); }};
      case 3:
        return {fmt::format("v = {} and s is not null", m), [=](const bj::object& row) {
                  return number(row, "v") == m && !row.at("s").is_null();
                }};
      case 4:
        return {fmt::format("k = {} or cat = '{}'", n, cat),
                [=](const bj::object& row) { return number(row, "k") == n || is_cat(row); }};
      case 5:
        return {fmt::format("not (v > {})", m), [=](const bj::object& row) {
                  return !row.at("v").is_null() && number(row, "v") <= m;
                }};
      default:
        return {"k >= 0", [](const bj::object&) { return true; }};
    }
  }

  void CheckScans() {
    const auto visible = Visible();
    for (int i = 0; i < 3; ++i) {
      const RowFilter filter = RandomFilter();
      Lines columns;
      for (const std::string& column : kColumns) {
        if (Between(0, 1) == 0) columns.push_back(column);
      }
      if (columns.empty()) columns = {"s"};
      std::ranges::shuffle(columns, random_);
      Lines expected;
      for (const auto& [file, row] : visible) {
        const bj::object& values = data_[file].rows[row];
        if (filter.passes(values)) expected.push_back(LineOf(values, columns));
      }
      const auto plan = table_.Plan({.filter = iceberg::ParseExpression(filter.text).value(),
                                     .columns = columns,
                                     .snapshot = {},
                                     .limit = {}});
      const auto lines = table_.Read(plan, {.threads = int(Between(1, 4)),
                                            .keep_order = Between(0, 1) == 0,
                                            .dictionaries = Between(0, 1) == 0});
      ASSERT_THAT(lines, IsOk());
      ASSERT_EQ(Sorted(*lines), Sorted(expected)) << filter.text << "\n" << Explain(*plan, true);
    }
  }

  void CheckChanges() {
    if (changes_.size() < 2 || ::testing::Test::HasFailure()) return;
    const auto from = size_t(Between(0, int64_t(changes_.size()) - 2));
    const auto to = size_t(Between(int64_t(from), int64_t(changes_.size()) - 1));
    Lines expected;
    int ordinal = 0;
    for (size_t i = from + 1; i <= to; ++i) {
      const Change& change = changes_[i];
      if (change.replaced) continue;
      const auto add = [&](const Lines& rows, const char* type) {
        for (std::string row : Sorted(rows)) {
          row.pop_back();
          expected.push_back(fmt::format(
              "{},\"_change_type\":\"{}\",\"_change_ordinal\":{},\"_commit_snapshot_id\":{}}}", row,
              type, ordinal, change.snapshot));
        }
      };
      add(change.deleted, "delete");
      add(change.inserted, "insert");
      ++ordinal;
    }
    const auto plan = table_.Plan({.filter = {},
                                   .columns = {},
                                   .snapshot = changes_[to].snapshot,
                                   .limit = {},
                                   .after_snapshot = changes_[from].snapshot,
                                   .changes = true});
    auto lines = table_.Read(plan, {.threads = int(Between(1, 4)), .keep_order = true});
    ASSERT_THAT(lines, IsOk());
    // In the order of the snapshots, and deletes first; rows of one snapshot in any.
    const auto order = [](const std::string& line) {
      const auto type = line.find("\"_change_type\"");
      const bj::object row = bj::parse(line).as_object();
      return std::pair(row.at("_change_ordinal").as_int64(), line.substr(type, 24));
    };
    ASSERT_TRUE(std::ranges::is_sorted(*lines, {}, order)) << Explain(*plan, true);
    ASSERT_EQ(Sorted(*lines), Sorted(expected)) << Explain(*plan, true);
  }

  std::mt19937_64 random_;
  TableInMemory table_{{.schema = "k long, cat string, v long, s string", .partition_by = "cat"}};
  std::vector<Stored> data_, deletes_;
  std::set<std::string> gone_;  // that some commit took away
  std::vector<Change> changes_;
  bool rewrite_ = false;  // the next commit writes all manifests anew
};

TEST(DeletesProperty, ScansAndChangesAreThoseOfTheModel) {
  const char* only = std::getenv("PARKEEPER_SEED");
  const uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  for (uint64_t seed = first; seed < first + (only != nullptr ? 1 : 40); ++seed) {
    History(seed).Run();
    if (HasFailure()) {
      FAIL() << "the history of seed " << seed << " failed; replay it with PARKEEPER_SEED=" << seed;
    }
  }
}

}  // namespace
}  // namespace pk::table
