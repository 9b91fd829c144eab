#pragma once

// Overwrite: rows of a table replaced by others, whole files at a time. Makes a RowDelta; who
// commits it is the caller's business.

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/table/append.h"

namespace pk::table {

struct OverwriteOptions {
  // True: all rows of main. Else those that pass, which must be the rows of whole files: a
  // partition, say.
  iceberg::Expression rows = {};
  // Rows that others add meanwhile stay, beside the new ones; else they are a conflict, for the
  // result would not be what was asked for.
  bool keep_new_rows = false;
  int threads = 0;  // that read manifests; 0: the cores available
};

// What must be committed so that `written`, made for `metadata` by WriteDataFiles, stands for the
// rows of main that `metadata` has. Reads manifests only, and keeps a reference to each file that
// goes: all data files of these rows, and the delete files that apply to none but them; with all
// rows, all delete files.
//
// When neither files were written nor rows are there, the delta has no files and nothing is to be
// committed. Otherwise it is a conflict when somebody changed one of these files meanwhile, or
// deleted from one.
//
// kFailedPrecondition names a file that, as far as its partition and metrics tell, may hold both
// rows that pass and others: delete the rows first (PrepareDelete). Else errors as of PlanScan. The
// written files are the caller's, also on an error.
Result<iceberg::RowDelta> PrepareOverwrite(storage::Storage& storage,
                                           const iceberg::TableMetadata& metadata,
                                           AppendedFiles written,
                                           const OverwriteOptions& options = {});

}  // namespace pk::table
