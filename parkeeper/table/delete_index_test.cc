// Which delete files apply, over many of them.

#include "parkeeper/table/delete_index_internal.h"

#include <gtest/gtest.h>

#include <random>

#include "parkeeper/datafile/row_deletes.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::Value;
using testing::IsOk;

struct DataEntry {
  std::string location;
  std::vector<Value> partition;
  int64_t sequence = 0;
  int64_t first_id = 0, last_id = 0;

  iceberg::ColumnStatistics Statistics() const {
    return {.value_count = 10,
            .null_count = 0,
            .nan_count = {},
            .lower = Value(first_id),
            .upper = Value(last_id)};
  }
};

std::vector<Value> PartitionOf(int64_t number) { return {Value("p" + std::to_string(number))}; }

std::string BytesOf(int64_t number) {
  return iceberg::ToBytes(Value(number), {.kind = iceberg::PrimitiveKind::kLong});
}

class ManyFiles {
 public:
  ManyFiles(int64_t data_files, int64_t delete_files, int64_t partitions) {
    std::mt19937_64 random(7);
    const auto below = [&](int64_t limit) { return int64_t(random() % uint64_t(limit)); };
    for (int64_t i = 0; i < data_files; ++i) {
      const int64_t first = below(1'000'000);
      data_.push_back({.location = "memory://lake/t/data/" + std::to_string(i),
                       .partition = PartitionOf(i % partitions),
                       .sequence = below(1'000),
                       .first_id = first,
                       .last_id = first + 100'000});
    }
    std::vector<int32_t> numbers;
    for (int64_t i = 0; i < delete_files; ++i) {
      DataFile file;
      file.location = "memory://lake/t/data/d" + std::to_string(i);
      file.partition = PartitionOf(below(partitions));
      if (i % 3 == 0) {
        MakeEquality(file, below(1'000'000));
      } else {
        file.content = FileContent::kPositionDeletes;
        // Every other tells by its bounds that it is of one data file.
        const DataEntry& one = data_[size_t(below(data_files))];
        file.partition = one.partition;
        if (i % 3 == 1) {
          file.lower_bounds[datafile::kDeletePathFieldId] = one.location;
          file.upper_bounds[datafile::kDeletePathFieldId] = one.location;
        }
      }
      sequences_.push_back(below(1'000));
      metrics_.push_back(file);
      numbers.push_back(files_.Add(file, sequences_.back()).value());
    }
    index_.emplace(files_, numbers);
  }

  const std::vector<DataEntry>& data() const { return data_; }

  std::vector<int32_t> Find(const DataEntry& data) const {
    return index_->Find({.location = data.location,
                         .spec_id = 0,
                         .partition = data.partition,
                         .sequence_number = data.sequence,
                         .statistics = [&](int32_t) { return data.Statistics(); }});
  }

  // By the words of the specification.
  std::vector<int32_t> Expected(const DataEntry& data) const {
    std::vector<int32_t> numbers;
    for (size_t i = 0; i < metrics_.size(); ++i) {
      const DataFile& file = metrics_[i];
      if (file.partition != data.partition) continue;
      if (file.content == FileContent::kPositionDeletes) {
        const auto path = file.lower_bounds.find(datafile::kDeletePathFieldId);
        if (sequences_[i] < data.sequence) continue;
        if (path != file.lower_bounds.end() && path->second != data.location) continue;
      } else if (sequences_[i] <= data.sequence || Upper(file) < data.first_id ||
                 Lower(file) > data.last_id) {
        continue;
      }
      numbers.push_back(int32_t(i));
    }
    return numbers;
  }

 private:
  static void MakeEquality(DataFile& file, int64_t first) {
    file.content = FileContent::kEqualityDeletes;
    file.equality_ids = {1};
    file.record_count = 5;
    file.value_counts[1] = 5;
    file.null_counts[1] = 0;
    file.lower_bounds[1] = BytesOf(first);
    file.upper_bounds[1] = BytesOf(first + 1'000);
  }
  static int64_t NumberOf(const std::string& bytes) {
    return std::get<int64_t>(
        iceberg::FromBytes(bytes, {.kind = iceberg::PrimitiveKind::kLong}).value());
  }
  static int64_t Lower(const DataFile& file) { return NumberOf(file.lower_bounds.at(1)); }
  static int64_t Upper(const DataFile& file) { return NumberOf(file.upper_bounds.at(1)); }

  iceberg::TableMetadata metadata_ = testing::MakeTable({.partition_by = "cat"});
  DeleteFiles files_{metadata_, std::make_shared<const iceberg::Schema>(metadata_.schema())};
  std::vector<DataEntry> data_;
  std::vector<DataFile> metrics_;
  std::vector<int64_t> sequences_;
  std::optional<DeleteIndex> index_;
};

TEST(DeleteIndex, FindsWhatTheSpecificationSaysApplies) {
  const ManyFiles files(2'000, 900, 10);
  size_t found = 0;
  for (const DataEntry& data : files.data()) {
    const auto numbers = files.Find(data);
    ASSERT_EQ(numbers, files.Expected(data)) << data.location;
    found += numbers.size();
  }
  EXPECT_GT(found, 2'000u);
}

TEST(DeleteIndex, LooksAtFewOfManyFiles) {
  // Of every pair there are a thousand million.
  const ManyFiles files(100'000, 10'000, 1'000);
  size_t found = 0;
  for (const DataEntry& data : files.data()) found += files.Find(data).size();
  EXPECT_GT(found, 100'000u);
  EXPECT_LT(found, 1'000'000u);
}

}  // namespace
}  // namespace pk::table
