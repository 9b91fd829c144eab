#pragma once

// Which source files are in a table. Each has a marker in the coordinator, made in the transaction
// that hands over the commit of its rows, and removed by the one that rejects that commit. So a
// marker stands exactly as long as the rows of its file are in the table, or on their way into it;
// of two tasks that bring one file, of one job or of two, one is refused.
//
// A file is its path, size and time of modification (SourceIdentity), and the table is its key.

#include <string>
#include <string_view>

#include "parkeeper/base/result.h"
#include "parkeeper/jobs/ingest.h"
#include "parkeeper/jobs/jobs.h"

namespace pk::jobs {

// The marker's path; the nodes above it are made by LookUpSource().
std::string MarkerPath(std::string_view table_key, const SourceIdentity& source);
// Its content: who brings the file.
std::string EncodeMarker(const tasks::Task& task, const SourceIdentity& source);

enum class SourceState {
  kNew,
  kCommitting,  // another task has handed over its rows; whether they are committed is not decided
  kIngested,
};
struct SeenSource {
  SourceState state = SourceState::kNew;
  std::string by;  // the task
};
// kCommitting stays so until somebody drives the table's queue; a worker that cares does.
Result<SeenSource> LookUpSource(const JobsParts& parts, std::string_view table_key,
                                const SourceIdentity& source);

// The file cannot be read as the table wants it, so the job that follows it shall not submit it
// again as it is. Best effort: else it may become one more dead letter when another worker follows.
void GiveUp(const JobsParts& parts, const Uuid& follower, const SourceIdentity& source);
// Whether the job that follows the file should submit it: it is not in the table, or on its way,
// and was not given up. As far as a read tells that may be late: submitted again it does no harm.
Result<bool> IsNews(const JobsParts& parts, const Uuid& follower, std::string_view table_key,
                    const SourceIdentity& source);

}  // namespace pk::jobs
