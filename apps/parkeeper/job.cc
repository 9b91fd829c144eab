#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/parkeeper/job_command.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;
using jobs::Job;
using jobs::JobCounts;
using jobs::JobStatus;
using jobs::JobTask;

constexpr std::chrono::milliseconds kLookAgain{500};
// Messages of a job's dead letters that are shown to people.
constexpr size_t kMostShown = 20;

struct Arguments {
  std::string id, task;
  bool wait = false;
  bool with_tasks = false;
  size_t last = 50;
  bool all = false;
};

std::string StateText(const JobStatus& status) {
  const bool runs = status.job.state == jobs::JobState::kRunning;
  return runs && status.over ? "done" : std::string(jobs::ToString(status.job.state));
}

bj::object TaskJson(const JobTask& each) {
  bj::object object{{"part", each.part}};
  if (!each.task) return object;
  object["task"] = each.task->id().ToString();
  object["state"] = std::string(tasks::ToString(each.task->state));
  object["attempt"] = each.task->attempt;
  object["failures"] = each.task->failures;
  if (!each.task->error.empty()) object["error"] = each.task->error;
  return object;
}

bj::object ShowJson(const JobStatus& status, const std::vector<JobTask>& tasks, bool with_tasks) {
  const JobCounts counts = jobs::Count(tasks);
  bj::object object = StatusJson(status);
  object["done"] = counts.done;
  object["dead"] = counts.dead;
  object["cancelled"] = counts.cancelled;
  object["waiting"] = counts.waiting;
  bj::array array, dead;
  for (const JobTask& each : tasks) {
    if (with_tasks) array.push_back(TaskJson(each));
    const bool is_dead = each.task && each.task->state == tasks::TaskState::kDead;
    if (is_dead) dead.push_back(TaskJson(each));
  }
  object["dead-letters"] = std::move(dead);
  if (with_tasks) object["all-tasks"] = std::move(array);
  return object;
}

std::string ShowText(const JobStatus& status, const std::vector<JobTask>& tasks, bool with_tasks) {
  const JobCounts counts = jobs::Count(tasks);
  std::string text = fmt::format(
      "job {}: {} into {}, submitted {}\n{}: {} of {} tasks done, {} waiting, {} dead, {} "
      "cancelled\n",
      status.job.id.ToString(), jobs::KindOf(status.job.plan), status.job.table,
      Time(status.job.id.UnixMs()), StateText(status), counts.done, status.job.tasks(),
      counts.waiting, counts.dead, counts.cancelled);
  size_t shown = 0;
  for (const JobTask& each : tasks) {
    const bool is_dead = each.task && each.task->state == tasks::TaskState::kDead;
    if (!is_dead || ++shown > kMostShown) continue;
    text += fmt::format("dead: {}\n", each.task->error);
  }
  if (shown > kMostShown) text += fmt::format("and {} more dead letters\n", shown - kMostShown);
  if (shown > 0) {
    text +=
        fmt::format("mend the reason, then: parkeeper job retry {}\n", status.job.id.ToString());
  }
  if (!with_tasks) return text;
  std::vector<std::vector<std::string>> rows = {{"STATE", "ATTEMPT", "FAILURES", "PART"}};
  for (const JobTask& each : tasks) {
    if (!each.task) {
      rows.push_back({"-", "-", "-", each.part});
      continue;
    }
    rows.push_back({std::string(tasks::ToString(each.task->state)),
                    std::to_string(each.task->attempt), std::to_string(each.task->failures),
                    each.part});
  }
  return text + Columns(rows);
}

Result<> Show(const Global& global, OpenedJobs& opened, const JobStatus& status, bool with_tasks) {
  const auto tasks = PK_TRY(opened.jobs.Tasks(status.job));
  if (global.json) return PrintJson(ShowJson(status, tasks, with_tasks));
  return Print(ShowText(status, tasks, with_tasks));
}

// Until nothing of the job can happen by itself any more.
Result<JobStatus> Await(const Global& global, OpenedJobs& opened, const Uuid& id) {
  ProgressLine line(global.quiet || global.json);
  for (;;) {
    JobStatus status = PK_TRY(opened.jobs.Describe(id));
    if (status.over) return status;
    const JobCounts counts = jobs::Count(PK_TRY(opened.jobs.Tasks(status.job)));
    line.Show(double(counts.done) / double(status.job.tasks()),
              fmt::format("{} of {} tasks, {} dead", counts.done, status.job.tasks(), counts.dead));
    const bool planned = status.job.state != jobs::JobState::kPlanning;
    // The last task waits for those that are dead.
    const int64_t stuck = status.job.at_once() && counts.dead > 0 ? 1 : 0;
    // The last one may have ended after the status was read.
    if (planned && counts.waiting <= stuck) return opened.jobs.Describe(id);
    PK_CHECK(SystemClock().Wait(kLookAgain, global.stop),
             Cancelled("stopped watching; the job goes on"));
  }
}

Result<> List(const Global& global, const Arguments& arguments) {
  OpenedJobs opened = PK_TRY(OpenJobs(global));
  const auto statuses = PK_TRY(opened.jobs.List(arguments.all ? SIZE_MAX : arguments.last));
  if (global.json) {
    bj::array array;
    for (const JobStatus& status : statuses) array.push_back(StatusJson(status));
    return PrintJson(bj::object{{"jobs", std::move(array)}});
  }
  std::vector<std::vector<std::string>> rows = {
      {"JOB", "KIND", "SUBMITTED", "STATE", "TASKS", "LEFT", "TABLE"}};
  for (const JobStatus& status : statuses) {
    rows.push_back({status.job.id.ToString(), std::string(jobs::KindOf(status.job.plan)),
                    Time(status.job.id.UnixMs()), StateText(status),
                    std::to_string(status.job.tasks()), std::to_string(status.left),
                    status.job.table});
  }
  return Print(Columns(rows));
}

Result<> ShowJob(const Global& global, const Arguments& arguments) {
  const Uuid id = PK_TRY(Uuid::Parse(arguments.id));
  OpenedJobs opened = PK_TRY(OpenJobs(global));
  if (arguments.wait) return AwaitAndShow(global, opened, id, arguments.with_tasks);
  return Show(global, opened, PK_TRY(opened.jobs.Describe(id)), arguments.with_tasks);
}

Result<> Cancel(const Global& global, const Arguments& arguments) {
  const Uuid id = PK_TRY(Uuid::Parse(arguments.id));
  OpenedJobs opened = PK_TRY(OpenJobs(global));
  const int64_t cancelled = PK_TRY(opened.jobs.Cancel(id));
  if (global.json) return PrintJson(bj::object{{"job", id.ToString()}, {"cancelled", cancelled}});
  return Print(fmt::format("cancelled {} tasks of job {}", cancelled, id.ToString()));
}

Result<> Retry(const Global& global, const Arguments& arguments) {
  const Uuid id = PK_TRY(Uuid::Parse(arguments.id));
  OpenedJobs opened = PK_TRY(OpenJobs(global));
  const int64_t retried = PK_TRY(opened.jobs.Retry(id));
  if (global.json) return PrintJson(bj::object{{"job", id.ToString()}, {"retried", retried}});
  return Print(fmt::format("{} dead tasks of job {} are offered again", retried, id.ToString()));
}

Result<> Logs(const Global& global, const Arguments& arguments) {
  const Uuid id = PK_TRY(Uuid::Parse(arguments.id));
  OpenedJobs opened = PK_TRY(OpenJobs(global));
  const Job job = PK_TRY(opened.jobs.Describe(id)).job;
  bj::array array;
  for (const jobs::JobLog& log : PK_TRY(opened.jobs.ListLogs(job))) {
    const std::string task = log.task.ToString();
    if (!arguments.task.empty() && arguments.task != task) continue;
    const std::string text = PK_TRY(opened.jobs.ReadLog(log));
    if (global.json) {
      array.push_back(bj::object{{"task", task}, {"attempt", log.attempt}, {"text", text}});
    } else {
      PK_TRY(Print(fmt::format("--- task {}, attempt {}\n{}", task, log.attempt, text)));
    }
  }
  if (global.json) return PrintJson(bj::object{{"logs", std::move(array)}});
  return {};
}

}  // namespace

Result<OpenedJobs> OpenJobs(const Global& global, bool must_exist) {
  auto lake = PK_TRY(global.OpenLake(must_exist));
  const jobs::JobsParts parts{lake->sessions(), lake->storage(), lake->catalog()};
  return OpenedJobs{std::move(lake), parts, jobs::Jobs(parts)};
}

boost::json::object StatusJson(const jobs::JobStatus& status) {
  bj::object object{{"job", status.job.id.ToString()}, {"kind", jobs::KindOf(status.job.plan)},
                    {"table", status.job.table},       {"queue", status.job.queue},
                    {"state", StateText(status)},      {"submitted-ms", status.job.id.UnixMs()},
                    {"tasks", status.job.tasks()},     {"left", status.left}};
  if (status.job.follower) object["follower"] = status.job.follower->ToString();
  return object;
}

Result<> AwaitAndShow(const Global& global, OpenedJobs& opened, const Uuid& id, bool with_tasks) {
  const JobStatus status = PK_TRY(Await(global, opened, id));
  PK_TRY(Show(global, opened, status, with_tasks));
  const jobs::JobState state = status.job.state;
  const bool cancelled =
      state == jobs::JobState::kCancelling || state == jobs::JobState::kCancelled;
  PK_CHECK(!cancelled, FailedPrecondition(fmt::format("job {} was cancelled", id.ToString())));
  PK_CHECK(status.over,
           FailedPrecondition(fmt::format("{} tasks of job {} are dead or wait for them",
                                          status.left, id.ToString())));
  return {};
}

void AddJobCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* job = app.add_subcommand("job", "work over tables that workers carry out");
  job->fallthrough();
  job->require_subcommand(1);
  job->footer(
      "Examples:\n"
      "  parkeeper job submit ingest 'data/*.parquet' --into sales.orders --wait\n"
      "  parkeeper job list\n"
      "  parkeeper job show 0190163d-8694-739b-aea5-966c26f8ad91 --tasks");
  AddJobSubmit(*job, global, chosen);
  using Step = Result<> (*)(const Global&, const Arguments&);
  const auto add = [&](const char* name, const char* what, Step step) {
    CLI::App* command = job->add_subcommand(name, what);
    command->fallthrough();
    command->footer(
        fmt::format("Example:\n  parkeeper job {} 0190163d-8694-739b-aea5-966c26f8ad91", name));
    command->add_option("job", arguments->id, "its id, as job list shows it")->required();
    command->callback([&chosen, &global, arguments, step] {
      chosen = [&global, arguments, step] { return step(global, *arguments); };
    });
    return command;
  };
  CLI::App* list = job->add_subcommand("list", "the last jobs, newest at the end");
  list->fallthrough();
  list->footer("Examples:\n  parkeeper job list --last 10\n  parkeeper job list --all --json");
  CLI::Option* all = list->add_flag("--all", arguments->all, "all that are remembered");
  list->add_option("--last", arguments->last, "so many")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->excludes(all);
  list->callback([&chosen, &global, arguments] {
    chosen = [&global, arguments] { return List(global, *arguments); };
  });
  CLI::App* show =
      add("show", "how far a job is, and its dead letters with their reasons", ShowJob);
  show->add_flag("--tasks", arguments->with_tasks, "every task too");
  show->add_flag("--watch", arguments->wait, "until it is over; exit code 5 when tasks are dead");
  add("cancel", "none of its tasks completes any more, but those that are done", Cancel);
  add("retry", "offer its dead tasks again", Retry);
  CLI::App* logs = add("logs", "what was said by the attempts at its tasks", Logs);
  logs->add_option("--task", arguments->task, "of this task only");
}

}  // namespace pk::cli
