#pragma once

// Row deltas: what they rest on, held against the branch as it is, and the manifests that they
// leave of it. Reads what the branch names, writes nothing.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/catalog/snapshot_internal.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/iceberg/table_metadata.h"

namespace pk::catalog {

// A branch as the earlier commits of a group left it; their files need not be written yet. What is
// referred to must outlive it. The functions are called by several threads at once.
struct BranchView {
  const iceberg::TableMetadata& metadata;
  std::shared_ptr<const iceberg::Snapshot> head;  // null: no snapshot yet
  std::vector<iceberg::ManifestFile> manifests;   // of the head; those with files that live
  std::function<Result<std::vector<iceberg::ManifestFile>>(const iceberg::Snapshot&)> list;
  std::function<Result<std::shared_ptr<const std::string>>(const std::string&)> bytes;
  int threads = 1;
};

// What can be said without the branch. kInvalidArgument, or kUnsupported for deletes in a v1 table.
Result<> CheckRowDelta(const iceberg::RowDelta& delta, const iceberg::TableMetadata& metadata);

struct PreparedRowDelta {
  PreparedSnapshot snapshot;
  std::vector<iceberg::ManifestFile> carried;  // manifests of the branch that stay as they are
};
// Of a checked one. kConflict: what it rests on no longer holds, and says what it met;
// kUnsupported: a manifest that it would have to rewrite holds partition values that no schema of
// the table tells. Reads the manifests that can hold its files and those written since its base;
// writes again those that do hold a removed one.
Result<PreparedRowDelta> PrepareRowDelta(const iceberg::RowDelta& delta, const BranchView& branch,
                                         IdSource& ids);

}  // namespace pk::catalog
