#pragma once

// Import: files of any supported format into a table.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/input.h"
#include "parkeeper/lake/lake.h"

namespace pk::lake {

struct ImportProgress {
  int64_t files_done = 0;
  int64_t files = 0;
  int64_t rows = 0;
  int64_t bytes = 0;  // written
};

struct ImportOptions {
  // Make the table when it is missing, with the first file's schema, in a namespace that is made
  // too. It is made when the files of the first commit are written, so that files which do not fit
  // leave nothing behind; of several importers at once one makes it, and the others write theirs
  // again, for its columns.
  bool create = false;
  std::string partition_by;                       // of a table that is made, as --partition-by
  std::string sort_by;                            // likewise
  std::map<std::string, std::string> properties;  // likewise
  int writers = 0;                                // threads; 0: the cores available
  // Source files per commit; 0: one commit for all.
  int64_t commit_every = 0;
  // A Parquet file is cut into pieces of row groups, for several writers to share it, but into none
  // of much less than this before compression.
  int64_t least_piece_bytes = int64_t{16} << 20;
  datafile::InputOptions input;
  std::stop_token stop;
  std::function<void(const ImportProgress&)> progress;
};

struct ImportResult {
  int64_t files = 0;
  int64_t rows = 0;
  int64_t data_files = 0;
  int64_t bytes = 0;
  std::vector<int64_t> snapshots;  // one per commit
  bool created = false;
};

// `paths` are local files. Every file's schema is held against the table's before anything is
// written, and every row before anything is committed: kInvalidArgument names file, column and
// reason. With `commit_every` the commits made before an error stay, and the message says how many
// files they hold.
Result<ImportResult> Import(Lake& lake, const catalog::TableName& name,
                            const std::vector<std::string>& paths, const ImportOptions& options);

// Makes the table as `create` does, but without rows; one that is there stays as it is.
Result<> CreateTableOf(Lake& lake, const catalog::TableName& name, const std::string& path,
                       const ImportOptions& options);

}  // namespace pk::lake
