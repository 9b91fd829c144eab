#pragma once

// Arrow's output stream over a file of our storage.

#include <arrow/io/interfaces.h>

#include <string>

#include "parkeeper/storage/storage.h"

namespace pk::datafile {

// Bytes go to `file`, which stays the caller's and is not finished by Close(). Errors of the file
// come out of Arrow as they were (see ToArrow).
class StorageOutput : public arrow::io::OutputStream {
 public:
  explicit StorageOutput(storage::FileWriter* file) : file_(file) {}

  // Refuses everything from now on, so that what Arrow writes while it is destroyed goes nowhere.
  void Abandon() { abandoned_ = true; }

  arrow::Status Write(const void* data, int64_t bytes) override;
  using Writable::Write;
  arrow::Status Flush() override;
  arrow::Status Close() override;
  arrow::Result<int64_t> Tell() const override { return position_; }
  bool closed() const override { return closed_; }

 private:
  storage::FileWriter* file_;
  std::string buffer_;  // small writes, such as page headers, are gathered here
  int64_t position_ = 0;
  bool abandoned_ = false;
  bool closed_ = false;
};

}  // namespace pk::datafile
