#pragma once

// The new manifests of one snapshot. Pure: gives bytes to be written.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/catalog/snapshot_internal.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/manifest/codec.h"
#include "parkeeper/manifest/manifest_writer.h"

namespace pk::catalog {

// A schema of the table by which all partition values of `spec` can be read and written again, the
// newest one first. Values of a field whose source column is gone, or whose transform is unknown,
// are read as null, and would be lost. Null: there is none.
std::shared_ptr<const iceberg::Schema> SchemaForPartitions(const iceberg::TableMetadata& metadata,
                                                           const iceberg::PartitionSpec& spec);

// What all entries of a manifest have in common.
struct ManifestKind {
  iceberg::ManifestContent content = iceberg::ManifestContent::kData;
  const iceberg::PartitionSpec* spec = nullptr;
  std::shared_ptr<const iceberg::Schema> schema = nullptr;
};

class ManifestSet {
 public:
  // Adds to `snapshot`, whose id is set. What it was given must outlive it.
  ManifestSet(const iceberg::TableMetadata& metadata, manifest::Codec codec,
              PreparedSnapshot& snapshot, IdSource& ids);

  // Added files, in as many manifests as their target size asks for. `sequence_number`: of the
  // rows, when it is not the snapshot's own.
  Result<> WriteAdded(const ManifestKind& kind, const std::vector<const iceberg::DataFile*>& files,
                      std::optional<int64_t> sequence_number);
  // One manifest of these entries as they are.
  Result<> WriteEntries(const ManifestKind& kind,
                        const std::vector<iceberg::ManifestEntry>& entries);

 private:
  manifest::ManifestWriter NewWriter(const ManifestKind& kind) const;
  Result<> Finish(std::optional<manifest::ManifestWriter>& writer);

  const iceberg::TableMetadata& metadata_;
  const manifest::Codec codec_;
  PreparedSnapshot& snapshot_;
  const std::string prefix_;
  const int64_t target_bytes_;
};

}  // namespace pk::catalog
