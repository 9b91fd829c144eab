#include "parkeeper/manifest/manifest_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "parkeeper/manifest/avro_container.h"
#include "parkeeper/manifest/entry_plan_internal.h"

namespace pk::manifest {
namespace {

using avro::Decoder;
using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::PartitionSpec;

constexpr const char* kNullRequired = "a required field is null";
constexpr const char* kNoSequenceNumber =
    "an existing entry has no sequence number and may not inherit one";
// Field ids below it find their metrics by index.
constexpr size_t kIndexedIds = 4096;

// Calls read_block(decoder, count) for each block, which must read `count` entries.
template <class ReadBlock>
Result<> ForEachBlock(avro::ContainerReader& container, const ReadBlock& read_block) {
  while (const auto block = PK_TRY(container.Next())) {
    Decoder in(block->bytes);
    read_block(in, block->count);
    if (in.ok() && !in.at_end()) in.Fail("there are bytes after the last entry");
    if (!in.ok()) return in.error().With(fmt::format("in the block at byte {}", block->offset));
  }
  return {};
}

// Decodes entries into columns, row by row: what a row may lack is gathered first, since fields
// come in the writer's order and deleted entries leave no row.
class ColumnReader {
 public:
  ColumnReader(EntryPlan plan, const ManifestFile& file, const PartitionSpec& spec,
               const iceberg::Schema& schema, const ReadOptions& options)
      : plan_(std::move(plan)), file_(file), options_(options) {
    columns_.partition.resize(spec.fields.size());
    partition_.resize(spec.fields.size());
    for (const int32_t id : options.metrics_of) AddMetrics(id, schema);
    metrics_.resize(columns_.metrics.size());
  }

  void ReadBlock(Decoder& in, int64_t count) {
    Reserve(size_t(count));
    for (int64_t i = 0; i < count && in.ok(); ++i) {
      ReadRow(in);
      if (in.ok()) EndRow(in);
    }
  }

  EntryColumns Take() && { return std::move(columns_); }

 private:
  struct RowMetrics {
    int64_t value_count = -1;
    int64_t null_count = -1;
    int64_t nan_count = -1;
    std::optional<std::string_view> lower, upper;
  };

  void AddMetrics(int32_t id, const iceberg::Schema& schema) {
    if (FindSlot(id) >= 0) return;
    MetricColumns metrics{.field_id = id};
    const iceberg::Field* field = schema.FindById(id);
    const bool has_bounds = field != nullptr && field->type.is_primitive();
    if (has_bounds) metrics.type = *field->type.primitive();
    const auto slot = int32_t(columns_.metrics.size());
    if (id >= 0 && size_t(id) < kIndexedIds) {
      if (slots_.size() <= size_t(id)) slots_.resize(size_t(id) + 1, -1);
      slots_[size_t(id)] = slot;
    } else {
      other_slots_.emplace_back(id, slot);
    }
    bounds_wanted_.push_back(has_bounds);
    columns_.metrics.push_back(std::move(metrics));
  }

  int32_t FindSlot(int32_t id) const {
    if (size_t(uint32_t(id)) < slots_.size()) return slots_[size_t(id)];
    for (const auto& [other, slot] : other_slots_) {
      if (other == id) return slot;
    }
    return -1;
  }

  // Doubles at least: files with one entry a block are common.
  template <class T>
  static void Reserve(std::vector<T>& column, size_t more) {
    const size_t needed = column.size() + more;
    if (needed > column.capacity()) column.reserve(std::max(needed, column.capacity() * 2));
  }

  // `count` has been held against the block's bytes.
  void Reserve(size_t count) {
    Reserve(columns_.status, count);
    Reserve(columns_.snapshot_id, count);
    Reserve(columns_.sequence_number, count);
    Reserve(columns_.file_sequence_number, count);
    Reserve(columns_.content, count);
    Reserve(columns_.record_count, count);
    Reserve(columns_.file_size, count);
    for (auto& values : columns_.partition) Reserve(values, count);
    for (MetricColumns& metrics : columns_.metrics) {
      Reserve(metrics.value_count, count);
      Reserve(metrics.null_count, count);
      Reserve(metrics.nan_count, count);
    }
  }

  void ReadRow(Decoder& in) {
    numbers_ = EntryNumbers{};
    content_ = iceberg::FileContent::kData;
    std::fill(partition_.begin(), partition_.end(), iceberg::Value());
    std::fill(metrics_.begin(), metrics_.end(), RowMetrics());
    split_offsets_.clear();
    for (const EntryStep& step : plan_.steps) {
      if (step.part == EntryPart::kSkip) {
        in.Skip(*step.whole);
      } else if (IsPresent(in, step.field)) {
        ReadField(in, step);
      } else if (step.required) {
        in.Fail(kNullRequired);
      }
    }
  }

  void ReadField(Decoder& in, const EntryStep& step) {
    switch (step.part) {
      case EntryPart::kStatus:
        numbers_.status = ReadStatus(in);
        break;
      case EntryPart::kSnapshotId:
        numbers_.snapshot_id = in.Long();
        break;
      case EntryPart::kSequenceNumber:
        numbers_.sequence_number = in.Long();
        break;
      case EntryPart::kFileSequenceNumber:
        numbers_.file_sequence_number = in.Long();
        break;
      case EntryPart::kContent:
        content_ = ReadContent(in);
        break;
      case EntryPart::kLocation:
        location_ = in.Bytes();
        break;
      case EntryPart::kPartition:
        partition_[step.position] = ReadPartitionValue(in, step);
        break;
      case EntryPart::kRecordCount:
        record_count_ = ReadSize(in);
        break;
      case EntryPart::kFileSize:
        file_size_ = ReadSize(in);
        break;
      case EntryPart::kSplitOffsets:
        ReadSplitOffsets(in, step);
        break;
      default:
        ReadMetrics(in, step);
    }
  }

  void ReadMetrics(Decoder& in, const EntryStep& step) {
    if (metrics_.empty()) return in.Skip(*step.field.type);
    switch (step.part) {
      case EntryPart::kValueCounts:
        return ReadCounts(in, step, &RowMetrics::value_count);
      case EntryPart::kNullCounts:
        return ReadCounts(in, step, &RowMetrics::null_count);
      case EntryPart::kNanCounts:
        return ReadCounts(in, step, &RowMetrics::nan_count);
      case EntryPart::kLowerBounds:
        return ReadBounds(in, step, &RowMetrics::lower);
      case EntryPart::kUpperBounds:
        return ReadBounds(in, step, &RowMetrics::upper);
      default:
        return in.Skip(*step.field.type);
    }
  }

  void ReadCounts(Decoder& in, const EntryStep& step, int64_t RowMetrics::* member) {
    size_t missing = metrics_.size();
    ForEachById(in, step, [&](int32_t id) {
      const int32_t slot = FindSlot(id);
      if (slot < 0) {
        in.SkipNumber();
        return true;
      }
      metrics_[size_t(slot)].*member = std::max(in.Long(), int64_t(-1));
      return --missing > 0;
    });
  }

  void ReadBounds(Decoder& in, const EntryStep& step,
                  std::optional<std::string_view> RowMetrics::* member) {
    size_t missing = metrics_.size();
    ForEachById(in, step, [&](int32_t id) {
      const std::string_view bytes = in.Bytes();
      const int32_t slot = FindSlot(id);
      if (slot < 0) return true;
      if (bounds_wanted_[size_t(slot)]) metrics_[size_t(slot)].*member = bytes;
      return --missing > 0;
    });
  }

  void ReadSplitOffsets(Decoder& in, const EntryStep& step) {
    if (!options_.split_offsets) return in.Skip(*step.field.type);
    ForEachItem(in, step.field.type->parts[0]->min_size, [&] {
      if (IsPresent(in, step.item)) split_offsets_.push_back(in.Long());
    });
  }

  void EndRow(Decoder& in) {
    if (!numbers_.Inherit(file_, plan_.has_sequence_numbers)) return in.Fail(kNoSequenceNumber);
    if (numbers_.status == EntryStatus::kDeleted && !options_.deleted) return;
    columns_.status.push_back(numbers_.status);
    columns_.snapshot_id.push_back(*numbers_.snapshot_id);
    columns_.sequence_number.push_back(numbers_.sequence_number.value_or(-1));
    columns_.file_sequence_number.push_back(numbers_.file_sequence_number.value_or(-1));
    columns_.content.push_back(content_);
    columns_.location.Append(location_);
    columns_.record_count.push_back(record_count_);
    columns_.file_size.push_back(file_size_);
    for (size_t i = 0; i < partition_.size(); ++i)
      columns_.partition[i].push_back(std::move(partition_[i]));
    if (options_.split_offsets) columns_.split_offsets.push_back(split_offsets_);
    for (size_t i = 0; i < metrics_.size(); ++i) {
      MetricColumns& to = columns_.metrics[i];
      const RowMetrics& from = metrics_[i];
      to.value_count.push_back(from.value_count);
      to.null_count.push_back(from.null_count);
      to.nan_count.push_back(from.nan_count);
      from.lower ? to.lower.Append(*from.lower) : to.lower.AppendMissing();
      from.upper ? to.upper.Append(*from.upper) : to.upper.AppendMissing();
    }
  }

  const EntryPlan plan_;
  const ManifestFile& file_;
  const ReadOptions& options_;
  EntryColumns columns_;
  std::vector<int32_t> slots_;  // by field id: position in metrics, or -1
  std::vector<std::pair<int32_t, int32_t>> other_slots_;
  std::vector<bool> bounds_wanted_;  // by position in metrics: a column that can have bounds

  // The row being read.
  EntryNumbers numbers_;
  iceberg::FileContent content_ = iceberg::FileContent::kData;
  std::string_view location_;
  int64_t record_count_ = 0;
  int64_t file_size_ = 0;
  std::vector<iceberg::Value> partition_;
  std::vector<RowMetrics> metrics_;
  std::vector<int64_t> split_offsets_;
};

std::string UpperCase(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  }
  return upper;
}

void ReadCountMap(Decoder& in, const EntryStep& step, std::map<int32_t, int64_t>& out) {
  ForEachById(in, step, [&](int32_t id) {
    out.insert_or_assign(out.end(), id, in.Long());
    return true;
  });
}

void ReadBoundMap(Decoder& in, const EntryStep& step, std::map<int32_t, std::string>& out) {
  ForEachById(in, step, [&](int32_t id) {
    out.insert_or_assign(out.end(), id, std::string(in.Bytes()));
    return true;
  });
}

void ReadMapsAndLists(Decoder& in, const EntryStep& step, DataFile& file) {
  switch (step.part) {
    case EntryPart::kColumnSizes:
      return ReadCountMap(in, step, file.column_sizes);
    case EntryPart::kValueCounts:
      return ReadCountMap(in, step, file.value_counts);
    case EntryPart::kNullCounts:
      return ReadCountMap(in, step, file.null_counts);
    case EntryPart::kNanCounts:
      return ReadCountMap(in, step, file.nan_counts);
    case EntryPart::kLowerBounds:
      return ReadBoundMap(in, step, file.lower_bounds);
    case EntryPart::kUpperBounds:
      return ReadBoundMap(in, step, file.upper_bounds);
    case EntryPart::kSplitOffsets:
      return ForEachItem(in, step.field.type->parts[0]->min_size, [&] {
        if (IsPresent(in, step.item)) file.split_offsets.push_back(in.Long());
      });
    case EntryPart::kEqualityIds:
      return ForEachItem(in, step.field.type->parts[0]->min_size, [&] {
        if (IsPresent(in, step.item)) file.equality_ids.push_back(in.Int());
      });
    default:
      return in.Skip(*step.field.type);
  }
}

void ReadFileField(Decoder& in, const EntryStep& step, DataFile& file) {
  switch (step.part) {
    case EntryPart::kContent:
      file.content = ReadContent(in);
      break;
    case EntryPart::kLocation:
      file.location = in.Bytes();
      break;
    case EntryPart::kFormat:
      file.format = UpperCase(in.Bytes());
      break;
    case EntryPart::kPartition:
      file.partition[step.position] = ReadPartitionValue(in, step);
      break;
    case EntryPart::kRecordCount:
      file.record_count = ReadSize(in);
      break;
    case EntryPart::kFileSize:
      file.file_size = ReadSize(in);
      break;
    case EntryPart::kKeyMetadata:
      file.key_metadata = std::string(in.Bytes());
      break;
    case EntryPart::kSortOrderId:
      file.sort_order_id = in.Int();
      break;
    case EntryPart::kReferencedDataFile:
      file.referenced_data_file = std::string(in.Bytes());
      break;
    default:
      ReadMapsAndLists(in, step, file);
  }
}

void ReadEntryField(Decoder& in, const EntryStep& step, EntryNumbers& numbers, DataFile& file) {
  switch (step.part) {
    case EntryPart::kStatus:
      numbers.status = ReadStatus(in);
      break;
    case EntryPart::kSnapshotId:
      numbers.snapshot_id = in.Long();
      break;
    case EntryPart::kSequenceNumber:
      numbers.sequence_number = in.Long();
      break;
    case EntryPart::kFileSequenceNumber:
      numbers.file_sequence_number = in.Long();
      break;
    default:
      ReadFileField(in, step, file);
  }
}

ManifestEntry ReadEntry(Decoder& in, const EntryPlan& plan, const ManifestFile& file,
                        size_t partition_fields) {
  ManifestEntry entry;
  EntryNumbers numbers;
  entry.file.spec_id = file.spec_id;
  entry.file.partition.resize(partition_fields);
  for (const EntryStep& step : plan.steps) {
    if (step.part == EntryPart::kSkip) {
      in.Skip(*step.whole);
    } else if (IsPresent(in, step.field)) {
      ReadEntryField(in, step, numbers, entry.file);
    } else if (step.required) {
      in.Fail(kNullRequired);
    }
  }
  if (!numbers.Inherit(file, plan.has_sequence_numbers)) in.Fail(kNoSequenceNumber);
  entry.status = numbers.status;
  entry.snapshot_id = numbers.snapshot_id;
  entry.sequence_number = numbers.sequence_number;
  entry.file_sequence_number = numbers.file_sequence_number;
  return entry;
}

Result<EntryColumns> ReadAllColumns(std::string_view bytes, const ManifestFile& file,
                                    const PartitionSpec& spec, const iceberg::Schema& schema,
                                    const ReadOptions& options) {
  auto container = PK_TRY(avro::ContainerReader::Open(bytes));
  EntryPlan plan = PK_TRY(MakeEntryPlan(container.schema(), spec, schema));
  ColumnReader reader(std::move(plan), file, spec, schema, options);
  PK_TRY(ForEachBlock(container, [&](Decoder& in, int64_t count) { reader.ReadBlock(in, count); }));
  return std::move(reader).Take();
}

Result<std::vector<ManifestEntry>> ReadAllEntries(std::string_view bytes, const ManifestFile& file,
                                                  const PartitionSpec& spec,
                                                  const iceberg::Schema& schema) {
  auto container = PK_TRY(avro::ContainerReader::Open(bytes));
  const EntryPlan plan = PK_TRY(MakeEntryPlan(container.schema(), spec, schema));
  std::vector<ManifestEntry> entries;
  PK_TRY(ForEachBlock(container, [&](Decoder& in, int64_t count) {
    for (int64_t i = 0; i < count && in.ok(); ++i)
      entries.push_back(ReadEntry(in, plan, file, spec.fields.size()));
  }));
  return entries;
}

}  // namespace

iceberg::ColumnStatistics EntryColumns::Statistics(size_t row, int32_t field_id) const {
  iceberg::ColumnStatistics known;
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const MetricColumns& m) { return m.field_id == field_id; });
  if (found == metrics.end()) return known;
  const auto count = [&](const std::vector<int64_t>& counts) {
    return counts[row] < 0 ? std::nullopt : std::optional<int64_t>(counts[row]);
  };
  // A bound that is not of the type tells nothing.
  const auto bound = [&](const StringColumn& bounds) -> std::optional<iceberg::Value> {
    if (!bounds.Has(row)) return std::nullopt;
    auto value = iceberg::FromBytes(bounds[row], found->type);
    if (!value.ok()) return std::nullopt;
    return std::move(value).value();
  };
  known.value_count = count(found->value_count);
  known.null_count = count(found->null_count);
  known.nan_count = count(found->nan_count);
  known.lower = bound(found->lower);
  known.upper = bound(found->upper);
  return known;
}

Result<EntryColumns> ReadColumns(std::string_view bytes, const ManifestFile& file,
                                 const PartitionSpec& spec, const iceberg::Schema& schema,
                                 const ReadOptions& options) {
  return ReadAllColumns(bytes, file, spec, schema, options).With("manifest");
}

Result<std::vector<ManifestEntry>> ReadEntries(std::string_view bytes, const ManifestFile& file,
                                               const PartitionSpec& spec,
                                               const iceberg::Schema& schema) {
  return ReadAllEntries(bytes, file, spec, schema).With("manifest");
}

}  // namespace pk::manifest
