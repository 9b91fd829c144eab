// JSON of table metadata, snapshots and refs (spec, "Table Metadata" and Appendix C).

#include <algorithm>
#include <unordered_set>

#include "parkeeper/iceberg/json_internal.h"
#include "parkeeper/iceberg/location_internal.h"

namespace pk::iceberg {
namespace {

namespace bj = boost::json;

constexpr int32_t kFormatVersionMax = 2;
// Clocks of writers differ; the reference implementation tolerates as much.
constexpr int64_t kLogToleranceMs = 60'000;

constexpr std::string_view kMetadataMembers[] = {"format-version",
                                                 "table-uuid",
                                                 "location",
                                                 "last-sequence-number",
                                                 "last-updated-ms",
                                                 "last-column-id",
                                                 "schema",
                                                 "schemas",
                                                 "current-schema-id",
                                                 "partition-spec",
                                                 "partition-specs",
                                                 "default-spec-id",
                                                 "last-partition-id",
                                                 "properties",
                                                 "current-snapshot-id",
                                                 "snapshots",
                                                 "snapshot-log",
                                                 "metadata-log",
                                                 "sort-orders",
                                                 "default-sort-order-id",
                                                 "refs",
                                                 "statistics",
                                                 "partition-statistics"};
constexpr std::string_view kSnapshotMembers[] = {
    "sequence-number", "snapshot-id",   "parent-snapshot-id", "timestamp-ms",
    "summary",         "manifest-list", "manifests",          "schema-id"};
constexpr std::string_view kRefMembers[] = {"snapshot-id", "type", "min-snapshots-to-keep",
                                            "max-snapshot-age-ms", "max-ref-age-ms"};

// The member as an array; it may be missing in v1 only, then null.
Result<const bj::array*> ArrayOfV2(const bj::object& object, std::string_view key,
                                   const TableMetadata& metadata) {
  if (metadata.format_version == 1) return json::OptionalArray(object, key);
  return json::Array(object, key);
}

Result<> ReadSchemas(const bj::object& object, TableMetadata& metadata) {
  const auto add = [&](const bj::object& element) -> Result<> {
    Schema schema = PK_TRY(ReadSchema(element));
    Result<> valid = Validate(schema);
    if (!valid.ok()) return AsCorrupt(std::move(valid).error());
    PK_CHECK(metadata.FindSchema(schema.schema_id()) == nullptr,
             Corrupt(fmt::format("field 'schema-id' is used twice: {}", schema.schema_id())));
    metadata.last_column_id = std::max(metadata.last_column_id, schema.HighestFieldId());
    metadata.schemas.push_back(std::make_shared<const Schema>(std::move(schema)));
    return {};
  };
  metadata.last_column_id = PK_TRY(json::Int32(object, "last-column-id"));
  const bj::array* schemas = PK_TRY(ArrayOfV2(object, "schemas", metadata));
  if (schemas == nullptr) {
    PK_TRY(add(*PK_TRY(json::Object(object, "schema"))).With("schema"));
    metadata.current_schema_id = metadata.schemas.front()->schema_id();
    return {};
  }
  metadata.current_schema_id = PK_TRY(json::Int32(object, "current-schema-id"));
  PK_TRY(EachObject(*schemas, "schemas", add));
  PK_CHECK(metadata.FindSchema(metadata.current_schema_id) != nullptr,
           Corrupt(fmt::format("field 'current-schema-id' names no schema: {}",
                               metadata.current_schema_id)));
  return {};
}

Result<> CheckFieldIds(const PartitionSpec& spec) {
  std::unordered_set<int32_t> ids;
  for (const PartitionField& field : spec.fields)
    PK_CHECK(ids.insert(field.field_id).second,
             Corrupt(fmt::format("field 'field-id' is used twice in a partition spec: {}",
                                 field.field_id)));
  return {};
}

Result<> ReadSpecs(const bj::object& object, TableMetadata& metadata) {
  const auto add = [&](PartitionSpec spec) -> Result<> {
    PK_TRY(CheckFieldIds(spec));
    PK_CHECK(metadata.FindSpec(spec.spec_id) == nullptr,
             Corrupt(fmt::format("field 'spec-id' is used twice: {}", spec.spec_id)));
    for (const PartitionField& field : spec.fields)
      metadata.last_partition_id = std::max(metadata.last_partition_id, field.field_id);
    metadata.specs.push_back(std::move(spec));
    return {};
  };
  if (metadata.format_version > 1)
    metadata.last_partition_id = PK_TRY(json::Int32(object, "last-partition-id"));
  else
    metadata.last_partition_id = PK_TRY(json::OptionalInt32(object, "last-partition-id"))
                                     .value_or(metadata.last_partition_id);
  const bj::array* specs = PK_TRY(ArrayOfV2(object, "partition-specs", metadata));
  if (specs == nullptr) {
    const bj::array& fields = *PK_TRY(json::Array(object, "partition-spec"));
    PartitionSpec spec;
    spec.fields =
        PK_TRY(ReadPartitionFields(fields, MissingFieldIds::kSequential).With("partition-spec"));
    return add(std::move(spec));
  }
  metadata.default_spec_id = PK_TRY(json::Int32(object, "default-spec-id"));
  PK_TRY(EachObject(*specs, "partition-specs", [&](const bj::object& element) -> Result<> {
    return add(PK_TRY(ReadPartitionSpec(element, MissingFieldIds::kSequential)));
  }));
  PK_CHECK(metadata.FindSpec(metadata.default_spec_id) != nullptr,
           Corrupt(fmt::format("field 'default-spec-id' names no partition spec: {}",
                               metadata.default_spec_id)));
  return {};
}

Result<> ReadSortOrders(const bj::object& object, TableMetadata& metadata) {
  const bj::array* orders = PK_TRY(ArrayOfV2(object, "sort-orders", metadata));
  if (orders == nullptr) {
    metadata.sort_orders = {SortOrder{}};
    return {};
  }
  metadata.default_sort_order_id = PK_TRY(json::Int32(object, "default-sort-order-id"));
  PK_TRY(EachObject(*orders, "sort-orders", [&](const bj::object& element) -> Result<> {
    SortOrder order = PK_TRY(ReadSortOrder(element));
    PK_CHECK(metadata.FindSortOrder(order.order_id) == nullptr,
             Corrupt(fmt::format("field 'order-id' is used twice: {}", order.order_id)));
    metadata.sort_orders.push_back(std::move(order));
    return {};
  }));
  PK_CHECK(metadata.FindSortOrder(metadata.default_sort_order_id) != nullptr,
           Corrupt(fmt::format("field 'default-sort-order-id' names no sort order: {}",
                               metadata.default_sort_order_id)));
  return {};
}

Result<> ReadSnapshots(const bj::object& object, TableMetadata& metadata) {
  const bj::array* snapshots = PK_TRY(json::OptionalArray(object, "snapshots"));
  if (snapshots == nullptr) return {};
  std::unordered_set<int64_t> ids;
  metadata.snapshots.reserve(snapshots->size());
  return EachObject(*snapshots, "snapshots", [&](const bj::object& element) -> Result<> {
    Snapshot snapshot = PK_TRY(ReadSnapshot(element));
    PK_CHECK(ids.insert(snapshot.snapshot_id).second,
             Corrupt(fmt::format("field 'snapshot-id' is used twice: {}", snapshot.snapshot_id)));
    PK_CHECK(snapshot.sequence_number <= metadata.last_sequence_number,
             Corrupt(fmt::format("field 'sequence-number' is above last-sequence-number: {} > {}",
                                 snapshot.sequence_number, metadata.last_sequence_number)));
    metadata.snapshots.push_back(std::make_shared<const Snapshot>(std::move(snapshot)));
    return {};
  });
}

// refs and current-snapshot-id say the same thing of main; either may be missing.
Result<> ReadRefs(const bj::object& object, TableMetadata& metadata) {
  const bj::object* refs = PK_TRY(json::OptionalObject(object, "refs"));
  if (refs != nullptr) {
    for (const auto& member : *refs) {
      const std::string name(member.key());
      const auto read = [&]() -> Result<SnapshotRef> {
        return ReadSnapshotRef(*PK_TRY(json::AsObject(member.value(), name)));
      };
      metadata.refs.emplace(name, PK_TRY(read().With(fmt::format("refs: {}", name))));
    }
  }
  std::optional<int64_t> current = PK_TRY(json::OptionalInt64(object, "current-snapshot-id"));
  if (current == -1) current.reset();  // as the reference implementation writes "none"
  if (current) {
    const auto [main, added] =
        metadata.refs.try_emplace(kMainBranch, SnapshotRef{.snapshot_id = *current});
    PK_CHECK(
        main->second.snapshot_id == *current,
        Corrupt(fmt::format("field 'current-snapshot-id' is not what branch main says: {} and {}",
                            *current, main->second.snapshot_id)));
  }
  std::unordered_set<int64_t> ids;
  for (const auto& snapshot : metadata.snapshots) ids.insert(snapshot->snapshot_id);
  PK_CHECK(!current || ids.contains(*current),
           Corrupt(fmt::format("field 'current-snapshot-id' names no snapshot: {}",
                               current.value_or(0))));
  for (const auto& [name, ref] : metadata.refs)
    PK_CHECK(
        ids.contains(ref.snapshot_id),
        Corrupt(fmt::format("field 'refs' names no snapshot for '{}': {}", name, ref.snapshot_id)));
  return {};
}

template <class Entry>
Result<> CheckOrder(const std::vector<Entry>& log, std::string_view key) {
  for (size_t i = 1; i < log.size(); ++i)
    PK_CHECK(log[i].timestamp_ms / 2 - log[i - 1].timestamp_ms / 2 >= -kLogToleranceMs / 2,
             Corrupt(fmt::format("field '{}' runs backwards: {} after {}", key, log[i].timestamp_ms,
                                 log[i - 1].timestamp_ms)));
  return {};
}

Result<> ReadLogs(const bj::object& object, TableMetadata& metadata) {
  if (const bj::array* log = PK_TRY(json::OptionalArray(object, "snapshot-log"))) {
    metadata.snapshot_log.reserve(log->size());
    PK_TRY(EachObject(*log, "snapshot-log", [&](const bj::object& entry) -> Result<> {
      auto& added = metadata.snapshot_log.emplace_back();
      added.timestamp_ms = PK_TRY(json::Int64(entry, "timestamp-ms"));
      added.snapshot_id = PK_TRY(json::Int64(entry, "snapshot-id"));
      return {};
    }));
  }
  if (const bj::array* log = PK_TRY(json::OptionalArray(object, "metadata-log"))) {
    PK_TRY(EachObject(*log, "metadata-log", [&](const bj::object& entry) -> Result<> {
      const int64_t timestamp_ms = PK_TRY(json::Int64(entry, "timestamp-ms"));
      auto& added = metadata.metadata_log.emplace_back();
      added.timestamp_ms = timestamp_ms;
      added.metadata_file = PK_TRY(json::String(entry, "metadata-file"));
      return {};
    }));
  }
  PK_TRY(CheckOrder(metadata.snapshot_log, "snapshot-log"));
  return CheckOrder(metadata.metadata_log, "metadata-log");
}

Result<std::vector<StatisticsFile>> ReadStatistics(const bj::object& object, std::string_view key) {
  std::vector<StatisticsFile> files;
  const bj::array* array = PK_TRY(json::OptionalArray(object, key));
  if (array == nullptr) return files;
  PK_TRY(EachObject(*array, key, [&](const bj::object& element) -> Result<> {
    files.push_back(PK_TRY(ReadStatisticsFile(element)));
    return {};
  }));
  return files;
}

Result<> ReadHead(const bj::object& object, TableMetadata& metadata) {
  metadata.format_version = PK_TRY(json::Int32(object, "format-version"));
  PK_CHECK(
      metadata.format_version >= 1,
      Corrupt(fmt::format("field 'format-version' is no version: {}", metadata.format_version)));
  PK_CHECK(metadata.format_version <= kFormatVersionMax,
           Unsupported(fmt::format("table metadata of format version {}, up to {} can be read",
                                   metadata.format_version, kFormatVersionMax)));
  if (metadata.format_version > 1) {
    metadata.table_uuid = PK_TRY(json::String(object, "table-uuid"));
    metadata.last_sequence_number = PK_TRY(json::Int64(object, "last-sequence-number"));
  } else {
    metadata.table_uuid = PK_TRY(json::OptionalString(object, "table-uuid")).value_or("");
  }
  metadata.location = StripTrailingSlash(PK_TRY(json::String(object, "location")));
  metadata.last_updated_ms = PK_TRY(json::Int64(object, "last-updated-ms"));
  if (PK_TRY(json::OptionalObject(object, "properties")) != nullptr)
    metadata.properties = PK_TRY(ReadStringMap(object, "properties"));
  return {};
}

template <class Entries, class WriteEntry>
void WriteArray(JsonWriter& out, std::string_view key, const Entries& entries, WriteEntry write) {
  out.Key(key);
  out.BeginArray();
  for (const auto& entry : entries) write(entry);
  out.EndArray();
}

void WriteHead(JsonWriter& out, const TableMetadata& metadata) {
  out.Int("format-version", metadata.format_version);
  if (!metadata.table_uuid.empty()) out.String("table-uuid", metadata.table_uuid);
  out.String("location", metadata.location);
  if (metadata.format_version > 1) out.Int("last-sequence-number", metadata.last_sequence_number);
  out.Int("last-updated-ms", metadata.last_updated_ms);
  out.Int("last-column-id", metadata.last_column_id);
  if (metadata.format_version == 1) {
    out.Key("schema");
    Write(out, metadata.schema());
  }
  out.Int("current-schema-id", metadata.current_schema_id);
  WriteArray(out, "schemas", metadata.schemas, [&](const auto& schema) { Write(out, *schema); });
  if (metadata.format_version == 1) {
    out.Key("partition-spec");
    WriteFields(out, metadata.spec());
  }
  out.Int("default-spec-id", metadata.default_spec_id);
  WriteArray(out, "partition-specs", metadata.specs,
             [&](const PartitionSpec& spec) { Write(out, spec); });
  out.Int("last-partition-id", metadata.last_partition_id);
  out.Int("default-sort-order-id", metadata.default_sort_order_id);
  WriteArray(out, "sort-orders", metadata.sort_orders,
             [&](const SortOrder& order) { Write(out, order); });
  out.StringMap("properties", metadata.properties);
}

void WriteHistory(JsonWriter& out, const TableMetadata& metadata) {
  const auto main = metadata.refs.find(kMainBranch);
  out.Int("current-snapshot-id", main == metadata.refs.end() ? -1 : main->second.snapshot_id);
  out.Key("refs");
  out.BeginObject();
  for (const auto& [name, ref] : metadata.refs) {
    out.Key(name);
    out.BeginObject();
    WriteMembers(out, ref);
    out.EndObject();
  }
  out.EndObject();
  WriteArray(out, "snapshots", metadata.snapshots,
             [&](const auto& snapshot) { Write(out, *snapshot); });
  WriteArray(out, "statistics", metadata.statistics,
             [&](const StatisticsFile& file) { out.Raw(file.json); });
  WriteArray(out, "partition-statistics", metadata.partition_statistics,
             [&](const StatisticsFile& file) { out.Raw(file.json); });
  WriteArray(out, "snapshot-log", metadata.snapshot_log, [&](const SnapshotLogEntry& entry) {
    out.BeginObject();
    out.Int("timestamp-ms", entry.timestamp_ms);
    out.Int("snapshot-id", entry.snapshot_id);
    out.EndObject();
  });
  WriteArray(out, "metadata-log", metadata.metadata_log, [&](const MetadataLogEntry& entry) {
    out.BeginObject();
    out.Int("timestamp-ms", entry.timestamp_ms);
    out.String("metadata-file", entry.metadata_file);
    out.EndObject();
  });
}

}  // namespace

Result<Snapshot> ReadSnapshot(const bj::object& object) {
  Snapshot snapshot;
  snapshot.snapshot_id = PK_TRY(json::Int64(object, "snapshot-id"));
  snapshot.parent_id = PK_TRY(json::OptionalInt64(object, "parent-snapshot-id"));
  snapshot.sequence_number = PK_TRY(json::OptionalInt64(object, "sequence-number")).value_or(0);
  snapshot.timestamp_ms = PK_TRY(json::Int64(object, "timestamp-ms"));
  if (PK_TRY(json::OptionalObject(object, "summary")) != nullptr)
    snapshot.summary = PK_TRY(ReadStringMap(object, "summary"));
  snapshot.schema_id = PK_TRY(json::OptionalInt32(object, "schema-id"));
  snapshot.manifest_list = PK_TRY(json::OptionalString(object, "manifest-list")).value_or("");
  if (snapshot.manifest_list.empty()) {
    PK_CHECK(object.contains("manifests"), Corrupt("field 'manifest-list' is missing"));
    snapshot.manifests = PK_TRY(ReadStrings(object, "manifests"));
  }
  snapshot.unknown = UnknownIn(object, kSnapshotMembers);
  return snapshot;
}

Result<SnapshotRef> ReadSnapshotRef(const bj::object& object,
                                    std::span<const std::string_view> also_known) {
  SnapshotRef ref;
  ref.snapshot_id = PK_TRY(json::Int64(object, "snapshot-id"));
  const std::string type = PK_TRY(json::String(object, "type"));
  PK_CHECK(type == "branch" || type == "tag",
           Corrupt(fmt::format("field 'type' of a ref must be branch or tag, found '{}'", type)));
  ref.is_tag = type == "tag";
  ref.min_snapshots_to_keep = PK_TRY(json::OptionalInt32(object, "min-snapshots-to-keep"));
  ref.max_snapshot_age_ms = PK_TRY(json::OptionalInt64(object, "max-snapshot-age-ms"));
  ref.max_ref_age_ms = PK_TRY(json::OptionalInt64(object, "max-ref-age-ms"));
  ref.unknown = UnknownIn(object, kRefMembers);
  for (const std::string_view key : also_known) ref.unknown.erase(std::string(key));
  return ref;
}

Result<StatisticsFile> ReadStatisticsFile(const bj::object& object) {
  return StatisticsFile{.snapshot_id = PK_TRY(json::Int64(object, "snapshot-id")),
                        .json = bj::serialize(object)};
}

void Write(JsonWriter& out, const Snapshot& snapshot) {
  out.BeginObject();
  // v1 snapshots have none, also in a table that was upgraded.
  if (snapshot.sequence_number > 0) out.Int("sequence-number", snapshot.sequence_number);
  out.Int("snapshot-id", snapshot.snapshot_id);
  if (snapshot.parent_id) out.Int("parent-snapshot-id", *snapshot.parent_id);
  out.Int("timestamp-ms", snapshot.timestamp_ms);
  if (!snapshot.summary.empty()) out.StringMap("summary", snapshot.summary);
  if (snapshot.manifest_list.empty())
    out.Strings("manifests", snapshot.manifests);
  else
    out.String("manifest-list", snapshot.manifest_list);
  if (snapshot.schema_id) out.Int("schema-id", *snapshot.schema_id);
  out.Members(snapshot.unknown);
  out.EndObject();
}

void WriteMembers(JsonWriter& out, const SnapshotRef& ref) {
  out.Int("snapshot-id", ref.snapshot_id);
  out.String("type", ref.is_tag ? "tag" : "branch");
  if (ref.min_snapshots_to_keep) out.Int("min-snapshots-to-keep", *ref.min_snapshots_to_keep);
  if (ref.max_snapshot_age_ms) out.Int("max-snapshot-age-ms", *ref.max_snapshot_age_ms);
  if (ref.max_ref_age_ms) out.Int("max-ref-age-ms", *ref.max_ref_age_ms);
  out.Members(ref.unknown);
}

Result<TableMetadata> ParseTableMetadata(std::string_view text) {
  const bj::value root = PK_TRY(json::Parse(text));
  const bj::object& object = *PK_TRY(json::AsObject(root, "table metadata"));
  TableMetadata metadata;
  PK_TRY(ReadHead(object, metadata));
  PK_TRY(ReadSchemas(object, metadata));
  PK_TRY(ReadSpecs(object, metadata));
  PK_TRY(ReadSortOrders(object, metadata));
  PK_TRY(ReadSnapshots(object, metadata));
  PK_TRY(ReadRefs(object, metadata));
  PK_TRY(ReadLogs(object, metadata));
  metadata.statistics = PK_TRY(ReadStatistics(object, "statistics"));
  metadata.partition_statistics = PK_TRY(ReadStatistics(object, "partition-statistics"));
  metadata.unknown = UnknownIn(object, kMetadataMembers);
  return metadata;
}

std::string ToJson(const TableMetadata& metadata) {
  JsonWriter out;
  out.BeginObject();
  WriteHead(out, metadata);
  WriteHistory(out, metadata);
  out.Members(metadata.unknown);
  out.EndObject();
  return std::move(out).Take();
}

}  // namespace pk::iceberg
