#include "parkeeper/datafile/csv_records_internal.h"

#include <fmt/format.h>

#include <algorithm>

namespace pk::datafile {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

// `quoted` holds doubled quotes; each pair becomes one.
std::string_view CsvRecords::Unquote(std::string_view quoted) {
  if (unquoted_used_ == unquoted_.size()) unquoted_.emplace_back();
  std::string& out = unquoted_[unquoted_used_++];
  out.clear();
  for (size_t i = 0; i < quoted.size(); ++i) {
    out += quoted[i];
    if (quoted[i] == '"') ++i;
  }
  return out;
}

CsvRecords::Scan CsvRecords::ScanRecord(std::string_view window, bool at_end,
                                        std::vector<CsvCell>& cells) {
  cells.clear();
  unquoted_used_ = 0;
  line_breaks_ = 0;
  size_t at = 0;
  // Unquoted text is looked at only when the vector of strings cannot move any more.
  std::vector<std::pair<size_t, std::string_view>> doubled;
  while (true) {
    CsvCell cell;
    if (at < window.size() && window[at] == '"') {
      const size_t begin = ++at;
      bool has_doubled = false;
      while (true) {
        while (at < window.size() && window[at] != '"') line_breaks_ += window[at++] == '\n';
        if (at + 1 >= window.size() && !at_end) return Scan::kMore;
        if (at >= window.size()) return Scan::kBadQuote;
        if (at + 1 < window.size() && window[at + 1] == '"') {
          has_doubled = true;
          at += 2;
          continue;
        }
        break;
      }
      cell = {window.substr(begin, at - begin), true};
      if (has_doubled) doubled.emplace_back(cells.size(), cell.text);
      ++at;
      if (at < window.size() && window[at] == '\r') {
        if (at + 1 >= window.size() && !at_end) return Scan::kMore;
        if (window.substr(at, 2) == "\r\n") ++at;
      }
      if (at < window.size() && window[at] != delimiter_ && window[at] != '\n') {
        return Scan::kBadQuote;
      }
    } else {
      const size_t begin = at;
      while (at < window.size() && window[at] != delimiter_ && window[at] != '\n') ++at;
      size_t end = at;
      if (at < window.size() && window[at] == '\n' && end > begin && window[end - 1] == '\r') --end;
      cell = {window.substr(begin, end - begin), false};
    }
    if (at >= window.size() && !at_end) return Scan::kMore;
    cells.push_back(cell);
    if (at >= window.size()) break;
    if (window[at++] == '\n') {
      ++line_breaks_;
      break;
    }
  }
  length_ = at;
  if (unquoted_.size() < doubled.size()) unquoted_.resize(doubled.size());
  for (const auto& [index, text] : doubled) cells[index].text = Unquote(text);
  return Scan::kRecord;
}

Result<bool> CsvRecords::Next(std::vector<CsvCell>& cells) {
  while (true) {
    if (!started_) {
      started_ = true;
      at_end_ = !PK_TRY(stream_.Grow());
      if (stream_.window().starts_with(kByteOrderMark)) stream_.Consume(kByteOrderMark.size());
    } else {
      stream_.Consume(length_);
      bytes_ += static_cast<int64_t>(length_);
    }
    length_ = 0;
    line_ = next_line_;
    if (stream_.window().empty() && at_end_) return false;
    Scan scan = ScanRecord(stream_.window(), at_end_, cells);
    while (scan == Scan::kMore) {
      at_end_ = !PK_TRY(stream_.Grow());
      scan = ScanRecord(stream_.window(), at_end_, cells);
    }
    if (stream_.window().empty()) return false;
    PK_CHECK(scan == Scan::kRecord,
             InvalidArgument(fmt::format("line {}: a quoted cell is not closed, or goes on behind "
                                         "its closing quote",
                                         line_)));
    next_line_ += line_breaks_;
    const bool blank = cells.size() == 1 && cells[0].text.empty() && !cells[0].quoted;
    if (!blank) return true;
  }
}

}  // namespace pk::datafile
