#pragma once

// Compaction: data files that are small, or that delete files weigh on, written again as fewer and
// without what the deletes hide. A plan is a value, groups of files that can be rewritten each for
// itself, by anyone and in any order; a rewrite makes files and a RowDelta. Who commits it is the
// caller's business.

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/table/append.h"

namespace pk::table {

struct CompactionOptions {
  int64_t target_file_bytes = 0;  // as TargetFileBytes
  // Files below 75 % of the target are small, and worth rewriting when so many lie together.
  int min_input_files = 5;
  // A file is worth it alone when position deletes that name it hide more of its rows, or when at
  // least so many delete files apply to it.
  int max_hidden_percent = 30;
  int max_delete_files = 10;
  int64_t max_group_bytes = 0;  // 0: the target. One file may be larger
  int max_group_files = 1'000;
  iceberg::Expression filter = {};  // only files that may hold rows which pass
  int threads = 0;                  // that read manifests; 0: the cores available
};

struct CompactionFile {
  std::string location;
  int64_t bytes = 0;
  int64_t rows = 0;  // hidden ones too

  bool operator==(const CompactionFile&) const = default;
};

// Data files of one partition of one spec.
struct CompactionGroup {
  int32_t spec_id = 0;
  std::vector<iceberg::Value> partition;
  std::vector<CompactionFile> files;

  int64_t bytes() const;
  int64_t rows() const;
  bool operator==(const CompactionGroup&) const = default;
};

// Compact, for the body of a task: about 60 bytes for each file that the product wrote.
std::string ToJson(const CompactionGroup& group);
// kCorrupt says what is wrong.
Result<CompactionGroup> ParseCompactionGroup(std::string_view json);

struct CompactionPlan {
  std::optional<int64_t> snapshot_id;  // of main, that was read; none: the table has no rows yet
  int64_t target_file_bytes = 0;
  std::vector<CompactionGroup> groups;
  int64_t files = 0;  // that may hold rows which pass the filter, whether in a group or not
  int64_t bytes = 0;  // of them

  bool operator==(const CompactionPlan&) const = default;
};

// The same for the same snapshot and options. Each file is in one group at most; files of a group
// are in the order in which their rows came. What a rewrite made is worth it again only when enough
// other small files have come to lie beside it, or later deletes weigh on it.
//
// Memory: as PlanScan's, then locations. Errors as of PlanScan; kInvalidArgument: an option that
// makes no sense.
Result<CompactionPlan> PlanCompaction(storage::Storage& storage,
                                      const iceberg::TableMetadata& metadata,
                                      const CompactionOptions& options = {});

struct RewriteOptions {
  int64_t target_file_bytes = 0;  // as TargetFileBytes
  // Of rows read ahead and rows that wait to be written; delete files take what Scan gives them. A
  // table with a sort order gets files of about an eighth of it at most.
  int64_t memory_bytes = int64_t{1} << 30;
  int threads = 0;  // that read; one writes. 0: the cores available
  std::stop_token stop = {};
  // Rows read and bytes written of this group.
  std::function<void(const AppendProgress&)> progress = {};
};

struct PreparedRewrite {
  iceberg::RowDelta delta;  // removes nothing: there is nothing to gain
  int64_t rows = 0;         // written
  int64_t files_removed = 0;
  int64_t delete_files_removed = 0;
  int64_t files_written = 0;
  int64_t bytes_removed = 0;  // of data files
  int64_t bytes = 0;          // written
  int64_t oldest_file_ms = 0;
};

// Reads these files as main has them now, without the rows that delete files hide, and writes what
// is left into files of the default partition spec, sorted when the table has a sort order. The
// order of rows does not stay. The delta removes the files, and those delete files that apply to
// none but them: position deletes by what they refer to, equality deletes only when the plan of
// their partition, or for those of an unpartitioned spec of the whole table, shows it.
//
// Commits meanwhile (`delta.rewrite`, table_commit.h): appends and equality deletes do no harm;
// whoever removes one of the files, or deletes from one by position, makes it a conflict. Files of
// an old spec do not bear equality deletes of the partitions that their rows leave or come into.
//
// When no delete applied and the files would not become fewer, as when sorting lacks memory,
// nothing is left of what was written.
//
// kFailedPrecondition names a file of the group that main does not have any more: plan again.
// kInvalidArgument: a group without files, or of another table. Else errors as of PlanScan, Scan
// and WriteDataFiles. Written files are durable on return; on an error they are removed.
Result<PreparedRewrite> RewriteFiles(storage::Storage& storage,
                                     const iceberg::TableMetadata& metadata,
                                     const CompactionGroup& group,
                                     const RewriteOptions& options = {},
                                     Clock& clock = SystemClock(), IdSource& ids = SystemIds());

}  // namespace pk::table
