#pragma once

// Compact: small files of a table, and those that deletes weigh on, become fewer, group by group.

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/lake/lake.h"
#include "parkeeper/table/compact.h"

namespace pk::lake {

// Of the groups of the present try.
struct CompactProgress {
  int64_t groups_done = 0;
  int64_t groups = 0;
  int64_t bytes_done = 0;  // of their files, about
  int64_t bytes = 0;
  int64_t rows = 0;  // read, of all tries
};

struct CompactOptions {
  table::CompactionOptions plan = {};
  int threads = 0;  // 0: the cores available
  int64_t memory_bytes = int64_t{1} << 30;
  // When others change files of a group meanwhile, what is left of it is planned again; so often
  // it is tried in all.
  int tries = 3;
  std::stop_token stop = {};
  std::function<void(const CompactProgress&)> progress = {};  // from any thread, one at a time
};

struct CompactResult {
  int64_t files_before = 0;  // of the first plan: that may hold rows which pass its filter
  int64_t bytes_before = 0;
  int64_t groups = 0;  // committed
  int64_t rows = 0;    // written
  int64_t files_removed = 0;
  int64_t bytes_removed = 0;
  int64_t files_written = 0;
  int64_t bytes_written = 0;
  int64_t delete_files_removed = 0;
  std::vector<std::string> rejected;   // why, of each group that is left after the last try
  std::optional<int64_t> snapshot_id;  // of the last commit

  // If nobody else changed anything.
  int64_t files_after() const { return files_before - files_removed + files_written; }
  int64_t bytes_after() const { return bytes_before - bytes_removed + bytes_written; }
};

// Each group is a commit of its own, made from the table as it is by then, so whatever becomes of
// the others, or of this process, each that was committed stays and nothing else is left of the
// rest. Readers see the same rows at any time. kCancelled by `stop`, and every other error, says
// how many groups were done; kOutcomeUnknown leaves the written files of one.
Result<CompactResult> Compact(Lake& lake, const catalog::TableName& name,
                              const CompactOptions& options);

}  // namespace pk::lake
