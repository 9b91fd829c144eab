// Apply: the rules of changes, as the reference implementation has them.

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "parkeeper/iceberg/json_internal.h"
#include "parkeeper/iceberg/location_internal.h"
#include "parkeeper/iceberg/table_update.h"

namespace pk::iceberg {
namespace {

constexpr int32_t kLastAdded = -1;

// JSON can hold nothing else.
Result<> CheckText(std::string_view text, std::string_view what) {
  PK_CHECK(json::IsUtf8(text), InvalidArgument(fmt::format("{} is not UTF-8", what)));
  return {};
}

Result<> CheckTexts(const std::map<std::string, std::string>& texts, std::string_view what) {
  for (const auto& [name, value] : texts) {
    PK_TRY(CheckText(name, what));
    PK_TRY(CheckText(value, what));
  }
  return {};
}

Result<> CheckTexts(const Schema& schema) {
  for (const std::string& name : schema.FullNames()) {
    PK_TRY(CheckText(name, "a column's name"));
    PK_TRY(CheckText(schema.FindByName(name)->doc.value_or(""), "a column's doc"));
  }
  return {};
}

bool SameFields(const PartitionSpec& left, const PartitionSpec& right) {
  return std::ranges::equal(left.fields, right.fields, [](const auto& a, const auto& b) {
    return a.source_id == b.source_id && a.transform == b.transform && a.name == b.name;
  });
}

bool SameFields(const SortOrder& left, const SortOrder& right) {
  return std::ranges::equal(left.fields, right.fields, [](const auto& a, const auto& b) {
    return a.source_id == b.source_id && a.transform == b.transform &&
           a.descending == b.descending && a.nulls_first == b.nulls_first;
  });
}

// Carried where it is met, but a writer could not follow it.
template <class Fields>
Result<> CheckKnown(const Fields& fields) {
  for (const auto& field : fields)
    PK_CHECK(field.transform.kind != TransformKind::kUnknown,
             InvalidArgument(fmt::format("no such transform: '{}'", field.transform.unknown)));
  return {};
}

// The default spec and order must still fit the current schema. Weaker than Validate: a column may
// have come to bear the name of a partition field.
template <class Fields>
Result<> CheckSources(const Fields& fields, const Schema& schema, std::string_view what) {
  for (const auto& field : fields) {
    const TransformKind kind = field.transform.kind;
    if (kind == TransformKind::kVoid || kind == TransformKind::kUnknown) continue;
    const Field* source = schema.FindById(field.source_id);
    PK_CHECK(
        source != nullptr && source->type.is_primitive(),
        InvalidArgument(fmt::format("the {} needs a column that the schema does not have: id {}",
                                    what, field.source_id)));
    PK_TRY(ResultType(field.transform, *source->type.primitive()).With(what));
  }
  return {};
}

class Application {
 public:
  Application(const TableMetadata& base, int64_t now_ms)
      : next_(base), updated_ms_(std::max(now_ms, base.last_updated_ms + 1)) {}

  Result<> Do(const AssignUuid& update) {
    PK_CHECK(!update.uuid.empty(), InvalidArgument("the uuid is empty"));
    PK_TRY(CheckText(update.uuid, "the uuid"));
    PK_CHECK(next_.table_uuid.empty() || next_.table_uuid == update.uuid,
             InvalidArgument(fmt::format("a table keeps its uuid: {}", next_.table_uuid)));
    next_.table_uuid = update.uuid;
    return {};
  }

  Result<> Do(const UpgradeFormatVersion& update) {
    PK_CHECK(update.format_version <= 2,
             Unsupported(fmt::format("format version {}", update.format_version)));
    // What is being created has no version yet to go down from.
    PK_CHECK(update.format_version >= (next_.schemas.empty() ? 1 : next_.format_version),
             InvalidArgument(fmt::format("a table of format version {} cannot go down to {}",
                                         next_.format_version, update.format_version)));
    next_.format_version = update.format_version;
    return {};
  }

  Result<> Do(const AddSchema& update) {
    PK_CHECK(update.schema != nullptr, InvalidArgument("there is no schema"));
    const Schema& schema = *update.schema;
    PK_TRY(Validate(schema));
    PK_TRY(CheckTexts(schema));
    int32_t id = next_.schemas.empty() ? 0 : next_.current_schema_id + 1;
    for (const auto& known : next_.schemas) {
      if (known->SameColumns(schema)) {
        last_schema_ = known->schema_id();
        return {};
      }
      id = std::max(id, known->schema_id() + 1);
    }
    next_.schemas.push_back(
        std::make_shared<const Schema>(schema.type(), id, schema.identifier_ids()));
    next_.last_column_id = std::max(next_.last_column_id, schema.HighestFieldId());
    last_schema_ = id;
    return {};
  }

  Result<> Do(const SetCurrentSchema& update) {
    const int32_t id = PK_TRY(Resolve(update.schema_id, last_schema_, "schema"));
    PK_CHECK(next_.FindSchema(id) != nullptr,
             InvalidArgument(fmt::format("there is no schema with id {}", id)));
    next_.current_schema_id = id;
    layout_changed_ = true;
    return {};
  }

  Result<> Do(const AddPartitionSpec& update) {
    PartitionSpec spec = update.spec;
    spec.spec_id = 0;
    for (const PartitionSpec& known : next_.specs) {
      if (SameFields(known, spec)) {
        last_spec_ = known.spec_id;
        return {};
      }
      spec.spec_id = std::max(spec.spec_id, known.spec_id + 1);
    }
    AssignFieldIds(spec);
    PK_TRY(CheckFieldIds(spec));
    const Schema* schema = next_.FindSchema(next_.current_schema_id);
    PK_CHECK(schema != nullptr, InvalidArgument("the table has no current schema yet"));
    PK_TRY(CheckKnown(spec.fields));
    PK_TRY(Validate(spec, *schema));
    for (const PartitionField& field : spec.fields) {
      PK_TRY(CheckText(field.name, "a partition field's name"));
      next_.last_partition_id = std::max(next_.last_partition_id, field.field_id);
    }
    last_spec_ = spec.spec_id;
    next_.specs.push_back(std::move(spec));
    return {};
  }

  Result<> Do(const SetDefaultSpec& update) {
    const int32_t id = PK_TRY(Resolve(update.spec_id, last_spec_, "partition spec"));
    PK_CHECK(next_.FindSpec(id) != nullptr,
             InvalidArgument(fmt::format("there is no partition spec with id {}", id)));
    next_.default_spec_id = id;
    layout_changed_ = true;
    return {};
  }

  Result<> Do(const AddSortOrder& update) {
    SortOrder order = update.order;
    order.order_id = order.unsorted() ? 0 : 1;
    for (const SortOrder& known : next_.sort_orders) {
      if (SameFields(known, order)) {
        last_order_ = known.order_id;
        return {};
      }
      if (!order.unsorted()) order.order_id = std::max(order.order_id, known.order_id + 1);
    }
    const Schema* schema = next_.FindSchema(next_.current_schema_id);
    PK_CHECK(schema != nullptr, InvalidArgument("the table has no current schema yet"));
    PK_TRY(CheckKnown(order.fields));
    PK_TRY(Validate(order, *schema));
    last_order_ = order.order_id;
    next_.sort_orders.push_back(std::move(order));
    return {};
  }

  Result<> Do(const SetDefaultSortOrder& update) {
    const int32_t id = PK_TRY(Resolve(update.order_id, last_order_, "sort order"));
    PK_CHECK(next_.FindSortOrder(id) != nullptr,
             InvalidArgument(fmt::format("there is no sort order with id {}", id)));
    next_.default_sort_order_id = id;
    layout_changed_ = true;
    return {};
  }

  Result<> Do(const AddSnapshot& update) {
    PK_CHECK(update.snapshot != nullptr, InvalidArgument("there is no snapshot"));
    const Snapshot& snapshot = *update.snapshot;
    PK_CHECK(!next_.schemas.empty() && !next_.specs.empty() && !next_.sort_orders.empty(),
             InvalidArgument("the table has no schema, partition spec and sort order yet"));
    PK_CHECK(next_.FindSnapshot(snapshot.snapshot_id) == nullptr,
             InvalidArgument(fmt::format("there is a snapshot with this id already: {}",
                                         snapshot.snapshot_id)));
    // -1 stands for "no snapshot" in metadata.
    PK_CHECK(snapshot.snapshot_id >= 0,
             InvalidArgument(fmt::format("a snapshot id is negative: {}", snapshot.snapshot_id)));
    PK_CHECK(!snapshot.schema_id || next_.FindSchema(*snapshot.schema_id) != nullptr,
             InvalidArgument(fmt::format("the snapshot's schema is not in the table: id {}",
                                         snapshot.schema_id.value_or(0))));
    PK_TRY(CheckText(snapshot.manifest_list, "the location of a manifest list"));
    for (const std::string& manifest : snapshot.manifests)
      PK_TRY(CheckText(manifest, "the location of a manifest"));
    PK_TRY(CheckTexts(snapshot.summary, "a snapshot's summary"));
    if (next_.format_version == 1) {
      PK_CHECK(snapshot.sequence_number == 0,
               InvalidArgument(fmt::format("format version 1 has no sequence numbers: {}",
                                           snapshot.sequence_number)));
    } else {
      PK_CHECK(!snapshot.manifest_list.empty(),
               InvalidArgument("a snapshot needs a manifest list from format version 2 on"));
      // Not the caller's fault: somebody was faster, on another branch perhaps.
      PK_CHECK(snapshot.sequence_number > next_.last_sequence_number,
               Conflict(fmt::format("the snapshot's sequence number is not above the table's: "
                                    "{} and {}",
                                    snapshot.sequence_number, next_.last_sequence_number)));
      next_.last_sequence_number = snapshot.sequence_number;
    }
    next_.snapshots.push_back(update.snapshot);
    added_.insert(snapshot.snapshot_id);
    return {};
  }

  Result<> Do(const SetSnapshotRef& update) {
    const SnapshotRef& ref = update.ref;
    PK_CHECK(!update.name.empty(), InvalidArgument("a ref needs a name"));
    PK_TRY(CheckText(update.name, "a ref's name"));
    const auto known = next_.refs.find(update.name);
    if (known != next_.refs.end() && known->second == ref) return {};
    const std::shared_ptr<const Snapshot> snapshot = next_.FindSnapshot(ref.snapshot_id);
    PK_CHECK(snapshot != nullptr,
             InvalidArgument(fmt::format("ref '{}' names no snapshot of the table: {}", update.name,
                                         ref.snapshot_id)));
    PK_TRY(CheckRetention(ref).With(fmt::format("ref '{}'", update.name)));
    if (update.name == kMainBranch) {
      PK_CHECK(!ref.is_tag, InvalidArgument("main is a branch and cannot be a tag"));
      if (known == next_.refs.end() || known->second.snapshot_id != ref.snapshot_id)
        LogCurrent(*snapshot);
    }
    next_.refs.insert_or_assign(update.name, ref);
    return {};
  }

  Result<> Do(const RemoveSnapshots& update) {
    const std::unordered_set<int64_t> ids(update.snapshot_ids.begin(), update.snapshot_ids.end());
    const auto gone = [&](const auto& holder) { return ids.contains(holder.snapshot_id); };
    std::erase_if(next_.snapshots, [&](const auto& snapshot) { return gone(*snapshot); });
    std::erase_if(next_.refs, [&](const auto& ref) { return gone(ref.second); });
    std::erase_if(next_.statistics, gone);
    std::erase_if(next_.partition_statistics, gone);
    removed_ = true;
    return {};
  }

  Result<> Do(const RemoveSnapshotRef& update) {
    next_.refs.erase(update.name);
    return {};
  }

  Result<> Do(const SetLocation& update) {
    PK_TRY(CheckText(update.location, "the location"));
    PK_CHECK(!update.location.empty(), InvalidArgument("the location is empty"));
    next_.location = StripTrailingSlash(update.location);
    return {};
  }

  Result<> Do(const SetProperties& update) {
    PK_TRY(CheckTexts(update.properties, "a property"));
    for (const auto& [name, value] : update.properties) next_.properties[name] = value;
    return {};
  }

  Result<> Do(const RemoveProperties& update) {
    for (const std::string& name : update.names) next_.properties.erase(name);
    return {};
  }

  Result<> Do(const RemovePartitionSpecs& update) {
    const auto gone = [&](int32_t id) {
      return std::ranges::find(update.spec_ids, id) != update.spec_ids.end();
    };
    PK_CHECK(!gone(next_.default_spec_id),
             InvalidArgument(fmt::format("the default partition spec cannot be removed: id {}",
                                         next_.default_spec_id)));
    std::erase_if(next_.specs, [&](const PartitionSpec& spec) { return gone(spec.spec_id); });
    return {};
  }

  Result<> Do(const RemoveSchemas& update) {
    const auto gone = [&](int32_t id) {
      return std::ranges::find(update.schema_ids, id) != update.schema_ids.end();
    };
    PK_CHECK(!gone(next_.current_schema_id),
             InvalidArgument(fmt::format("the current schema cannot be removed: id {}",
                                         next_.current_schema_id)));
    std::erase_if(next_.schemas, [&](const auto& schema) { return gone(schema->schema_id()); });
    return {};
  }

  Result<> Do(const SetStatistics& update) {
    return Replace(next_.statistics, update.snapshot_id, update.json);
  }
  Result<> Do(const RemoveStatistics& update) { return Drop(next_.statistics, update.snapshot_id); }
  Result<> Do(const SetPartitionStatistics& update) {
    return Replace(next_.partition_statistics, update.snapshot_id, update.json);
  }
  Result<> Do(const RemovePartitionStatistics& update) {
    return Drop(next_.partition_statistics, update.snapshot_id);
  }

  // What must hold once all updates are applied.
  Result<TableMetadata> Finish() && {
    PK_CHECK(!next_.location.empty(), InvalidArgument("the table has no location"));
    PK_CHECK(next_.format_version == 1 || !next_.table_uuid.empty(),
             InvalidArgument("the table has no uuid, which format version 2 needs"));
    const Schema* schema = next_.FindSchema(next_.current_schema_id);
    const PartitionSpec* spec = next_.FindSpec(next_.default_spec_id);
    const SortOrder* order = next_.FindSortOrder(next_.default_sort_order_id);
    PK_CHECK(schema != nullptr, InvalidArgument("the table has no current schema"));
    PK_CHECK(spec != nullptr, InvalidArgument("the table has no default partition spec"));
    PK_CHECK(order != nullptr, InvalidArgument("the table has no default sort order"));
    if (layout_changed_) {
      PK_TRY(CheckSources(spec->fields, *schema, "default partition spec"));
      PK_TRY(CheckSources(order->fields, *schema, "default sort order"));
    }
    CleanLog();
    next_.last_updated_ms = updated_ms_;
    if (!next_.snapshot_log.empty())
      next_.last_updated_ms = std::max(updated_ms_, next_.snapshot_log.back().timestamp_ms);
    return std::move(next_);
  }

 private:
  static Result<int32_t> Resolve(int32_t id, const std::optional<int32_t>& last_added,
                                 std::string_view what) {
    if (id != kLastAdded) return id;
    PK_CHECK(last_added, InvalidArgument(fmt::format("this commit has added no {}", what)));
    return *last_added;
  }

  // In v2 a field that some spec had before keeps its id; in v1 the ids of a spec are sequential.
  void AssignFieldIds(PartitionSpec& spec) const {
    int32_t last = next_.last_partition_id;
    for (const PartitionField& field : spec.fields) last = std::max(last, field.field_id);
    for (size_t i = 0; i < spec.fields.size(); ++i) {
      PartitionField& field = spec.fields[i];
      if (field.field_id != 0) continue;
      if (next_.format_version == 1) {
        field.field_id = kFirstPartitionFieldId + int32_t(i);
        continue;
      }
      for (const PartitionSpec& known : next_.specs)
        for (const PartitionField& earlier : known.fields)
          if (earlier.source_id == field.source_id && earlier.transform == field.transform)
            field.field_id = std::max(field.field_id, earlier.field_id);
      if (field.field_id == 0) field.field_id = ++last;
    }
  }

  Result<> CheckFieldIds(const PartitionSpec& spec) const {
    for (size_t i = 0; i < spec.fields.size(); ++i) {
      const PartitionField& field = spec.fields[i];
      PK_CHECK(next_.format_version > 1 || field.field_id == kFirstPartitionFieldId + int32_t(i),
               InvalidArgument(fmt::format("partition fields of format version 1 are numbered from "
                                           "{} on, '{}' has {}",
                                           kFirstPartitionFieldId, field.name, field.field_id)));
      PK_CHECK(next_.format_version == 1 || IsFree(field),
               InvalidArgument(fmt::format("partition field '{}' has the id of another one: {}",
                                           field.name, field.field_id)));
    }
    return {};
  }

  // No earlier field has the id, or the same one had it. (Tables that were v1 may have both.)
  bool IsFree(const PartitionField& field) const {
    bool used = false;
    for (const PartitionSpec& known : next_.specs) {
      for (const PartitionField& earlier : known.fields) {
        if (earlier.field_id != field.field_id) continue;
        if (earlier.source_id == field.source_id && earlier.transform == field.transform)
          return true;
        used = true;
      }
    }
    return !used;
  }

  static Result<> CheckRetention(const SnapshotRef& ref) {
    PK_CHECK(!ref.is_tag || (!ref.min_snapshots_to_keep && !ref.max_snapshot_age_ms),
             InvalidArgument("a tag has no snapshots to keep, only an age of its own"));
    PK_CHECK(ref.min_snapshots_to_keep.value_or(1) > 0 && ref.max_snapshot_age_ms.value_or(1) > 0 &&
                 ref.max_ref_age_ms.value_or(1) > 0,
             InvalidArgument("numbers and ages to keep must be above 0"));
    return {};
  }

  // A snapshot of this commit became current when it was made, an older one (a rollback) now.
  // Clocks of writers differ; the log does not run backwards for that.
  void LogCurrent(const Snapshot& snapshot) {
    int64_t time_ms = added_.contains(snapshot.snapshot_id) ? snapshot.timestamp_ms : updated_ms_;
    if (!next_.snapshot_log.empty())
      time_ms = std::max(time_ms, next_.snapshot_log.back().timestamp_ms);
    next_.snapshot_log.push_back({.timestamp_ms = time_ms, .snapshot_id = snapshot.snapshot_id});
  }

  // Takes out what was current only within this commit, and all history before a removed snapshot:
  // with a gap, the time travel would find a snapshot that was not current then.
  void CleanLog() {
    const auto main = next_.refs.find(kMainBranch);
    const auto passing = [&](const SnapshotLogEntry& entry) {
      return added_.contains(entry.snapshot_id) &&
             (main == next_.refs.end() || main->second.snapshot_id != entry.snapshot_id);
    };
    if (!added_.empty()) std::erase_if(next_.snapshot_log, passing);
    if (!removed_) return;
    std::unordered_set<int64_t> left;
    for (const auto& snapshot : next_.snapshots) left.insert(snapshot->snapshot_id);
    const auto newest_gap =
        std::find_if(next_.snapshot_log.rbegin(), next_.snapshot_log.rend(),
                     [&](const auto& entry) { return !left.contains(entry.snapshot_id); });
    next_.snapshot_log.erase(next_.snapshot_log.begin(), newest_gap.base());
  }

  static Result<> Replace(std::vector<StatisticsFile>& files, int64_t snapshot_id,
                          const std::string& text) {
    const auto read = [&]() -> Result<StatisticsFile> {
      const boost::json::value root = PK_TRY(json::Parse(text));
      return ReadStatisticsFile(*PK_TRY(json::AsObject(root, "statistics file")));
    };
    Result<StatisticsFile> file = read();
    if (!file.ok()) return InvalidArgument(file.error().message());
    PK_CHECK(file->snapshot_id == snapshot_id,
             InvalidArgument(fmt::format("the statistics file is of another snapshot: {} and {}",
                                         file->snapshot_id, snapshot_id)));
    PK_TRY(Drop(files, snapshot_id));
    files.push_back(*std::move(file));
    return {};
  }

  static Result<> Drop(std::vector<StatisticsFile>& files, int64_t snapshot_id) {
    std::erase_if(files, [&](const auto& file) { return file.snapshot_id == snapshot_id; });
    return {};
  }

  TableMetadata next_;
  const int64_t updated_ms_;
  std::optional<int32_t> last_schema_, last_spec_, last_order_;  // added or found again
  std::unordered_set<int64_t> added_;                            // snapshots
  bool removed_ = false;                                         // snapshots
  bool layout_changed_ = false;  // current schema, default spec or order
};

}  // namespace

Result<TableMetadata> Apply(const TableMetadata& metadata, const std::vector<TableUpdate>& updates,
                            int64_t now_ms) {
  Application application(metadata, now_ms);
  for (size_t i = 0; i < updates.size(); ++i) {
    Result<> done =
        std::visit([&](const auto& update) { return application.Do(update); }, updates[i]);
    if (!done.ok())
      return std::move(done).error().With(
          fmt::format("update {} ({})", i + 1, ActionOf(updates[i])));
  }
  return std::move(application).Finish();
}

}  // namespace pk::iceberg
