#pragma once

// Where the rows of a scan go.

#include <unistd.h>

#include <stop_token>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::cli {

// The error that errno stands for after a write; kCancelled when the reader of a pipe went away.
Error WriteFailure(std::string_view where);

// Standard output, a device or a pipe, which get bytes as they come; or a file, which appears whole
// under its name and replaces only another file. Waiting for the reader of a pipe ends when `stop`
// asks for it (kCancelled).
class Output {
 public:
  // `path` empty or /dev/stdout: standard output. kInvalidArgument when it is a folder.
  static Result<Output> Open(const std::string& path, std::stop_token stop);
  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  // Without Finish() no file appears.
  ~Output();

  Result<> Write(std::string_view bytes);
  Result<> Finish();
  bool is_standard() const { return file_ == STDOUT_FILENO; }

 private:
  Output(std::string path, std::stop_token stop) : path_(std::move(path)), stop_(std::move(stop)) {}
  Result<> OpenPipe();
  Result<> AwaitRoom() const;

  std::string path_;
  std::string partial_;  // the name until Finish(); empty: bytes are visible at once
  std::stop_token stop_;
  int file_ = -1;
  bool may_block_ = false;  // not a regular file
};

}  // namespace pk::cli
