// Attempts that meet others: at one file, and at a queue that is full.

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "parkeeper/jobs/attempt_internal.h"
#include "parkeeper/jobs/ingest.h"
#include "parkeeper/jobs/nodes_internal.h"
#include "parkeeper/jobs/seen.h"
#include "parkeeper/tasks/limits.h"
#include "tests/support/forwarding_coordinator.h"
#include "tests/support/jobs_in_memory.h"
#include "tests/support/temp_folder.h"

namespace pk::jobs {
namespace {

using coordination::CommitOutcome;
using coordination::Coordinator;
using coordination::Transaction;
using tasks::TaskState;
using testing::IsOk;

// What happens, once, before a transaction that creates this node.
struct Before {
  std::string path;
  std::function<void()> happens = {};
};

class InterruptedCoordinator final : public testing::ForwardingCoordinator {
 public:
  using Hold = std::function<void(const Transaction&)>;
  InterruptedCoordinator(std::unique_ptr<Coordinator> inner, Before& before, Hold& hold,
                         std::function<void()>& release)
      : ForwardingCoordinator(std::move(inner)), before_(before), hold_(hold), release_(release) {}

  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    for (const auto& operation : transaction.operations()) {
      const auto* create = std::get_if<coordination::CreateOperation>(&operation);
      const bool is_it = create != nullptr && create->path == before_.path;
      if (is_it && before_.happens) std::exchange(before_.happens, nullptr)();
      if (is_it && hold_) {
        std::exchange(hold_, nullptr)(transaction);
        return OutcomeUnknown("held");
      }
      // The first one that offers a task.
      const bool offers = create != nullptr && create->path.starts_with("/tasks/q/");
      if (offers && release_) std::exchange(release_, nullptr)();
    }
    return ForwardingCoordinator::Commit(transaction);
  }

 private:
  Before& before_;
  Hold& hold_;
  std::function<void()>& release_;
};

// Something happens when it was waited on so often.
class CountingClock final : public ManualClock {
 public:
  bool Wait(Duration duration, std::stop_token stop) override {
    const auto found = at_.find(++waits_);
    if (found != at_.end()) found->second();
    return ManualClock::Wait(duration, std::move(stop));
  }
  void At(int waits, std::function<void()> happens) { at_[waits_ + waits] = std::move(happens); }

 private:
  int waits_ = 0;
  std::map<int, std::function<void()>> at_;
};

class AttemptTest : public JobsInMemory {
 protected:
  void SetUp() override {
    JobsInMemory::SetUp();
    const tasks::TasksOptions options{.clock = &attempt_clock_};
    auto opened = catalog::OpenCatalog(attempt_sessions_, *storage_, {.clock = &attempt_clock_});
    ASSERT_THAT(opened, IsOk());
    attempt_catalog_ = *std::move(opened);
    attempt_parts_.emplace(JobsParts{attempt_sessions_, *storage_, *attempt_catalog_, options});
    worker_.emplace(attempt_sessions_, *storage_, "w", options);
  }

  // Of any task, or of this one.
  tasks::ClaimedTask ClaimOne(std::optional<Uuid> id = {}) {
    const auto claims = worker_->Claim({kDefaultQueue}, 10);
    EXPECT_THAT(claims, IsOk());
    for (const tasks::ClaimedTask& claim : *claims) {
      if (!id || claim.task.id() == *id) return claim;
    }
    ADD_FAILURE() << "nothing to claim";
    return {};
  }

  // Of a program that says what is in the file.
  AttemptEnd Attempt(const tasks::ClaimedTask& claim) {
    Permits permits(1);
    const AttemptOptions options{.program = {"/bin/cat", folder_ / "reply"},
                                 .permits = &permits,
                                 .worker = "w",
                                 .drain = drain_.get_token()};
    const std::stop_token stop;
    return RunAttempt({*attempt_parts_, *worker_, claim, options, stop});
  }

  static void RemoveAll(Coordinator& session, const std::string& path) {
    const auto children = session.List(path);
    ASSERT_THAT(children, IsOk());
    for (const std::string& child : *children) RemoveAll(session, path + "/" + child);
    ASSERT_THAT(session.Remove(path, coordination::kAnyVersion), IsOk());
  }

  // Old enough for any clock.
  std::string MakeFile(const std::string& name) {
    const std::string path = folder_ / name;
    std::ofstream(path) << "id\n1\n2\n3\n";
    const auto old = std::filesystem::file_time_type::clock::from_sys(
        std::chrono::sys_seconds(std::chrono::sys_days(std::chrono::year(2020) / 1 / 1)));
    std::filesystem::last_write_time(path, old);
    return path;
  }

  // What a process would make of it.
  Produced Produce(const std::string& path) {
    auto ingested = Ingest(*storage_, *Table().metadata, path, {}, {.writers = 1});
    EXPECT_THAT(ingested, IsOk());
    Produced produced{
        .source = ingested->source, .commit = {}, .rows = ingested->files.rows, .files = 1};
    produced.commit =
        table::MakeAppendCommit(std::move(ingested->files), *Table().metadata, clock_);
    produced.commit->oldest_file_ms = clock_.WallMs();
    std::ofstream(folder_ / "reply") << Encode(produced);
    return produced;
  }

  tasks::Task TaskOf(const tasks::ClaimedTask& claim) {
    return parts_->queues().Find(kDefaultQueue, claim.task.id()).value();
  }
  int64_t Rows() {
    const auto snapshot = Table().metadata->current_snapshot();
    return snapshot == nullptr ? 0 : std::stoll(snapshot->summary.at("total-records"));
  }
  std::vector<Job> FoundByFollowers() {
    std::vector<Job> found;
    const auto listed = jobs_->List().value();
    for (const JobStatus& status : listed) {
      if (status.job.follower) found.push_back(status.job);
    }
    return found;
  }
  Job Follow() {
    Job job = IngestOf(0);
    job.plan = FollowFilesPlan{
        .patterns = {folder_ / "*.csv"}, .input = {}, .settled = std::chrono::milliseconds(0)};
    job.parts = {""};
    const auto submitted = jobs_->Submit(job);
    EXPECT_THAT(submitted, IsOk());
    return *submitted;
  }

  // The claim of one who follows; there is no place for what he submits.
  tasks::ClaimedTask FollowInAFullQueue() {
    auto queues = parts_->queues();
    EXPECT_THAT(queues.CreateQueue(kDefaultQueue, {.shards = 1}), IsOk());
    Follow();
    tasks::ClaimedTask claim = ClaimOne();
    for (int i = 0; i < tasks::kMostReadyInShard; ++i) {
      others_.push_back({.id = SystemIds().NewUuid7(clock_), .kind = "other"});
    }
    EXPECT_THAT(queues.SubmitBatch(kDefaultQueue, others_), IsOk());
    return claim;
  }
  void MakeRoom() {
    for (size_t i = 0; i < 10; ++i) {
      EXPECT_THAT(parts_->queues().Cancel(kDefaultQueue, others_[i].id), IsOk());
    }
  }

  std::vector<tasks::SubmitRequest> others_;
  testing::TempFolder folder_;
  Before before_;
  InterruptedCoordinator::Hold hold_;
  std::function<void()> release_;
  CountingClock attempt_clock_;
  std::stop_source drain_;
  coordination::SessionSource attempt_sessions_{[this]() -> Result<std::unique_ptr<Coordinator>> {
    return std::make_unique<InterruptedCoordinator>(coordination::OpenMemory(tree_), before_, hold_,
                                                    release_);
  }};
  std::unique_ptr<catalog::Catalog> attempt_catalog_;
  std::optional<JobsParts> attempt_parts_;
  std::optional<tasks::Worker> worker_;
};

// Two tasks of two jobs that bring one file; the first is claimed, by somebody else.
class TwoOfOneFile : public AttemptTest {
 protected:
  void SetUp() override {
    AttemptTest::SetUp();
    path_ = MakeFile("a.csv");
    Job job = IngestOf(0);
    job.parts = {path_};
    ASSERT_THAT(jobs_->Submit(job), IsOk());
    first_ = other_.Claim({kDefaultQueue}, 1).value().at(0);
    ASSERT_THAT(jobs_->Submit(job), IsOk());
    second_ = ClaimOne();
    marker_ = MarkerPath(Table().key, *Produce(path_).source);
    ASSERT_THAT(LookUpSource(*parts_, Table().key, *IdentifySource(path_)), IsOk());
  }

  // The first hands its commit over, with its marker; it is not decided then.
  tasks::CommittingStep HandOver() {
    auto step = tasks::CommittingTransaction(first_, "{}", clock_.WallMs()).value();
    step.transaction.Create(marker_, EncodeMarker(first_.task, *IdentifySource(path_)));
    EXPECT_THAT((*sessions_.Get())->Commit(step.transaction), IsOk());
    return step;
  }
  // With `marker` false a rejection leaves it there.
  void Decide(const std::vector<coordination::Operation>& operations, bool committed,
              bool marker = true) {
    Transaction decision;
    for (const auto& operation : operations) {
      if (const auto* set = std::get_if<coordination::SetOperation>(&operation)) {
        decision.Set(set->path, set->value, set->version);
      } else if (const auto* create = std::get_if<coordination::CreateOperation>(&operation)) {
        decision.Create(create->path, create->value, create->mode);
      } else {
        const auto& remove = std::get<coordination::RemoveOperation>(operation);
        decision.Remove(remove.path, remove.version);
      }
    }
    if (!committed && marker) decision.Remove(marker_, coordination::kAnyVersion);
    EXPECT_THAT((*sessions_.Get())->Commit(decision), IsOk());
  }
  AttemptEnd AttemptAgain() {
    second_ = ClaimOne(second_.task.id());
    return Attempt(second_);
  }
  int DataFiles() {
    int count = 0;
    const auto listed = storage_->List(Table().metadata->location + "/data",
                                       [&](const storage::FileStatus&) -> Result<> {
                                         ++count;
                                         return {};
                                       });
    EXPECT_THAT(listed, IsOk());
    return count;
  }
  void ExpectThatTheSecondIsDoneWithoutAFailure(int64_t rows) {
    EXPECT_EQ(TaskOf(second_).error, "");
    EXPECT_EQ(TaskOf(second_).state, TaskState::kDone);
    EXPECT_EQ(TaskOf(second_).failures, 0);
    EXPECT_EQ(Rows(), rows);
  }

  std::string path_, marker_;
  tasks::Worker other_{sessions_, *storage_, "other", {.clock = &clock_}};
  tasks::ClaimedTask first_, second_;
};

TEST_F(TwoOfOneFile, TheOneThatIsLateWithItsRowsIsDoneWithoutThem) {
  std::optional<tasks::CommittingStep> first;
  before_ = {marker_, [&] { first = HandOver(); }};
  EXPECT_EQ(Attempt(second_), AttemptEnd::kReleased);
  EXPECT_EQ(DataFiles(), 0);
  // Undecided still, and then decided.
  EXPECT_EQ(AttemptAgain(), AttemptEnd::kReleased);
  Decide(first->links.if_committed, true);
  EXPECT_EQ(AttemptAgain(), AttemptEnd::kSkipped);
  ExpectThatTheSecondIsDoneWithoutAFailure(0);  // those of the first were only said to be there
}

TEST_F(TwoOfOneFile, TheOneThatIsLateWithItsRowsBringsThemWhenTheOthersAreRejected) {
  before_ = {marker_, [&] { Decide(HandOver().links.if_rejected, false, false); }};
  EXPECT_EQ(Attempt(second_), AttemptEnd::kReleased);
  EXPECT_EQ(DataFiles(), 0);
  Decide({}, false);
  Produce(path_);
  EXPECT_EQ(AttemptAgain(), AttemptEnd::kDone);
  ExpectThatTheSecondIsDoneWithoutAFailure(3);
  EXPECT_EQ(DataFiles(), 1);
}

TEST_F(TwoOfOneFile, ALateCopyOfARefusedRequestFindsTheClaimEnded) {
  std::optional<Transaction> late;
  before_ = {marker_, [&] {
               Decide(HandOver().links.if_rejected, false, false);
               hold_ = [&](const Transaction& transaction) { late = transaction; };
             }};
  EXPECT_EQ(Attempt(second_), AttemptEnd::kReleased);
  EXPECT_EQ(DataFiles(), 0);
  Decide({}, false);
  ASSERT_TRUE(late.has_value());
  EXPECT_THAT((*sessions_.Get())->Commit(*late), IsOk());
  EXPECT_EQ(TaskOf(second_).state, TaskState::kOpen);
  Produce(path_);
  EXPECT_EQ(AttemptAgain(), AttemptEnd::kDone);
  ExpectThatTheSecondIsDoneWithoutAFailure(3);
}

TEST_F(TwoOfOneFile, ALateCopyThatIsAppliedKeepsItsFiles) {
  std::optional<Transaction> late;
  before_ = {marker_, [&] {
               Decide(HandOver().links.if_rejected, false, false);
               hold_ = [&](const Transaction& transaction) { late = transaction; };
             }};
  // Before the claim is given back.
  release_ = [&] {
    Decide({}, false);
    ASSERT_TRUE(late.has_value());
    EXPECT_THAT((*sessions_.Get())->Commit(*late), IsOk());
    EXPECT_EQ(TaskOf(second_).state, TaskState::kCommitting);
  };
  EXPECT_EQ(Attempt(second_), AttemptEnd::kLost);
  // Under a clock that does not wait this gives up before whoever decides has got there.
  for (int i = 0; i < 10'000 && !attempt_catalog_->DriveQueue(Table().key).ok(); ++i) continue;
  ExpectThatTheSecondIsDoneWithoutAFailure(3);
  EXPECT_EQ(DataFiles(), 1);
}

TEST_F(AttemptTest, AFollowerThatMeetsAFullQueueSubmitsWhatItFoundAsOneJob) {
  const auto claim = FollowInAFullQueue();
  MakeFile("a.csv");
  attempt_clock_.At(100, [&] {
    EXPECT_EQ(FoundByFollowers().size(), 1u);
    MakeFile("b.csv");  // is found when the first job is there
    MakeRoom();
  });
  attempt_clock_.At(200, [&] { drain_.request_stop(); });
  EXPECT_EQ(Attempt(claim), AttemptEnd::kReleased);
  const auto found = FoundByFollowers();
  ASSERT_EQ(found.size(), 2u);
  for (const Job& job : found) EXPECT_EQ(job.state, JobState::kRunning);
  EXPECT_EQ(found[0].parts, std::vector{std::string(folder_ / "a.csv")});
  EXPECT_EQ(found[1].parts, std::vector{std::string(folder_ / "b.csv")});
}

TEST_F(AttemptTest, AFollowerWhoseJobIsCancelledBeforeItIsWholeGoesOn) {
  const auto claim = FollowInAFullQueue();
  MakeFile("a.csv");
  attempt_clock_.At(100, [&] {
    EXPECT_THAT(jobs_->Cancel(FoundByFollowers().at(0).id), IsOk());
    MakeRoom();
    MakeFile("b.csv");
  });
  attempt_clock_.At(200, [&] { drain_.request_stop(); });
  EXPECT_EQ(Attempt(claim), AttemptEnd::kReleased);
  const auto found = FoundByFollowers();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].state, JobState::kCancelled);
  EXPECT_EQ(found[1].parts, std::vector{std::string(folder_ / "b.csv")});
}

TEST_F(AttemptTest, AFollowerTakesAFileAgainThatFailedOnlyBecauseStorageWasAway) {
  const Job follower = Follow();
  const auto claim = ClaimOne();
  const std::string path = MakeFile("a.csv");
  attempt_clock_.At(5, [&] { drain_.request_stop(); });
  EXPECT_EQ(Attempt(claim), AttemptEnd::kReleased);
  std::ofstream(folder_ / "reply") << R"({"error": {"code": "unavailable", "message": "away"}})";
  const Uuid task = TaskIdOf(FoundByFollowers().at(0).id, 0);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Attempt(ClaimOne(task)), AttemptEnd::kFailed);
    attempt_clock_.Advance(std::chrono::minutes(1));
  }
  EXPECT_EQ(parts_->queues().Find(kDefaultQueue, task)->state, TaskState::kDead);
  EXPECT_TRUE(IsNews(*parts_, follower.id, Table().key, *IdentifySource(path)).value());
}

TEST_F(AttemptTest, AFollowerThatTakesOverLeavesFilesAloneThatFailedForGood) {
  const Job follower = Follow();
  const auto claim = ClaimOne();
  const std::string path = MakeFile("a.csv");
  attempt_clock_.At(5, [&] { drain_.request_stop(); });
  EXPECT_EQ(Attempt(claim), AttemptEnd::kReleased);
  ASSERT_EQ(FoundByFollowers().size(), 1u);

  // Its task cannot read it.
  drain_ = {};
  std::ofstream(folder_ / "reply") << R"({"error": {"code": "corrupt", "message": "torn"}})";
  const auto claims = worker_->Claim({kDefaultQueue}, 2).value();
  ASSERT_EQ(claims.size(), 2u);
  const bool first_is_ingest = claims[0].task.request.kind == KindOf(IngestPlan{});
  EXPECT_EQ(Attempt(claims[first_is_ingest ? 0 : 1]), AttemptEnd::kFailed);
  EXPECT_EQ(TaskOf(claims[first_is_ingest ? 0 : 1]).state, TaskState::kDead);

  // One who knows nothing of it follows.
  MakeFile("b.csv");
  attempt_clock_.At(5, [&] { drain_.request_stop(); });
  EXPECT_EQ(Attempt(claims[first_is_ingest ? 1 : 0]), AttemptEnd::kReleased);
  auto found = FoundByFollowers();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].parts, std::vector{std::string(folder_ / "b.csv")});
  EXPECT_EQ(found[1].follower, follower.id);

  // Once it was mended it is another file.
  std::ofstream(path) << "id\n1\n";
  const auto source = IdentifySource(path);
  EXPECT_TRUE(IsNews(*parts_, follower.id, Table().key, *source).value());
}

TEST_F(AttemptTest, WhichFilesAreInATableIsForgottenWithIt) {
  ASSERT_THAT(EnsureLayout(*parts_), IsOk());
  catalog::NewTableRequest request;
  request.schema = iceberg::ParseSchemaText("id long").value();
  ASSERT_THAT(catalog_->CreateTable({{{"ns"}}, "gone"}, request), IsOk());
  const std::string gone = catalog_->LoadTable({{{"ns"}}, "gone"})->key;
  auto& session = **sessions_.Get();
  for (int i = 0; i < 1'200; ++i) {
    const SourceIdentity source{.path = fmt::format("/{}", i), .size = 1, .modified_ns = 2};
    ASSERT_THAT(coordination::EnsurePath(session, MarkerPath(gone, source)), IsOk());
    if (i > 2) continue;
    ASSERT_THAT(coordination::EnsurePath(session, MarkerPath(Table().key, source)), IsOk());
  }
  EXPECT_EQ(jobs_->ForgetSources().value(), 0);
  ASSERT_THAT(catalog_->DropTable({{{"ns"}}, "gone"}, false), IsOk());
  // Its head stays for a while, and commits may wait in its queue.
  EXPECT_EQ(jobs_->ForgetSources().value(), 0);
  const auto folders = session.List("/t").value();
  for (const std::string& folder : folders) {
    const std::string head = fmt::format("/t/{}/{}", folder, gone);
    if (session.Find(head)->has_value()) RemoveAll(session, head);
  }
  EXPECT_EQ(jobs_->ForgetSources().value(), 1'200);
  EXPECT_EQ(session.List(kSeenPath)->size(), 1u);
  EXPECT_EQ(jobs_->ForgetSources().value(), 0);
}

}  // namespace
}  // namespace pk::jobs
