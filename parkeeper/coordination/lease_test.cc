// Leases whose requests fail at a chosen moment. Any moment: simulation_leases_test.cc.

#include "parkeeper/coordination/lease.h"

#include <gtest/gtest.h>

#include <optional>

#include "parkeeper/coordination/simulation.h"

namespace pk::coordination {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class LeaseTest : public ::testing::Test {
 protected:
  Party party() { return {*client_, simulation_.clock(), simulation_.ids()}; }
  Result<Lease> Acquire(const Until& until = {}) {
    return AcquireLease(party(), "/lease", "me", until);
  }
  // These faults for the next `duration`, then none.
  void WithFor(Duration duration, Faults faults) {
    simulation_.SetFaults(*client_, faults);
    simulation_.At(simulation_.clock().Now() + duration,
                   [this] { simulation_.SetFaults(*client_, {}); });
  }
  Until Within(Duration duration) {
    return {.deadline = simulation_.clock().Now() + duration, .stop = {}};
  }
  // How many entries there are once everything under way has arrived.
  size_t Entries() {
    simulation_.clock().Wait(hours(1));
    EXPECT_TRUE(observer_->Sync().ok());
    return observer_->List("/lease")->size();
  }
  bool connected() const { return client_->session().state() == SessionState::kConnected; }

  Simulation simulation_{1};
  std::unique_ptr<Coordinator> client_ = simulation_.MakeClient();
  std::unique_ptr<Coordinator> observer_ = simulation_.MakeClient();
};

TEST_F(LeaseTest, OfACreateWhoseReplyWasLostIsFoundAgain) {
  ASSERT_TRUE(EnsurePath(*observer_, "/lease").ok());
  WithFor(std::chrono::milliseconds(500), {.lost_reply = 0.7});
  const auto lease = Acquire();
  ASSERT_TRUE(lease.ok());
  EXPECT_TRUE(connected());
  EXPECT_EQ(Entries(), 1u) << "however often it was sent";
  EXPECT_TRUE(lease->Confirm().ok());
}

TEST_F(LeaseTest, OfACreateThatComesLateHasOneEntry) {
  ASSERT_TRUE(EnsurePath(*observer_, "/lease").ok());
  WithFor(seconds(5), {.late_request = 1, .latest = seconds(60)});
  std::optional<Lease> lease;
  {
    auto acquired = Acquire();
    ASSERT_TRUE(acquired.ok());
    lease = std::move(*acquired);
  }
  EXPECT_EQ(Entries(), 1u);
  EXPECT_TRUE(lease->Release().ok());
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(LeaseTest, WhoGivesUpWhileTheOutcomeIsOpenLeavesNothingBehind) {
  const Party other{*observer_, simulation_.clock(), simulation_.ids()};
  const auto theirs = AcquireLease(other, "/lease", "other", {});
  ASSERT_TRUE(theirs.ok());
  WithFor(seconds(5), {.late_request = 1, .latest = seconds(60)});
  const auto lease = Acquire(Within(seconds(1)));
  ASSERT_FALSE(lease.ok());
  EXPECT_EQ(lease.error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(connected());
  EXPECT_EQ(Entries(), 1u) << "only the other's, also after the late requests have come";
}

TEST_F(LeaseTest, IsReleasedUntilThatIsDefinite) {
  for (const Faults& faults : {Faults{.lost_request = 1}, Faults{.lost_reply = 1},
                               Faults{.late_request = 1, .latest = seconds(60)},
                               Faults{.suspension = 1, .longest_suspension = seconds(3)}}) {
    {
      const auto lease = Acquire();
      ASSERT_TRUE(lease.ok());
      WithFor(seconds(5), faults);
    }
    EXPECT_TRUE(connected()) << "the session goes on living";
    EXPECT_EQ(Entries(), 0u);
  }
}

TEST_F(LeaseTest, ThatCannotBeReleasedEndsWithItsSession) {
  auto lease = Acquire();
  ASSERT_TRUE(lease.ok());
  simulation_.SetFaults(*client_, {.suspension = 1, .longest_suspension = hours(10)});
  const SteadyTime before = simulation_.clock().Now();
  EXPECT_EQ(lease->Release().error().code(), ErrorCode::kUnavailable);
  EXPECT_LT(simulation_.clock().Now() - before, client_->session().timeout());
  EXPECT_EQ(client_->session().state(), SessionState::kLost);
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(LeaseTest, IsAHintWhileItsHolderIsSuspendedAndCanBeConfirmedAfterwards) {
  const auto lease = Acquire();
  ASSERT_TRUE(lease.ok());
  simulation_.SetFaults(*client_, {.suspension = 1, .longest_suspension = seconds(3)});
  EXPECT_FALSE(lease->Confirm().ok());
  EXPECT_FALSE(lease->held());
  EXPECT_FALSE(lease->lost().stop_requested());
  simulation_.SetFaults(*client_, {});
  client_->session().WaitForChange(SessionState::kSuspended, Within(hours(1)).deadline);
  EXPECT_TRUE(lease->held());
  EXPECT_TRUE(lease->Confirm().ok());
}

}  // namespace
}  // namespace pk::coordination
