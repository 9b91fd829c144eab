#pragma once

// The summary of a snapshot (spec, "Optional Snapshot Summary Fields").

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/snapshot.h"
#include "parkeeper/iceberg/tuple.h"

namespace pk::catalog {

// Files and rows that one snapshot adds and removes.
class ChangeCounts {
 public:
  void Add(const iceberg::DataFile& file) { Count(file, added_); }
  void Remove(const iceberg::DataFile& file) { Count(file, removed_); }

  // `own`, what the writers say of themselves, with the operation and the counts; nothing that
  // they say stands for a count.
  std::map<std::string, std::string> ToSummary(std::map<std::string, std::string> own,
                                               std::string_view operation) const;

 private:
  struct Tally {
    int64_t bytes = 0;
    int64_t data_files = 0, rows = 0;
    int64_t position_delete_files = 0, position_deletes = 0;
    int64_t equality_delete_files = 0, equality_deletes = 0;
  };
  void Count(const iceberg::DataFile& file, Tally& tally);

  Tally added_, removed_;
  std::map<int32_t, std::set<std::vector<iceberg::Value>, iceberg::TupleLess>> partitions_;
};

// Totals of the parent's summary with what `summary` counts; a total that the parent does not know
// stays unknown.
void AddTotals(const iceberg::Snapshot* parent, std::map<std::string, std::string>& summary);

}  // namespace pk::catalog
