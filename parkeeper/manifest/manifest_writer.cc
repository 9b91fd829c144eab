#include "parkeeper/manifest/manifest_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <optional>
#include <utility>

#include "parkeeper/base/json.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/manifest/avro_container.h"
#include "parkeeper/manifest/manifest_schema_internal.h"

namespace pk::manifest {
namespace {

using avro::Encoder;
using iceberg::Compare;
using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::FileContent;
using iceberg::IsNan;
using iceberg::IsNull;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;
using iceberg::Value;

constexpr int64_t kUnassigned = -1;
// What v1 wants in block_size_in_bytes, which nobody reads.
constexpr int64_t kDefaultBlockSize = 64 * 1024 * 1024;

__extension__ using UInt128 = unsigned __int128;

// Two's complement, big-endian, `size` bytes.
std::string DecimalFixed(iceberg::Int128 value, int32_t size) {
  std::string bytes(size_t(size), '\0');
  auto rest = UInt128(value);
  for (int32_t i = size - 1; i >= 0; --i) {
    bytes[size_t(i)] = char(uint8_t(rest));
    rest >>= 8;
  }
  // Beyond 16 bytes would be sign only; precision 38 needs no more than 16.
  return bytes;
}

bool FitsPrecision(iceberg::Int128 value, int32_t precision) {
  iceberg::Int128 limit = 1;
  for (int32_t i = 0; i < precision; ++i) limit *= 10;
  return value < limit && value > -limit;
}

// The text of a fixed or uuid has its length, a decimal its precision.
bool FitsType(const Value& value, const PrimitiveType& type) {
  if (!Represents(value, type)) return false;
  if (IsNull(value)) return true;
  switch (type.kind) {
    case PrimitiveKind::kDecimal:
      return FitsPrecision(std::get<iceberg::Int128>(value), type.precision);
    case PrimitiveKind::kUuid:
      return std::get<std::string>(value).size() == 16;
    case PrimitiveKind::kFixed:
      return std::get<std::string>(value).size() == size_t(type.length);
    default:
      return true;
  }
}

void WriteValue(Encoder& out, const Value& value, const PrimitiveType& type) {
  out.Branch(!IsNull(value));
  if (IsNull(value)) return;
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      return out.Boolean(std::get<bool>(value));
    case PrimitiveKind::kInt:
    case PrimitiveKind::kDate:
      return out.Int(std::get<int32_t>(value));
    case PrimitiveKind::kLong:
    case PrimitiveKind::kTime:
    case PrimitiveKind::kTimestamp:
    case PrimitiveKind::kTimestamptz:
      return out.Long(std::get<int64_t>(value));
    case PrimitiveKind::kFloat:
      return out.Float(std::get<float>(value));
    case PrimitiveKind::kDouble:
      return out.Double(std::get<double>(value));
    case PrimitiveKind::kDecimal:
      return out.Fixed(
          DecimalFixed(std::get<iceberg::Int128>(value), DecimalBytes(type.precision)));
    case PrimitiveKind::kString:
    case PrimitiveKind::kBinary:
      return out.Bytes(std::get<std::string>(value));
    case PrimitiveKind::kUuid:
    case PrimitiveKind::kFixed:
      return out.Fixed(std::get<std::string>(value));
  }
}

void WriteNumber(Encoder& out, const std::optional<int64_t>& number) {
  out.Branch(number.has_value());
  if (number) out.Long(*number);
}

void WriteText(Encoder& out, const std::optional<std::string>& text) {
  out.Branch(text.has_value());
  if (text) out.Bytes(*text);
}

// The maps and lists of one entry; an empty one is null. The length of each goes before its items,
// so that readers which want none, or only the first, jump over it (Avro, "Arrays").
class Collections {
 public:
  Collections(Encoder& out, Encoder& items) : out_(out), items_(items) {}

  void Counts(const std::map<int32_t, int64_t>& counts) {
    Write(counts, [](Encoder& out, const auto& pair) {
      out.Int(pair.first);
      out.Long(pair.second);
    });
  }
  void Bounds(const std::map<int32_t, std::string>& bounds) {
    Write(bounds, [](Encoder& out, const auto& pair) {
      out.Int(pair.first);
      out.Bytes(pair.second);
    });
  }
  template <class T>
  void Numbers(const std::vector<T>& numbers) {
    Write(numbers, [](Encoder& out, T number) { out.Long(number); });
  }

 private:
  template <class Items, class WriteItem>
  void Write(const Items& items, const WriteItem& write_item) {
    out_.Branch(!items.empty());
    if (items.empty()) return;
    items_.Clear();
    for (const auto& item : items) write_item(items_, item);
    out_.Long(-int64_t(items.size()));
    out_.Bytes(items_.bytes());  // the length first
    out_.Long(0);
  }

  Encoder& out_;
  Encoder& items_;
};

// What the manifest list will say about one partition field.
struct Summary {
  bool contains_null = false;
  bool contains_nan = false;
  Value lower, upper;  // null: none yet

  void Add(const Value& value) {
    if (IsNull(value)) {
      contains_null = true;
    } else if (IsNan(value)) {
      contains_nan = true;
    } else {
      if (IsNull(lower) || Compare(value, lower) < 0) lower = value;
      if (IsNull(upper) || Compare(value, upper) > 0) upper = value;
    }
  }

  iceberg::PartitionSummary Finish(const PrimitiveType& type) const {
    iceberg::PartitionSummary summary{.contains_null = contains_null,
                                      .contains_nan = contains_nan,
                                      .lower = std::nullopt,
                                      .upper = std::nullopt};
    if (!IsNull(lower)) summary.lower = ToBytes(lower, type);
    if (!IsNull(upper)) summary.upper = ToBytes(upper, type);
    return summary;
  }
};

// Only the fields of a spec's JSON.
std::string PartitionFieldsJson(const iceberg::PartitionSpec& spec) {
  const auto json = json::Parse(ToJson(spec));
  const auto* fields =
      json.ok() && json->is_object() ? json->get_object().if_contains("fields") : nullptr;
  return fields == nullptr ? "[]" : boost::json::serialize(*fields);
}

avro::Metadata HeaderMetadata(const iceberg::Schema& schema, const iceberg::PartitionSpec& spec,
                              const ManifestOptions& options) {
  avro::Metadata metadata = {{"schema", ToJson(schema)},
                             {"schema-id", std::to_string(schema.schema_id())},
                             {"partition-spec", PartitionFieldsJson(spec)},
                             {"partition-spec-id", std::to_string(spec.spec_id)},
                             {"format-version", std::to_string(options.format_version)}};
  if (options.format_version >= 2) {
    metadata.emplace("content", options.content == ManifestContent::kData ? "data" : "deletes");
  }
  return metadata;
}

}  // namespace

struct ManifestWriter::State {
  State(const iceberg::Schema& schema, iceberg::PartitionSpec partition_spec,
        ManifestOptions manifest_options)
      : spec(std::move(partition_spec)),
        options(manifest_options),
        types(PartitionTypes(spec, schema)),
        summaries(types.size()),
        container(ManifestEntrySchema(options.format_version, PartitionStruct(spec, schema)),
                  HeaderMetadata(schema, spec, options), options.codec) {}

  bool v2() const { return options.format_version >= 2; }

  Result<> CheckVersion() const {
    const int32_t version = options.format_version;
    PK_CHECK(version == 1 || version == 2,
             Unsupported(fmt::format("manifests of format version {} cannot be written", version)));
    PK_CHECK(version == 2 || options.content == ManifestContent::kData,
             InvalidArgument("a v1 manifest cannot hold deletes"));
    return {};
  }

  Result<> CheckNumbers(const ManifestEntry& entry) const {
    if (!v2()) return {};
    if (entry.status != EntryStatus::kAdded) {
      PK_CHECK(entry.sequence_number.has_value(),
               InvalidArgument("an existing or deleted entry needs its sequence number"));
      return {};
    }
    PK_CHECK(!entry.file_sequence_number,
             InvalidArgument("an added entry inherits its file sequence number"));
    PK_CHECK(!entry.snapshot_id || *entry.snapshot_id == options.snapshot_id,
             InvalidArgument(fmt::format("an added entry belongs to another snapshot, {}",
                                         entry.snapshot_id.value_or(0))));
    return {};
  }

  Result<> CheckFile(const DataFile& file) const {
    const bool is_data = file.content == FileContent::kData;
    PK_CHECK(is_data == (options.content == ManifestContent::kData),
             InvalidArgument("data files and delete files cannot share a manifest"));
    PK_CHECK(file.content != FileContent::kEqualityDeletes || !file.equality_ids.empty(),
             InvalidArgument("an equality delete file needs its equality ids"));
    PK_CHECK(file.record_count >= 0 && file.file_size >= 0,
             InvalidArgument("the record count or file size is negative"));
    PK_CHECK(file.partition.size() == types.size(),
             InvalidArgument(fmt::format("{} partition values, the spec has {} fields",
                                         file.partition.size(), types.size())));
    for (size_t i = 0; i < types.size(); ++i) {
      PK_CHECK(FitsType(file.partition[i], types[i]),
               InvalidArgument(fmt::format("the value of partition field '{}' is no {}",
                                           spec.fields[i].name, ToString(types[i]))));
    }
    return {};
  }

  // Fields in the order of ManifestEntrySchema().
  void Encode(const ManifestEntry& entry) {
    Encoder& out = container.value();
    out.Int(int32_t(entry.status));
    if (v2()) {
      WriteNumber(out, entry.snapshot_id);
      WriteNumber(out, entry.sequence_number);
      WriteNumber(out, entry.file_sequence_number);
      out.Int(int32_t(entry.file.content));
    } else {
      out.Long(entry.snapshot_id.value_or(options.snapshot_id));
    }
    EncodeFile(entry.file, out);
  }

  void EncodeFile(const DataFile& file, Encoder& out) {
    out.Bytes(file.location);
    out.Bytes(file.format);
    for (size_t i = 0; i < types.size(); ++i) WriteValue(out, file.partition[i], types[i]);
    out.Long(file.record_count);
    out.Long(file.file_size);
    if (!v2()) out.Long(kDefaultBlockSize);
    Collections collections(out, items);
    collections.Counts(file.column_sizes);
    collections.Counts(file.value_counts);
    collections.Counts(file.null_counts);
    collections.Counts(file.nan_counts);
    collections.Bounds(file.lower_bounds);
    collections.Bounds(file.upper_bounds);
    WriteText(out, file.key_metadata);
    collections.Numbers(file.split_offsets);
    if (v2()) collections.Numbers(file.equality_ids);
    WriteNumber(out, file.sort_order_id);
    if (v2()) WriteText(out, file.referenced_data_file);
  }

  void Count(const ManifestEntry& entry) {
    Tally& tally = tallies[size_t(entry.status)];
    ++tally.files;
    tally.rows += entry.file.record_count;
    for (size_t i = 0; i < types.size(); ++i) summaries[i].Add(entry.file.partition[i]);
    if (entry.status == EntryStatus::kDeleted || !entry.sequence_number) return;
    min_sequence_number = min_sequence_number == kUnassigned
                              ? *entry.sequence_number
                              : std::min(min_sequence_number, *entry.sequence_number);
  }

  iceberg::ManifestFile Describe(size_t length) const {
    const Tally& added = tallies[size_t(EntryStatus::kAdded)];
    const Tally& existing = tallies[size_t(EntryStatus::kExisting)];
    const Tally& deleted = tallies[size_t(EntryStatus::kDeleted)];
    iceberg::ManifestFile file;
    file.length = int64_t(length);
    file.spec_id = spec.spec_id;
    file.content = options.content;
    file.sequence_number = kUnassigned;
    file.min_sequence_number = min_sequence_number;
    file.added_snapshot_id = options.snapshot_id;
    file.added_files = added.files;
    file.existing_files = existing.files;
    file.deleted_files = deleted.files;
    file.added_rows = added.rows;
    file.existing_rows = existing.rows;
    file.deleted_rows = deleted.rows;
    for (size_t i = 0; i < types.size(); ++i)
      file.partitions.push_back(summaries[i].Finish(types[i]));
    return file;
  }

  struct Tally {
    int32_t files = 0;
    int64_t rows = 0;
  };

  const iceberg::PartitionSpec spec;
  const ManifestOptions options;
  const std::vector<PrimitiveType> types;
  std::vector<Summary> summaries;
  avro::ContainerWriter container;
  Encoder items;     // of one collection
  Tally tallies[3];  // by status
  int64_t min_sequence_number = kUnassigned;
};

ManifestWriter::ManifestWriter(std::shared_ptr<const iceberg::Schema> schema,
                               iceberg::PartitionSpec spec, ManifestOptions options)
    : state_(std::make_unique<State>(*schema, std::move(spec), options)) {}
ManifestWriter::~ManifestWriter() = default;
ManifestWriter::ManifestWriter(ManifestWriter&&) noexcept = default;
ManifestWriter& ManifestWriter::operator=(ManifestWriter&&) noexcept = default;

Result<> ManifestWriter::Add(const ManifestEntry& entry) {
  const std::string place = fmt::format("manifest entry {}", entry.file.location);
  PK_TRY(state_->CheckVersion());
  PK_TRY(state_->CheckNumbers(entry).With(place));
  PK_TRY(state_->CheckFile(entry.file).With(place));
  state_->Encode(entry);
  state_->Count(entry);
  return state_->container.EndValue();
}

int64_t ManifestWriter::size() const { return int64_t(state_->container.size()); }

Result<ManifestWriter::Written> ManifestWriter::Finish() && {
  PK_TRY(state_->CheckVersion());
  std::string bytes = PK_TRY(std::move(state_->container).Finish());
  iceberg::ManifestFile file = state_->Describe(bytes.size());
  return Written{.bytes = std::move(bytes), .file = std::move(file)};
}

}  // namespace pk::manifest
