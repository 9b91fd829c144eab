#pragma once

// Which delete files apply to which data file (Iceberg spec, "Scan Planning").

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/iceberg/tuple.h"
#include "parkeeper/table/scan.h"

namespace pk::table {

// Its equality deletes apply to files of every spec.
bool IsUnpartitioned(const iceberg::PartitionSpec& spec);

// All delete files of a plan, each once, with what prunes them.
class DeleteFiles {
 public:
  explicit DeleteFiles(const iceberg::TableMetadata& metadata,
                       std::shared_ptr<const iceberg::Schema> schema);

  struct Key {
    int32_t field_id = 0;
    bool is_float = false;
    iceberg::ColumnStatistics statistics = {};
  };
  struct Entry {
    DeleteFile task;
    std::vector<Key> keys;                       // of an equality delete, as far as is known
    std::optional<std::string> first_path = {};  // bounds of a position delete
    std::optional<std::string> last_path = {};
    bool global = false;  // an equality delete of an unpartitioned spec
  };

  // The number of `file`, which may be there already. kUnsupported names an equality delete over a
  // column that no schema has.
  Result<int32_t> Add(const iceberg::DataFile& file, int64_t sequence_number);

  // For those that apply to some data file. kUnsupported names one that cannot be applied: a
  // deletion vector, another format than Parquet, an equality delete of a partition that cannot be
  // told from others.
  Result<> Check(int32_t number) const;

  // The metrics of an equality delete say that it hides no row that passes the filter.
  bool IsUseless(int32_t number, const iceberg::BoundExpression& filter) const;

  const Entry& at(int32_t number) const { return entries_[size_t(number)]; }
  size_t size() const { return entries_.size(); }
  // The table's columns, and those of equality deletes that it has no more.
  const std::shared_ptr<const iceberg::Schema>& schema() const { return schema_; }
  // Of all equality deletes, sorted.
  std::vector<int32_t> KeyFields() const;

 private:
  Result<> AddKeys(Entry& entry);
  Result<> AddDroppedColumn(int32_t field_id);

  const iceberg::TableMetadata& metadata_;
  std::shared_ptr<const iceberg::Schema> schema_;
  std::deque<Entry> entries_;  // which stay where they are
  std::unordered_map<std::string, int32_t> numbers_;
};

// A data file, as far as it decides which deletes apply to it.
struct DeleteTarget {
  std::string_view location;
  int32_t spec_id = 0;
  const std::vector<iceberg::Value>& partition;
  int64_t sequence_number = 0;
  iceberg::StatisticsSource statistics;  // of KeyFields
};

// Some of the delete files, found by path or partition and then by sequence number. Looking up
// costs the logarithm of their number and what is newer than the data file in its partition.
// Thread-safe once it is made.
class DeleteIndex {
 public:
  DeleteIndex(const DeleteFiles& files, std::vector<int32_t> numbers);

  bool empty() const { return numbers_.empty(); }
  // Sorted.
  const std::vector<int32_t>& numbers() const { return numbers_; }
  // Numbers of those that apply, sorted.
  std::vector<int32_t> Find(const DeleteTarget& target) const;
  // The newest data sequence number among them; -1 when there are none.
  int64_t newest() const { return newest_; }

 private:
  using Group = std::vector<std::pair<int64_t, int32_t>>;  // sequence number, file; sorted
  using Partition = std::pair<int32_t, std::vector<iceberg::Value>>;
  struct PartitionLess {
    bool operator()(const Partition& left, const Partition& right) const {
      if (left.first != right.first) return left.first < right.first;
      return iceberg::TupleLess()(left.second, right.second);
    }
  };
  using Groups = std::map<Partition, Group, PartitionLess>;

  void FindPositions(const DeleteTarget& target, const Group& group,
                     std::vector<int32_t>& found) const;
  void FindKeys(const DeleteTarget& target, const Group& group, std::vector<int32_t>& found) const;

  const DeleteFiles& files_;
  std::vector<int32_t> numbers_;
  std::unordered_map<std::string_view, Group> positions_of_file_;
  Groups positions_, keys_;
  Group global_keys_;
  int64_t newest_ = -1;
};

}  // namespace pk::table
