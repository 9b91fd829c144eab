#pragma once

// What the subcommands of `parkeeper job` share.

#include <boost/json/fwd.hpp>
#include <memory>

#include "apps/parkeeper/command.h"
#include "parkeeper/jobs/jobs.h"

namespace pk::cli {

// A lake with its jobs.
struct OpenedJobs {
  std::unique_ptr<lake::Lake> lake;
  jobs::JobsParts parts;
  jobs::Jobs jobs;
};
Result<OpenedJobs> OpenJobs(const Global& global, bool must_exist = true);

boost::json::object StatusJson(const jobs::JobStatus& status);

// The job when nothing of it can happen by itself any more; an error when some of it did not
// happen.
Result<> AwaitAndShow(const Global& global, OpenedJobs& opened, const Uuid& id, bool with_tasks);

// `job submit KIND`.
void AddJobSubmit(CLI::App& job, const Global& global, Action& chosen);

}  // namespace pk::cli
