#pragma once

// Making snapshots: manifests, manifest list and the metadata updates. Pure: gives bytes to be
// written.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/manifest/codec.h"

namespace pk::catalog {

// A file to be written, complete.
struct NewFile {
  std::string location;
  std::string bytes;
};

// The number in `text`, or `fallback` when it is none.
int64_t NumberOr(std::string_view text, int64_t fallback);
// Properties of the table; one that is no number counts as not set.
int64_t NumberProperty(const iceberg::TableMetadata& metadata, std::string_view name,
                       int64_t fallback);
int64_t ManifestTargetBytes(const iceberg::TableMetadata& metadata);
Result<manifest::Codec> ManifestCodec(const iceberg::TableMetadata& metadata);

// What one snapshot brings, before it is known on top of what.
struct PreparedSnapshot {
  int64_t snapshot_id = 0;
  std::string branch;
  std::vector<NewFile> files;                    // manifests
  std::vector<iceberg::ManifestFile> manifests;  // without sequence numbers
  std::map<std::string, std::string> summary;    // without totals
};

// kInvalidArgument: a schema that the table does not have, or a tag for a branch.
Result<> CheckTarget(const std::string& branch, int32_t schema_id,
                     const iceberg::TableMetadata& metadata);
// kInvalidArgument: a partition spec that the table does not have.
Result<> CheckSpec(int32_t spec_id, const std::string& location,
                   const iceberg::TableMetadata& metadata);
int64_t NewSnapshotId(const iceberg::TableMetadata& metadata, IdSource& ids);

// kInvalidArgument: a tag for a branch, or files of a partition spec or schema that the table does
// not have.
Result<> CheckAppend(const iceberg::AppendFiles& append, const iceberg::TableMetadata& metadata);
// `appends`, at least one, are to one branch, and none contradicts another's summary; each was
// checked.
Result<PreparedSnapshot> PrepareAppend(const std::vector<const iceberg::AppendFiles*>& appends,
                                       const iceberg::TableMetadata& metadata, IdSource& ids);

struct ProducedSnapshot {
  NewFile manifest_list;
  std::vector<iceberg::ManifestFile> manifests;  // that it holds
  std::vector<iceberg::TableUpdate> updates;
};
// The snapshot on top of `base`. `carried`: what it keeps of the manifests of the branch.
Result<ProducedSnapshot> ProduceSnapshot(const PreparedSnapshot& prepared,
                                         const iceberg::TableMetadata& base,
                                         const std::vector<iceberg::ManifestFile>& carried,
                                         int64_t now_ms, IdSource& ids);

}  // namespace pk::catalog
