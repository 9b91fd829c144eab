#pragma once

#include <unistd.h>

#include <string_view>
#include <utility>

#include "parkeeper/base/result.h"

namespace pk::storage {

// An open file descriptor, or the negative errno of the call that should have given one. Closes
// it. Move-only.
class Descriptor {
 public:
  explicit Descriptor(int fd_or_error) : fd_(fd_or_error) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }

  bool ok() const { return fd_ >= 0; }
  int get() const { return fd_; }
  // Gives the descriptor away: somebody else closes it.
  int release() { return std::exchange(fd_, -1); }
  int error() const { return fd_ < 0 ? -fd_ : 0; }

 private:
  int fd_;
};

// The Error of a system call that failed with `number` (errno) while `doing` something ("cannot
// open") to `location`.
Error SystemError(int number, std::string_view doing, std::string_view location);

}  // namespace pk::storage
