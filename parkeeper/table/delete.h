#pragma once

// Delete by copy on write: files of which every row passes a filter go, those with some such rows
// are written again without them. Makes files and a RowDelta; who commits it is the caller's
// business.

#include <cstdint>
#include <functional>
#include <stop_token>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/table/append.h"

namespace pk::table {

// Of the files that may hold rows to be deleted; called now and then, from any thread, one call at
// a time.
struct DeleteProgress {
  int64_t files_done = 0;
  int64_t files = 0;
  int64_t rows = 0;   // found to be deleted
  int64_t bytes = 0;  // written
};

struct DeleteOptions {
  int threads = 0;  // that read and write; 0: the cores available
  std::stop_token stop = {};
  std::function<void(const DeleteProgress&)> progress = {};
};

struct PreparedDelete {
  iceberg::RowDelta delta;  // removes nothing: no row passes
  int64_t rows = 0;         // deleted
  int64_t files_removed = 0;
  int64_t files_rewritten = 0;
  int64_t bytes = 0;  // written
  int64_t oldest_file_ms = 0;
};

// What must be done so that no row of main passes `filter`. A file goes unread when its partition
// or its metrics say that all of its rows pass; else it is read for the columns of the filter, and
// read again whole only when some of its rows pass and others do not. Rows that the filter is
// unknown for, as `x > 5` is for nulls, stay.
//
// The delta depends on rows that others add meanwhile, unless the table wants snapshot isolation
// only (write.delete.isolation-level, "serializable" or "snapshot").
//
// Written files are durable on return; on an error they are removed. Errors as of PlanScan and
// WriteDataFiles.
Result<PreparedDelete> PrepareDelete(storage::Storage& storage,
                                     const iceberg::TableMetadata& metadata,
                                     const iceberg::Expression& filter,
                                     const DeleteOptions& options, Clock& clock = SystemClock(),
                                     IdSource& ids = SystemIds());

// The commit of this delta. A new commit id.
iceberg::TableCommit MakeRowDeltaCommit(iceberg::RowDelta delta, int64_t oldest_file_ms,
                                        Clock& clock = SystemClock(), IdSource& ids = SystemIds());

}  // namespace pk::table
