#pragma once

// Sockets on 127.0.0.1: a small client with deadlines, and the question whether a port is free.

#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/result.h"

namespace pk::ensemble {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

// kUnavailable: nobody listens there, or not before the deadline.
Result<Descriptor> ConnectToLoopback(int port, SteadyTime deadline);
Result<> SendAll(const Descriptor& socket, std::string_view bytes, SteadyTime deadline);
// Everything until the other side ends; kUnavailable at the deadline, kCorrupt over `most` bytes.
Result<std::string> ReceiveAll(const Descriptor& socket, size_t most, SteadyTime deadline);

// A server could listen on 127.0.0.1:port now.
bool IsPortFree(int port);

}  // namespace pk::ensemble
