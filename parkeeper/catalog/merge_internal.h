#pragma once

// Merging small manifests, so that a table of many small commits is planned and committed to as
// fast as one of few large ones.

#include <cstdint>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/catalog/files_internal.h"
#include "parkeeper/catalog/snapshot_internal.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/table_metadata.h"

namespace pk::catalog {

struct MergeOptions {
  size_t min_count = 100;  // of the smallest; property commit.manifest.min-count-to-merge
  int64_t target_bytes = int64_t{8} << 20;  // property commit.manifest.target-size-bytes
};

// Which of `manifests` are to become one; none: fewer than two. Data manifests of one spec and of
// about one size are taken together: `min_count` of the smallest, eight of each larger size. So an
// entry is rewritten once for each size, of which there are few, and at most `min_count` plus eight
// for each size remain unmerged.
std::vector<size_t> ChooseMerge(const std::vector<iceberg::ManifestFile>& manifests,
                                const MergeOptions& options);

// Merges at most one group of `present`, the manifests of the parent, for the snapshot
// `snapshot_id`: the new manifest takes the place of the first of them, and is added to `files`.
// Leaves both alone when there is nothing to merge, when the table wants none
// (commit.manifest-merge.enabled), and when what is there cannot be read, which the log says: a
// merge is for speed, and not what the commit is about.
void MergeManifests(MetadataFiles& metadata_files, const iceberg::TableMetadata& metadata,
                    int64_t snapshot_id, std::vector<iceberg::ManifestFile>& present,
                    std::vector<NewFile>& files, IdSource& ids);

}  // namespace pk::catalog
