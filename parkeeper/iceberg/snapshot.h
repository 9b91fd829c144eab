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
  std::optional<int64_t> parent_id = std::nullopt;
  int64_t sequence_number = 0;  // 0 in v1
  int64_t timestamp_ms = 0;
  std::string manifest_list = {};  // location; empty for v1 snapshots that list `manifests`
  std::vector<std::string> manifests = {};          // v1 without manifest list
  std::map<std::string, std::string> summary = {};  // "operation" and the counts
  std::optional<int32_t> schema_id = std::nullopt;
  UnknownMembers unknown = {};

  bool operator==(const Snapshot&) const = default;
};

struct SnapshotRef {
  int64_t snapshot_id = 0;
  bool is_tag = false;  // else a branch
  std::optional<int32_t> min_snapshots_to_keep = std::nullopt;
  std::optional<int64_t> max_snapshot_age_ms = std::nullopt;
  std::optional<int64_t> max_ref_age_ms = std::nullopt;
  UnknownMembers unknown = {};

  bool operator==(const SnapshotRef&) const = default;
};

inline constexpr const char* kMainBranch = "main";

struct SnapshotLogEntry {
  int64_t timestamp_ms = 0;
  int64_t snapshot_id = 0;
  bool operator==(const SnapshotLogEntry&) const = default;
};
// A statistics or partition statistics file of a snapshot (spec, "Table Statistics"): carried.
struct StatisticsFile {
  int64_t snapshot_id = 0;
  std::string json;  // the whole object, snapshot-id included
  bool operator==(const StatisticsFile&) const = default;
};

struct MetadataLogEntry {
  int64_t timestamp_ms = 0;
  std::string metadata_file;
  bool operator==(const MetadataLogEntry&) const = default;
};

}  // namespace pk::iceberg
