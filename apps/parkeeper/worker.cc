#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>

#include "apps/parkeeper/command.h"
#include "parkeeper/base/parallel.h"
#include "parkeeper/jobs/contained.h"
#include "parkeeper/jobs/produce.h"
#include "parkeeper/jobs/work.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;

constexpr int64_t kUsualSlotBytes = int64_t{512} << 20;

struct Arguments {
  std::vector<std::string> queues = {jobs::kDefaultQueue};
  std::optional<int> slots;
  uint64_t memory_bytes = 0;  // 0: the usual
  int grace_seconds = 60;
  std::string name;
};

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

jobs::WorkOptions OptionsOf(const Arguments& arguments, int slots) {
  const std::string host = HostName();
  const int64_t memory_bytes =
      arguments.memory_bytes > 0 ? int64_t(arguments.memory_bytes) : slots * kUsualSlotBytes;
  std::string queues;
  for (const std::string& queue : arguments.queues) queues += (queues.empty() ? "" : ",") + queue;
  return {.name = arguments.name.empty() ? fmt::format("{}-{}", host, getpid()) : arguments.name,
          .labels = {{"host", host},
                     {"pid", std::to_string(getpid())},
                     {"version", PARKEEPER_VERSION},
                     {"queues", queues},
                     {"slots", std::to_string(slots)},
                     {"memory-bytes", std::to_string(memory_bytes)}},
          .queues = arguments.queues,
          .slots = slots,
          .memory_bytes = memory_bytes,
          .program = {"/proc/self/exe", "worker-task"},
          .grace = std::chrono::seconds(arguments.grace_seconds)};
}

Result<> Run(const Global& global, const Arguments& arguments) {
  const int given = PK_TRY(Positive("--slots", arguments.slots));
  const int slots = given > 0 ? given : AvailableCores();
  PK_CHECK(arguments.grace_seconds >= 0, InvalidArgument("--grace must not be negative"));
  const auto lake = PK_TRY(global.OpenLake());
  PK_CHECK(lake->storage().root().starts_with("file://"),
           Unsupported(fmt::format("workers need a lake in a folder: {}", lake->storage().root())));
  const jobs::WorkReport report =
      PK_TRY(jobs::Work({lake->sessions(), lake->storage(), lake->catalog()},
                        OptionsOf(arguments, slots), global.stop));
  if (global.json) {
    return PrintJson(bj::object{{"done", report.done},
                                {"skipped", report.skipped},
                                {"failed", report.failed},
                                {"released", report.released}});
  }
  return Print(fmt::format("{} tasks done, {} skipped, {} failed, {} given back", report.done,
                           report.skipped, report.failed, report.released));
}

bj::object WorkerJson(const tasks::WorkerStatus& worker) {
  bj::array claims;
  for (const auto& claim : worker.claims) {
    claims.push_back(bj::object{{"task", claim.task.ToString()},
                                {"attempt", claim.attempt},
                                {"since-ms", claim.since_ms},
                                {"progress", claim.note}});
  }
  bj::object labels;
  for (const auto& [label, value] : worker.labels) labels[label] = value;
  return {{"id", worker.guid},
          {"name", worker.name},
          {"labels", std::move(labels)},
          {"at-ms", worker.at_ms},
          {"tasks", std::move(claims)}};
}

Result<> List(const Global& global) {
  const auto lake = PK_TRY(global.OpenLake());
  const auto workers = PK_TRY(tasks::Queues(lake->sessions(), lake->storage()).ListWorkers());
  if (global.json) {
    bj::array array;
    for (const auto& worker : workers) array.push_back(WorkerJson(worker));
    return PrintJson(bj::object{{"workers", std::move(array)}});
  }
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "QUEUES", "BUSY", "MEMORY", "HEARD OF", "VERSION"}};
  for (const auto& worker : workers) {
    const auto label = [&](const char* name) {
      const auto found = worker.labels.find(name);
      return found == worker.labels.end() ? std::string("?") : found->second;
    };
    rows.push_back({worker.name, label("queues"),
                    fmt::format("{} of {}", worker.claims.size(), label("slots")),
                    Bytes(std::strtoll(label("memory-bytes").c_str(), nullptr, 10)),
                    Time(worker.at_ms), label("version")});
  }
  return Print(Columns(rows));
}

// What a worker starts for each task; see parkeeper/jobs/contained.h.
Result<> RunTask() {
  std::string request;
  char bytes[1 << 16];
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (got < 0 && errno == EINTR) continue;
    PK_CHECK(got >= 0, Unavailable("cannot read the task"));
    if (got == 0) break;
    request.append(bytes, size_t(got));
  }
  return PrintBytes(jobs::Serve(request, [](const jobs::ProduceProgress& progress) {
    jobs::TellProgress(
        fmt::format("{} rows, {} written", Count(progress.rows), Bytes(progress.bytes)));
  }));
}

}  // namespace

void AddWorkerCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "worker", "carry out the tasks of jobs, until SIGTERM or Ctrl-C lets it finish and leave");
  command->fallthrough();
  command->require_subcommand(0, 1);
  command->footer(
      "Examples:\n"
      "  parkeeper worker --slots 4 --memory 2G\n"
      "  parkeeper worker --queues nightly,jobs\n"
      "  parkeeper worker list --json\n"
      "Each task runs in a process of its own, with its share of the memory. On the first SIGTERM\n"
      "nothing more is claimed, and what runs is finished; the second ends everything at once.");
  command->add_option("--queues", arguments->queues, "to take tasks from")->delimiter(',');
  command->add_option("--slots", arguments->slots, "tasks at once; one per core when not given");
  command
      ->add_option("--memory", arguments->memory_bytes,
                   "of all tasks together, as in 2G; 512M a slot when not given")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--grace", arguments->grace_seconds,
                      "seconds for running tasks after SIGTERM; then they are given back");
  command->add_option("--name", arguments->name, "for people; host and process when not given");
  CLI::App* list = command->add_subcommand("list", "workers that are there, and what they do");
  list->fallthrough();
  list->footer("Example:\n  parkeeper worker list");
  CLI::App* task = app.add_subcommand("worker-task", "one task, for the worker that starts it");
  task->group("");
  command->callback([&chosen, &global, arguments, list] {
    if (list->parsed()) {
      chosen = [&global] { return List(global); };
    } else {
      chosen = [&global, arguments] { return Run(global, *arguments); };
    }
  });
  task->callback([&chosen] { chosen = [] { return RunTask(); }; });
}

}  // namespace pk::cli
