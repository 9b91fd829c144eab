#pragma once

// Part of coordinator_contract.h: sessions and ephemeral nodes.

#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

TEST_P(CoordinatorContract, EachCoordinatorHasASessionOfItsOwn) {
  EXPECT_EQ(a().session().state(), SessionState::kConnected);
  EXPECT_NE(a().session().id(), 0u);
  EXPECT_NE(a().session().id(), b().session().id());
  EXPECT_GT(a().session().timeout().count(), 0);
  EXPECT_FALSE(a().session().lost().stop_requested());
}

TEST_P(CoordinatorContract, AnEphemeralNodeHasItsOwnerAndIsSeenByOthers) {
  ASSERT_THAT(a().Create("/e", "mine", CreateMode::kEphemeral), testing::IsOk());
  const auto seen = Latest(b(), "/e");
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->value, "mine");
  EXPECT_EQ(seen->stat.ephemeral_owner, a().session().id());
  EXPECT_THAT(b().Set("/e", "yours", 0), testing::IsOk());
  EXPECT_THAT(b().Remove("/e", 1), testing::IsOk()) << "anybody may remove it";
  EXPECT_THAT(Latest(a(), "/e"), std::nullopt);
}

TEST_P(CoordinatorContract, AnEphemeralNodeHasNoChildren) {
  ASSERT_THAT(a().Create("/e", "", CreateMode::kEphemeral), testing::IsOk());
  for (const auto mode : {CreateMode::kPersistent, CreateMode::kEphemeral,
                          CreateMode::kPersistentSequential, CreateMode::kEphemeralSequential}) {
    EXPECT_THAT(a().Create("/e/c", "", mode), testing::IsError(ErrorCode::kFailedPrecondition));
  }
}

TEST_P(CoordinatorContract, ASessionEndsWithItsCoordinatorAndTakesItsEphemeralsAtOnce) {
  ASSERT_THAT(EnsurePath(a(), "/p"), testing::IsOk());
  ASSERT_THAT(a().Create("/e", "", CreateMode::kEphemeral), testing::IsOk());
  ASSERT_THAT(a().Create("/p/e-", "", CreateMode::kEphemeralSequential), testing::IsOk());
  ASSERT_THAT(b().Create("/p/other", "", CreateMode::kEphemeral), testing::IsOk());
  CloseA();
  EXPECT_THAT(Latest(b(), "/e"), std::nullopt);
  EXPECT_THAT(b().List("/p"), testing::IsOkAnd(::testing::ElementsAre("other")));
}

TEST_P(CoordinatorContract, AnExpiredSessionTakesItsEphemeralsAndNothingElse) {
  ASSERT_THAT(a().Create("/persistent", ""), testing::IsOk());
  ASSERT_THAT(a().Create("/mine", "", CreateMode::kEphemeral), testing::IsOk());
  ASSERT_THAT(b().Create("/other", "", CreateMode::kEphemeral), testing::IsOk());
  fixture().ExpireSession(a());
  EXPECT_THAT(Latest(b(), "/mine"), std::nullopt);
  EXPECT_TRUE(Latest(b(), "/persistent").has_value());
  EXPECT_TRUE(Latest(b(), "/other").has_value());
  EXPECT_EQ(b().session().state(), SessionState::kConnected);
}

TEST_P(CoordinatorContract, AnExpiredSessionIsLostForGoodAndEveryCallSaysSo) {
  ASSERT_THAT(a().Create("/n", ""), testing::IsOk());
  PK_ASSERT_OK(const auto watch, a().StartWatch("/other", WatchScope::kNode));
  fixture().ExpireSession(a());
  const auto unavailable = testing::IsError(ErrorCode::kUnavailable);
  EXPECT_THAT(a().Set("/n", "late", 0), unavailable) << "also before the client has learnt of it";
  EXPECT_TRUE(BecomesLost(a().session()));
  EXPECT_TRUE(a().session().lost().stop_requested());
  EXPECT_THAT(a().Get("/n"), unavailable);
  EXPECT_THAT(a().List("/"), unavailable);
  EXPECT_THAT(a().Read({{.path = "/n"}}), unavailable);
  EXPECT_THAT(a().Find("/n"), unavailable);
  EXPECT_THAT(a().Create("/m", ""), unavailable);
  EXPECT_THAT(a().Set("/n", "late", 0), unavailable);
  EXPECT_THAT(a().Remove("/n", 0), unavailable);
  EXPECT_THAT(a().Commit(Transaction()), unavailable);
  EXPECT_THAT(a().StartWatch("/n", WatchScope::kNode), unavailable);
  EXPECT_THAT(a().Sync(), unavailable);
  EXPECT_FALSE(watch->Wait(Soon())) << "at once, not at the deadline";
  EXPECT_EQ(a().session().state(), SessionState::kLost);
  EXPECT_EQ(Latest(b(), "/n")->stat.version, 0);
}

TEST_P(CoordinatorContract, WaitForChangeReturnsAtOnceWhenTheStateIsAnotherThanTheKnown) {
  EXPECT_EQ(a().session().WaitForChange(SessionState::kLost, Soon()), SessionState::kConnected);
  EXPECT_EQ(a().session().WaitForChange(SessionState::kSuspended, Soon()),
            SessionState::kConnected);
}

TEST_P(CoordinatorContract, WaitForChangeGivesUpAtTheDeadlineOrWhenAskedTo) {
  const auto connected = SessionState::kConnected;
  EXPECT_EQ(a().session().WaitForChange(connected, Now()), connected);
  const SteadyTime deadline = Now() + std::chrono::milliseconds(10);
  EXPECT_EQ(a().session().WaitForChange(connected, deadline), connected);
  EXPECT_GE(Now(), deadline);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(a().session().WaitForChange(connected, SteadyTime::max(), stop.get_token()), connected);
}

TEST_P(CoordinatorContract, ARequestToStopWakesWaitForChange) {
  std::stop_source stop;
  fixture().RunAll({[&] {
                      a().session().WaitForChange(SessionState::kConnected, SteadyTime::max(),
                                                  stop.get_token());
                    },
                    [&] {
                      EXPECT_THAT(b().Commit(Transaction()), testing::IsOk());
                      stop.request_stop();
                    }});
  EXPECT_EQ(a().session().state(), SessionState::kConnected);
}

TEST_P(CoordinatorContract, ALossWakesWhoWaitsForTheSessionOrAWatch) {
  PK_ASSERT_OK(const auto watch, a().StartWatch("/n", WatchScope::kNode));
  bool woken = true;
  fixture().RunAll({[&] { EXPECT_TRUE(BecomesLost(a().session())); },
                    [&] {
                      // A reconnect on the way may say "look again".
                      for (int i = 0; i < 100 && woken; ++i) woken = watch->Wait(SteadyTime::max());
                    },
                    [&] { fixture().ExpireSession(a()); }});
  EXPECT_FALSE(woken);
}

TEST_P(CoordinatorContract, AnEphemeralCanBeCreatedAgainAfterItsOwnerIsGone) {
  ASSERT_THAT(a().Create("/leader", "a", CreateMode::kEphemeral), testing::IsOk());
  EXPECT_THAT(b().Create("/leader", "b", CreateMode::kEphemeral),
              testing::IsError(ErrorCode::kAlreadyExists));
  CloseA();
  EXPECT_THAT(b().Create("/leader", "b", CreateMode::kEphemeral), testing::IsOk());
  const auto c = fixture().Connect();
  EXPECT_EQ(Latest(*c, "/leader")->stat.ephemeral_owner, b().session().id());
}

}  // namespace pk::coordination
