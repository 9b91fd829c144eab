// JSON of commits that wait to be carried out. The names are those of the REST specification
// ("DataFile") where it has them.

#include "parkeeper/iceberg/table_commit.h"

#include <charconv>

#include "parkeeper/iceberg/encoded_value.h"
#include "parkeeper/iceberg/json_internal.h"

namespace pk::iceberg {
namespace {

namespace bj = boost::json;

Result<int32_t> FromDigits(std::string_view text) {
  int32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size(),
           Corrupt(fmt::format("'{}' is no number", text)));
  return number;
}

// Maps by field id, as the REST specification writes them.
void WriteCounts(JsonWriter& out, std::string_view name, const std::map<int32_t, int64_t>& counts) {
  if (counts.empty()) return;
  out.Key(name);
  out.BeginArray();
  for (const auto& [id, count] : counts) {
    out.Int(id);
    out.Int(count);
  }
  out.EndArray();
}

void WriteBounds(JsonWriter& out, std::string_view name,
                 const std::map<int32_t, std::string>& bounds) {
  if (bounds.empty()) return;
  out.Key(name);
  out.BeginObject();
  for (const auto& [id, bound] : bounds) out.String(std::to_string(id), ToHex(bound));
  out.EndObject();
}

Result<std::map<int32_t, int64_t>> ReadCounts(const bj::object& object, std::string_view name) {
  std::map<int32_t, int64_t> counts;
  const bj::array* array = PK_TRY(json::OptionalArray(object, name));
  if (array == nullptr) return counts;
  PK_CHECK(array->size() % 2 == 0, Corrupt(fmt::format("{} must be pairs", name)));
  for (size_t i = 0; i < array->size(); i += 2) {
    const int64_t id = PK_TRY(json::AsInt64((*array)[i], name));
    counts[int32_t(id)] = PK_TRY(json::AsInt64((*array)[i + 1], name));
  }
  return counts;
}

Result<std::map<int32_t, std::string>> ReadBounds(const bj::object& object, std::string_view name) {
  std::map<int32_t, std::string> bounds;
  const bj::object* members = PK_TRY(json::OptionalObject(object, name));
  if (members == nullptr) return bounds;
  for (const auto& member : *members) {
    const int32_t id = PK_TRY(FromDigits(member.key()).With(name));
    bounds[id] = PK_TRY(FromHex(PK_TRY(json::AsString(member.value(), name))).With(name));
  }
  return bounds;
}

// What a DataFile and a FileRef have in common.
template <class File>
void WritePlace(JsonWriter& out, const File& file) {
  if (file.content != FileContent::kData) out.Int("content", int64_t(file.content));
  out.String("file-path", file.location);
  out.Int("spec-id", file.spec_id);
  if (file.partition.empty()) return;
  out.Key("partition");
  out.BeginArray();
  for (const Value& value : file.partition) out.String(EncodeValue(value));
  out.EndArray();
}

template <class File>
Result<> ReadPlace(const bj::object& object, File& file) {
  const int32_t content = PK_TRY(json::OptionalInt32(object, "content")).value_or(0);
  PK_CHECK(content >= 0 && content <= int32_t(FileContent::kEqualityDeletes),
           Corrupt(fmt::format("unknown content {}", content)));
  file.content = FileContent(content);
  file.location = PK_TRY(json::String(object, "file-path"));
  file.spec_id = PK_TRY(json::Int32(object, "spec-id"));
  if (const bj::array* partition = PK_TRY(json::OptionalArray(object, "partition"))) {
    for (const bj::value& value : *partition) {
      file.partition.push_back(PK_TRY(DecodeValue(PK_TRY(json::AsString(value, "partition")))));
    }
  }
  return {};
}

void Write(JsonWriter& out, const DataFile& file) {
  out.BeginObject();
  WritePlace(out, file);
  if (file.format != "PARQUET") out.String("file-format", file.format);
  out.Int("record-count", file.record_count);
  out.Int("file-size-in-bytes", file.file_size);
  WriteCounts(out, "column-sizes", file.column_sizes);
  WriteCounts(out, "value-counts", file.value_counts);
  WriteCounts(out, "null-value-counts", file.null_counts);
  WriteCounts(out, "nan-value-counts", file.nan_counts);
  WriteBounds(out, "lower-bounds", file.lower_bounds);
  WriteBounds(out, "upper-bounds", file.upper_bounds);
  if (file.key_metadata) out.String("key-metadata", ToHex(*file.key_metadata));
  if (!file.split_offsets.empty()) out.Ints("split-offsets", file.split_offsets);
  if (!file.equality_ids.empty()) out.Ints("equality-ids", file.equality_ids);
  if (file.sort_order_id) out.Int("sort-order-id", *file.sort_order_id);
  if (file.referenced_data_file) out.String("referenced-data-file", *file.referenced_data_file);
  out.EndObject();
}

Result<DataFile> ReadDataFile(const bj::object& object) {
  DataFile file;
  PK_TRY(ReadPlace(object, file));
  file.format = PK_TRY(json::OptionalString(object, "file-format")).value_or("PARQUET");
  file.record_count = PK_TRY(json::Int64(object, "record-count"));
  file.file_size = PK_TRY(json::Int64(object, "file-size-in-bytes"));
  file.column_sizes = PK_TRY(ReadCounts(object, "column-sizes"));
  file.value_counts = PK_TRY(ReadCounts(object, "value-counts"));
  file.null_counts = PK_TRY(ReadCounts(object, "null-value-counts"));
  file.nan_counts = PK_TRY(ReadCounts(object, "nan-value-counts"));
  file.lower_bounds = PK_TRY(ReadBounds(object, "lower-bounds"));
  file.upper_bounds = PK_TRY(ReadBounds(object, "upper-bounds"));
  if (const auto key = PK_TRY(json::OptionalString(object, "key-metadata"))) {
    file.key_metadata = PK_TRY(FromHex(*key));
  }
  if (object.contains("split-offsets")) {
    file.split_offsets = PK_TRY(ReadInt64s(object, "split-offsets"));
  }
  if (object.contains("equality-ids")) {
    file.equality_ids = PK_TRY(ReadInt32s(object, "equality-ids"));
  }
  file.sort_order_id = PK_TRY(json::OptionalInt32(object, "sort-order-id"));
  file.referenced_data_file = PK_TRY(json::OptionalString(object, "referenced-data-file"));
  return file;
}

void Write(JsonWriter& out, const FileRef& file) {
  out.BeginObject();
  WritePlace(out, file);
  out.EndObject();
}

template <class File>
void WriteFiles(JsonWriter& out, std::string_view name, const std::vector<File>& files) {
  out.Key(name);
  out.BeginArray();
  for (const File& file : files) Write(out, file);
  out.EndArray();
}

Result<std::vector<DataFile>> ReadDataFiles(const bj::object& object, std::string_view name) {
  std::vector<DataFile> files;
  PK_TRY(
      EachObject(*PK_TRY(json::Array(object, name)), name, [&](const bj::object& file) -> Result<> {
        files.push_back(PK_TRY(ReadDataFile(file)));
        return {};
      }));
  return files;
}

// None when there is no such member.
Result<std::vector<FileRef>> ReadFileRefs(const bj::object& object, std::string_view name) {
  std::vector<FileRef> files;
  const bj::array* array = PK_TRY(json::OptionalArray(object, name));
  if (array == nullptr) return files;
  PK_TRY(EachObject(*array, name,
                    [&](const bj::object& file) { return ReadPlace(file, files.emplace_back()); }));
  return files;
}

// What an AppendFiles and a RowDelta have in common.
template <class Change>
void WriteTarget(JsonWriter& out, const Change& change) {
  out.String("branch", change.branch);
  out.Int("schema-id", change.schema_id);
  if (!change.summary.empty()) out.StringMap("summary", change.summary);
}

template <class Change>
Result<> ReadTarget(const bj::object& object, Change& change) {
  change.branch = PK_TRY(json::String(object, "branch"));
  change.schema_id = PK_TRY(json::Int32(object, "schema-id"));
  if (object.contains("summary")) change.summary = PK_TRY(ReadStringMap(object, "summary"));
  return {};
}

void Write(JsonWriter& out, const AppendFiles& append) {
  out.String("kind", "append");
  WriteTarget(out, append);
  WriteFiles(out, "files", append.files);
}

void Write(JsonWriter& out, const RowDelta& delta) {
  out.String("kind", "row-delta");
  WriteTarget(out, delta);
  if (delta.base_snapshot_id) out.Int("base-snapshot-id", *delta.base_snapshot_id);
  if (delta.rewrite) out.Bool("rewrite", true);
  if (!delta.removed.empty()) WriteFiles(out, "removed", delta.removed);
  if (!delta.referenced.empty()) WriteFiles(out, "referenced", delta.referenced);
  WriteFiles(out, "added", delta.added);
  if (delta.reads) {
    out.Key("reads");
    out.Raw(ToJson(*delta.reads));
  }
}

void Write(JsonWriter& out, const UpdateTable& update) {
  out.String("kind", "update");
  out.Key("requirements");
  out.Raw(ToJson(update.requirements));
  out.Key("updates");
  out.Raw(ToJson(update.updates));
}

Result<TableChange> ReadAppend(const bj::object& object) {
  AppendFiles append;
  PK_TRY(ReadTarget(object, append));
  append.files = PK_TRY(ReadDataFiles(object, "files"));
  return append;
}

Result<TableChange> ReadRowDelta(const bj::object& object) {
  RowDelta delta;
  PK_TRY(ReadTarget(object, delta));
  delta.base_snapshot_id = PK_TRY(json::OptionalInt64(object, "base-snapshot-id"));
  delta.rewrite = PK_TRY(json::OptionalBool(object, "rewrite")).value_or(false);
  delta.removed = PK_TRY(ReadFileRefs(object, "removed"));
  delta.referenced = PK_TRY(ReadFileRefs(object, "referenced"));
  delta.added = PK_TRY(ReadDataFiles(object, "added"));
  const bj::value* reads = object.if_contains("reads");
  if (reads != nullptr) delta.reads = PK_TRY(ReadExpression(*reads).With("reads"));
  return delta;
}

Result<TableChange> ReadUpdate(const bj::object& object) {
  const bj::array* requirements = PK_TRY(json::Array(object, "requirements"));
  const bj::array* updates = PK_TRY(json::Array(object, "updates"));
  UpdateTable update;
  update.requirements = PK_TRY(ParseTableRequirements(bj::serialize(*requirements)));
  update.updates = PK_TRY(ParseTableUpdates(bj::serialize(*updates)));
  return update;
}

void Write(JsonWriter& out, const TableChange& change) {
  std::visit([&](const auto& each) { Write(out, each); }, change);
}

Result<TableChange> ReadChange(const bj::object& object) {
  const std::string kind = PK_TRY(json::String(object, "kind"));
  if (kind == "append") return ReadAppend(object);
  if (kind == "row-delta") return ReadRowDelta(object);
  if (kind == "update") return ReadUpdate(object);
  return Unsupported(fmt::format("unknown kind of commit '{}'", kind));
}

constexpr std::string_view kWithProperties = "with-properties";

void Write(JsonWriter& out, const PropertyStep& step) {
  out.BeginObject();
  out.String("name", step.name);
  if (step.expected) out.String("expected", *step.expected);
  if (step.value) out.String("value", *step.value);
  out.EndObject();
}

void WriteWithProperties(JsonWriter& out, const TableCommit& commit) {
  out.String("kind", kWithProperties);
  out.Key("properties");
  out.BeginArray();
  for (const PropertyStep& step : commit.properties) Write(out, step);
  out.EndArray();
  out.Key("change");
  out.BeginObject();
  Write(out, commit.change);
  out.EndObject();
}

Result<> ReadWithProperties(const bj::object& object, TableCommit& commit) {
  const bj::array* steps = PK_TRY(json::Array(object, "properties"));
  PK_TRY(EachObject(*steps, "properties", [&](const bj::object& step) -> Result<> {
    auto& added = commit.properties.emplace_back();
    added.name = PK_TRY(json::String(step, "name"));
    added.expected = PK_TRY(json::OptionalString(step, "expected"));
    added.value = PK_TRY(json::OptionalString(step, "value"));
    return {};
  }));
  commit.change = PK_TRY(ReadChange(*PK_TRY(json::Object(object, "change"))).With("change"));
  return {};
}

}  // namespace

std::string ToJson(const TableCommit& commit) {
  JsonWriter out;
  out.BeginObject();
  out.String("id", commit.id.ToString());
  out.Int("oldest-file-ms", commit.oldest_file_ms);
  if (commit.properties.empty()) {
    Write(out, commit.change);
  } else {
    WriteWithProperties(out, commit);
  }
  out.EndObject();
  return std::move(out).Take();
}

Result<TableCommit> ParseTableCommit(std::string_view text) {
  const bj::value value = PK_TRY(json::Parse(text).With("commit"));
  const bj::object& object = *PK_TRY(json::AsObject(value, "commit"));
  TableCommit commit;
  commit.id = PK_TRY(Uuid::Parse(PK_TRY(json::String(object, "id"))));
  commit.oldest_file_ms = PK_TRY(json::Int64(object, "oldest-file-ms"));
  if (PK_TRY(json::String(object, "kind")) == kWithProperties) {
    PK_TRY(ReadWithProperties(object, commit));
  } else {
    commit.change = PK_TRY(ReadChange(object));
  }
  return commit;
}

}  // namespace pk::iceberg
