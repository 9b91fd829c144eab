#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/base/parallel.h"
#include "parkeeper/iceberg/lineage.h"
#include "parkeeper/table/planning_internal.h"
#include "parkeeper/table/scan.h"

namespace pk::table {

using iceberg::Schema;
using iceberg::TableMetadata;

namespace {

constexpr const char* kNameMappingProperty = "schema.name-mapping.default";

// Null when nothing was asked for and the table has no rows yet.
Result<std::shared_ptr<const iceberg::Snapshot>> SelectSnapshot(const TableMetadata& metadata,
                                                                const SnapshotSelector& selector) {
  if (const auto* id = std::get_if<int64_t>(&selector)) {
    auto found = metadata.FindSnapshot(*id);
    PK_CHECK(found != nullptr, NotFound(fmt::format("the table has no snapshot {}", *id)));
    return found;
  }
  if (const auto* time = std::get_if<AsOfTime>(&selector)) {
    return iceberg::SnapshotAsOf(metadata, time->timestamp_ms);
  }
  if (const auto* name = std::get_if<std::string>(&selector)) {
    auto found = metadata.FindRef(*name);
    if (found == nullptr) {
      std::string known;
      for (const auto& [ref, target] : metadata.refs) {
        known += fmt::format("{} '{}'", known.empty() ? "; there are" : ",", ref);
      }
      return NotFound(fmt::format("the table has no branch or tag '{}'{}", *name, known));
    }
    return found;
  }
  return metadata.current_snapshot();
}

// The present schema for the present state of a branch; a snapshot of the past is read with its
// own, and so is a tag.
std::shared_ptr<const Schema> SchemaOf(const TableMetadata& metadata,
                                       const iceberg::Snapshot* snapshot,
                                       const SnapshotSelector& selector) {
  bool present = std::holds_alternative<std::monostate>(selector);
  if (const auto* name = std::get_if<std::string>(&selector)) {
    present = !metadata.refs.at(*name).is_tag;
  }
  const int32_t id = present || snapshot == nullptr
                         ? metadata.current_schema_id
                         : snapshot->schema_id.value_or(metadata.current_schema_id);
  for (const auto& schema : metadata.schemas) {
    if (schema->schema_id() == id) return schema;
  }
  return std::make_shared<const Schema>(metadata.schema());
}

// The columns in the order asked for; members of one struct stay together, where the first of them
// stands.
Result<std::shared_ptr<const Schema>> Project(const std::shared_ptr<const Schema>& schema,
                                              const std::vector<std::string>& columns) {
  if (columns.empty()) return schema;
  std::vector<std::string> names;  // as the schema spells them
  for (const std::string& column : columns) {
    names.push_back(schema->FullName(PK_TRY(iceberg::FindColumn(*schema, column, false))->id));
  }
  const Schema selected = PK_TRY(iceberg::Select(*schema, names));
  std::vector<iceberg::Field> fields = selected.fields();
  const auto place = [&](const iceberg::Field& field) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (schema->PathTo(schema->FindByName(names[i])->id).front() == field.id) return i;
    }
    return names.size();
  };
  std::stable_sort(fields.begin(), fields.end(),
                   [&](const auto& a, const auto& b) { return place(a) < place(b); });
  return std::make_shared<const Schema>(iceberg::StructType{std::move(fields)},
                                        schema->schema_id());
}

std::string OperationOf(const iceberg::Snapshot& snapshot) {
  const auto found = snapshot.summary.find("operation");
  return found == snapshot.summary.end() ? "unknown operation" : found->second;
}

// The snapshots after `from` up to `to` that did something to rows: nothing but appends, unless
// `changes` are wanted.
Result<iceberg::Snapshots> ChangesAfter(const TableMetadata& metadata, int64_t from, int64_t to,
                                        bool changes) {
  iceberg::Snapshots found;
  for (const auto& snapshot : PK_TRY(iceberg::SnapshotsAfter(metadata, from, to))) {
    const std::string operation = OperationOf(*snapshot);
    if (operation == "replace") continue;
    PK_CHECK(changes || operation == "append",
             Unsupported(fmt::format(
                 "snapshot {} did more than append rows ({}): ask for changes (scan --changes) to "
                 "be told the deleted ones too, or read all of the table",
                 snapshot->snapshot_id, operation)));
    found.push_back(snapshot);
  }
  return found;
}

// `schema` with the columns that tell changes.
Result<std::shared_ptr<const Schema>> WithChangeColumns(const Schema& schema) {
  iceberg::StructType columns = schema.type();
  for (const iceberg::Field& added : ChangeColumns()) {
    PK_CHECK(schema.FindByName(added.name, false) == nullptr,
             InvalidArgument(fmt::format("the table has a column '{}' of its own, so that changes "
                                         "cannot be told by one",
                                         added.name)));
    columns.fields.push_back(added);
  }
  return std::make_shared<const Schema>(std::move(columns), schema.schema_id());
}

// Those of the columns asked for, and all that tell changes.
std::vector<std::string> WithChangeColumns(std::vector<std::string> columns) {
  if (columns.empty()) return columns;
  for (const iceberg::Field& added : ChangeColumns()) columns.push_back(added.name);
  return columns;
}

// What a plan says before any manifest is read.
Result<ScanPlan> StartPlan(const TableMetadata& metadata, const ScanRequest& request,
                           const iceberg::Snapshot* snapshot) {
  ScanPlan plan;
  plan.limit = request.limit;
  plan.table_schema = SchemaOf(metadata, snapshot, request.snapshot);
  plan.changes = request.changes;
  PK_CHECK(!request.changes || request.after_snapshot,
           InvalidArgument("changes are told after a snapshot, and none was given"));
  plan.projection = request.changes ? PK_TRY(Project(PK_TRY(WithChangeColumns(*plan.table_schema)),
                                                     WithChangeColumns(request.columns)))
                                    : PK_TRY(Project(plan.table_schema, request.columns));
  plan.filter = PK_TRY(iceberg::Bind(request.filter, *plan.table_schema, false));
  const std::string mapping = metadata.Property(kNameMappingProperty, "");
  if (!mapping.empty()) {
    plan.name_mapping = PK_TRY(iceberg::ParseNameMapping(mapping).With(kNameMappingProperty));
  }
  plan.after_snapshot_id = request.after_snapshot;
  PK_CHECK(snapshot != nullptr || !request.after_snapshot,
           NotFound(fmt::format("the table has no snapshot {}", *request.after_snapshot)));
  PK_CHECK(!request.changes || !request.files,
           InvalidArgument("changes are told of a whole table, not of some of its files"));
  if (request.files) plan.files_named = int64_t(request.files->size());
  if (snapshot != nullptr) plan.snapshot_id = snapshot->snapshot_id;
  return plan;
}

int ThreadsOf(int threads) { return threads > 0 ? threads : AvailableCores(); }

}  // namespace

Result<ScanPlan> PlanScan(storage::Storage& storage, const TableMetadata& metadata,
                          const ScanRequest& request, const PlanOptions& options) {
  PK_CHECK(request.limit.value_or(0) >= 0,
           InvalidArgument(fmt::format("a limit must not be negative: {}", *request.limit)));
  const auto snapshot = PK_TRY(SelectSnapshot(metadata, request.snapshot));
  ScanPlan plan = PK_TRY(StartPlan(metadata, request, snapshot.get()));
  const bool no_files = request.files && request.files->empty();
  if (snapshot == nullptr) {
    PK_CHECK(!request.files || no_files,
             FailedPrecondition(fmt::format("the table has no rows yet, nor data file {}",
                                            request.files->front())));
    return plan;
  }
  Planning planning(storage, metadata, plan, ThreadsOf(options.threads), request.files);
  if (!request.after_snapshot) {
    if (!no_files) PK_TRY(planning.Run(*snapshot));
  } else {
    const auto snapshots = PK_TRY(
        ChangesAfter(metadata, *request.after_snapshot, snapshot->snapshot_id, request.changes));
    if (no_files) return plan;
    PK_TRY(request.changes ? planning.RunChanges(snapshots) : planning.RunAppends(snapshots));
  }
  PK_TRY(planning.CheckFound());
  return plan;
}

Result<WholePlan> PlanWhole(storage::Storage& storage, const TableMetadata& metadata,
                            const PartitionPlace* place, int threads) {
  const auto snapshot = metadata.current_snapshot();
  WholePlan whole{.scan = PK_TRY(StartPlan(metadata, {}, snapshot.get()))};
  if (snapshot == nullptr) return whole;
  const std::optional<std::vector<std::string>> all_files;
  Planning planning(storage, metadata, whole.scan, ThreadsOf(threads), all_files);
  whole.complete = PK_TRY(planning.RunWhole(*snapshot, place));
  return whole;
}

}  // namespace pk::table
