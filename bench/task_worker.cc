// What the bench `tasks` starts.
//
//   bench_task_worker LAKE make QUEUE
//   bench_task_worker LAKE submit QUEUE COUNT        so many tasks that do nothing
//   bench_task_worker LAKE client QUEUE COUNT        the same, then waits until all are done
//   bench_task_worker LAKE work QUEUE CAPACITY
//
// Each prints one line of JSON. A worker says "ready", begins at a line on its standard input,
// claims up to CAPACITY tasks at a time and completes each, until the next line; prints what it did
// and keeps its session until the input ends, so that the end of no session falls into what is
// measured.

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "parkeeper/lake/lake.h"
#include "parkeeper/storage/memory.h"
#include "parkeeper/tasks/queues.h"
#include "parkeeper/tasks/worker.h"

namespace pk::bench {
namespace {

namespace bj = boost::json;

// As `parkeeper worker` does it.
constexpr std::chrono::milliseconds kBeat{1'000};
constexpr std::chrono::milliseconds kIdle{10};
constexpr std::chrono::minutes kLongest{10};
constexpr size_t kBatch = 100;

Result<int64_t> Number(const std::string& text) {
  int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size() && number > 0,
           InvalidArgument(fmt::format("'{}' is no positive number", text)));
  return number;
}

double SecondsSince(SteadyTime begin) {
  return std::chrono::duration<double>(SystemClock().Now() - begin).count();
}

// The tasks are small, so their storage is never asked.
struct Place {
  explicit Place(const std::string& url)
      : sessions([url] { return lake::OpenCoordinator(url); }), storage(storage::MakeMemory()) {}

  coordination::SessionSource sessions;
  std::unique_ptr<storage::Storage> storage;
};

std::vector<tasks::SubmitRequest> Requests(int64_t count) {
  std::vector<tasks::SubmitRequest> requests;
  for (int64_t i = 0; i < count; ++i) {
    requests.push_back({.id = SystemIds().NewUuid7(SystemClock()),
                        .kind = "bench",
                        .body = fmt::format(R"({{"file": "part-{:06}.parquet"}})", i)});
  }
  return requests;
}

// Asks for one until it is done, then for all of its batch: who waits longer than the others is
// asked for again with what else was not done.
Result<> AwaitAll(tasks::Queues& queues, const std::string& queue, std::vector<Uuid> waiting) {
  const SteadyTime deadline = SystemClock().Now() + kLongest;
  while (!waiting.empty()) {
    std::vector<Uuid> left;
    for (size_t first = 0; first < waiting.size(); first += kBatch) {
      while (PK_TRY(queues.Find(queue, waiting[first])).state != tasks::TaskState::kDone) {
        PK_CHECK(SystemClock().Now() < deadline, Unavailable("not all tasks are done"));
        SystemClock().Wait(kIdle);
      }
      const auto begin = waiting.begin() + int64_t(first);
      const std::vector<Uuid> batch(begin,
                                    begin + int64_t(std::min(kBatch, waiting.size() - first)));
      const auto found = PK_TRY(queues.FindAll(queue, batch));
      for (size_t i = 0; i < batch.size(); ++i) {
        if (!found[i] || found[i]->state != tasks::TaskState::kDone) left.push_back(batch[i]);
      }
    }
    waiting = std::move(left);
  }
  return {};
}

Result<> Submit(tasks::Queues& queues, const std::string& queue, int64_t count, bool wait) {
  const std::vector<tasks::SubmitRequest> requests = Requests(count);
  std::vector<Uuid> ids;
  for (const tasks::SubmitRequest& request : requests) ids.push_back(request.id);
  const SteadyTime begin = SystemClock().Now();
  const tasks::SubmitReport report = PK_TRY(queues.SubmitBatch(queue, requests));
  const double submitted = SecondsSince(begin);
  if (wait) PK_TRY(AwaitAll(queues, queue, std::move(ids)));
  std::cout << bj::serialize(bj::object{{"tasks", report.submitted},
                                        {"submit_seconds", submitted},
                                        {"seconds", SecondsSince(begin)}})
            << std::endl;
  return {};
}

struct Tally {
  int64_t acknowledged = 0, failed = 0, unknown = 0;
  double seconds = 0;
  std::map<std::string, int64_t> errors;
  bj::array latencies_ms;  // of the completions
};

void Count(const Error& error, Tally& tally) {
  ++(error.code() == ErrorCode::kOutcomeUnknown ? tally.unknown : tally.failed);
  ++tally.errors[error.ToString()];
}

// There is a line, or the input has ended.
bool IsStopped(std::chrono::milliseconds wait) {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return poll(&input, 1, int(wait.count())) > 0;
}

Tally Work(tasks::Worker& worker, const std::string& queue, size_t capacity) {
  Tally tally;
  const SteadyTime begin = SystemClock().Now();
  for (auto idle = std::chrono::milliseconds(0); !IsStopped(idle);) {
    const auto claims = worker.Claim({queue}, capacity);
    if (!claims.ok()) Count(claims.error(), tally);
    idle = !claims.ok() || claims->empty() ? kIdle : std::chrono::milliseconds(0);
    if (!claims.ok()) continue;
    for (const tasks::ClaimedTask& claim : *claims) {
      const SteadyTime start = SystemClock().Now();
      const auto refused = worker.Complete(claim, "");
      if (!refused.ok()) {
        Count(refused.error(), tally);
        continue;
      }
      ++tally.acknowledged;
      tally.latencies_ms.push_back(SecondsSince(start) * 1'000);
    }
  }
  tally.seconds = SecondsSince(begin);
  return tally;
}

std::string ToJson(const Tally& tally) {
  bj::object errors;
  for (const auto& [what, count] : tally.errors) errors[what] = count;
  return bj::serialize(bj::object{{"acknowledged", tally.acknowledged},
                                  {"failed", tally.failed},
                                  {"unknown", tally.unknown},
                                  {"seconds", tally.seconds},
                                  {"errors", errors},
                                  {"latencies_ms", tally.latencies_ms}});
}

Result<> RunWorker(Place& place, const std::string& queue, size_t capacity) {
  tasks::Worker worker(place.sessions, *place.storage, "bench");
  PK_TRY(worker.Heartbeat());
  std::cout << "ready" << std::endl;
  std::string line;
  PK_CHECK(bool(std::getline(std::cin, line)), Cancelled("the input ended before the start"));
  {
    const std::jthread beats([&worker](const std::stop_token& over) {
      // A failed one is known by the claims that fail then.
      while (SystemClock().Wait(kBeat, over)) (void)worker.Heartbeat();
    });
    std::cout << ToJson(Work(worker, queue, capacity)) << std::endl;
  }
  while (std::getline(std::cin, line)) {
  }
  return {};
}

Result<> Run(const std::vector<std::string>& words) {
  const Error usage = InvalidArgument(
      "usage: bench_task_worker LAKE make QUEUE | LAKE submit|client QUEUE COUNT | "
      "LAKE work QUEUE CAPACITY");
  PK_CHECK(words.size() >= 3, usage);
  Place place(words[0]);
  const std::string& verb = words[1];
  tasks::Queues queues(place.sessions, *place.storage);
  if (verb == "make" && words.size() == 3) {
    PK_TRY(queues.CreateQueue(words[2]));
    std::cout << "{}" << std::endl;
    return {};
  }
  PK_CHECK(words.size() == 4 && (verb == "submit" || verb == "client" || verb == "work"), usage);
  const int64_t number = PK_TRY(Number(words[3]));
  if (verb == "work") return RunWorker(place, words[2], size_t(number));
  return Submit(queues, words[2], number, verb == "client");
}

}  // namespace
}  // namespace pk::bench

int main(int count, char** words) {
  const pk::Result<> done = pk::bench::Run({words + 1, words + count});
  if (!done.ok()) std::cerr << "bench_task_worker: " << done.error().ToString() << std::endl;
  return done.ok() ? 0 : 1;
}
