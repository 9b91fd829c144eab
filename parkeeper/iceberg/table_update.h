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
// same commit added last, or would have added had it not been there already.
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
// A field id of 0 is left to the table: the id that a field of the same source and transform had
// before, or the next one.
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
// `json` is the whole statistics file object, with this snapshot-id in it; it replaces what the
// snapshot had.
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

// The names of the REST specification: "add-snapshot", "assert-create".
std::string_view ActionOf(const TableUpdate& update);
std::string_view TypeOf(const TableRequirement& requirement);

// kConflict names the requirement, what it expected and what it found. `metadata` null: the table
// does not exist.
Result<> Check(const TableRequirement& requirement, const TableMetadata* metadata);

// `metadata` with all updates applied in order; the argument is not changed, and what is not
// changed is shared with it. An empty TableMetadata{} is where the creation of a table begins.
//
// kInvalidArgument names the first update that does not apply, or what the result lacks; kConflict
// says that a snapshot's sequence number is no longer above the table's (the caller writes its
// manifest list again); kUnsupported a later format version.
//
// `now_ms` is the time of the commit: last-updated-ms becomes the latest of it, the present value
// + 1, and the last time in the snapshot log. Setting "main" to another snapshot writes that log: a
// snapshot added by this commit at its own timestamp, an older one at the commit's, neither before
// the last entry, since clocks of writers differ.
//
// Otherwise as the reference implementation does: a schema, spec or order that is there already is
// found again, not added; given ids of new ones are replaced by the next free ones; last ids are
// kept; the default spec and order must fit the current schema; removing snapshots removes their
// refs and statistics, and all history before them; what is removed need not exist, but the
// current schema, the default spec and the table's uuid stay.
Result<TableMetadata> Apply(const TableMetadata& metadata, const std::vector<TableUpdate>& updates,
                            int64_t now_ms);

// JSON of the REST specification. kInvalidArgument names the position and the field; kUnsupported
// an action or type that this version does not know. What ToJson writes, Parse reads back.
Result<std::vector<TableUpdate>> ParseTableUpdates(std::string_view json_array);
Result<std::vector<TableRequirement>> ParseTableRequirements(std::string_view json_array);
std::string ToJson(const std::vector<TableUpdate>& updates);
std::string ToJson(const std::vector<TableRequirement>& requirements);

}  // namespace pk::iceberg
