#pragma once

// Part of recipe_contract.h: lease, lock, semaphore, election.

#include <algorithm>
#include <atomic>

#include "parkeeper/coordination/election.h"
#include "parkeeper/coordination/lock.h"
#include "parkeeper/coordination/semaphore.h"
#include "tests/conformance/recipe_contract_fixture.h"

namespace pk::coordination {

inline bool IsApplied(const Result<CommitOutcome>& outcome) {
  return outcome.ok() && std::holds_alternative<Applied>(*outcome);
}
inline bool Fails(const Result<Lease>& lease, ErrorCode code) {
  return !lease.ok() && lease.error().code() == code;
}

TEST_P(RecipeContract, ALeaseExcludesOthersUntilItIsReleased) {
  PK_ASSERT_OK(Lease mine, AcquireLease(Of(a()), "/x/lease", "a", Patient()));
  EXPECT_TRUE(mine.held());
  EXPECT_THAT(mine.Confirm(), testing::IsOk());
  EXPECT_TRUE(Fails(AcquireLease(Of(b()), "/x/lease", "b", AtOnce()), ErrorCode::kUnavailable));
  EXPECT_EQ(Children("/x/lease"), 1u) << "who gives up leaves nothing behind";
  EXPECT_THAT(mine.Release(), testing::IsOk());
  EXPECT_FALSE(mine.held());
  PK_ASSERT_OK(const Lease theirs, AcquireLease(Of(b()), "/x/lease", "b", AtOnce()));
  EXPECT_GT(theirs.token(), mine.token());
}

TEST_P(RecipeContract, ALeaseIsReleasedByItsDestructor) {
  {
    PK_ASSERT_OK(Lease first, AcquireLease(Of(a()), "/lease", "a", Patient()));
    const Lease second = std::move(first);
    EXPECT_EQ(Children("/lease"), 1u);
  }
  EXPECT_EQ(Children("/lease"), 0u);
}

TEST_P(RecipeContract, AWaiterGetsTheLeaseWhenItsHolderReleases) {
  PK_ASSERT_OK(Lease mine, AcquireLease(Of(a()), "/lease", "a", Patient()));
  bool got = false;
  fixture().RunAll({[&] { got = AcquireLease(Of(b()), "/lease", "b", Patient()).ok(); },
                    [&] {
                      const auto watch = a().StartWatch("/lease", WatchScope::kChildren);
                      const SteadyTime deadline = Soon();
                      while (a().List("/lease")->size() < 2) ASSERT_TRUE((*watch)->Wait(deadline));
                      EXPECT_THAT(mine.Release(), testing::IsOk());
                    }});
  EXPECT_TRUE(got);
}

TEST_P(RecipeContract, AWaiterGetsTheLeaseWhenTheSessionOfItsHolderEnds) {
  PK_ASSERT_OK(Lease mine, AcquireLease(Of(a()), "/lease", "a", Patient()));
  bool got = false;
  fixture().RunAll({[&] { got = AcquireLease(Of(b()), "/lease", "b", Patient()).ok(); },
                    [&] { fixture().ExpireSession(a()); }});
  EXPECT_TRUE(got);
  EXPECT_FALSE(IsApplied(a().Commit(mine.Guard())));
  EXPECT_TRUE(BecomesLost(a().session()));
  EXPECT_TRUE(mine.lost().stop_requested());
  EXPECT_FALSE(mine.held());
  EXPECT_THAT(mine.Confirm(), testing::IsError(ErrorCode::kUnavailable));
  EXPECT_THAT(mine.Release(), testing::IsError(ErrorCode::kUnavailable));
  EXPECT_TRUE(Fails(AcquireLease(Of(a()), "/lease", "a", Patient()), ErrorCode::kUnavailable));
}

TEST_P(RecipeContract, AGuardedTransactionIsRefusedOnceTheLeaseIsGone) {
  ASSERT_THAT(a().Create("/data", "0"), testing::IsOk());
  PK_ASSERT_OK(Lease lease, AcquireLease(Of(a()), "/lease", "a", Patient()));
  EXPECT_TRUE(IsApplied(a().Commit(lease.Guard().Set("/data", "1", 0))));
  ASSERT_THAT(b().Remove(lease.node(), kAnyVersion), testing::IsOk());
  const auto outcome = a().Commit(lease.Guard().Set("/data", "2", 1));
  ASSERT_TRUE(outcome.ok());
  ASSERT_TRUE(std::holds_alternative<Refused>(*outcome));
  EXPECT_EQ(std::get<Refused>(*outcome).operation, 0u);
  EXPECT_EQ(std::get<Refused>(*outcome).reason.code(), ErrorCode::kNotFound);
  EXPECT_EQ(Latest(b(), "/data")->value, "1");
  EXPECT_THAT(lease.Confirm(), testing::IsError(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(lease.Release(), testing::IsOk()) << "it is gone, that is all it asks for";
}

TEST_P(RecipeContract, ARequestToStopEndsAWaitAndLeavesNothingBehind) {
  PK_ASSERT_OK(const Lease mine, AcquireLease(Of(a()), "/lease", "a", Patient()));
  std::stop_source stop;
  bool cancelled = false;
  const Until until{.deadline = SteadyTime::max(), .stop = stop.get_token()};
  fixture().RunAll({[&] {
                      cancelled =
                          Fails(AcquireLease(Of(b()), "/lease", "b", until), ErrorCode::kCancelled);
                    },
                    [&] {
                      EXPECT_THAT(a().Sync(), testing::IsOk());
                      stop.request_stop();
                    }});
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(Children("/lease"), 1u);
}

TEST_P(RecipeContract, ClaimantsAreListedInTheirOrder) {
  PK_ASSERT_OK(const auto none, ListClaimants(a(), "/lease"));
  EXPECT_TRUE(none.empty());
  PK_ASSERT_OK(Lease mine, AcquireLease(Of(a()), "/lease", "first", Patient()));
  fixture().RunAll({[&] { EXPECT_TRUE(AcquireLease(Of(b()), "/lease", "second", Patient()).ok()); },
                    [&] {
                      const auto watch = a().StartWatch("/lease", WatchScope::kChildren);
                      const SteadyTime deadline = Soon();
                      while (a().List("/lease")->size() < 2) ASSERT_TRUE((*watch)->Wait(deadline));
                      EXPECT_THAT(a().Sync(), testing::IsOk());
                      const auto claimants = ListClaimants(a(), "/lease");
                      EXPECT_TRUE(claimants.ok());
                      ASSERT_EQ(claimants->size(), 2u);
                      EXPECT_EQ(claimants->at(0).payload, "first");
                      EXPECT_EQ(claimants->at(0).session, a().session().id());
                      EXPECT_EQ(claimants->at(0).token, mine.token());
                      EXPECT_EQ(claimants->at(1).payload, "second");
                      EXPECT_EQ(claimants->at(1).session, b().session().id());
                      EXPECT_THAT(mine.Release(), testing::IsOk());
                    }});
}

TEST_P(RecipeContract, ALockHonoursEntriesOfKazooAndIgnoresOtherNodes) {
  ASSERT_THAT(EnsurePath(b(), "/lock/readme"), testing::IsOk());
  PK_ASSERT_OK(const auto theirs,
               b().Create("/lock/0f__lock__", "", CreateMode::kEphemeralSequential));
  EXPECT_TRUE(Fails(LockExclusive(Of(a()), "/lock", AtOnce()), ErrorCode::kUnavailable));
  EXPECT_TRUE(Fails(LockShared(Of(a()), "/lock", AtOnce()), ErrorCode::kUnavailable));
  ASSERT_THAT(b().Remove(theirs, 0), testing::IsOk());
  ASSERT_THAT(b().Create("/lock/0f__rlock__", "", CreateMode::kEphemeralSequential),
              testing::IsOk());
  EXPECT_TRUE(LockShared(Of(a()), "/lock", AtOnce()).ok());
}

TEST_P(RecipeContract, ReadersShareALockAndWritersDoNot) {
  PK_ASSERT_OK(Lease reader, LockShared(Of(a()), "/lock", Patient()));
  PK_ASSERT_OK(Lease second, LockShared(Of(b()), "/lock", AtOnce()));
  EXPECT_TRUE(Fails(LockExclusive(Of(b()), "/lock", AtOnce()), ErrorCode::kUnavailable));
  EXPECT_THAT(second.Release(), testing::IsOk());
  EXPECT_THAT(reader.Release(), testing::IsOk());
  PK_ASSERT_OK(const Lease writer, LockExclusive(Of(b()), "/lock", AtOnce()));
  EXPECT_TRUE(Fails(LockShared(Of(a()), "/lock", AtOnce()), ErrorCode::kUnavailable));
}

TEST_P(RecipeContract, AReaderWaitsForTheWriterThatCameBeforeIt) {
  PK_ASSERT_OK(Lease reader, LockShared(Of(a()), "/lock", Patient()));
  bool written = false;
  fixture().RunAll({[&] {
                      const auto writer = LockExclusive(Of(b()), "/lock", Patient());
                      EXPECT_TRUE(writer.ok());
                      written = true;
                    },
                    [&] {
                      const auto watch = a().StartWatch("/lock", WatchScope::kChildren);
                      const SteadyTime deadline = Soon();
                      while (a().List("/lock")->size() < 2) ASSERT_TRUE((*watch)->Wait(deadline));
                      EXPECT_TRUE(
                          Fails(LockShared(Of(a()), "/lock", AtOnce()), ErrorCode::kUnavailable));
                      EXPECT_FALSE(written);
                      EXPECT_THAT(reader.Release(), testing::IsOk());
                      EXPECT_TRUE(LockShared(Of(a()), "/lock", Patient()).ok());
                    }});
  EXPECT_TRUE(written);
}

TEST_P(RecipeContract, ALockSerialisesAllThatIsDoneUnderIt) {
  constexpr int kActors = 4, kEach = 4;
  ASSERT_THAT(a().Create("/number", "0"), testing::IsOk());
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < kActors; ++i) {
    actors.push_back([this] {
      const auto client = fixture().Connect();
      for (int n = 0; n < kEach; ++n) {
        PK_ASSERT_OK(Lease lease, LockExclusive(Of(*client), "/lock", Patient()));
        ASSERT_THAT(client->Sync(), testing::IsOk());
        PK_ASSERT_OK(const Node seen, client->Get("/number"));
        const std::string next = std::to_string(std::stoi(seen.value) + 1);
        // No version: the lock alone keeps the others away.
        ASSERT_TRUE(IsApplied(client->Commit(lease.Guard().Set("/number", next, kAnyVersion))));
      }
    });
  }
  fixture().RunAll(std::move(actors));
  EXPECT_EQ(Latest(b(), "/number")->value, std::to_string(kActors * kEach));
  EXPECT_EQ(Children("/lock"), 0u);
}

TEST_P(RecipeContract, ASemaphoreAdmitsAsManyAsItHasPermits) {
  PK_ASSERT_OK(Lease first, AcquirePermit(Of(a()), "/permits", 2, Patient()));
  PK_ASSERT_OK(const Lease second, AcquirePermit(Of(a()), "/permits", 2, AtOnce()));
  EXPECT_TRUE(Fails(AcquirePermit(Of(b()), "/permits", 2, AtOnce()), ErrorCode::kUnavailable));
  EXPECT_THAT(first.Release(), testing::IsOk());
  PK_ASSERT_OK(const Lease third, AcquirePermit(Of(b()), "/permits", 2, AtOnce()));
  EXPECT_EQ(Children("/permits"), 2u);
}

TEST_P(RecipeContract, ASemaphoreHasTheNumberOfPermitsThatItWasMadeWith) {
  EXPECT_TRUE(Fails(AcquirePermit(Of(a()), "/permits", 0, AtOnce()), ErrorCode::kInvalidArgument));
  PK_ASSERT_OK(const Lease first, AcquirePermit(Of(a()), "/permits", 1, Patient()));
  ASSERT_THAT(b().Sync(), testing::IsOk());
  EXPECT_TRUE(
      Fails(AcquirePermit(Of(b()), "/permits", 2, AtOnce()), ErrorCode::kFailedPrecondition));
}

TEST_P(RecipeContract, EachPermitThatIsGivenBackGoesToTheNextInLine) {
  PK_ASSERT_OK(Lease first, AcquirePermit(Of(a()), "/p", 2, Patient()));
  PK_ASSERT_OK(Lease second, AcquirePermit(Of(a()), "/p", 2, Patient()));
  ASSERT_THAT(EnsurePath(a(), "/inside"), testing::IsOk());
  ASSERT_THAT(b().Sync(), testing::IsOk());
  const auto wait = [this] {
    const auto client = fixture().Connect();
    PK_ASSERT_OK(const Lease lease, AcquirePermit(Of(*client), "/p", 2, {}));
    EXPECT_THAT(client->Create("/inside/w-", "", CreateMode::kPersistentSequential),
                testing::IsOk());
    AwaitChildren("/inside", 2);  // both are in before either leaves
  };
  fixture().RunAll({wait, wait, [&] {
                      AwaitChildren("/p", 4);
                      EXPECT_THAT(first.Release(), testing::IsOk());
                      EXPECT_THAT(second.Release(), testing::IsOk());
                    }});
}

TEST_P(RecipeContract, EverybodyGetsAPermitInTheEndAndNeverTooManyAtOnce) {
  constexpr int kActors = 6, kEach = 2, kPermits = 2;
  std::atomic<int> inside = 0, most = 0, done = 0;
  std::vector<std::function<void()>> actors;
  for (int i = 0; i < kActors; ++i) {
    actors.push_back([&, this] {
      const auto client = fixture().Connect();
      for (int n = 0; n < kEach; ++n) {
        PK_ASSERT_OK(const Lease lease, AcquirePermit(Of(*client), "/p", kPermits, Patient()));
        most = std::max<int>(most, ++inside);
        EXPECT_THAT(lease.Confirm(), testing::IsOk());
        --inside;
        ++done;
      }
    });
  }
  fixture().RunAll(std::move(actors));
  EXPECT_EQ(done, kActors * kEach);
  EXPECT_LE(most, kPermits);
  EXPECT_EQ(Children("/p"), 0u);
}

TEST_P(RecipeContract, TheLeadGoesToTheNextCandidateWhenTheLeaderResigns) {
  PK_ASSERT_OK(Lease leader, BecomeLeader(Of(a()), "/leader", "host-a", Patient()));
  ASSERT_THAT(b().Sync(), testing::IsOk());
  PK_ASSERT_OK(const auto seen, FindLeader(b(), "/leader"));
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->payload, "host-a");
  EXPECT_EQ(seen->token, leader.token());
  const uint64_t before = leader.token();
  EXPECT_THAT(leader.Release(), testing::IsOk());
  PK_ASSERT_OK(const Lease next, BecomeLeader(Of(b()), "/leader", "host-b", Patient()));
  EXPECT_GT(next.token(), before);
  ASSERT_THAT(a().Sync(), testing::IsOk());
  EXPECT_EQ(FindLeader(a(), "/leader")->value().payload, "host-b");
}

TEST_P(RecipeContract, NobodyLeadsBeforeAnybodyStood) {
  PK_ASSERT_OK(const auto leader, FindLeader(a(), "/leader"));
  EXPECT_FALSE(leader.has_value());
}

}  // namespace pk::coordination
