// JSON of updates and requirements (REST specification, "TableUpdate" and "TableRequirement").

#include <array>

#include "parkeeper/iceberg/json_internal.h"
#include "parkeeper/iceberg/table_update.h"

namespace pk::iceberg {
namespace {

namespace bj = boost::json;

// In the order of the variants' alternatives.
constexpr std::array<std::string_view, std::variant_size_v<TableUpdate>> kActions = {
    "assign-uuid",
    "upgrade-format-version",
    "add-schema",
    "set-current-schema",
    "add-spec",
    "set-default-spec",
    "add-sort-order",
    "set-default-sort-order",
    "add-snapshot",
    "set-snapshot-ref",
    "remove-snapshots",
    "remove-snapshot-ref",
    "set-location",
    "set-properties",
    "remove-properties",
    "remove-partition-specs",
    "remove-schemas",
    "set-statistics",
    "remove-statistics",
    "set-partition-statistics",
    "remove-partition-statistics"};
constexpr std::array<std::string_view, std::variant_size_v<TableRequirement>> kTypes = {
    "assert-create",
    "assert-table-uuid",
    "assert-ref-snapshot-id",
    "assert-last-assigned-field-id",
    "assert-current-schema-id",
    "assert-last-assigned-partition-id",
    "assert-default-spec-id",
    "assert-default-sort-order-id"};

// One reader and one writer for each alternative; the variant picks them by type.
Result<> Read(const bj::object& object, AssignUuid& update) {
  update.uuid = PK_TRY(json::String(object, "uuid"));
  return {};
}
void Write(JsonWriter& out, const AssignUuid& update) { out.String("uuid", update.uuid); }

Result<> Read(const bj::object& object, UpgradeFormatVersion& update) {
  update.format_version = PK_TRY(json::Int32(object, "format-version"));
  return {};
}
void Write(JsonWriter& out, const UpgradeFormatVersion& update) {
  out.Int("format-version", update.format_version);
}

Result<> Read(const bj::object& object, AddSchema& update) {
  const bj::object& schema = *PK_TRY(json::Object(object, "schema"));
  update.schema = std::make_shared<const Schema>(PK_TRY(ReadSchema(schema).With("schema")));
  return {};
}
void Write(JsonWriter& out, const AddSchema& update) {
  out.Key("schema");
  Write(out, *update.schema);
}

Result<> Read(const bj::object& object, SetCurrentSchema& update) {
  update.schema_id = PK_TRY(json::Int32(object, "schema-id"));
  return {};
}
void Write(JsonWriter& out, const SetCurrentSchema& update) {
  out.Int("schema-id", update.schema_id);
}

Result<> Read(const bj::object& object, AddPartitionSpec& update) {
  const bj::object& spec = *PK_TRY(json::Object(object, "spec"));
  update.spec = PK_TRY(ReadPartitionSpec(spec, MissingFieldIds::kZero).With("spec"));
  return {};
}
void Write(JsonWriter& out, const AddPartitionSpec& update) {
  out.Key("spec");
  Write(out, update.spec);
}

Result<> Read(const bj::object& object, SetDefaultSpec& update) {
  update.spec_id = PK_TRY(json::Int32(object, "spec-id"));
  return {};
}
void Write(JsonWriter& out, const SetDefaultSpec& update) { out.Int("spec-id", update.spec_id); }

Result<> Read(const bj::object& object, AddSortOrder& update) {
  const bj::object& order = *PK_TRY(json::Object(object, "sort-order"));
  update.order = PK_TRY(ReadSortOrder(order).With("sort-order"));
  return {};
}
void Write(JsonWriter& out, const AddSortOrder& update) {
  out.Key("sort-order");
  Write(out, update.order);
}

Result<> Read(const bj::object& object, SetDefaultSortOrder& update) {
  update.order_id = PK_TRY(json::Int32(object, "sort-order-id"));
  return {};
}
void Write(JsonWriter& out, const SetDefaultSortOrder& update) {
  out.Int("sort-order-id", update.order_id);
}

Result<> Read(const bj::object& object, AddSnapshot& update) {
  const bj::object& snapshot = *PK_TRY(json::Object(object, "snapshot"));
  update.snapshot =
      std::make_shared<const Snapshot>(PK_TRY(ReadSnapshot(snapshot).With("snapshot")));
  return {};
}
void Write(JsonWriter& out, const AddSnapshot& update) {
  out.Key("snapshot");
  Write(out, *update.snapshot);
}

Result<> Read(const bj::object& object, SetSnapshotRef& update) {
  static constexpr std::string_view kOwnMembers[] = {"action", "ref-name"};
  update.name = PK_TRY(json::String(object, "ref-name"));
  update.ref = PK_TRY(ReadSnapshotRef(object, kOwnMembers));
  return {};
}
void Write(JsonWriter& out, const SetSnapshotRef& update) {
  out.String("ref-name", update.name);
  WriteMembers(out, update.ref);
}

Result<> Read(const bj::object& object, RemoveSnapshots& update) {
  update.snapshot_ids = PK_TRY(ReadInt64s(object, "snapshot-ids"));
  return {};
}
void Write(JsonWriter& out, const RemoveSnapshots& update) {
  out.Ints("snapshot-ids", update.snapshot_ids);
}

Result<> Read(const bj::object& object, RemoveSnapshotRef& update) {
  update.name = PK_TRY(json::String(object, "ref-name"));
  return {};
}
void Write(JsonWriter& out, const RemoveSnapshotRef& update) {
  out.String("ref-name", update.name);
}

Result<> Read(const bj::object& object, SetLocation& update) {
  update.location = PK_TRY(json::String(object, "location"));
  return {};
}
void Write(JsonWriter& out, const SetLocation& update) { out.String("location", update.location); }

// "updated" and "removed" are what the reference implementation wrote before the REST
// specification.
Result<> Read(const bj::object& object, SetProperties& update) {
  const bool old = !object.contains("updates") && object.contains("updated");
  update.properties = PK_TRY(ReadStringMap(object, old ? "updated" : "updates"));
  return {};
}
void Write(JsonWriter& out, const SetProperties& update) {
  out.StringMap("updates", update.properties);
}

Result<> Read(const bj::object& object, RemoveProperties& update) {
  const bool old = !object.contains("removals") && object.contains("removed");
  update.names = PK_TRY(ReadStrings(object, old ? "removed" : "removals"));
  return {};
}
void Write(JsonWriter& out, const RemoveProperties& update) {
  out.Strings("removals", update.names);
}

Result<> Read(const bj::object& object, RemovePartitionSpecs& update) {
  update.spec_ids = PK_TRY(ReadInt32s(object, "spec-ids"));
  return {};
}
void Write(JsonWriter& out, const RemovePartitionSpecs& update) {
  out.Ints("spec-ids", update.spec_ids);
}

Result<> Read(const bj::object& object, RemoveSchemas& update) {
  update.schema_ids = PK_TRY(ReadInt32s(object, "schema-ids"));
  return {};
}
void Write(JsonWriter& out, const RemoveSchemas& update) {
  out.Ints("schema-ids", update.schema_ids);
}

Result<StatisticsFile> ReadStatisticsMember(const bj::object& object, std::string_view key) {
  return ReadStatisticsFile(*PK_TRY(json::Object(object, key))).With(key);
}

Result<> Read(const bj::object& object, SetStatistics& update) {
  StatisticsFile file = PK_TRY(ReadStatisticsMember(object, "statistics"));
  update = {.snapshot_id = file.snapshot_id, .json = std::move(file.json)};
  return {};
}
void Write(JsonWriter& out, const SetStatistics& update) {
  out.Int("snapshot-id", update.snapshot_id);  // redundant, and asked for by older servers
  out.Key("statistics");
  out.Raw(update.json);
}

Result<> Read(const bj::object& object, RemoveStatistics& update) {
  update.snapshot_id = PK_TRY(json::Int64(object, "snapshot-id"));
  return {};
}
void Write(JsonWriter& out, const RemoveStatistics& update) {
  out.Int("snapshot-id", update.snapshot_id);
}

Result<> Read(const bj::object& object, SetPartitionStatistics& update) {
  StatisticsFile file = PK_TRY(ReadStatisticsMember(object, "partition-statistics"));
  update = {.snapshot_id = file.snapshot_id, .json = std::move(file.json)};
  return {};
}
void Write(JsonWriter& out, const SetPartitionStatistics& update) {
  out.Key("partition-statistics");
  out.Raw(update.json);
}

Result<> Read(const bj::object& object, RemovePartitionStatistics& update) {
  update.snapshot_id = PK_TRY(json::Int64(object, "snapshot-id"));
  return {};
}
void Write(JsonWriter& out, const RemovePartitionStatistics& update) {
  out.Int("snapshot-id", update.snapshot_id);
}

Result<> Read(const bj::object&, AssertCreate&) { return {}; }
void Write(JsonWriter&, const AssertCreate&) {}

Result<> Read(const bj::object& object, AssertTableUuid& requirement) {
  requirement.uuid = PK_TRY(json::String(object, "uuid"));
  return {};
}
void Write(JsonWriter& out, const AssertTableUuid& requirement) {
  out.String("uuid", requirement.uuid);
}

Result<> Read(const bj::object& object, AssertRefSnapshotId& requirement) {
  requirement.ref = PK_TRY(json::String(object, "ref"));
  requirement.snapshot_id = PK_TRY(json::OptionalInt64(object, "snapshot-id"));
  return {};
}
void Write(JsonWriter& out, const AssertRefSnapshotId& requirement) {
  out.String("ref", requirement.ref);
  out.Key("snapshot-id");
  if (requirement.snapshot_id)
    out.Int(*requirement.snapshot_id);
  else
    out.Null();
}

// The others hold one id, under their type's name without "assert-".
template <class Requirement>
constexpr std::string_view kIdMember = "";
template <>
constexpr std::string_view kIdMember<AssertLastAssignedFieldId> = "last-assigned-field-id";
template <>
constexpr std::string_view kIdMember<AssertCurrentSchemaId> = "current-schema-id";
template <>
constexpr std::string_view kIdMember<AssertLastAssignedPartitionId> = "last-assigned-partition-id";
template <>
constexpr std::string_view kIdMember<AssertDefaultSpecId> = "default-spec-id";
template <>
constexpr std::string_view kIdMember<AssertDefaultSortOrderId> = "default-sort-order-id";

template <class Requirement>
  requires(!kIdMember<Requirement>.empty())
Result<> Read(const bj::object& object, Requirement& requirement) {
  requirement.id = PK_TRY(json::Int32(object, kIdMember<Requirement>));
  return {};
}
template <class Requirement>
  requires(!kIdMember<Requirement>.empty())
void Write(JsonWriter& out, const Requirement& requirement) {
  out.Int(kIdMember<Requirement>, requirement.id);
}

template <class Alternative, class Variant>
Result<Variant> ReadAs(const bj::object& object) {
  Alternative alternative;
  PK_TRY(Read(object, alternative));
  return Variant(std::move(alternative));
}

template <class Variant, size_t... Index>
Result<Variant> ReadAlternative(size_t index, const bj::object& object,
                                std::index_sequence<Index...>) {
  using Reader = Result<Variant> (*)(const bj::object&);
  static constexpr Reader kReaders[] = {
      &ReadAs<std::variant_alternative_t<Index, Variant>, Variant>...};
  return kReaders[index](object);
}

// An array of objects whose member `tag` names the alternative.
template <class Variant, size_t Size>
Result<std::vector<Variant>> ReadArray(std::string_view text, std::string_view tag,
                                       const std::array<std::string_view, Size>& names) {
  const bj::value root = PK_TRY(json::Parse(text));
  PK_CHECK(root.is_array(), InvalidArgument("must be a JSON array"));
  std::vector<Variant> out;
  PK_TRY(EachObject(root.get_array(), "", [&](const bj::object& object) -> Result<> {
    const std::string name = PK_TRY(json::String(object, tag));
    const auto found = std::ranges::find(names, name);
    PK_CHECK(found != names.end(), Unsupported(fmt::format("no such {}: '{}'", tag, name)));
    Result<Variant> alternative = ReadAlternative<Variant>(size_t(found - names.begin()), object,
                                                           std::make_index_sequence<Size>());
    if (!alternative.ok()) return std::move(alternative).error().With(name);
    out.push_back(*std::move(alternative));
    return {};
  }));
  return out;
}

template <class Variant, class Name>
std::string WriteArray(const std::vector<Variant>& alternatives, std::string_view tag, Name name) {
  JsonWriter out;
  out.BeginArray();
  for (const Variant& one : alternatives) {
    out.BeginObject();
    out.String(tag, name(one));
    std::visit([&](const auto& alternative) { Write(out, alternative); }, one);
    out.EndObject();
  }
  out.EndArray();
  return std::move(out).Take();
}

// The text comes from a client, not from storage.
template <class T>
Result<T> AsRequest(Result<T> result, std::string_view what) {
  if (result.ok()) return result;
  const Error error = std::move(result).error().With(what);
  return error.code() == ErrorCode::kCorrupt ? InvalidArgument(error.message()) : error;
}

}  // namespace

std::string_view ActionOf(const TableUpdate& update) { return kActions[update.index()]; }

std::string_view TypeOf(const TableRequirement& requirement) { return kTypes[requirement.index()]; }

Result<std::vector<TableUpdate>> ParseTableUpdates(std::string_view json_array) {
  return AsRequest(ReadArray<TableUpdate>(json_array, "action", kActions), "table updates");
}

Result<std::vector<TableRequirement>> ParseTableRequirements(std::string_view json_array) {
  return AsRequest(ReadArray<TableRequirement>(json_array, "type", kTypes), "table requirements");
}

std::string ToJson(const std::vector<TableUpdate>& updates) {
  return WriteArray(updates, "action", ActionOf);
}

std::string ToJson(const std::vector<TableRequirement>& requirements) {
  return WriteArray(requirements, "type", TypeOf);
}

}  // namespace pk::iceberg
