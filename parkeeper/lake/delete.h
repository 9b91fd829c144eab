#pragma once

// Delete: rows that pass a filter, out of a table.

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/lake/lake.h"
#include "parkeeper/table/delete.h"

namespace pk::lake {

struct DeleteOptions {
  int threads = 0;  // 0: the cores available
  // Others may change the files or add rows that pass while they are read: then all is planned and
  // read anew, at most so often in all.
  int tries = 10;
  std::stop_token stop;
  std::function<void(const table::DeleteProgress&)> progress;  // of the present try
};

struct DeleteResult {
  int64_t rows = 0;
  int64_t files_removed = 0;
  int64_t files_rewritten = 0;
  int64_t data_files = 0;  // written for the rows that stay
  int64_t bytes = 0;       // of them
  int tries = 1;
  std::optional<int64_t> snapshot_id;  // none: no row passes, and nothing was committed
};

// All rows of main that pass, in one commit (table/delete.h). kConflict after the last try, with
// what it met; nothing of it is left then. kOutcomeUnknown leaves the written files.
Result<DeleteResult> Delete(Lake& lake, const catalog::TableName& name,
                            const iceberg::Expression& filter, const DeleteOptions& options);

}  // namespace pk::lake
