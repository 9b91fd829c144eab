#pragma once

// Text files, perhaps compressed, as a window of bytes that moves forward.

#include <arrow/io/interfaces.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::datafile {

// A file on the local disk; kNotFound or kUnavailable name it.
Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenLocalFile(const std::string& path);

// Memory: about the longest record, at least a megabyte.
class TextStream {
 public:
  // `path` ending in .gz or .zst is decompressed on the way.
  static Result<TextStream> Open(const std::string& path);

  // Bytes that are read and not consumed yet.
  std::string_view window() const { return std::string_view(buffer_).substr(begin_); }
  void Consume(size_t bytes) { begin_ += bytes; }
  // Adds bytes to the window; false at the end of the file.
  Result<bool> Grow();

 private:
  std::shared_ptr<arrow::io::InputStream> input_;
  std::string path_;
  std::string buffer_;
  size_t begin_ = 0;
};

}  // namespace pk::datafile
