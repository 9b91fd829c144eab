#pragma once

// Changes of a table's metadata as values, and the one pure function that applies them (REST
// specification, "TableUpdate" and "TableRequirement"; the same variants serve the library, the
// commit queue and REST).

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/table_metadata.h"

namespace pk::iceberg {

// An id of -1 in SetCurrentSchema, SetDefaultSpec and SetDefaultSortOrder means the one that this
// same commit added.
struct AssignUuid {
  std::string uuid;
  bool operator==(const AssignUuid&) const = default;
};
struct UpgradeFormatVersion {
  int32_t format_version = 2;
  bool operator==(const UpgradeFormatVersion&) const = default;
};
struct AddSchema {
  std::shared_ptr<const Schema> schema;
  bool operator==(const AddSchema& other) const { return *schema == *other.schema; }
};
struct SetCurrentSchema {
  int32_t schema_id = -1;
  bool operator==(const SetCurrentSchema&) const = default;
};
struct AddPartitionSpec {
  PartitionSpec spec;
  bool operator==(const AddPartitionSpec&) const = default;
};
struct SetDefaultSpec {
  int32_t spec_id = -1;
  bool operator==(const SetDefaultSpec&) const = default;
};
struct AddSortOrder {
  SortOrder order;
  bool operator==(const AddSortOrder&) const = default;
};
struct SetDefaultSortOrder {
  int32_t order_id = -1;
  bool operator==(const SetDefaultSortOrder&) const = default;
};
struct AddSnapshot {
  std::shared_ptr<const Snapshot> snapshot;
  bool operator==(const AddSnapshot& other) const { return *snapshot == *other.snapshot; }
};
struct SetSnapshotRef {
  std::string name;
  SnapshotRef ref;
  bool operator==(const SetSnapshotRef&) const = default;
};
struct RemoveSnapshots {
  std::vector<int64_t> snapshot_ids;
  bool operator==(const RemoveSnapshots&) const = default;
};
struct RemoveSnapshotRef {
  std::string name;
  bool operator==(const RemoveSnapshotRef&) const = default;
};
struct SetLocation {
  std::string location;
  bool operator==(const SetLocation&) const = default;
};
struct SetProperties {
  std::map<std::string, std::string> properties;
  bool operator==(const SetProperties&) const = default;
};
struct RemoveProperties {
  std::vector<std::string> names;
  bool operator==(const RemoveProperties&) const = default;
};
struct RemovePartitionSpecs {
  std::vector<int32_t> spec_ids;
  bool operator==(const RemovePartitionSpecs&) const = default;
};
struct RemoveSchemas {
  std::vector<int32_t> schema_ids;
  bool operator==(const RemoveSchemas&) const = default;
};
// Set or remove (partition) statistics: `json` is the statistics file object, for removal
// {"snapshot-id": n}.
struct SetStatistics {
  int64_t snapshot_id = 0;
  std::string json;
  bool operator==(const SetStatistics&) const = default;
};
struct RemoveStatistics {
  int64_t snapshot_id = 0;
  bool operator==(const RemoveStatistics&) const = default;
};
struct SetPartitionStatistics {
  int64_t snapshot_id = 0;
  std::string json;
  bool operator==(const SetPartitionStatistics&) const = default;
};
struct RemovePartitionStatistics {
  int64_t snapshot_id = 0;
  bool operator==(const RemovePartitionStatistics&) const = default;
};

using TableUpdate =
    std::variant<AssignUuid, UpgradeFormatVersion, AddSchema, SetCurrentSchema, AddPartitionSpec,
                 SetDefaultSpec, AddSortOrder, SetDefaultSortOrder, AddSnapshot, SetSnapshotRef,
                 RemoveSnapshots, RemoveSnapshotRef, SetLocation, SetProperties, RemoveProperties,
                 RemovePartitionSpecs, RemoveSchemas, SetStatistics, RemoveStatistics,
                 SetPartitionStatistics, RemovePartitionStatistics>;

struct AssertCreate {
  bool operator==(const AssertCreate&) const = default;
};
struct AssertTableUuid {
  std::string uuid;
  bool operator==(const AssertTableUuid&) const = default;
};
struct AssertRefSnapshotId {
  std::string ref;
  std::optional<int64_t> snapshot_id;  // nullopt: the ref must not exist
  bool operator==(const AssertRefSnapshotId&) const = default;
};
struct AssertLastAssignedFieldId {
  int32_t id = 0;
  bool operator==(const AssertLastAssignedFieldId&) const = default;
};
struct AssertCurrentSchemaId {
  int32_t id = 0;
  bool operator==(const AssertCurrentSchemaId&) const = default;
};
struct AssertLastAssignedPartitionId {
  int32_t id = 0;
  bool operator==(const AssertLastAssignedPartitionId&) const = default;
};
struct AssertDefaultSpecId {
  int32_t id = 0;
  bool operator==(const AssertDefaultSpecId&) const = default;
};
struct AssertDefaultSortOrderId {
  int32_t id = 0;
  bool operator==(const AssertDefaultSortOrderId&) const = default;
};

using TableRequirement =
    std::variant<AssertCreate, AssertTableUuid, AssertRefSnapshotId, AssertLastAssignedFieldId,
                 AssertCurrentSchemaId, AssertLastAssignedPartitionId, AssertDefaultSpecId,
                 AssertDefaultSortOrderId>;

// kConflict names the requirement, what it expected and what it found. `metadata` null: the table
// does not exist.
Result<> Check(const TableRequirement& requirement, const TableMetadata* metadata);

// `metadata` with all updates applied in order, or kInvalidArgument naming the first that does not
// apply; the argument is not changed. `now_ms` is the time of the commit: last-updated-ms becomes
// the later of it and the present value + 1, snapshots must have their own timestamps, never before
// the last log entry. Additions follow the reference implementation: a schema, spec or order that
// is there already is found again, not added; last ids are kept; adding a snapshot checks its
// sequence number and raises last-sequence-number; setting "main" writes the snapshot log; removing
// snapshots removes refs and log entries that name them.
Result<TableMetadata> Apply(const TableMetadata& metadata, const std::vector<TableUpdate>& updates,
                            int64_t now_ms);

// JSON of the REST specification.
Result<std::vector<TableUpdate>> ParseTableUpdates(std::string_view json_array);
Result<std::vector<TableRequirement>> ParseTableRequirements(std::string_view json_array);
std::string ToJson(const std::vector<TableUpdate>& updates);
std::string ToJson(const std::vector<TableRequirement>& requirements);

}  // namespace pk::iceberg
