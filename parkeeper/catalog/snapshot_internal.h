#pragma once

// Making snapshots: manifests, manifest list and the metadata updates of an append. Pure: gives
// bytes to be written.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/iceberg/table_metadata.h"

namespace pk::catalog {

// A file to be written, complete.
struct NewFile {
  std::string location;
  std::string bytes;
};

// The part of an append that does not depend on what the table has become meanwhile.
struct PreparedAppend {
  int64_t snapshot_id = 0;
  std::vector<NewFile> files;                    // manifests
  std::vector<iceberg::ManifestFile> manifests;  // without sequence numbers
  std::map<std::string, std::string> summary;    // the added counts
  std::string branch;
};
// kInvalidArgument: files of a partition spec or schema that the table does not have.
Result<PreparedAppend> PrepareAppend(const iceberg::AppendFiles& append,
                                     const iceberg::TableMetadata& metadata, IdSource& ids);

struct ProducedSnapshot {
  NewFile manifest_list;
  std::vector<iceberg::TableUpdate> updates;
};
// The snapshot of this append on top of `base`, whose branch holds `present` manifests.
Result<ProducedSnapshot> ProduceSnapshot(const PreparedAppend& append,
                                         const iceberg::TableMetadata& base,
                                         const std::vector<iceberg::ManifestFile>& present,
                                         int64_t now_ms, IdSource& ids);

}  // namespace pk::catalog
