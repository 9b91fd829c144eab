#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "parkeeper/datafile/row_deletes.h"
#include "parkeeper/table/delete_index_internal.h"

namespace pk::table {

using iceberg::ColumnStatistics;
using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::PrimitiveKind;
using iceberg::Value;

namespace {

std::optional<std::string> BoundOf(const std::map<int32_t, std::string>& bounds, int32_t id) {
  const auto found = bounds.find(id);
  return found == bounds.end() ? std::nullopt : std::optional<std::string>(found->second);
}

std::optional<int64_t> CountOf(const std::map<int32_t, int64_t>& counts, int32_t id) {
  const auto found = counts.find(id);
  return found == counts.end() || found->second < 0 ? std::nullopt
                                                    : std::optional<int64_t>(found->second);
}

ColumnStatistics StatisticsOf(const DataFile& file, int32_t id,
                              const iceberg::PrimitiveType& type) {
  const auto bound = [&](const std::map<int32_t, std::string>& bounds) -> std::optional<Value> {
    const auto bytes = BoundOf(bounds, id);
    if (!bytes) return std::nullopt;
    auto value = iceberg::FromBytes(*bytes, type);
    // A bound that cannot be read says nothing.
    return value.ok() ? std::optional<Value>(std::move(value).value()) : std::nullopt;
  };
  return {.value_count = CountOf(file.value_counts, id),
          .null_count = CountOf(file.null_counts, id),
          .nan_count = CountOf(file.nan_counts, id),
          .lower = bound(file.lower_bounds),
          .upper = bound(file.upper_bounds)};
}

bool MayHoldNull(const ColumnStatistics& known) { return known.null_count.value_or(1) > 0; }
bool MayHoldValue(const ColumnStatistics& known) {
  return !known.value_count || !known.null_count || *known.null_count < *known.value_count;
}

// Whether a row of the one may have the same value as a row of the other.
bool MayMeet(const DeleteFiles::Key& key, const ColumnStatistics& deleted,
             const ColumnStatistics& data) {
  if (MayHoldNull(deleted) && MayHoldNull(data)) return true;
  if (!MayHoldValue(deleted) || !MayHoldValue(data)) return false;
  // Bounds leave NaN out.
  if (key.is_float && deleted.nan_count.value_or(1) > 0 && data.nan_count.value_or(1) > 0) {
    return true;
  }
  const auto below = [](const std::optional<Value>& upper, const std::optional<Value>& lower) {
    return upper && lower && upper->index() == lower->index() &&
           iceberg::Compare(*upper, *lower) < 0;
  };
  return !below(deleted.upper, data.lower) && !below(data.upper, deleted.lower);
}

}  // namespace

bool IsUnpartitioned(const iceberg::PartitionSpec& spec) {
  return std::ranges::all_of(spec.fields, [](const iceberg::PartitionField& field) {
    return field.transform.kind == iceberg::TransformKind::kVoid;
  });
}

DeleteFiles::DeleteFiles(const iceberg::TableMetadata& metadata,
                         std::shared_ptr<const iceberg::Schema> schema)
    : metadata_(metadata), schema_(std::move(schema)) {}

Result<int32_t> DeleteFiles::Add(const DataFile& file, int64_t sequence_number) {
  // Deletion vectors of many data files lie in one file.
  const std::string name = file.location + '\n' + file.referenced_data_file.value_or("");
  const auto [place, added] = numbers_.try_emplace(name, int32_t(entries_.size()));
  if (!added) return place->second;
  PK_CHECK(file.content != FileContent::kData,
           Corrupt(fmt::format("a data file among delete files: {}", file.location)));
  Entry entry{.task = {.file = file, .sequence_number = sequence_number}, .keys = {}};
  if (file.content == FileContent::kEqualityDeletes) {
    PK_TRY(AddKeys(entry).With(fmt::format("delete file {}", file.location)));
  } else {
    entry.first_path = BoundOf(file.lower_bounds, datafile::kDeletePathFieldId);
    entry.last_path = BoundOf(file.upper_bounds, datafile::kDeletePathFieldId);
    auto& referenced = entry.task.file.referenced_data_file;
    if (!referenced && entry.first_path && entry.first_path == entry.last_path) {
      referenced = entry.first_path;
    }
  }
  DataFile& kept = entry.task.file;
  for (auto* counts :
       {&kept.column_sizes, &kept.value_counts, &kept.null_counts, &kept.nan_counts}) {
    counts->clear();
  }
  kept.lower_bounds.clear();
  kept.upper_bounds.clear();
  entries_.push_back(std::move(entry));
  return place->second;
}

Result<> DeleteFiles::AddKeys(Entry& entry) {
  DataFile& file = entry.task.file;
  const iceberg::PartitionSpec* spec = metadata_.FindSpec(file.spec_id);
  entry.global = spec != nullptr && IsUnpartitioned(*spec);
  std::ranges::sort(file.equality_ids);
  const auto rest = std::ranges::unique(file.equality_ids);
  file.equality_ids.erase(rest.begin(), rest.end());
  for (const int32_t id : file.equality_ids) {
    if (schema_->FindById(id) == nullptr) PK_TRY(AddDroppedColumn(id));
    const iceberg::Field* field = schema_->FindById(id);
    const auto* type = field->type.primitive();
    PK_CHECK(type != nullptr && !schema_->IsRepeated(id),
             Unsupported(fmt::format("equality deletes over column '{}', which has no single "
                                     "primitive value in a row",
                                     schema_->FullName(id))));
    entry.keys.push_back(
        {.field_id = id,
         .is_float = type->kind == PrimitiveKind::kFloat || type->kind == PrimitiveKind::kDouble,
         .statistics = StatisticsOf(file, id, *type)});
  }
  PK_CHECK(!entry.keys.empty(), Corrupt("equality deletes over no column"));
  return {};
}

// As the newest schema that has it.
Result<> DeleteFiles::AddDroppedColumn(int32_t field_id) {
  for (auto schema = metadata_.schemas.rbegin(); schema != metadata_.schemas.rend(); ++schema) {
    for (const iceberg::Field& field : (*schema)->fields()) {
      if (field.id != field_id) continue;
      iceberg::StructType columns = schema_->type();
      columns.fields.push_back(field);
      columns.fields.back().required = false;
      // The table may have another column of this name by now.
      columns.fields.back().name = fmt::format("{} (field {})", field.name, field.id);
      schema_ = std::make_shared<const iceberg::Schema>(std::move(columns), schema_->schema_id());
      return {};
    }
  }
  return Unsupported(fmt::format("equality deletes over field {}, which is no column", field_id));
}

// Partitions are told apart by their values. Those that are not known read as null, so that too
// many files seem to match, but none too few.
Result<> DeleteFiles::Check(int32_t number) const {
  const DataFile& file = at(number).task.file;
  PK_TRY(datafile::CheckDeleteFormat(file));
  if (file.content == FileContent::kPositionDeletes) return {};
  const iceberg::PartitionSpec* spec = metadata_.FindSpec(file.spec_id);
  PK_CHECK(spec != nullptr,
           Corrupt(fmt::format("the metadata has no partition spec {}", file.spec_id)));
  for (const iceberg::PartitionField& field : spec->fields) {
    if (field.transform.kind == iceberg::TransformKind::kVoid) continue;
    PK_CHECK(field.transform.kind != iceberg::TransformKind::kUnknown &&
                 schema_->FindById(field.source_id) != nullptr,
             Unsupported(fmt::format("equality deletes in a partition by '{}', whose {} this "
                                     "version does not know: {}",
                                     field.name,
                                     field.transform.kind == iceberg::TransformKind::kUnknown
                                         ? "transform"
                                         : "column is gone and whose values",
                                     file.location)));
  }
  return {};
}

bool DeleteFiles::IsUseless(int32_t number, const iceberg::BoundExpression& filter) const {
  const Entry& entry = at(number);
  if (entry.keys.empty() || filter.is_true()) return false;
  // Of other columns a delete file may hold anything.
  return !iceberg::MightMatch(filter, [&](int32_t field_id) {
    for (const Key& key : entry.keys) {
      if (key.field_id == field_id) return key.statistics;
    }
    return ColumnStatistics();
  });
}

std::vector<int32_t> DeleteFiles::KeyFields() const {
  std::vector<int32_t> ids;
  for (const Entry& entry : entries_) {
    ids.insert(ids.end(), entry.task.file.equality_ids.begin(), entry.task.file.equality_ids.end());
  }
  std::ranges::sort(ids);
  const auto rest = std::ranges::unique(ids);
  ids.erase(rest.begin(), rest.end());
  return ids;
}

DeleteIndex::DeleteIndex(const DeleteFiles& files, std::vector<int32_t> numbers)
    : files_(files), numbers_(std::move(numbers)) {
  std::ranges::sort(numbers_);
  for (const int32_t number : numbers_) {
    const DeleteFiles::Entry& entry = files_.at(number);
    const DataFile& file = entry.task.file;
    Group* group = &global_keys_;
    if (file.content == FileContent::kPositionDeletes) {
      group = file.referenced_data_file ? &positions_of_file_[*file.referenced_data_file]
                                        : &positions_[{file.spec_id, file.partition}];
    } else if (!entry.global) {
      group = &keys_[{file.spec_id, file.partition}];
    }
    group->emplace_back(entry.task.sequence_number, number);
    newest_ = std::max(newest_, entry.task.sequence_number);
  }
  for (auto& [path, group] : positions_of_file_) std::ranges::sort(group);
  for (auto& [partition, group] : positions_) std::ranges::sort(group);
  for (auto& [partition, group] : keys_) std::ranges::sort(group);
  std::ranges::sort(global_keys_);
}

std::vector<int32_t> DeleteIndex::Find(const DeleteTarget& target) const {
  std::vector<int32_t> found;
  if (target.sequence_number > newest_) return found;
  const auto of_file = positions_of_file_.find(target.location);
  if (of_file != positions_of_file_.end()) FindPositions(target, of_file->second, found);
  if (!positions_.empty() || !keys_.empty()) {
    const Partition partition{target.spec_id, target.partition};
    const auto positions = positions_.find(partition);
    if (positions != positions_.end()) FindPositions(target, positions->second, found);
    const auto keys = keys_.find(partition);
    if (keys != keys_.end()) FindKeys(target, keys->second, found);
  }
  FindKeys(target, global_keys_, found);
  std::ranges::sort(found);
  return found;
}

// Position deletes apply to files of their own commit, too.
void DeleteIndex::FindPositions(const DeleteTarget& target, const Group& group,
                                std::vector<int32_t>& found) const {
  auto at = std::ranges::lower_bound(group, target.sequence_number, {},
                                     [](const auto& entry) { return entry.first; });
  for (; at != group.end(); ++at) {
    const DeleteFiles::Entry& entry = files_.at(at->second);
    const DataFile& file = entry.task.file;
    if (entry.first_path && target.location < *entry.first_path) continue;
    if (entry.last_path && target.location > *entry.last_path) continue;
    const iceberg::TupleLess less;
    if (file.spec_id != target.spec_id || less(file.partition, target.partition) ||
        less(target.partition, file.partition)) {
      continue;
    }
    found.push_back(at->second);
  }
}

void DeleteIndex::FindKeys(const DeleteTarget& target, const Group& group,
                           std::vector<int32_t>& found) const {
  auto at = std::ranges::upper_bound(group, target.sequence_number, {},
                                     [](const auto& entry) { return entry.first; });
  std::vector<std::pair<int32_t, ColumnStatistics>> known;  // bounds are costly to read
  const auto statistics = [&](int32_t id) -> const ColumnStatistics& {
    for (const auto& [field, of_field] : known) {
      if (field == id) return of_field;
    }
    return known.emplace_back(id, target.statistics(id)).second;
  };
  for (; at != group.end(); ++at) {
    const auto& keys = files_.at(at->second).keys;
    if (std::ranges::all_of(keys, [&](const DeleteFiles::Key& key) {
          return MayMeet(key, key.statistics, statistics(key.field_id));
        })) {
      found.push_back(at->second);
    }
  }
}

}  // namespace pk::table
