#include <algorithm>

#include "parkeeper/datafile/hidden_rows_internal.h"

namespace pk::datafile {

HiddenRows::HiddenRows(RowDeletes deletes, std::string_view location)
    : keys_(std::move(deletes.keys)) {
  std::erase_if(keys_, [](const RowDeletes::ByKeys& keys) { return keys.files.empty(); });
  for (const auto& listed : deletes.positions) {
    const std::vector<int64_t>* found = listed->Of(location);
    if (found != nullptr) positions_.insert(positions_.end(), found->begin(), found->end());
  }
  if (deletes.positions.size() < 2) return;
  std::ranges::sort(positions_);
  const auto rest = std::ranges::unique(positions_);
  positions_.erase(rest.begin(), rest.end());
}

Result<> HiddenRows::Mark(int64_t first, const KeysSource& keys,
                          std::vector<uint8_t>& hidden) const {
  const int64_t last = first + static_cast<int64_t>(hidden.size());
  for (auto at = std::ranges::lower_bound(positions_, first); at != positions_.end() && *at < last;
       ++at) {
    hidden[static_cast<size_t>(*at - first)] = 1;
  }
  for (const RowDeletes::ByKeys& by_keys : keys_) {
    PK_TRY(by_keys.deletes->Find(PK_TRY(keys(*by_keys.deletes)), by_keys.files, hidden));
  }
  return {};
}

RowRanges HiddenRows::Ranges(int64_t first, int64_t rows, int64_t gap) const {
  if (!keys_.empty()) return {{0, rows}};
  RowRanges ranges;
  for (auto at = std::ranges::lower_bound(positions_, first);
       at != positions_.end() && *at < first + rows; ++at) {
    const int64_t row = *at - first;
    if (!ranges.empty() && row - ranges.back().end < std::max<int64_t>(gap, 1)) {
      ranges.back().end = row + 1;
    } else {
      ranges.push_back({row, row + 1});
    }
  }
  return ranges;
}

}  // namespace pk::datafile
