#pragma once

// Data files, delete files and manifests as Iceberg describes them (spec, "Manifests", "Manifest
// Lists").

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/iceberg/value.h"

namespace pk::iceberg {

enum class FileContent { kData = 0, kPositionDeletes = 1, kEqualityDeletes = 2 };

struct DataFile {
  FileContent content = FileContent::kData;
  std::string location;
  std::string format = "PARQUET";
  int32_t spec_id = 0;  // not in the file itself: known from its manifest
  std::vector<Value> partition;
  int64_t record_count = 0;
  int64_t file_size = 0;  // bytes
  // By field id.
  std::map<int32_t, int64_t> column_sizes;
  std::map<int32_t, int64_t> value_counts;
  std::map<int32_t, int64_t> null_counts;
  std::map<int32_t, int64_t> nan_counts;
  std::map<int32_t, std::string> lower_bounds;  // single-value binary, Appendix D
  std::map<int32_t, std::string> upper_bounds;
  std::optional<std::string> key_metadata;
  std::vector<int64_t> split_offsets;
  std::vector<int32_t> equality_ids;
  std::optional<int32_t> sort_order_id;
  std::optional<std::string> referenced_data_file;  // position deletes of one file

  bool operator==(const DataFile&) const = default;
};

enum class EntryStatus { kExisting = 0, kAdded = 1, kDeleted = 2 };

// Sequence numbers and snapshot id may be inherited from the manifest list (spec, "Sequence Number
// Inheritance").
struct ManifestEntry {
  EntryStatus status = EntryStatus::kAdded;
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> sequence_number;
  std::optional<int64_t> file_sequence_number;
  DataFile file;

  bool operator==(const ManifestEntry&) const = default;
};

enum class ManifestContent { kData = 0, kDeletes = 1 };

struct PartitionSummary {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> lower;  // single-value binary
  std::optional<std::string> upper;
  bool operator==(const PartitionSummary&) const = default;
};

// A line of a manifest list.
struct ManifestFile {
  std::string location;
  int64_t length = 0;  // bytes
  int32_t spec_id = 0;
  ManifestContent content = ManifestContent::kData;
  int64_t sequence_number = 0;
  int64_t min_sequence_number = 0;
  int64_t added_snapshot_id = 0;
  // Files and rows by status; nullopt only in v1 lists.
  std::optional<int32_t> added_files, existing_files, deleted_files;
  std::optional<int64_t> added_rows, existing_rows, deleted_rows;
  std::vector<PartitionSummary> partitions;  // in spec order; empty when unknown or unpartitioned
  std::optional<std::string> key_metadata;

  bool operator==(const ManifestFile&) const = default;
};

}  // namespace pk::iceberg
