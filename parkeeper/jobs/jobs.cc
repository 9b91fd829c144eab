#include "parkeeper/jobs/jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include "parkeeper/base/log.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/jobs/nodes_internal.h"

namespace pk::jobs {

using coordination::Coordinator;

namespace {

// A submitter that is at work still is left alone for so long.
constexpr int64_t kPlanningMs = 10'000;
// Tasks are remembered a week after they ended; a job that is younger is not looked at.
constexpr int64_t kForgetMs = int64_t{8} * 24 * 3'600'000;

// A standing task fails for good only when its worker says so; being taken back from workers that
// died counts too, over months.
constexpr int32_t kMostFailuresOfStanding = 1'000'000;

tasks::SubmitRequest RequestOf(const Job& job, int64_t index, const std::string& part) {
  tasks::SubmitRequest request{
      .id = TaskIdOf(job.id, index),
      .kind = std::string(KindOf(job.plan)),
      .body = Encode(JobTaskBody{.job = job.id, .part = part}),
      .most_failures = job.standing() ? kMostFailuresOfStanding : job.most_failures,
      .stage = job.at_once() ? TaskIdOf(job.id, kPartsStage) : job.id};
  if (job.standing()) request.longest_delay = request.first_delay;
  // The process of a task is killed at its own limit; this is for a worker that hangs itself.
  request.progress_limit = job.within + std::chrono::minutes(1);
  return request;
}

tasks::SubmitRequest FinishOf(const Job& job) {
  tasks::SubmitRequest request = RequestOf(job, job.count, "");
  request.kind = kFinishKind;
  request.stage = job.id;
  request.after = {TaskIdOf(job.id, kPartsStage)};
  return request;
}

std::string StageName(const Job& job) {
  return fmt::format("{} into {}", KindOf(job.plan), job.table);
}

std::vector<Uuid> TaskIdsOf(const Job& job) {
  std::vector<Uuid> ids;
  for (int64_t i = 0; i < job.tasks(); ++i) ids.push_back(TaskIdOf(job.id, i));
  return ids;
}

std::string DescribePart(const Job& job, size_t index, const std::string& part) {
  if (std::holds_alternative<IngestPlan>(job.plan)) return part;
  if (const auto* plan = std::get_if<FollowFilesPlan>(&job.plan)) {
    return fmt::format("{}", fmt::join(plan->patterns, " "));
  }
  if (std::holds_alternative<RefreshPlan>(job.plan)) return "new rows";
  if (std::holds_alternative<CompactPlan>(job.plan)) return fmt::format("group {}", index + 1);
  return part.empty() ? "the whole query" : fmt::format("split {}", index + 1);
}

bool IsGone(const Error& error) { return error.code() == ErrorCode::kNotFound; }

}  // namespace

JobCounts Count(const std::vector<JobTask>& tasks) {
  JobCounts counts;
  for (const JobTask& each : tasks) {
    const auto state = each.task ? each.task->state : tasks::TaskState::kOpen;
    counts.done += state == tasks::TaskState::kDone;
    counts.dead += state == tasks::TaskState::kDead;
    counts.cancelled += state == tasks::TaskState::kCancelled;
    counts.waiting += !each.task || !each.task->ended();
    const bool failed = each.task && state != tasks::TaskState::kDone;
    counts.failures += failed ? each.task->failures : 0;
  }
  return counts;
}

Result<Job> Jobs::Submit(Job job) {
  if (job.table_key.empty()) {
    const auto name = PK_TRY(catalog::ParseTableName(job.table));
    job.table_key = PK_TRY(parts_.catalog.LoadTable(name)).key;
  }
  PK_TRY(Validate(job));
  PK_TRY(tasks::ValidateQueueName(job.queue));
  PK_TRY(EnsureLayout(parts_));
  const Result<> made = parts_.queues().CreateQueue(job.queue);
  PK_CHECK(made.ok() || made.error().code() == ErrorCode::kAlreadyExists, made.error());
  if (job.id == Uuid{}) job.id = parts_.options.ids->NewUuid7(*parts_.options.clock);
  job.state = JobState::kPlanning;
  job.count = int64_t(job.parts.size());
  const std::string parts = EncodeTexts(job.parts);
  if (parts.size() > kMostInlineBytes) {
    // Durable before the node that means it.
    PK_TRY(storage::WriteIfAbsent(parts_.storage, PartsLocation(parts_.storage, job.id), parts));
    job.parts.clear();
    job.parts_in_file = true;
  }
  PK_TRY(Repeat<Unit>(parts_, [&](Coordinator& session) -> Result<> {
    const Result<std::string> created = session.Create(JobPath(job.id), Encode(job));
    // The name is ours alone.
    if (created.ok() || created.error().code() == ErrorCode::kAlreadyExists) return {};
    return created.error();
  }));
  PK_TRY(Plan(job).With(fmt::format("job {} is not planned to the end, a worker goes on with it",
                                    job.id.ToString())));
  return Load(job.id);
}

// Whatever of it was done before is done again without effect. A sealed stage has all of its tasks,
// or is that of a job which is being cancelled.
Result<> Jobs::Plan(const Job& job) {
  PK_TRY(SubmitTasks(job));
  PK_TRY(Update(parts_, job.id, [](const Job& present) -> std::optional<Job> {
    if (present.state != JobState::kPlanning) return std::nullopt;
    Job next = present;
    next.state = JobState::kRunning;
    return next;
  }));
  return {};
}

Result<> Jobs::SubmitTasks(const Job& job) {
  auto queues = parts_.queues();
  const std::vector<std::string> parts = PK_TRY(LoadParts(job));
  std::vector<tasks::SubmitRequest> requests;
  for (size_t i = 0; i < parts.size(); ++i) {
    requests.push_back(RequestOf(job, int64_t(i), parts[i]));
  }
  PK_TRY(queues.CreateStage(job.id, StageName(job)));
  if (job.at_once()) {
    const Uuid stage = TaskIdOf(job.id, kPartsStage);
    PK_TRY(queues.CreateStage(stage, StageName(job)));
    PK_TRY(queues.SubmitBatch(job.queue, requests));
    PK_TRY(queues.SealStage(stage));
    requests = {FinishOf(job)};
  }
  PK_TRY(queues.SubmitBatch(job.queue, requests));
  return queues.SealStage(job.id);
}

Result<Job> Jobs::Load(const Uuid& id) {
  return Update(parts_, id, [](const Job&) { return std::optional<Job>(); });
}

Result<std::vector<Job>> Jobs::LoadAll(const std::set<Uuid>& except, size_t most) {
  return Repeat<std::vector<Job>>(parts_, [&](Coordinator& session) -> Result<std::vector<Job>> {
    std::vector<Job> jobs;
    if (!PK_TRY(ReadFresh(session, kJobsPath))) return jobs;
    // Ids begin with their time, so names are in this order.
    const auto names = PK_TRY(session.List(kJobsPath));
    for (size_t i = names.size() - std::min(names.size(), most); i < names.size(); ++i) {
      const Uuid id = PK_TRY(Uuid::Parse(names[i]));
      if (except.contains(id)) continue;
      const auto node = PK_TRY(session.Find(JobPath(id)));
      if (!node) continue;
      auto job = DecodeJob(id, node->value);
      if (job.ok()) {
        jobs.push_back(*std::move(job));
      } else {
        // Of a later version, perhaps: it hinders no other.
        Log(LogLevel::kWarning, Error(job.error()).With(JobPath(id)).message());
      }
    }
    return jobs;
  });
}

Result<std::vector<std::string>> Jobs::LoadParts(const Job& job) {
  if (!job.parts_in_file) return job.parts;
  const std::string location = PartsLocation(parts_.storage, job.id);
  auto parts =
      PK_TRY(DecodeTexts(PK_TRY(storage::ReadAll(parts_.storage, location))).With(location));
  PK_CHECK(
      int64_t(parts.size()) == job.count,
      Corrupt(fmt::format("{} holds {} parts instead of {}", location, parts.size(), job.count)));
  return parts;
}

Result<JobStatus> Jobs::StatusOf(Job job) {
  JobStatus status{.job = std::move(job)};
  const auto stage = parts_.queues().DescribeStage(status.job.id);
  if (stage.ok()) {
    status.over = stage->over || (stage->sealed && stage->left == 0);
    status.left = stage->left;
    return status;
  }
  PK_CHECK(IsGone(stage.error()), stage.error());
  // Not made yet, or forgotten.
  status.over = status.job.state == JobState::kRunning || status.job.state == JobState::kCancelled;
  status.left = status.over ? 0 : status.job.tasks();
  return status;
}

Result<std::vector<JobStatus>> Jobs::List(size_t most) {
  std::vector<JobStatus> statuses;
  for (Job& job : PK_TRY(LoadAll({}, most))) statuses.push_back(PK_TRY(StatusOf(std::move(job))));
  return statuses;
}

Result<JobStatus> Jobs::Describe(const Uuid& id) { return StatusOf(PK_TRY(Load(id))); }

Result<std::vector<JobTask>> Jobs::Tasks(const Job& job) {
  std::vector<std::string> parts = PK_TRY(LoadParts(job));
  auto found = PK_TRY(parts_.queues().FindAll(job.queue, TaskIdsOf(job)));
  std::vector<JobTask> tasks;
  for (size_t i = 0; i < found.size(); ++i) {
    std::string part = i < parts.size() ? DescribePart(job, i, parts[i]) : "commit of all parts";
    tasks.push_back({std::move(part), std::move(found[i])});
  }
  return tasks;
}

Result<int64_t> Jobs::Cancel(const Uuid& id) {
  const JobStatus status = PK_TRY(Describe(id));
  PK_CHECK(!status.over || status.job.state != JobState::kRunning,
           FailedPrecondition(fmt::format("job {} is over", id.ToString())));
  const Job job = PK_TRY(Update(parts_, id, [](const Job& present) -> std::optional<Job> {
    const bool is_new = present.state == JobState::kPlanning || present.state == JobState::kRunning;
    if (!is_new) return std::nullopt;
    Job next = present;
    next.state = JobState::kCancelling;
    return next;
  }));
  return FinishCancelling(job);
}

Result<int64_t> Jobs::FinishCancelling(const Job& job) {
  if (job.state == JobState::kCancelled) return int64_t{0};
  auto queues = parts_.queues();
  // Nothing is submitted to a sealed stage, so whoever plans it still comes too late.
  std::vector<Uuid> stages = {job.id};
  if (job.at_once()) stages.push_back(TaskIdOf(job.id, kPartsStage));
  for (const Uuid& stage : stages) {
    Result<> sealed = queues.SealStage(stage);
    if (!sealed.ok() && IsGone(sealed.error())) {
      PK_TRY(queues.CreateStage(stage, StageName(job)));
      sealed = queues.SealStage(stage);
    }
    PK_TRY(sealed);
  }
  int64_t cancelled = 0;
  const std::vector<Uuid> ids = TaskIdsOf(job);
  const auto tasks = PK_TRY(queues.FindAll(job.queue, ids));
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!tasks[i] || tasks[i]->state == tasks::TaskState::kDone) continue;
    const Result<> done = queues.Cancel(job.queue, ids[i]);
    // Done meanwhile, or on its way into the table.
    const bool late = !done.ok() && done.error().code() == ErrorCode::kFailedPrecondition;
    PK_CHECK(done.ok() || late || IsGone(done.error()), done.error());
    cancelled += done.ok() ? 1 : 0;
  }
  // Should the commit of one that was late be rejected, whoever claims it finds the job cancelled.
  PK_TRY(Update(parts_, job.id, [](const Job& present) -> std::optional<Job> {
    if (present.state == JobState::kCancelled) return std::nullopt;
    Job next = present;
    next.state = JobState::kCancelled;
    return next;
  }));
  return cancelled;
}

Result<int64_t> Jobs::Retry(const Uuid& id) {
  const Job job = PK_TRY(Load(id));
  auto queues = parts_.queues();
  int64_t retried = 0;
  for (const auto& task : PK_TRY(queues.FindAll(job.queue, TaskIdsOf(job)))) {
    if (!task || task->state != tasks::TaskState::kDead) continue;
    const Result<> done = queues.RetryDead(job.queue, task->id());
    // Somebody else did.
    const bool late = !done.ok() && (done.error().code() == ErrorCode::kFailedPrecondition ||
                                     IsGone(done.error()));
    PK_CHECK(done.ok() || late, done.error());
    retried += done.ok() ? 1 : 0;
  }
  return retried;
}

Result<bool> Jobs::CareFor(const Job& job) {
  if (job.state == JobState::kCancelling) {
    PK_TRY(FinishCancelling(job));
    return true;
  }
  if (job.state == JobState::kPlanning) {
    const int64_t age_ms = parts_.options.clock->WallMs() - job.id.UnixMs();
    if (age_ms < kPlanningMs) return false;
    PK_TRY(Plan(job));
    return true;
  }
  if (!MayBeForgotten(job.id)) return false;
  const auto stage = parts_.queues().DescribeStage(job.id);
  PK_CHECK(stage.ok() || IsGone(stage.error()), stage.error());
  if (stage.ok()) return false;
  PK_TRY(Forget(job));
  return true;
}

bool Jobs::MayBeForgotten(const Uuid& id) const {
  return parts_.options.clock->WallMs() - id.UnixMs() >= kForgetMs;
}

Result<> Jobs::Forget(const Job& job) {
  // While the job is there, so that it is tried again.
  if (std::holds_alternative<FollowFilesPlan>(job.plan)) {
    PK_TRY(RemoveDigests(parts_, fmt::format("{}/{}", kGivenUpPath, job.id.ToString())));
  }
  PK_TRY(Repeat<Unit>(parts_, [&](Coordinator& session) -> Result<> {
    const Result<> removed = session.Remove(JobPath(job.id), coordination::kAnyVersion);
    return removed.ok() || IsGone(removed.error()) ? Result<>() : removed;
  }));
  // Nobody names the files any more.
  std::vector<std::string> locations;
  PK_TRY(parts_.storage.List(JobFolder(parts_.storage, job.id),
                             [&](const storage::FileStatus& file) -> Result<> {
                               locations.push_back(file.location);
                               return {};
                             }));
  for (const std::string& location : locations) static_cast<void>(parts_.storage.Remove(location));
  return {};
}

Result<int64_t> Jobs::ForgetSources() {
  const auto names = PK_TRY(Repeat<std::vector<std::string>>(
      parts_, [](Coordinator& session) { return session.List(kSeenPath); }));
  int64_t forgotten = 0;
  for (const std::string& name : names) {
    const auto key = PK_TRY(coordination::UnescapeSegment(name));
    // Not of a table that was dropped a moment ago: commits that wait in its queue take their
    // markers away themselves, or they are not decided at all.
    const auto driven = parts_.catalog.DriveQueue(key);
    if (driven.ok() || !IsGone(driven.error())) continue;
    forgotten += PK_TRY(RemoveDigests(parts_, fmt::format("{}/{}", kSeenPath, name)));
  }
  return forgotten;
}

Result<int64_t> Jobs::Care() {
  std::set<Uuid> over;
  return Care(over);
}

Result<int64_t> Jobs::Care(std::set<Uuid>& over) {
  int64_t cared = 0;
  std::optional<Error> failure;
  std::set<std::string> tables;
  std::erase_if(over, [&](const Uuid& id) { return MayBeForgotten(id); });
  for (const Job& job : PK_TRY(LoadAll(over, SIZE_MAX))) {
    const Result<bool> done = CareFor(job);
    if (done.ok()) {
      cared += *done ? 1 : 0;
    } else if (!failure) {
      failure = Error(done.error()).With(fmt::format("job {}", job.id.ToString()));
    }
    const auto status = StatusOf(job);
    // The coordinator is away: each further question would be asked as long.
    if (!status.ok() && !IsGone(status.error())) return status.error();
    if (!status.ok()) continue;
    if (!status->over) tables.insert(job.table_key);
    const JobState state = status->job.state;
    const bool settled = state == JobState::kRunning || state == JobState::kCancelled;
    // It stays so.
    if (status->over && settled) over.insert(job.id);
  }
  // Commits whose workers died.
  for (const std::string& key : tables) {
    const auto driven = parts_.catalog.DriveQueue(key);
    const bool fine = driven.ok() || IsGone(driven.error());
    if (!fine && !failure) failure = Error(driven.error()).With(fmt::format("table {}", key));
  }
  if (failure) return *failure;
  return cared;
}

Result<std::vector<JobLog>> Jobs::ListLogs(const Job& job) {
  std::vector<JobLog> logs;
  const auto add = [&](const storage::FileStatus& file) -> Result<> {
    // "<task>-<attempt>.log"
    const std::string name = file.location.substr(file.location.rfind('/') + 1);
    const size_t dash = name.rfind('-');
    if (dash == std::string::npos || !name.ends_with(".log")) return {};
    const auto task = Uuid::Parse(name.substr(0, dash));
    int32_t attempt = 0;
    std::from_chars(name.data() + dash + 1, name.data() + name.size(), attempt);
    if (task.ok()) logs.push_back({*task, attempt, file.location});
    return {};
  };
  PK_TRY(parts_.storage.List(LogFolder(parts_.storage, job.id), add));
  std::sort(logs.begin(), logs.end(), [](const JobLog& a, const JobLog& b) {
    return std::tie(a.task, a.attempt) < std::tie(b.task, b.attempt);
  });
  return logs;
}

Result<std::string> Jobs::ReadLog(const JobLog& log) {
  return storage::ReadAll(parts_.storage, log.location);
}

void WriteLog(storage::Storage& storage, const Uuid& job, const tasks::Task& task,
              std::string_view text) {
  const std::string location =
      fmt::format("{}/{}-{}.log", LogFolder(storage, job), task.id().ToString(), task.attempt);
  static_cast<void>(storage::WriteIfAbsent(storage, location, text));
}

}  // namespace pk::jobs
