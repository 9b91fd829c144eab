#pragma once

// What the contract of tasks needs: processes that submit and work, on a coordinator of any kind
// and files in memory.

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "parkeeper/storage/memory.h"
#include "parkeeper/tasks/caretaker.h"
#include "parkeeper/tasks/queues.h"
#include "parkeeper/tasks/worker.h"
#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

// The fixture's clock, but that its wall time can be moved on.
class ShiftedClock final : public Clock {
 public:
  explicit ShiftedClock(Clock& inner) : inner_(inner) {}
  int64_t WallMs() const override { return inner_.WallMs() + shift_ms_; }
  SteadyTime Now() const override { return inner_.Now(); }
  bool Wait(Duration duration, std::stop_token stop = {}) override {
    return inner_.Wait(duration, std::move(stop));
  }
  void Shift(std::chrono::milliseconds by) { shift_ms_ += by.count(); }

 private:
  Clock& inner_;
  std::atomic<int64_t> shift_ms_ = 0;
};

// With a session of its own.
struct TaskProcess {
  TaskProcess(CoordinatorFixture& fixture, storage::Storage& storage, Clock& clock,
              const std::string& name)
      : sessions([&fixture]() -> Result<std::unique_ptr<Coordinator>> { return fixture.Connect(); },
                 fixture.clock()),
        queues(sessions, storage, {.clock = &clock}),
        worker(sessions, storage, name, {.clock = &clock}),
        caretaker(sessions, storage, {.clock = &clock}) {}

  Coordinator& session() { return **sessions.Get(); }
  // Reads from now on see everything that others have done before.
  TaskProcess& Synced() {
    EXPECT_THAT(session().Sync(), testing::IsOk());
    return *this;
  }

  SessionSource sessions;
  tasks::Queues queues;
  tasks::Worker worker;
  tasks::Caretaker caretaker;
};

class TaskContract : public CoordinatorContract {
 protected:
  void SetUp() override {
    CoordinatorContract::SetUp();
    clock_ = std::make_unique<ShiftedClock>(fixture().clock());
    first_ = Start("first");
    second_ = Start("second");
  }
  void TearDown() override {
    first_.reset();
    second_.reset();
  }

  std::unique_ptr<TaskProcess> Start(const std::string& name) {
    return std::make_unique<TaskProcess>(fixture(), *storage_, *clock_, name);
  }
  TaskProcess& first() { return *first_; }
  TaskProcess& second() { return *second_; }
  ShiftedClock& clock() { return *clock_; }
  storage::Storage& storage() { return *storage_; }

  void MakeQueue(const std::string& queue, int32_t shards = 4) {
    ASSERT_THAT(first().queues.CreateQueue(queue, {.shards = shards}), testing::IsOk());
    second().Synced();
  }
  tasks::SubmitRequest Request(const std::string& body = "") {
    return {.id = SystemIds().NewUuid7(clock()), .kind = "test", .body = body};
  }
  std::vector<tasks::SubmitRequest> Requests(size_t count) {
    std::vector<tasks::SubmitRequest> requests;
    for (size_t i = 0; i < count; ++i) requests.push_back(Request(std::to_string(i)));
    return requests;
  }
  Uuid Submit(const std::string& queue, tasks::SubmitRequest request) {
    EXPECT_THAT(first().queues.Submit(queue, request), testing::IsOk());
    return request.id;
  }
  std::vector<tasks::ClaimedTask> Claim(TaskProcess& process, size_t capacity,
                                        const std::vector<std::string>& queues = {"q"}) {
    auto claims = process.Synced().worker.Claim(queues, capacity);
    EXPECT_THAT(claims, testing::IsOk());
    return claims.ok() ? std::move(claims).value() : std::vector<tasks::ClaimedTask>();
  }
  tasks::ClaimedTask ClaimOne(TaskProcess& process) {
    auto claims = Claim(process, 1);
    EXPECT_EQ(claims.size(), 1u);
    return claims.empty() ? tasks::ClaimedTask() : claims[0];
  }
  void Complete(TaskProcess& process, const tasks::ClaimedTask& claim) {
    const auto refused = process.worker.Complete(claim, "");
    ASSERT_THAT(refused, testing::IsOk());
    EXPECT_FALSE(refused->has_value());
  }
  tasks::Task Find(const Uuid& id) {
    auto task = first().Synced().queues.Find("q", id);
    EXPECT_THAT(task, testing::IsOk());
    return task.ok() ? std::move(task).value() : tasks::Task();
  }
  tasks::TaskState StateOf(const Uuid& id) { return Find(id).state; }
  int64_t Offered() {
    const auto status = first().Synced().queues.DescribeQueue("q");
    EXPECT_THAT(status, testing::IsOk());
    return status.ok() ? status->offered : -1;
  }
  // What a commit round does with the links of a committing task.
  void CarryOut(const std::vector<Operation>& links) {
    Transaction round;
    for (const Operation& link : links) {
      if (const auto* set = std::get_if<SetOperation>(&link)) {
        round.Set(set->path, set->value, set->version);
      } else if (const auto* create = std::get_if<CreateOperation>(&link)) {
        round.Create(create->path, create->value, create->mode);
      } else if (const auto* remove = std::get_if<RemoveOperation>(&link)) {
        round.Remove(remove->path, remove->version);
      }
    }
    EXPECT_TRUE(IsApplied(second().session().Commit(round)));
  }
  static bool IsApplied(const Result<CommitOutcome>& outcome) {
    return outcome.ok() && std::holds_alternative<Applied>(*outcome);
  }

 private:
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory();
  std::unique_ptr<ShiftedClock> clock_;
  std::unique_ptr<TaskProcess> first_;
  std::unique_ptr<TaskProcess> second_;
};

}  // namespace pk::coordination
