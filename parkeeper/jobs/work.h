#pragma once

// Work: what a worker process does with the tasks of jobs. Each attempt runs in a process of its
// own (contained.h), so that a crash, a lack of memory or an endless loop costs one attempt and
// never the worker. What it wrote is committed in the step that ends its claim, so that a worker
// which was taken for dead commits nothing.
//
// A lost session ends all that runs at once; the claims are given back.

#include <chrono>
#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "parkeeper/jobs/jobs.h"

namespace pk::jobs {

struct WorkOptions {
  std::string name;  // what people see of the worker
  std::map<std::string, std::string> labels;
  std::vector<std::string> queues = {kDefaultQueue};
  int slots = 1;             // tasks at once
  int64_t memory_bytes = 0;  // of all slots together, at least kLeastSlotBytes each
  // Starts the process of a task: reads an encoded ProduceRequest, writes what Serve() gives.
  std::vector<std::string> program;
  // Once it is asked to stop it claims nothing more; tasks that run on for longer than this are
  // ended and given back.
  std::chrono::milliseconds grace{60'000};
};
inline constexpr int64_t kLeastSlotBytes = int64_t{256} << 20;

struct WorkReport {
  int64_t done = 0;      // handed over, or had nothing to commit
  int64_t skipped = 0;   // of files that were in the table already
  int64_t failed = 0;    // attempts
  int64_t released = 0;  // given back
};

// Works until `stop` is requested and what runs has ended; then the worker is gone. Errors are
// those of the options and of the beginning; later ones are logged and outlived.
Result<WorkReport> Work(const JobsParts& parts, const WorkOptions& options, std::stop_token stop);

}  // namespace pk::jobs
