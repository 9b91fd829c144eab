#pragma once

// What the C++ drivers of ./dev bench zookeeper share: commands in, measurements out. One command a
// line on standard input, `CASE CONNECT ROOT SECONDS COUNT`; one JSON object a line on standard
// output. COUNT is how many requests are in flight (1: synchronous), or of `watch` how many
// watchers wait. ROOT/node is there, with 100 bytes.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace pk::bench {

using SteadyClock = std::chrono::steady_clock;

struct Command {
  std::string kind;  // get, set, create, multi, watch
  std::string connect;
  std::string root;
  double seconds = 0;
  int count = 0;

  std::string node() const { return root + "/node"; }
  std::string child(int number) const { return root + "/n" + std::to_string(number); }
  // "host:port" number `i` of the connect string, round robin.
  std::string host(int i) const {
    std::vector<std::string> hosts;
    std::istringstream list(connect);
    for (std::string host; std::getline(list, host, ',');) hosts.push_back(host);
    return hosts.at(static_cast<size_t>(i) % hosts.size());
  }
};

inline const std::string kValue(100, 'v');
// Watchers are spread over so many connections, whatever the system.
inline constexpr int kWatchConnections = 20;

// One run of one case. Not thread-safe.
class Measurement {
 public:
  explicit Measurement(double seconds)
      : start_(SteadyClock::now()),
        end_(start_ + std::chrono::duration_cast<SteadyClock::duration>(
                          std::chrono::duration<double>(seconds))),
        cpu_(Cpu()) {}

  // One operation that began then has ended, now or at `told`.
  void Done(SteadyClock::time_point begun, bool ok, SteadyClock::time_point told = {}) {
    last_ = told == SteadyClock::time_point{} ? SteadyClock::now() : told;
    latencies_.push_back(std::chrono::duration<double, std::milli>(last_ - begun).count());
    if (!ok) ++failed_;
  }
  bool over() const { return last_ >= end_; }

  void Print() {
    std::sort(latencies_.begin(), latencies_.end());
    std::printf(
        "{\"operations\": %zu, \"failed\": %zu, \"seconds\": %.6f, \"cpu\": %.6f, "
        "\"p50_ms\": %.4f, \"p99_ms\": %.4f}\n",
        latencies_.size(), failed_, std::chrono::duration<double>(last_ - start_).count(),
        Cpu() - cpu_, Percentile(0.5), Percentile(0.99));
    std::fflush(stdout);
  }

 private:
  static double Cpu() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  double Percentile(double part) const {
    if (latencies_.empty()) return 0;
    return latencies_[static_cast<size_t>(part * static_cast<double>(latencies_.size() - 1))];
  }

  const SteadyClock::time_point start_, end_;
  SteadyClock::time_point last_ = start_;
  const double cpu_;
  size_t failed_ = 0;
  std::vector<double> latencies_;
};

// Ends the process: a driver without its servers has nothing to measure.
[[noreturn]] inline void Fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

inline int ServeCommands(const std::function<void(const Command&)>& run) {
  for (std::string line; std::getline(std::cin, line);) {
    Command command;
    std::istringstream words(line);
    words >> command.kind >> command.connect >> command.root >> command.seconds >> command.count;
    if (!words || command.count < 1) Fail("bad command: " + line);
    run(command);
  }
  return 0;
}

}  // namespace pk::bench
