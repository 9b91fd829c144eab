#pragma once

// TableMetadata: the state of a table (spec, "Table Metadata"). An immutable value once it is
// shared; changes go through Apply (table_update.h), which makes a new one.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/iceberg/snapshot.h"

namespace pk::iceberg {

struct TableMetadata {
  int32_t format_version = 2;
  std::string table_uuid;  // empty only in old v1 metadata
  std::string location;
  int64_t last_sequence_number = 0;
  int64_t last_updated_ms = 0;
  int32_t last_column_id = 0;
  std::vector<std::shared_ptr<const Schema>> schemas;
  int32_t current_schema_id = 0;
  std::vector<PartitionSpec> specs;
  int32_t default_spec_id = 0;
  int32_t last_partition_id = kFirstPartitionFieldId - 1;
  std::vector<SortOrder> sort_orders;
  int32_t default_sort_order_id = 0;
  std::map<std::string, std::string> properties;
  // Shared, so that a copy of the metadata does not copy a thousand snapshots.
  std::vector<std::shared_ptr<const Snapshot>> snapshots;
  std::map<std::string, SnapshotRef> refs;  // "main" is the current snapshot
  std::vector<SnapshotLogEntry> snapshot_log;
  std::vector<MetadataLogEntry> metadata_log;
  std::vector<StatisticsFile> statistics;
  std::vector<StatisticsFile> partition_statistics;
  UnknownMembers unknown;

  // Null when there is none. Linear, from the newest on.
  const Schema* FindSchema(int32_t id) const;
  const PartitionSpec* FindSpec(int32_t id) const;
  const SortOrder* FindSortOrder(int32_t id) const;
  std::shared_ptr<const Snapshot> FindSnapshot(int64_t id) const;
  std::shared_ptr<const Snapshot> FindRef(std::string_view name) const;
  // They exist in every valid metadata.
  const Schema& schema() const;
  const PartitionSpec& spec() const;
  const SortOrder& sort_order() const;
  // Of the branch "main"; null in a table without rows yet.
  std::shared_ptr<const Snapshot> current_snapshot() const { return FindRef(kMainBranch); }

  std::string Property(std::string_view name, std::string_view fallback) const;
};

// Reads v1 and v2; a later version is kUnsupported. Broken invariants (a current schema that is not
// there, ids used twice, a ref to no snapshot; only parents and history may name what is gone) give
// kCorrupt naming the field. What old or careless writers leave out is made good: "main" from
// current-snapshot-id, v1's ids, last-column-id and last-partition-id at least the highest in use,
// no slash at the end of the location.
Result<TableMetadata> ParseTableMetadata(std::string_view json);
// As v2 (what was read as v1 and not upgraded stays v1). Compact, one line. A table without a
// snapshot gets current-snapshot-id -1, which every reader takes.
std::string ToJson(const TableMetadata& metadata);

Result<Schema> ParseSchema(std::string_view json);
std::string ToJson(const Schema& schema);
Result<PartitionSpec> ParsePartitionSpec(std::string_view json);
std::string ToJson(const PartitionSpec& spec);

// Whether the name says something of a table that is not stored as a property, such as
// "format-version", as the reference implementation reserves it.
bool IsReservedProperty(std::string_view name);

struct NewTable {
  Schema schema;         // any ids; fresh ones are assigned
  PartitionSpec spec;    // source ids refer to `schema`
  SortOrder sort_order;  // likewise
  std::string location;
  std::string table_uuid;
  // "format-version" (1 or 2) chooses the version and is not kept, nor are the other reserved
  // names.
  std::map<std::string, std::string> properties;
  int64_t now_ms = 0;
};
// Metadata of a table without snapshots: schema 0, spec 0 with field ids from 1000 on, sort order 1
// (0 when unsorted). kInvalidArgument for an invalid schema, spec, order or property; kUnsupported
// for a later format version.
Result<TableMetadata> MakeTableMetadata(NewTable table);

// The snapshot that was current on `main` at that time (snapshot log; spec, "Point in Time Reads");
// kNotFound names the oldest time known, or the snapshot when it has expired.
Result<std::shared_ptr<const Snapshot>> SnapshotAsOf(const TableMetadata& metadata,
                                                     int64_t timestamp_ms);

// Appends the file that held the metadata before this one, and the last-updated-ms it said, to the
// metadata log, and cuts the log to the newest `write.metadata.previous-versions-max` (100 when it
// is not set or no number, at least 1). For whoever writes the next metadata file.
void AppendMetadataLog(TableMetadata& metadata, std::string previous_location,
                       int64_t previous_updated_ms);

}  // namespace pk::iceberg
