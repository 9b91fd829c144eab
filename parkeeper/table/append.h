#pragma once

// Append: rows into data files of a table, in parallel and in bounded memory. Makes files and a
// TableCommit; who commits it is the caller's business.

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"

namespace pk::table {

// The next source of rows, or null when there is no more; its columns are those of the table's
// current schema, in order, by name and type (else kInvalidArgument names the first other one).
// Called by one thread at a time.
using NextSource = std::function<Result<std::unique_ptr<datafile::BatchSource>>()>;

// Rows and bytes read so far; called now and then, from any thread, one call at a time.
struct AppendProgress {
  int64_t rows = 0;
  int64_t files = 0;
  int64_t bytes = 0;  // written
};

struct AppendOptions {
  int writers = 0;                // threads; 0: the cores available
  int64_t target_file_bytes = 0;  // 0: property write.target-file-size-bytes, else 512 MiB
  // Rows in memory, over all writers, beside the batch that each has read; when it is full the
  // partitions with the most are written early. Sorting copies what it sorts.
  int64_t memory_bytes = int64_t{1} << 30;
  std::stop_token stop = {};
  std::function<void(const AppendProgress&)> progress = {};
};

// `given`, else property write.target-file-size-bytes, else 512 MiB. kInvalidArgument: the property
// is no positive number.
Result<int64_t> TargetFileBytes(const iceberg::TableMetadata& metadata, int64_t given = 0);

struct AppendedFiles {
  std::vector<iceberg::DataFile> files;
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t oldest_file_ms = 0;
};

// Writes every row of the sources into files of the table's default partition spec, one partition a
// file, sorted within each file when the table has a sort order. All files are durable on return.
// On an error (a source's, the storage's, kCancelled by `stop`) it removes the files that it made,
// for nobody else can know them.
Result<AppendedFiles> WriteDataFiles(storage::Storage& storage,
                                     const iceberg::TableMetadata& metadata, const NextSource& next,
                                     const AppendOptions& options, Clock& clock = SystemClock(),
                                     IdSource& ids = SystemIds());

// The commit of these files. A new commit id.
iceberg::TableCommit MakeAppendCommit(AppendedFiles files, const iceberg::TableMetadata& metadata,
                                      Clock& clock = SystemClock(), IdSource& ids = SystemIds());

// Removes files of a commit that was definitely rejected. Best effort: what stays is left to orphan
// removal.
void RemoveFiles(storage::Storage& storage, const std::vector<iceberg::DataFile>& files);

}  // namespace pk::table
