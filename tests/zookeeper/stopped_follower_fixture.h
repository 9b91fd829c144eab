#pragma once

// A follower that is stopped with a request in it, and woken when its client has gone on elsewhere.
// PARKEEPER_TEST_ENSEMBLE is the folder of an ensemble of three whose tick is long, so that its
// leader does not give the follower up.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "parkeeper/base/ids.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"
#include "parkeeper/ensemble/ensemble.h"
#include "tests/support/matchers.h"

namespace pk::coordination {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

inline SteadyTime Soon() { return SystemClock().Now() + 60s; }

// A client leaves a server that is silent for a sixth of the session's timeout; its request shall
// lie there longer.
inline constexpr auto kSessionTimeout = 100s;
inline constexpr auto kDeadline = 2s;

inline bool StandsStill(pid_t process) {
  for (const auto& thread :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process))) {
    std::string stat;
    std::getline(std::ifstream(thread.path() / "stat"), stat);
    const size_t name_ends = stat.rfind(')');
    if (name_ends == std::string::npos || stat.compare(name_ends, 3, ") T") != 0) return false;
  }
  return true;
}

class StoppedFollower : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("PARKEEPER_TEST_ENSEMBLE");
    ASSERT_NE(folder, nullptr) << "set PARKEEPER_TEST_ENSEMBLE to an ensemble's folder";
    PK_ASSERT_OK(const auto state, ensemble::Status(folder));
    for (const ensemble::ServerState& server : state.servers) {
      const bool stops = server.role == ensemble::Role::kFollower && follower_pid_ == 0;
      if (stops) follower_pid_ = server.pid;
      std::string& connect = stops ? follower_ : others_;
      connect += fmt::format("{}127.0.0.1:{}", connect.empty() ? "" : ",", server.port);
    }
    ASSERT_NE(follower_pid_, 0) << "no follower";
    elsewhere_ = Open(others_);
    ASSERT_NE(elsewhere_, nullptr);
  }
  void TearDown() override { Wake(); }

  void Stop() {
    if (std::exchange(stopped_, true)) return;
    kill(follower_pid_, SIGSTOP);
    // Until one of its threads has taken the signal the others go on.
    const SteadyTime end = Soon();
    while (!StandsStill(follower_pid_) && SystemClock().Now() < end) SystemClock().Wait(1ms);
    EXPECT_TRUE(StandsStill(follower_pid_));
  }
  void Wake() {
    if (std::exchange(stopped_, false)) kill(follower_pid_, SIGCONT);
  }
  // Whatever the session sent before is carried out, or refused, when this returns.
  void WakeAndWaitFor(Coordinator& session) {
    Wake();
    Result<> answered = session.Sync();
    for (const SteadyTime end = Soon(); !answered.ok() && SystemClock().Now() < end;) {
      answered = session.Sync();
    }
    ASSERT_THAT(answered, testing::IsOk());
    ASSERT_THAT(elsewhere_->Sync(), testing::IsOk());
  }

  std::unique_ptr<Coordinator> Open(const std::string& servers) {
    auto opened = OpenZooKeeper({.connect = servers + chroot_,
                                 .create_chroot = true,
                                 .session_timeout = kSessionTimeout,
                                 .request_deadline = servers == follower_ ? kDeadline : 30s});
    EXPECT_THAT(opened, testing::IsOk());
    return opened.ok() ? std::move(opened).value() : nullptr;
  }

  const std::string chroot_ = "/stopped-" + SystemIds().NewUuid4().ToString();
  std::string follower_, others_;
  std::unique_ptr<Coordinator> elsewhere_;

 private:
  pid_t follower_pid_ = 0;
  bool stopped_ = false;
};

}  // namespace pk::coordination
