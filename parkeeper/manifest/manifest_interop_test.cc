// Manifests of PyIceberg read by us, and ours by PyIceberg. Both dump what they read as JSON of one
// form (tests/interop/manifest_dump.py), and the dumps are compared.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "parkeeper/base/json.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/manifest/manifest_writer.h"
#include "tests/support/manifest_samples.h"
#include "tests/support/matchers.h"

namespace pk::manifest {
namespace {

namespace bj = boost::json;
namespace fs = std::filesystem;

using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::PartitionSpec;
using pk::testing::IsOk;
using pk::testing::kSampleSnapshot;
using pk::testing::SampleEntry;
using pk::testing::SampleSchema;
using pk::testing::SampleSpec;

constexpr Codec kCodecs[] = {Codec::kNull, Codec::kDeflate, Codec::kZstd, Codec::kSnappy};

bj::value Hexed(const std::optional<std::string>& bytes) {
  if (!bytes) return nullptr;
  constexpr char kDigits[] = "0123456789abcdef";
  bj::string text;
  for (const char c : *bytes) {
    text += kDigits[uint8_t(c) >> 4];
    text += kDigits[uint8_t(c) & 15];
  }
  return text;
}

template <class T>
bj::value OrNull(const std::optional<T>& value) {
  return value ? bj::value(*value) : bj::value(nullptr);
}

bj::object Counts(const std::map<int32_t, int64_t>& counts) {
  bj::object out;
  for (const auto& [id, count] : counts) out[std::to_string(id)] = count;
  return out;
}

bj::object Bounds(const std::map<int32_t, std::string>& bounds) {
  bj::object out;
  for (const auto& [id, bytes] : bounds) out[std::to_string(id)] = Hexed(bytes);
  return out;
}

bj::object Dump(const ManifestEntry& entry, const std::vector<iceberg::PrimitiveType>& types) {
  const iceberg::DataFile& file = entry.file;
  bj::array partition;
  for (size_t i = 0; i < types.size(); ++i) {
    const iceberg::Value& value = file.partition.at(i);
    partition.push_back(iceberg::IsNull(value) ? bj::value(nullptr)
                                               : Hexed(iceberg::ToBytes(value, types[i])));
  }
  return {{"status", int(entry.status)},
          {"snapshot_id", OrNull(entry.snapshot_id)},
          {"sequence_number", OrNull(entry.sequence_number)},
          {"file_sequence_number", OrNull(entry.file_sequence_number)},
          {"content", int(file.content)},
          {"file_path", file.location},
          {"file_format", file.format},
          {"partition", partition},
          {"record_count", file.record_count},
          {"file_size", file.file_size},
          {"column_sizes", Counts(file.column_sizes)},
          {"value_counts", Counts(file.value_counts)},
          {"null_counts", Counts(file.null_counts)},
          {"nan_counts", Counts(file.nan_counts)},
          {"lower_bounds", Bounds(file.lower_bounds)},
          {"upper_bounds", Bounds(file.upper_bounds)},
          {"key_metadata", Hexed(file.key_metadata)},
          {"split_offsets", bj::value_from(file.split_offsets)},
          {"equality_ids", bj::value_from(file.equality_ids)},
          {"sort_order_id", OrNull(file.sort_order_id)}};
}

bj::array Dump(const std::vector<ManifestEntry>& entries, const PartitionSpec& spec,
               const iceberg::Schema& schema) {
  const auto types = PartitionTypes(spec, schema);
  bj::array out;
  for (const ManifestEntry& entry : entries) out.push_back(Dump(entry, types));
  return out;
}

bj::object Dump(const ManifestFile& manifest) {
  bj::array partitions;
  for (const iceberg::PartitionSummary& summary : manifest.partitions) {
    partitions.push_back({{"contains_null", summary.contains_null},
                          {"contains_nan", OrNull(summary.contains_nan)},
                          {"lower", Hexed(summary.lower)},
                          {"upper", Hexed(summary.upper)}});
  }
  return {{"manifest_path", manifest.location},
          {"manifest_length", manifest.length},
          {"partition_spec_id", manifest.spec_id},
          {"content", int(manifest.content)},
          {"sequence_number", manifest.sequence_number},
          {"min_sequence_number", manifest.min_sequence_number},
          {"added_snapshot_id", manifest.added_snapshot_id},
          {"added_files", OrNull(manifest.added_files)},
          {"existing_files", OrNull(manifest.existing_files)},
          {"deleted_files", OrNull(manifest.deleted_files)},
          {"added_rows", OrNull(manifest.added_rows)},
          {"existing_rows", OrNull(manifest.existing_rows)},
          {"deleted_rows", OrNull(manifest.deleted_rows)},
          {"partitions", partitions},
          {"key_metadata", Hexed(manifest.key_metadata)}};
}

void ExpectSame(const bj::array& found, const bj::array& expected, const std::string& name) {
  ASSERT_EQ(found.size(), expected.size()) << name;
  for (size_t i = 0; i < found.size(); ++i) {
    for (const auto& [key, value] : expected[i].as_object()) {
      const bj::value& ours = found[i].as_object().at(key);
      EXPECT_TRUE(ours == value) << name << ", item " << i << ", " << std::string_view(key) << ": "
                                 << ours << ", expected " << value;
    }
  }
}

std::string Contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class Golden : public ::testing::Test {
 protected:
  void SetUp() override {
    PK_ASSERT_OK(auto json, json::Parse(Contents(folder_ / "expected.json")));
    expected_ = json.as_object();
    PK_ASSERT_OK(schema_, iceberg::ParseSchema(expected_.at("schema").as_string()));
  }

  const fs::path folder_ = fs::path(PARKEEPER_SOURCE_DIR) / "tests/golden/manifests";
  bj::object expected_;
  iceberg::Schema schema_;
};

TEST_F(Golden, ManifestsOfPyIcebergAreReadAsItReadsThem) {
  ASSERT_GE(expected_.at("manifests").as_array().size(), 7u);
  for (const bj::value& item : expected_.at("manifests").as_array()) {
    const std::string name(item.at("file").as_string());
    const bj::object& json = item.at("line").as_object();
    ManifestFile line;
    line.spec_id = int32_t(json.at("partition_spec_id").as_int64());
    line.sequence_number = json.at("sequence_number").as_int64();
    line.added_snapshot_id = json.at("added_snapshot_id").as_int64();
    PK_ASSERT_OK(const auto spec, iceberg::ParsePartitionSpec(item.at("spec").as_string()));
    const std::string bytes = Contents(folder_ / name);
    PK_ASSERT_OK(const auto entries, ReadEntries(bytes, line, spec, schema_));
    ExpectSame(Dump(entries, spec, schema_), item.at("entries").as_array(), name);
    PK_ASSERT_OK(const auto columns, ReadColumns(bytes, line, spec, schema_, {.metrics_of = {1}}));
    const auto deleted = [](const ManifestEntry& entry) {
      return entry.status == iceberg::EntryStatus::kDeleted;
    };
    EXPECT_EQ(columns.size(),
              entries.size() - size_t(std::count_if(entries.begin(), entries.end(), deleted)));
  }
}

TEST_F(Golden, ListsOfPyIcebergAreReadAsItReadsThem) {
  ASSERT_GE(expected_.at("lists").as_array().size(), 5u);
  for (const bj::value& item : expected_.at("lists").as_array()) {
    const std::string name(item.at("file").as_string());
    PK_ASSERT_OK(const auto manifests, ReadManifestList(Contents(folder_ / name)));
    bj::array dumped;
    for (const ManifestFile& manifest : manifests) dumped.push_back(Dump(manifest));
    ExpectSame(dumped, item.at("manifests").as_array(), name);
  }
}

// The summaries and counts that our writer gathers are those of PyIceberg's.
TEST_F(Golden, ManifestsWrittenAgainHaveTheSameLine) {
  const auto schema = std::make_shared<const iceberg::Schema>(schema_);
  for (const bj::value& item : expected_.at("manifests").as_array()) {
    if (item.at("line").at("content").as_int64() != 0) continue;
    ManifestFile line;
    line.added_snapshot_id = kSampleSnapshot;
    PK_ASSERT_OK(const auto spec, iceberg::ParsePartitionSpec(item.at("spec").as_string()));
    PK_ASSERT_OK(auto entries, ReadEntries(Contents(folder_ / item.at("file").as_string().c_str()),
                                           line, spec, schema_));
    ManifestWriter writer(schema, spec, {.snapshot_id = kSampleSnapshot});
    for (ManifestEntry& entry : entries) {
      if (entry.status == iceberg::EntryStatus::kAdded) {
        entry.sequence_number = std::nullopt;
        entry.file_sequence_number = std::nullopt;
      }
      ASSERT_THAT(writer.Add(entry), IsOk());
    }
    PK_ASSERT_OK(const auto written, std::move(writer).Finish());
    const bj::object dumped = Dump(written.file);
    for (const char* key : {"partitions", "added_files", "existing_files", "deleted_files",
                            "added_rows", "existing_rows", "deleted_rows", "partition_spec_id"}) {
      EXPECT_TRUE(dumped.at(key) == item.at("line").at(key))
          << item.at("file") << " " << key << ": " << dumped.at(key) << ", expected "
          << item.at("line").at(key);
    }
  }
}

class PyIceberg : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "parkeeper-manifests-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Save(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }

  void WriteManifest(int32_t version, Codec codec, int count) {
    const PartitionSpec spec = SampleSpec();
    ManifestWriter writer(
        SampleSchema(), spec,
        {.format_version = version, .snapshot_id = kSampleSnapshot, .codec = codec});
    std::vector<ManifestEntry> entries;
    for (int i = 0; i < count; ++i) {
      const ManifestEntry entry = SampleEntry(i, spec);
      ASSERT_THAT(writer.Add(entry), IsOk());
      entries.push_back(entry);
    }
    PK_ASSERT_OK(auto written, std::move(writer).Finish());
    written.file.sequence_number = version == 1 ? 0 : 34;
    for (ManifestEntry& entry : entries) {
      if (version == 1) entry.sequence_number = entry.file_sequence_number = 0;
      entry = pk::testing::Inherited(entry, written.file.sequence_number);
    }
    const std::string name = "v" + std::to_string(version) + "-" + std::string(CodecName(codec));
    written.file.location = name;
    Save(name, written.bytes);
    lines_.push_back(written.file);
    manifests_.push_back({{"file", name},
                          {"line", Dump(written.file)},
                          {"entries", Dump(entries, spec, *SampleSchema())}});
  }

  void WriteList(int32_t version, Codec codec) {
    std::vector<ManifestFile> lines = lines_;
    bj::array dumped;
    for (ManifestFile& line : lines) {
      if (version == 1) line.sequence_number = 0;
      line.min_sequence_number = version == 1 ? 0 : 3;
      dumped.push_back(Dump(line));
    }
    PK_ASSERT_OK(const std::string bytes, WriteManifestList({.format_version = version,
                                                             .snapshot_id = kSampleSnapshot,
                                                             .sequence_number = 34,
                                                             .codec = codec},
                                                            lines));
    const std::string name =
        "list-v" + std::to_string(version) + "-" + std::string(CodecName(codec));
    Save(name, bytes);
    lists_.push_back({{"file", name}, {"manifests", dumped}});
  }

  fs::path folder_;
  std::vector<ManifestFile> lines_;
  bj::array manifests_, lists_;
};

TEST_F(PyIceberg, ReadsWhatWeWrite) {
  for (const Codec codec : kCodecs) {
    WriteManifest(2, codec, 40);
    WriteManifest(1, codec, 7);
  }
  for (const Codec codec : kCodecs) {
    WriteList(2, codec);
    WriteList(1, codec);
  }
  const bj::object expected = {{"schema", ToJson(*SampleSchema())},
                               {"spec", ToJson(SampleSpec())},
                               {"manifests", manifests_},
                               {"lists", lists_}};
  Save("expected.json", bj::serialize(expected));
  const char* from_environment = std::getenv("PARKEEPER_PYTHON");
  const std::string python = from_environment == nullptr ? PARKEEPER_PYTHON : from_environment;
  const std::string command = python +
                              " -B " PARKEEPER_SOURCE_DIR "/tests/interop/read_manifests.py " +
                              folder_.string() + " 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace
}  // namespace pk::manifest
