// What the bench `tasks` starts.
//
//   bench_task_worker LAKE submit QUEUE COUNT       makes the queue, submits so many tasks
//   bench_task_worker LAKE work QUEUE SECONDS CAPACITY
//
// A worker says "ready", begins at a line on its standard input, claims up to CAPACITY tasks at a
// time and completes each, then prints one line of JSON and keeps its session until the input ends.

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "parkeeper/lake/lake.h"
#include "parkeeper/storage/memory.h"
#include "parkeeper/tasks/queues.h"
#include "parkeeper/tasks/worker.h"

namespace pk::bench {
namespace {

namespace bj = boost::json;

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

Result<> Submit(Place& place, const std::string& queue, int64_t count) {
  tasks::Queues queues(place.sessions, *place.storage);
  PK_TRY(queues.CreateQueue(queue));
  std::vector<tasks::SubmitRequest> requests;
  for (int64_t i = 0; i < count; ++i) {
    requests.push_back({.id = SystemIds().NewUuid7(SystemClock()),
                        .kind = "bench",
                        .body = fmt::format(R"({{"file": "part-{:06}.parquet"}})", i)});
  }
  const SteadyTime begin = SystemClock().Now();
  const tasks::SubmitReport report = PK_TRY(queues.SubmitBatch(queue, requests));
  std::cout << bj::serialize(
                   bj::object{{"submitted", report.submitted}, {"seconds", SecondsSince(begin)}})
            << std::endl;
  return {};
}

struct Tally {
  int64_t acknowledged = 0, in_time = 0, failed = 0, unknown = 0;
  double last_seconds = 0;  // until the last completion
  std::map<std::string, int64_t> errors;
  bj::array latencies_ms;  // of the completions
};

void Count(const Error& error, Tally& tally) {
  ++(error.code() == ErrorCode::kOutcomeUnknown ? tally.unknown : tally.failed);
  ++tally.errors[error.ToString()];
}

Tally Work(tasks::Worker& worker, const std::string& queue, int64_t seconds, size_t capacity) {
  Tally tally;
  const SteadyTime begin = SystemClock().Now(), end = begin + std::chrono::seconds(seconds);
  while (SystemClock().Now() < end) {
    const auto claims = worker.Claim({queue}, capacity);
    if (!claims.ok()) {
      Count(claims.error(), tally);
      continue;
    }
    for (const tasks::ClaimedTask& claim : *claims) {
      const SteadyTime start = SystemClock().Now();
      const auto refused = worker.Complete(claim, "");
      if (!refused.ok()) {
        Count(refused.error(), tally);
        continue;
      }
      ++tally.acknowledged;
      tally.in_time += SystemClock().Now() <= end ? 1 : 0;
      tally.last_seconds = SecondsSince(begin);
      tally.latencies_ms.push_back(SecondsSince(start) * 1'000);
    }
  }
  return tally;
}

std::string ToJson(const Tally& tally) {
  bj::object errors;
  for (const auto& [what, count] : tally.errors) errors[what] = count;
  return bj::serialize(bj::object{{"acknowledged", tally.acknowledged},
                                  {"in_time", tally.in_time},
                                  {"failed", tally.failed},
                                  {"unknown", tally.unknown},
                                  {"last_seconds", tally.last_seconds},
                                  {"errors", errors},
                                  {"latencies_ms", tally.latencies_ms}});
}

Result<> Run(const std::vector<std::string>& words) {
  const Error usage = InvalidArgument(
      "usage: bench_task_worker LAKE submit QUEUE COUNT | LAKE work QUEUE SECONDS CAPACITY");
  PK_CHECK(words.size() >= 4, usage);
  Place place(words[0]);
  const int64_t number = PK_TRY(Number(words[3]));
  if (words[1] == "submit" && words.size() == 4) return Submit(place, words[2], number);
  PK_CHECK(words[1] == "work" && words.size() == 5, usage);
  const int64_t capacity = PK_TRY(Number(words[4]));
  tasks::Worker worker(place.sessions, *place.storage, "bench");
  PK_TRY(worker.Heartbeat());
  std::cout << "ready" << std::endl;
  std::string line;
  PK_CHECK(bool(std::getline(std::cin, line)), Cancelled("the input ended before the start"));
  std::cout << ToJson(Work(worker, words[2], number, size_t(capacity))) << std::endl;
  while (std::getline(std::cin, line)) {
  }
  return {};
}

}  // namespace
}  // namespace pk::bench

int main(int count, char** words) {
  const pk::Result<> done = pk::bench::Run({words + 1, words + count});
  if (!done.ok()) std::cerr << "bench_task_worker: " << done.error().ToString() << std::endl;
  return done.ok() ? 0 : 1;
}
