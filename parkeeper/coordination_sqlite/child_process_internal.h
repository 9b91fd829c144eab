#pragma once

// Processes of their own for the tests of this folder: this very test program, started again to
// play one role (see child_process_test.cc). What is to be said goes as lines over two pipes.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/clock.h"

namespace pk::coordination {

// File descriptors of a child: reads commands from one, writes answers to the other.
inline constexpr int kCommandsFd = 40;
inline constexpr int kAnswersFd = 41;

// A line from `fd`, kept in `buffer` until whole; nullopt at the deadline or at the end.
inline std::optional<std::string> ReadLine(int fd, std::string& buffer, SteadyTime deadline) {
  while (true) {
    if (const size_t end = buffer.find('\n'); end != std::string::npos) {
      std::string line = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      return line;
    }
    const Duration left = deadline - SystemClock().Now();
    const auto left_us = std::chrono::duration_cast<std::chrono::microseconds>(left).count();
    if (left_us <= 0) return std::nullopt;
    const timespec timeout{left_us / 1'000'000, left_us % 1'000'000 * 1'000};
    pollfd file{fd, POLLIN, 0};
    if (ppoll(&file, 1, &timeout, nullptr) <= 0) return std::nullopt;
    char bytes[4096];
    const ssize_t size = read(fd, bytes, sizeof bytes);
    if (size <= 0) return std::nullopt;
    buffer.append(bytes, size_t(size));
  }
}

inline void WriteLine(int fd, std::string line) {
  line += '\n';
  if (write(fd, line.data(), line.size()) != ssize_t(line.size())) std::abort();
}

// Killed at the end of the scope.
class Child {
 public:
  Child(const std::string& role, const std::string& folder) {
    int commands[2], answers[2];
    if (pipe2(commands, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, commands[0], kCommandsFd);
    posix_spawn_file_actions_adddup2(&actions, answers[1], kAnswersFd);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    std::vector<std::string> variables = {"PK_CHILD_ROLE=" + role, "PK_CHILD_FOLDER=" + folder};
    std::vector<char*> environment;
    for (char** variable = environ; *variable != nullptr; ++variable) {
      environment.push_back(*variable);
    }
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::string arguments[] = {"child", "--gtest_filter=ChildProcess.DISABLED_PlaysItsRole",
                               "--gtest_also_run_disabled_tests"};
    char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(), nullptr};
    if (posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv, environment.data()) != 0) {
      std::abort();
    }
    posix_spawn_file_actions_destroy(&actions);
    close(commands[0]);
    close(answers[1]);
    commands_ = commands[1];
    answers_ = answers[0];
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    Kill();
    close(commands_);
    close(answers_);
  }

  std::optional<std::string> Read(SteadyTime deadline) {
    return ReadLine(answers_, buffer_, deadline);
  }
  void Send(const std::string& command) { WriteLine(commands_, command); }

  void Stop() {
    kill(pid_, SIGSTOP);
    siginfo_t status;
    waitid(P_PID, id_t(pid_), &status, WSTOPPED | WNOWAIT);
  }
  void Continue() { kill(pid_, SIGCONT); }
  void Kill() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  int commands_ = -1;
  int answers_ = -1;
  std::string buffer_;
};

}  // namespace pk::coordination
