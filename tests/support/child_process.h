#pragma once

// Code that a test runs in a process of its own: to be killed, or to live with fewer rights and
// lower limits than the test program. Fork only while no other thread runs.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

namespace pk::testing {

// A child that says something once and then stands still until it is killed.
class ChildProcess {
 public:
  // `body` runs in the child; what it returns is read by Said(). The child's objects live until it
  // is killed if `body` keeps them (static, or leaked).
  explicit ChildProcess(const std::function<std::string()>& body) {
    int ends[2];
    if (pipe(ends) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      const std::string said = body();
      if (write(ends[1], said.data(), said.size()) < 0) _exit(2);
      close(ends[1]);
      for (;;) pause();
    }
    close(ends[1]);
    for (char byte; read(ends[0], &byte, 1) == 1;) said_ += byte;
    close(ends[0]);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { Kill(); }

  // Complete: the constructor waits for it.
  const std::string& said() const { return said_; }

  // kill -9, and waits for the end.
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  std::string said_;
};

// Runs `body` in a child and returns what it said.
inline std::string InChild(const std::function<std::string()>& body) {
  return ChildProcess(body).said();
}

}  // namespace pk::testing
