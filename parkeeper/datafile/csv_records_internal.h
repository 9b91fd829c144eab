#pragma once

// Records of a CSV file (RFC 4180): cells may be quoted, hold line breaks and doubled quotes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/text_stream_internal.h"

namespace pk::datafile {

struct CsvCell {
  std::string_view text;
  bool quoted = false;
};

class CsvRecords {
 public:
  CsvRecords(TextStream stream, char delimiter)
      : stream_(std::move(stream)), delimiter_(delimiter) {}

  // The next record that is not a blank line; false at the end. The cells are valid until the next
  // call. kInvalidArgument names the line: a quote that is not closed or closed too early.
  Result<bool> Next(std::vector<CsvCell>& cells);
  // Of the first line of the record that Next gave, from 1 on.
  int64_t line() const { return line_; }
  // Bytes consumed so far, before decompression not counted.
  int64_t bytes() const { return bytes_; }

 private:
  enum class Scan { kRecord, kMore, kBadQuote };
  Scan ScanRecord(std::string_view window, bool at_end, std::vector<CsvCell>& cells);
  std::string_view Unquote(std::string_view quoted);

  TextStream stream_;
  char delimiter_;
  bool started_ = false;
  bool at_end_ = false;
  int64_t line_ = 1;
  int64_t next_line_ = 1;
  int64_t bytes_ = 0;
  size_t length_ = 0;        // of the record scanned, its line break included
  int64_t line_breaks_ = 0;  // in it
  std::vector<std::string> unquoted_;
  size_t unquoted_used_ = 0;
};

}  // namespace pk::datafile
