#pragma once

// What people ask for, as the plan and the parts of a job: pinned snapshots, split into tasks.
// Nothing is submitted here; Jobs::Submit() takes what these give. The tables are looked at as they
// are now, so a plan is made once, by whoever submits.

#include <cstdint>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/jobs/jobs.h"

namespace pk::jobs {

inline constexpr int64_t kUsualSplitBytes = int64_t{256} << 20;

struct TransformRequest {
  std::string sql;
  std::string into;  // a table that exists
  bool overwrite = false;
  bool at_once = false;  // see TransformPlan
  // Of the files of a split, of the largest input in which the query is linear. 0: never split.
  int64_t split_bytes = kUsualSplitBytes;
};
// kInvalidArgument: the query is wrong, or its columns are not those of the table.
Result<Job> PlanTransform(const JobsParts& parts, const TransformRequest& request);

struct RefreshRequest {
  std::string sql;
  std::string into;
  std::string name;  // empty: "default"
  // Which of the query's tables are read incrementally; empty: all.
  std::vector<std::string> incremental;
  bool keep = false;
  // A query that aggregates is taken too: of each run the aggregates of its new rows are appended.
  bool partial_aggregates = false;
};
// kInvalidArgument also when the rows that the query has because of new rows are not those that it
// gives of them: it is not linear in a table that is to be read incrementally; the message says
// why.
Result<Job> PlanRefresh(const JobsParts& parts, const RefreshRequest& request);

struct CompactRequest {
  std::string table;
  int64_t target_file_bytes = 0;  // 0: as the table says
  int min_input_files = 5;
  iceberg::Expression filter = {};  // only files that may hold rows which pass
};
// Without parts when there is nothing to compact.
Result<Job> PlanCompact(const JobsParts& parts, const CompactRequest& request);

}  // namespace pk::jobs
