#pragma once

// Snapshots and references (spec, "Snapshots", "Snapshot References").

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/iceberg/unknown_members.h"

namespace pk::iceberg {

struct Snapshot {
  int64_t snapshot_id = 0;
  std::optional<int64_t> parent_id;
  int64_t sequence_number = 0;  // 0 in v1
  int64_t timestamp_ms = 0;
  std::string manifest_list;           // location; empty for v1 snapshots that list `manifests`
  std::vector<std::string> manifests;  // v1 without manifest list
  std::map<std::string, std::string> summary;  // "operation" and the counts
  std::optional<int32_t> schema_id;
  UnknownMembers unknown;

  bool operator==(const Snapshot&) const = default;
};

struct SnapshotRef {
  int64_t snapshot_id = 0;
  bool is_tag = false;  // else a branch
  std::optional<int32_t> min_snapshots_to_keep;
  std::optional<int64_t> max_snapshot_age_ms;
  std::optional<int64_t> max_ref_age_ms;
  UnknownMembers unknown;

  bool operator==(const SnapshotRef&) const = default;
};

inline constexpr const char* kMainBranch = "main";

struct SnapshotLogEntry {
  int64_t timestamp_ms = 0;
  int64_t snapshot_id = 0;
  bool operator==(const SnapshotLogEntry&) const = default;
};
struct MetadataLogEntry {
  int64_t timestamp_ms = 0;
  std::string metadata_file;
  bool operator==(const MetadataLogEntry&) const = default;
};

}  // namespace pk::iceberg
