// What an ensemble takes in writes: N clients, each with a session of its own, set a node of their
// own again and again, one request in flight each.
//
//   bench_ensemble_limit LAKE CLIENTS SECONDS
//
// Prints one line of JSON. The nodes go with their sessions.

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <iostream>
#include <latch>
#include <thread>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/lake/lake.h"

namespace pk::bench {
namespace {

using coordination::Coordinator;

// About what the head of a table holds.
const std::string kValue(300, 'x');

Result<int> Number(const std::string& text) {
  int number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size() && number > 0,
           InvalidArgument(fmt::format("'{}' is no positive number", text)));
  return number;
}

Result<int64_t> SetUntil(Coordinator& client, const std::string& path, SteadyTime end) {
  int64_t sets = 0;
  for (; SystemClock().Now() < end; ++sets) PK_TRY(client.Set(path, kValue, int32_t(sets)));
  return sets;
}

Result<> Run(const std::vector<std::string>& words) {
  PK_CHECK(words.size() == 3, InvalidArgument("usage: bench_ensemble_limit LAKE CLIENTS SECONDS"));
  const int count = PK_TRY(Number(words[1]));
  const Duration duration = std::chrono::seconds(PK_TRY(Number(words[2])));
  std::vector<std::unique_ptr<Coordinator>> clients;
  std::vector<std::string> paths;
  for (int i = 0; i < count; ++i) {
    clients.push_back(PK_TRY(lake::OpenCoordinator(words[0])));
    paths.push_back(PK_TRY(clients.back()->Create(fmt::format("/limit-{}-{}", count, i), kValue,
                                                  coordination::CreateMode::kEphemeral)));
  }
  std::latch start(1);
  std::vector<Result<int64_t>> sets(size_t(count), Result<int64_t>(int64_t{0}));
  SteadyTime begin;
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < clients.size(); ++i) {
    threads.emplace_back([&, i] {
      start.wait();
      sets[i] = SetUntil(*clients[i], paths[i], begin + duration);
    });
  }
  begin = SystemClock().Now();
  start.count_down();
  for (std::jthread& thread : threads) thread.join();
  const std::chrono::duration<double> seconds = SystemClock().Now() - begin;
  int64_t total = 0;
  for (const Result<int64_t>& one : sets) total += PK_TRY(Result<int64_t>(one));
  std::cout << boost::json::serialize(boost::json::object{
                   {"clients", count}, {"sets", total}, {"seconds", seconds.count()}})
            << std::endl;
  return {};
}

}  // namespace
}  // namespace pk::bench

int main(int count, char** words) {
  const pk::Result<> done = pk::bench::Run({words + 1, words + count});
  if (!done.ok()) std::cerr << "bench_ensemble_limit: " << done.error().ToString() << std::endl;
  return done.ok() ? 0 : 1;
}
