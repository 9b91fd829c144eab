#include "parkeeper/tasks/nodes_internal.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "parkeeper/coordination/path.h"
#include "tests/support/matchers.h"

namespace pk::tasks {
namespace {

using testing::IsError;
using testing::IsOk;
using testing::IsOkAnd;

const Uuid kId = Uuid::Parse("0190163d-8694-739b-aea5-966c26f8ad91").value();

TEST(TaskNodes, LieWhereTheSpecificationSays) {
  EXPECT_EQ(DefPath("a/b", kId), "/tasks/q/a%2Fb/def/91/0190163d-8694-739b-aea5-966c26f8ad91");
  EXPECT_EQ(ShardPath("q", 31), "/tasks/q/q/ready/1f");
  EXPECT_EQ(DeadPath("q", kId), "/tasks/q/q/dead/9/0190163d-8694-739b-aea5-966c26f8ad91");
  EXPECT_EQ(ClaimPath("w", kId, 3), "/tasks/run/w/0190163d-8694-739b-aea5-966c26f8ad91-3");
  EXPECT_EQ(LeftPath(kId, kId),
            "/tasks/stages/0190163d-8694-739b-aea5-966c26f8ad91/left-9/"
            "0190163d-8694-739b-aea5-966c26f8ad91");
  EXPECT_EQ(NextBucketPath(kId, 15), "/tasks/stages/0190163d-8694-739b-aea5-966c26f8ad91/next-f");
}

TEST(TaskNodes, OffersStandInTheOrderOfTheirNames) {
  std::vector<Offer> offers;
  for (const int32_t priority : {0, 5, 9}) {
    for (const int64_t due_ms : {int64_t{0}, int64_t{999}, int64_t{1'700'000'000'000}}) {
      offers.push_back({.priority = priority, .due_ms = due_ms, .id = kId, .attempt = 12});
    }
  }
  std::vector<std::string> names;
  for (const Offer& offer : offers) {
    names.push_back(ToName(offer));
    EXPECT_THAT(ParseOffer(names.back()), IsOkAnd(::testing::Eq(offer)));
    EXPECT_THAT(coordination::ValidatePath("/" + names.back()), IsOk());
  }
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const char* bad : {"", "5", "5-0000000000000-0190163d-8694-739b-aea5-966c26f8ad91",
                          "5-0000000000000-0190163d-8694-739b-aea5-966c26f8ad91-",
                          "x-0000000000000-0190163d-8694-739b-aea5-966c26f8ad91-1",
                          "5-00000000000x0-0190163d-8694-739b-aea5-966c26f8ad91-1"}) {
    EXPECT_FALSE(ParseOffer(bad).ok()) << bad;
  }
}

TEST(TaskNodes, AClaimIsNamedByTaskAndAttempt) {
  PK_ASSERT_OK(const ClaimKey key, ParseClaimName(ClaimName(kId, 7)));
  EXPECT_EQ(key.id, kId);
  EXPECT_EQ(key.attempt, 7);
  EXPECT_THAT(ParseClaimName("x"), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(ParseClaimName(kId.ToString() + "-x"), IsError(ErrorCode::kCorrupt));
}

TEST(TaskNodes, ATaskIsReadAsItWasWritten) {
  Task task;
  task.queue = "q";
  task.request = {.id = kId,
                  .kind = "compact",
                  .body = "{\"a\": \"\\\"\"}\n",
                  .priority = 2,
                  .not_before_ms = 17,
                  .most_failures = 3,
                  .first_delay = std::chrono::milliseconds(5),
                  .longest_delay = std::chrono::milliseconds(6),
                  .progress_limit = std::chrono::milliseconds(7),
                  .stage = kId,
                  .after = {Uuid{}, kId}};
  task.state = TaskState::kDead;
  task.shard = 3;
  task.attempt = 9;
  task.failures = 4;
  task.due_ms = 1'700'000'000'000;
  task.error = "no";
  task.result = "yes";
  task.body_in_file = true;
  task.result_in_file = true;
  task.request_hash = ~uint64_t{0};
  EXPECT_THAT(DecodeTask("q", kId, Encode(task)), IsOkAnd(::testing::Eq(task)));
  Task plain;
  plain.queue = "q";
  plain.request.id = kId;
  EXPECT_THAT(DecodeTask("q", kId, Encode(plain)), IsOkAnd(::testing::Eq(plain)));
  EXPECT_THAT(DecodeTask("q", kId, "{}"), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(DecodeTask("q", kId, "[]"), IsError(ErrorCode::kCorrupt));
}

TEST(TaskNodes, TheOthersAreReadAsTheyWereWritten) {
  const AliveNode alive{
      .name = "host",
      .labels = {{"slots", "4"}},
      .at_ms = 5,
      .claims = {{"c", {.since_ms = 1, .limit_ms = 2, .fraction = 0.5, .note = "half"}}}};
  PK_ASSERT_OK(const AliveNode said, DecodeAlive(Encode(alive)));
  EXPECT_EQ(said.name, "host");
  EXPECT_EQ(said.labels, alive.labels);
  ASSERT_TRUE(said.claims.contains("c"));
  EXPECT_EQ(said.claims.at("c").limit_ms, 2);
  EXPECT_EQ(said.claims.at("c").fraction, 0.5);
  EXPECT_EQ(said.claims.at("c").note, "half");
  const NextNode next{.queue = "q", .shard = 4, .offer = {.id = kId}, .after = {kId}};
  PK_ASSERT_OK(const NextNode waits, DecodeNext(Encode(next)));
  EXPECT_EQ(waits.offer, next.offer);
  EXPECT_EQ(waits.after, next.after);
  EXPECT_EQ(waits.shard, 4);
  for (const StageState state : {StageState::kFilling, StageState::kSealed, StageState::kOver}) {
    EXPECT_EQ(DecodeStage(Encode(StageNode{.state = state, .name = "s"}))->state, state);
  }
  const QueueNode queue{
      .guid = "g", .state = QueueState::kDraining, .shards = 7, .retention = std::chrono::hours(2)};
  PK_ASSERT_OK(const QueueNode read, DecodeQueue(Encode(queue)));
  EXPECT_EQ(read.state, QueueState::kDraining);
  EXPECT_EQ(read.retention, queue.retention);
}

TEST(TaskNodes, ALaterLayoutIsNotWorkedWith) {
  EXPECT_THAT(CheckRoot(EncodeRoot()), IsOk());
  EXPECT_THAT(CheckRoot(R"({"layout": 2})"), IsError(ErrorCode::kFailedPrecondition));
}

}  // namespace
}  // namespace pk::tasks
