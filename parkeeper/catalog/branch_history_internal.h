#pragma once

// What became of a branch since somebody read it.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/row_delta_internal.h"

namespace pk::catalog {

// Snapshots of the branch after a base, and which manifests and files are theirs.
//
// In v2 the data sequence number tells: a file that a rewrite made has that of the rows which it
// took over, so it is not new when these are not. In v1, where there is none, all files of later
// snapshots are new.
class SinceBase {
 public:
  // kConflict: the base is not in the branch's history, as after a rollback or when it expired.
  static Result<SinceBase> Read(const BranchView& branch, std::optional<int64_t> base_snapshot_id);

  bool nothing() const { return snapshots_.empty(); }
  // Of the base; 0 in v1 and for the empty branch.
  int64_t base_sequence_number() const { return base_sequence_number_; }
  // Newest first.
  const std::vector<std::shared_ptr<const iceberg::Snapshot>>& snapshots() const {
    return snapshots_;
  }
  // False only when no file of the manifest is new.
  bool MayHoldNew(const iceberg::ManifestFile& manifest) const;
  bool IsNew(int64_t snapshot_id, int64_t sequence_number) const;

 private:
  std::vector<std::shared_ptr<const iceberg::Snapshot>> snapshots_;
  std::set<int64_t> ids_;
  bool all_new_ = false;              // the base is the empty branch
  int64_t base_sequence_number_ = 0;  // 0 in v1
};

// Why the branch does not hold the file: which snapshot since the base removed it, when that can be
// found out.
std::string WhyGone(const iceberg::FileRef& file, const SinceBase& since, const BranchView& branch,
                    const std::string& branch_name);

}  // namespace pk::catalog
