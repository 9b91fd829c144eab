#include "parkeeper/tasks/transitions_internal.h"

#include <gtest/gtest.h>

#include <set>

#include "parkeeper/base/json.h"
#include "parkeeper/tasks/limits.h"
#include "tests/support/matchers.h"

namespace pk::tasks {
namespace {

using coordination::CreateOperation;
using coordination::RemoveOperation;
using coordination::SetOperation;
using coordination::Transaction;

constexpr int64_t kNow = 1'700'000'000'000;

class Transitions : public ::testing::Test {
 protected:
  Task Make(int32_t most_failures = 3) {
    request_.most_failures = most_failures;
    return NewTask("q", request_, 4, kNow);
  }
  ManualClock clock_;
  SubmitRequest request_{.id = SeededIds(1).NewUuid7(clock_),
                         .kind = "k",
                         .body = "b",
                         .first_delay = std::chrono::milliseconds(1'000),
                         .longest_delay = std::chrono::milliseconds(3'000)};
};

TEST_F(Transitions, DelaysDoubleUpToTheLongestAndFailuresHaveALimit) {
  Task task = Make(5);
  for (const int64_t delay : {1'000, 2'000, 3'000, 3'000}) {
    const int32_t attempt = task.attempt;
    task = Failed(task, "e", Retry::kAgain, kNow, 0);
    EXPECT_EQ(task.state, TaskState::kOpen);
    EXPECT_EQ(task.due_ms - kNow, delay);
    EXPECT_EQ(task.attempt, attempt + 1);
  }
  EXPECT_EQ(Failed(task, "e", Retry::kAgain, kNow, 0).state, TaskState::kDead);
  EXPECT_EQ(Failed(Make(), "e", Retry::kNever, kNow, 0).state, TaskState::kDead);
  const Task jittered = Failed(Make(), "e", Retry::kAgain, kNow, 0.5);
  EXPECT_EQ(jittered.due_ms - kNow, 750);
}

TEST_F(Transitions, ADelayOfNoneAndOneBeyondAllBoundsAreTaken) {
  request_.first_delay = std::chrono::milliseconds(0);
  EXPECT_EQ(Failed(Make(), "e", Retry::kAgain, kNow, 0).due_ms, kNow);
  request_.first_delay = std::chrono::milliseconds(1);
  request_.longest_delay = std::chrono::hours(1);
  Task task = Make(1'000);
  for (int i = 0; i < 900; ++i) task = Failed(task, "e", Retry::kAgain, kNow, 0);
  EXPECT_EQ(task.due_ms - kNow, 3'600'000);
}

TEST_F(Transitions, EveryStepExpectsTheVersionAndBringsWhatTheStateNeeds) {
  const Task open = Make();
  const Task again = Failed(open, "e", Retry::kAgain, kNow, 0);
  EXPECT_EQ(
      Move(open, 4, again),
      Transaction().Set(DefPath("q", open.id()), Encode(again), 4).Create(OfferPath(again), ""));
  const Task dead = Failed(open, "e", Retry::kNever, kNow, 0);
  EXPECT_EQ(Move(open, 4, dead), Transaction()
                                     .Set(DefPath("q", open.id()), Encode(dead), 4)
                                     .Create(DeadPath("q", open.id()), ""));
  const Task retried = Retried(dead, kNow);
  EXPECT_EQ(retried.attempt, open.attempt + 1);
  EXPECT_EQ(Move(dead, 5, retried), Transaction()
                                        .Set(DefPath("q", open.id()), Encode(retried), 5)
                                        .Create(OfferPath(retried), "")
                                        .Remove(DeadPath("q", open.id()), -1));
  const Task cancelled = Cancelled(dead);
  EXPECT_EQ(Move(dead, 5, cancelled), Transaction()
                                          .Set(DefPath("q", open.id()), Encode(cancelled), 5)
                                          .Remove(DeadPath("q", open.id()), -1));
}

TEST_F(Transitions, AStageIsLeftOnce) {
  request_.stage = request_.id;
  const std::string left = LeftPath(request_.id, request_.id);
  const Task open = Make();
  const auto leaves = [&](const Task& from, const Task& to) {
    int found = 0;
    const Transaction move = Move(from, 0, to);
    for (const auto& operation : move.operations()) {
      const auto* remove = std::get_if<RemoveOperation>(&operation);
      found += remove != nullptr && remove->path == left ? 1 : 0;
    }
    return found;
  };
  const Task committing = Committing(open), dead = Failed(open, "e", Retry::kNever, kNow, 0);
  EXPECT_EQ(leaves(open, Done(open, "")), 1);
  EXPECT_EQ(leaves(open, committing), 0);
  EXPECT_EQ(leaves(committing, Done(committing, "")), 1);
  EXPECT_EQ(leaves(open, dead), 0);
  EXPECT_EQ(leaves(dead, Retried(dead, kNow)), 0);
  EXPECT_EQ(leaves(dead, Cancelled(dead)), 1);
}

TEST_F(Transitions, ARequestsHashIsOfAllOfIt) {
  std::set<uint64_t> hashes = {RequestHash(request_)};
  const auto differs = [&](auto change) {
    SubmitRequest other = request_;
    change(other);
    EXPECT_TRUE(hashes.insert(RequestHash(other)).second);
  };
  differs([](auto& r) { r.body += "x"; });
  differs([](auto& r) { r.kind += "x"; });
  differs([](auto& r) { r.priority = 1; });
  differs([](auto& r) { r.not_before_ms = 1; });
  differs([](auto& r) { r.stage = r.id; });
  differs([](auto& r) { r.after = {r.id}; });
  differs([](auto& r) { r.first_delay *= 2; });
}

TEST_F(Transitions, ErrorsAreShortAndUtf8) {
  const std::string cut = ShortError(std::string(kMaxErrorBytes - 1, 'x') + "\xC3\xA4");
  EXPECT_LE(cut.size(), kMaxErrorBytes);
  EXPECT_TRUE(json::IsUtf8(cut));
  EXPECT_EQ(ShortError("ä"), "ä");
  EXPECT_LE(ShortError(std::string(5'000, '\xFF')).size(), kMaxErrorBytes);
}

TEST_F(Transitions, LongTextsAreNotInTheNode) {
  request_.body = std::string(kMaxInlineBytes + 1, 'x');
  const Task task = Make();
  EXPECT_TRUE(task.body_in_file);
  EXPECT_TRUE(task.request.body.empty());
  const Task done = Done(task, std::string(kMaxInlineBytes + 1, 'x'));
  EXPECT_TRUE(done.result_in_file);
  EXPECT_TRUE(done.result.empty());
  EXPECT_FALSE(Done(task, std::string(kMaxInlineBytes, 'x')).result_in_file);
}

}  // namespace
}  // namespace pk::tasks
