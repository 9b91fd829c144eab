#include "parkeeper/coordination/simulation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::coordination {
namespace {

using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using ::pk::testing::IsOkAnd;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const auto kUnavailable = ErrorCode::kUnavailable;
const auto kOutcomeUnknown = ErrorCode::kOutcomeUnknown;

// One client whose faults a test places, and one that never meets any.
class SimulationTest : public ::testing::Test {
 protected:
  // Runs `body` as an actor, to the end of all that it brought about.
  void RunActor(std::function<void()> body) {
    simulation_.Spawn("actor", std::move(body));
    EXPECT_THAT(simulation_.Run(), IsOk());
  }
  bool Exists(std::string_view path) {
    EXPECT_THAT(observer_->Sync(), IsOk());
    return observer_->Find(path)->has_value();
  }
  void With(Faults faults) { simulation_.SetFaults(*client_, faults); }
  Clock& clock() { return simulation_.clock(); }

  Simulation simulation_{1};
  std::unique_ptr<Coordinator> client_ = simulation_.MakeClient();
  std::unique_ptr<Coordinator> observer_ = simulation_.MakeClient();
};

TEST_F(SimulationTest, ALostRequestIsNotCarriedOutAndTheCallerDoesNotKnow) {
  With({.lost_request = 1});
  EXPECT_THAT(client_->Create("/n", ""), IsError(kOutcomeUnknown));
  With({.latest = {}});
  clock().Wait(hours(1));
  EXPECT_FALSE(Exists("/n"));
}

TEST_F(SimulationTest, ALostReplyComesAfterTheRequestIsCarriedOut) {
  With({.lost_reply = 1});
  EXPECT_THAT(client_->Create("/n", ""), IsError(kOutcomeUnknown));
  EXPECT_TRUE(Exists("/n"));
}

TEST_F(SimulationTest, ALateRequestIsCarriedOutAfterItsCallerWentOn) {
  With({.late_request = 1, .latest = hours(1)});
  EXPECT_THAT(client_->Create("/n", ""), IsError(kOutcomeUnknown));
  With({});
  EXPECT_FALSE(Exists("/n"));
  PK_ASSERT_OK(const auto watch, observer_->StartWatch("/n", WatchScope::kNode));
  EXPECT_TRUE(watch->Wait(clock().Now() + hours(1)));
  EXPECT_TRUE(Exists("/n"));
}

TEST_F(SimulationTest, ALateRequestOfAnEndedSessionIsNeverCarriedOut) {
  With({.late_request = 1, .latest = hours(1)});
  EXPECT_THAT(client_->Create("/n", ""), IsError(kOutcomeUnknown));
  simulation_.ExpireSession(client_->session().id());
  clock().Wait(hours(2));
  EXPECT_FALSE(Exists("/n"));
}

TEST_F(SimulationTest, ALateTransactionIsRefusedWhenItNoLongerFits) {
  ASSERT_THAT(observer_->Create("/head", "0"), IsOk());
  With({.late_request = 1});
  EXPECT_THAT(client_->Set("/head", "late", 0), IsError(kOutcomeUnknown));
  EXPECT_THAT(observer_->Set("/head", "1", 0), IsOk());
  clock().Wait(hours(1));
  ASSERT_THAT(observer_->Sync(), IsOk());
  EXPECT_EQ(observer_->Get("/head")->value, "1");
}

TEST_F(SimulationTest, AReadThatGetsNoReplyIsUnavailable) {
  for (const Faults& faults : {Faults{.lost_request = 1}, Faults{.lost_reply = 1},
                               Faults{.suspension = 1, .longest_suspension = seconds(1)}}) {
    With(faults);
    EXPECT_THAT(client_->Get("/"), IsError(kUnavailable));
    EXPECT_EQ(client_->session().state(), SessionState::kSuspended);
    const SteadyTime soon = clock().Now() + seconds(5);
    EXPECT_EQ(client_->session().WaitForChange(SessionState::kSuspended, soon),
              SessionState::kConnected);
  }
  With({.late_request = 1});
  EXPECT_THAT(client_->Get("/"), IsOk()) << "late requests are modifications";
}

TEST_F(SimulationTest, ASuspensionRefusesTheCallDefinitelyAndAWatchLooksAgainAfterIt) {
  PK_ASSERT_OK(const auto watch, client_->StartWatch("/n", WatchScope::kNode));
  With({.suspension = 1, .longest_suspension = seconds(1)});
  EXPECT_THAT(client_->Create("/n", ""), IsError(kUnavailable));
  EXPECT_EQ(client_->session().state(), SessionState::kSuspended);
  EXPECT_TRUE(watch->Wait(clock().Now() + seconds(5)));
  EXPECT_EQ(client_->session().state(), SessionState::kConnected);
  EXPECT_FALSE(Exists("/n"));
}

TEST_F(SimulationTest, ALongSuspensionLosesTheSessionForTheClientFirst) {
  ASSERT_THAT(client_->Create("/e", "", CreateMode::kEphemeral), IsOk());
  // Over two thirds of the ten seconds, with any luck of this seed.
  With({.suspension = 1, .longest_suspension = hours(24)});
  EXPECT_THAT(client_->Get("/e"), IsError(kUnavailable));
  const SteadyTime begin = clock().Now();
  EXPECT_EQ(client_->session().WaitForChange(SessionState::kSuspended, begin + hours(1)),
            SessionState::kLost);
  EXPECT_LT(clock().Now() - begin, seconds(7));
  EXPECT_TRUE(Exists("/e")) << "the coordinator waits for the whole timeout";
  clock().Wait(seconds(5));
  EXPECT_FALSE(Exists("/e"));
}

TEST_F(SimulationTest, ASessionLossTakesEphemeralsBeforeOrAfterTheRequest) {
  int done = 0;
  for (int i = 0; i < 40; ++i) {
    auto client = simulation_.MakeClient();
    const std::string ephemeral = fmt::format("/e{}", i), node = fmt::format("/n{}", i);
    ASSERT_THAT(client->Create(ephemeral, "", CreateMode::kEphemeral), IsOk());
    simulation_.SetFaults(*client, {.session_loss = 1});
    const auto made = client->Create(node, "");
    EXPECT_FALSE(made.ok());
    EXPECT_FALSE(Exists(ephemeral));
    EXPECT_EQ(client->session().state(), SessionState::kLost);
    EXPECT_EQ(Exists(node), made.error().code() == kOutcomeUnknown) << made.error().ToString();
    done += Exists(node);
  }
  EXPECT_GT(done, 5);
  EXPECT_LT(done, 35);
}

TEST_F(SimulationTest, AClientMayBelieveInASessionThatIsOver) {
  simulation_.ExpireSession(client_->session().id());
  EXPECT_EQ(client_->session().state(), SessionState::kConnected);
  const SteadyTime end = clock().Now() + client_->session().timeout();
  EXPECT_EQ(client_->session().WaitForChange(SessionState::kConnected, end), SessionState::kLost);
}

TEST_F(SimulationTest, ADelayLetsOthersGoFirst) {
  ASSERT_THAT(observer_->Create("/head", "0"), IsOk());
  With({.delay = 1});
  int refused = 0;
  for (int32_t version = 0; version < 20; ++version) {
    simulation_.Spawn("slow", [&] { refused += !client_->Set("/head", "slow", version).ok(); });
    simulation_.Spawn("quick", [&] { static_cast<void>(observer_->Set("/head", "", version)); });
    EXPECT_THAT(simulation_.Run(), IsOk());
  }
  EXPECT_GT(refused, 5) << "the request was late";
  EXPECT_LT(refused, 20) << "the reply was late";
}

TEST_F(SimulationTest, ADuplicateWatchSaysLookAgainForNoReason) {
  PK_ASSERT_OK(const auto watch, client_->StartWatch("/n", WatchScope::kNode));
  EXPECT_FALSE(watch->Wait(clock().Now() + hours(1)));
  With({.duplicate_watch = 1});
  EXPECT_THAT(client_->Get("/"), IsOk());
  EXPECT_TRUE(watch->Wait(clock().Now() + seconds(1)));
  EXPECT_FALSE(watch->Wait(clock().Now() + hours(1)));
}

TEST_F(SimulationTest, ACrashEndsTheClientAndItsSessionWhenTheTimeoutHasPassed) {
  ASSERT_THAT(client_->Create("/e", "", CreateMode::kEphemeral), IsOk());
  PK_ASSERT_OK(const auto watch, client_->StartWatch("/n", WatchScope::kNode));
  simulation_.Spawn("victim", [&] {
    EXPECT_FALSE(simulation_.crashed());
    With({.crash = 1});
    EXPECT_THAT(client_->Create("/n", ""), IsError(kOutcomeUnknown));
    EXPECT_TRUE(simulation_.crashed());
    EXPECT_THAT(client_->Get("/n"), IsError(kUnavailable));
    EXPECT_THAT(client_->Create("/m", ""), IsError(kUnavailable));
    EXPECT_FALSE(watch->Wait(SteadyTime::max()));
    EXPECT_THAT(simulation_.MakeClient()->Create("/m", ""), IsError(kUnavailable))
        << "a dead process opens no new session";
    client_.reset();
  });
  simulation_.Spawn("survivor", [&] {
    PK_ASSERT_OK(const auto gone, observer_->StartWatch("/e", WatchScope::kNode));
    const SteadyTime begin = clock().Now();
    EXPECT_TRUE(gone->Wait(begin + hours(1)));
    EXPECT_GT(clock().Now() - begin, seconds(9));
    EXPECT_FALSE(simulation_.crashed());
  });
  EXPECT_THAT(simulation_.Run(), IsOk());
  EXPECT_FALSE(Exists("/e"));
  EXPECT_FALSE(Exists("/m"));
}

TEST_F(SimulationTest, ReadsAreStaleNowAndThenAndNeverAfterASync) {
  Simulation lagging(7, {.followers = 3, .longest_lag = seconds(1)});
  const auto writer = lagging.MakeClient();
  ASSERT_THAT(writer->Create("/n", ""), IsOk());
  int stale = 0;
  for (int32_t version = 0; version < 20; ++version) {
    const auto reader = lagging.MakeClient();  // on any follower
    ASSERT_THAT(writer->Set("/n", "", version), IsOk());
    stale += reader->Get("/n")->stat.version <= version;
    ASSERT_THAT(reader->Sync(), IsOk());
    EXPECT_EQ(reader->Get("/n")->stat.version, version + 1);
  }
  EXPECT_GT(stale, 0);
}

TEST_F(SimulationTest, TimeIsVirtualAndAWaitCostsNothing) {
  const int64_t wall_ms = clock().WallMs();
  RunActor([&] { EXPECT_TRUE(clock().Wait(hours(20))); });
  EXPECT_GE(clock().Now(), SteadyTime(hours(20)));
  EXPECT_GE(clock().WallMs() - wall_ms, milliseconds(hours(20)).count());
}

TEST_F(SimulationTest, ARequestToStopEndsAWait) {
  std::stop_source stop;
  simulation_.Spawn("waits", [&] { EXPECT_FALSE(clock().Wait(hours(20), stop.get_token())); });
  simulation_.Spawn("stops", [&] {
    clock().Wait(seconds(1));
    stop.request_stop();
  });
  EXPECT_THAT(simulation_.Run(), IsOk());
  EXPECT_LT(clock().Now(), SteadyTime(hours(1)));
}

TEST_F(SimulationTest, ActorsMaySpawnOthersAndEventsHappenAtTheirTime) {
  std::string order;
  simulation_.At(SteadyTime(hours(1)), [&] { order += "event "; });
  RunActor([&] {
    simulation_.Spawn("inner", [&] {
      clock().Wait(hours(2));
      order += "inner ";
    });
    order += "outer ";
  });
  EXPECT_EQ(order, "outer event inner ");
}

TEST_F(SimulationTest, RunGivesUpAtTheHorizonNamingWhoStillWaits) {
  PK_ASSERT_OK(const auto watch, client_->StartWatch("/never", WatchScope::kNode));
  simulation_.Spawn("quick", [] {});
  simulation_.Spawn("watcher", [&] { EXPECT_FALSE(watch->Wait(SteadyTime::max())); });
  simulation_.Spawn("session", [&] {
    client_->session().WaitForChange(SessionState::kConnected, SteadyTime::max());
  });
  simulation_.Spawn("polls", [&] {
    while (client_->session().state() != SessionState::kLost) {
      static_cast<void>(client_->Get("/never"));
      clock().Wait(hours(1));
    }
  });
  const auto ran = simulation_.Run();
  EXPECT_THAT(ran, IsErrorWith(kUnavailable, "seed 1 reached its horizon"));
  EXPECT_THAT(ran, IsErrorWith(kUnavailable, "watcher, session, polls"));
}

TEST_F(SimulationTest, TheTraceTellsEachCallAndFault) {
  With({.lost_reply = 1});
  RunActor([&] {
    static_cast<void>(client_->Commit(Transaction().Check("/", 0).Create("/n", "")));
    simulation_.Note("gives up");
  });
  EXPECT_THAT(
      simulation_.trace(),
      ::testing::ContainsRegex("actor s1 commit check / v0, create /n: zxid 1 .lost reply."));
  EXPECT_THAT(simulation_.trace(), ::testing::HasSubstr("actor gives up\n"));
}

std::string HistoryOf(uint64_t seed) {
  Simulation simulation(seed);
  for (int i = 0; i < 6; ++i) {
    simulation.Spawn(fmt::format("actor-{}", i), [&simulation, i] {
      const auto client = simulation.MakeClient(Faults::All(0.05));
      const auto watch = client->StartWatch("/", WatchScope::kSubtree);
      for (int n = 0; n < 20 && !simulation.crashed(); ++n) {
        static_cast<void>(
            client->Create(fmt::format("/{}", simulation.Random(9)), "",
                           n % 2 == 0 ? CreateMode::kEphemeral : CreateMode::kPersistent));
        static_cast<void>(client->List("/"));
        if (watch.ok()) (*watch)->Wait(simulation.clock().Now() + milliseconds(i));
        static_cast<void>(client->Remove(fmt::format("/{}", simulation.Random(9)), kAnyVersion));
      }
      simulation.Note(simulation.ids().NewUuid7(simulation.clock()).ToString());
    });
  }
  EXPECT_THAT(simulation.Run(), IsOk());
  return simulation.trace();
}

TEST(Simulation, TheSameSeedGivesTheSameHistoryAndAnotherSeedAnother) {
  const std::string history = HistoryOf(5);
  EXPECT_GT(history.size(), 5'000u);
  EXPECT_EQ(HistoryOf(5), history);
  EXPECT_NE(HistoryOf(6), history);
}

}  // namespace
}  // namespace pk::coordination
