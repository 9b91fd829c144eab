#pragma once

// RowDeletes as they concern one data file that is being read.

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/row_deletes.h"
#include "parkeeper/datafile/row_ranges_internal.h"

namespace pk::datafile {

class HiddenRows {
 public:
  HiddenRows() = default;
  HiddenRows(RowDeletes deletes, std::string_view location);

  bool empty() const { return positions_.empty() && keys_.empty(); }
  const std::vector<RowDeletes::ByKeys>& keys() const { return keys_; }

  // The columns that some EqualityDeletes compare, of the rows asked about.
  using KeysSource = std::function<Result<Batch>(const EqualityDeletes&)>;
  // Sets hidden[i] to 1 where the row at position `first` + i of the file is hidden. Rows whose
  // hidden[i] is 1 already are not compared by key.
  Result<> Mark(int64_t first, const KeysSource& keys, std::vector<uint8_t>& hidden) const;

  // Ranges of the row group with `rows` rows from position `first` on outside of which no row is
  // hidden; runs of fewer than `gap` rows between them are taken in.
  RowRanges Ranges(int64_t first, int64_t rows, int64_t gap) const;

 private:
  std::vector<int64_t> positions_;  // ascending, each once
  std::vector<RowDeletes::ByKeys> keys_;
};

}  // namespace pk::datafile
