#pragma once

// A table in memory without a catalog: appends through the table layer, and snapshots made of the
// files as a catalog would make them, but in the test's hands.

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "parkeeper/datafile/input.h"
#include "parkeeper/datafile/parquet_writer.h"
#include "parkeeper/datafile/row_deletes.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_writer.h"
#include "parkeeper/storage/memory.h"
#include "parkeeper/table/append.h"
#include "parkeeper/table/scan.h"
#include "tests/support/matchers.h"
#include "tests/support/read_all.h"
#include "tests/support/temp_folder.h"

namespace pk::testing {

using Lines = std::vector<std::string>;

struct TableShape {
  std::string schema = "id long not null, cat string, x double";
  std::string partition_by = "";
  std::string sort_by = "";
  std::map<std::string, std::string> properties = {};
  std::string location = "memory://lake/t";
};

inline iceberg::TableMetadata MakeTable(const TableShape& shape) {
  iceberg::NewTable table;
  table.schema = iceberg::ParseSchemaText(shape.schema).value();
  table.spec = iceberg::ParsePartitionText(shape.partition_by, table.schema).value();
  table.sort_order = iceberg::ParseSortText(shape.sort_by, table.schema).value();
  table.location = shape.location;
  table.table_uuid = "11111111-2222-4333-8444-555555555555";
  table.properties = shape.properties;
  table.now_ms = 1'000;
  return iceberg::MakeTableMetadata(std::move(table)).value();
}

// Rows written as JSON lines, as a source of batches of at most `batch_rows`.
class RowSources {
 public:
  std::unique_ptr<datafile::BatchSource> Of(const iceberg::Schema& schema, const Lines& lines,
                                            int64_t batch_rows = 100) {
    const std::string path = folder_ / (std::to_string(next_++) + ".jsonl");
    std::ofstream out(path);
    for (const std::string& line : lines) out << line << "\n";
    out.close();
    auto source = datafile::OpenInput(path, std::make_shared<const iceberg::Schema>(schema),
                                      {.format = {}, .batch_rows = batch_rows, .row_groups = {}});
    EXPECT_THAT(source, IsOk());
    return source.ok() ? std::move(source).value() : nullptr;
  }

 private:
  TempFolder folder_;
  int next_ = 0;
};

// The sources, one after the other.
inline table::NextSource Each(std::vector<std::unique_ptr<datafile::BatchSource>> sources) {
  auto left =
      std::make_shared<std::vector<std::unique_ptr<datafile::BatchSource>>>(std::move(sources));
  return [left, next = size_t{0}]() mutable -> Result<std::unique_ptr<datafile::BatchSource>> {
    if (next == left->size()) return std::unique_ptr<datafile::BatchSource>();
    return std::move((*left)[next++]);
  };
}

class TableInMemory {
 public:
  // Several tables may share one storage, each at a location of its own.
  explicit TableInMemory(const TableShape& shape = {},
                         std::shared_ptr<storage::Storage> storage = storage::MakeMemory("lake"))
      : storage_(std::move(storage)), metadata_(MakeTable(shape)) {}

  storage::Storage& storage() { return *storage_; }
  iceberg::TableMetadata& metadata() { return metadata_; }

  Result<table::AppendedFiles> Write(const Lines& lines, table::AppendOptions options = {}) {
    if (options.writers == 0) options.writers = 2;
    std::vector<std::unique_ptr<datafile::BatchSource>> sources;
    sources.push_back(rows_.Of(metadata_.schema(), lines));
    return table::WriteDataFiles(*storage_, metadata_, Each(std::move(sources)), options);
  }

  // Writes the lines and makes them a snapshot of a manifest of their own; its id.
  int64_t Append(const Lines& lines, table::AppendOptions options = {}) {
    auto written = Write(lines, options);
    EXPECT_THAT(written, IsOk());
    return written.ok() ? Commit(written->files) : 0;
  }

  // A snapshot that adds these files to the ones of the current snapshot.
  int64_t Commit(const std::vector<iceberg::DataFile>& files,
                 iceberg::ManifestContent content = iceberg::ManifestContent::kData,
                 int32_t format_version = 2) {
    std::vector<iceberg::ManifestEntry> entries;
    for (const iceberg::DataFile& file : files) {
      entries.emplace_back();
      entries.back().file = file;
    }
    return CommitEntries(entries, content == iceberg::ManifestContent::kData ? "append" : "delete",
                         content, format_version);
  }
  // A snapshot with these entries in one manifest instead of all that was there.
  int64_t Replace(const std::vector<iceberg::ManifestEntry>& entries,
                  const std::string& operation = "replace") {
    manifests_.clear();
    return CommitEntries(entries, operation, iceberg::ManifestContent::kData, 2);
  }

  struct NewManifest {
    iceberg::ManifestContent content = iceberg::ManifestContent::kData;
    int32_t spec_id = 0;
    std::vector<iceberg::ManifestEntry> entries;
  };
  // A snapshot with these manifests, after those of the current one where they are kept.
  int64_t CommitManifests(const std::vector<NewManifest>& added, const std::string& operation,
                          bool keep = true, int32_t format_version = 2) {
    const int64_t id = NextSnapshot();
    const int64_t sequence = ++metadata_.last_sequence_number;
    if (!keep) manifests_.clear();
    for (size_t i = 0; i < added.size(); ++i) {
      manifests_.push_back(
          WriteManifest(added[i], id, sequence, format_version,
                        std::to_string(id) + (i == 0 ? "" : "-" + std::to_string(i))));
    }
    AddSnapshot(id, sequence, operation, format_version);
    return id;
  }
  int64_t NextSnapshot() const { return 100 + metadata_.last_sequence_number; }

  // Files as a writer of deletes makes them, to be committed. With whole metrics, the bounds of the
  // paths tell when all positions are of one data file; cut ones do not.
  iceberg::DataFile WritePositionDeletes(const std::vector<std::pair<std::string, int64_t>>& rows,
                                         std::vector<iceberg::Value> partition = {},
                                         bool whole_metrics = true) {
    Lines lines;
    for (const auto& [path, position] : rows) {
      lines.push_back("{\"file_path\":\"" + path + "\",\"pos\":" + std::to_string(position) + "}");
    }
    const iceberg::Schema schema(
        iceberg::StructType{.fields = {{.id = datafile::kDeletePathFieldId,
                                        .name = "file_path",
                                        .required = true,
                                        .type = iceberg::PrimitiveKind::kString},
                                       {.id = datafile::kDeletePositionFieldId,
                                        .name = "pos",
                                        .required = true,
                                        .type = iceberg::PrimitiveKind::kLong}}});
    auto file = WriteDeletes(schema, lines, std::move(partition), whole_metrics);
    file.content = iceberg::FileContent::kPositionDeletes;
    return file;
  }
  // The lines hold the columns `columns` and nothing else.
  iceberg::DataFile WriteEqualityDeletes(const std::vector<std::string>& columns,
                                         const Lines& lines,
                                         std::vector<iceberg::Value> partition = {}) {
    const auto schema = iceberg::Select(metadata_.schema(), columns).value();
    auto file = WriteDeletes(schema, lines, std::move(partition), true);
    file.content = iceberg::FileContent::kEqualityDeletes;
    for (const auto& name : columns) {
      file.equality_ids.push_back(metadata_.schema().FindByName(name)->id);
    }
    return file;
  }

  Result<table::ScanPlan> Plan(table::ScanRequest request = {}) {
    return table::PlanScan(*storage_, metadata_, request, {.threads = 2});
  }
  Result<table::ScanPlan> PlanWhere(const std::string& filter) {
    return Plan({.filter = iceberg::ParseExpression(filter).value(),
                 .columns = {},
                 .snapshot = {},
                 .limit = {}});
  }
  Result<Lines> Read(const Result<table::ScanPlan>& plan, table::ScanOptions options = {}) {
    if (!plan.ok()) return plan.error();
    if (options.threads == 0) options.threads = 2;
    return ReadLines(table::Scan(*storage_, *plan, options));
  }

  // Locations of the data files in storage.
  Lines Files() {
    Lines files;
    EXPECT_THAT(storage_->List(metadata_.location + "/data",
                               [&](const storage::FileStatus& file) -> Result<> {
                                 files.push_back(file.location);
                                 return {};
                               }),
                IsOk());
    return files;
  }
  // Rows of one data file in their order.
  Lines RowsOf(const iceberg::DataFile& file) {
    const auto schema = std::make_shared<const iceberg::Schema>(metadata_.schema());
    datafile::ReaderOptions options;
    options.projection = schema;
    options.table_schema = schema;
    auto lines = ReadLines(datafile::OpenParquet(*storage_, file, options));
    EXPECT_THAT(lines, IsOk());
    return lines.ok() ? *lines : Lines{};
  }

 private:
  int64_t CommitEntries(const std::vector<iceberg::ManifestEntry>& entries,
                        const std::string& operation, iceberg::ManifestContent content,
                        int32_t format_version) {
    return CommitManifests(
        {{.content = content, .spec_id = metadata_.default_spec_id, .entries = entries}}, operation,
        true, format_version);
  }

  iceberg::ManifestFile WriteManifest(const NewManifest& made, int64_t id, int64_t sequence,
                                      int32_t format_version, const std::string& name) {
    auto schema = std::make_shared<const iceberg::Schema>(metadata_.schema());
    manifest::ManifestWriter writer(
        schema, *metadata_.FindSpec(made.spec_id),
        {.format_version = format_version, .content = made.content, .snapshot_id = id});
    for (const iceberg::ManifestEntry& entry : made.entries) {
      EXPECT_THAT(writer.Add(entry), IsOk());
    }
    auto written = std::move(writer).Finish().value();
    written.file.location = metadata_.location + "/metadata/m" + name + ".avro";
    EXPECT_THAT(storage::WriteIfAbsent(*storage_, written.file.location, written.bytes), IsOk());
    written.file.sequence_number = format_version == 1 ? 0 : sequence;
    if (written.file.min_sequence_number < 0) {
      written.file.min_sequence_number = written.file.sequence_number;
    }
    return written.file;
  }

  iceberg::DataFile WriteDeletes(const iceberg::Schema& schema, const Lines& lines,
                                 std::vector<iceberg::Value> partition, bool whole_metrics) {
    datafile::WriterOptions options;
    options.row_group_rows = 100;
    if (whole_metrics) options.metrics.mode = datafile::MetricsMode::kFull;
    const std::string location =
        metadata_.location + "/data/deletes-" + std::to_string(next_delete_++) + ".parquet";
    auto writer = datafile::ParquetWriter::Open(
                      *storage_, location, std::make_shared<const iceberg::Schema>(schema), options)
                      .value();
    const auto source = rows_.Of(schema, lines);
    while (auto batch = source->Next().value()) EXPECT_THAT(writer->Write(*batch), IsOk());
    auto file = writer->Finish().value();
    file.spec_id = metadata_.default_spec_id;
    file.partition = std::move(partition);
    return file;
  }

  void AddSnapshot(int64_t id, int64_t sequence, const std::string& operation,
                   int32_t format_version) {
    const std::string list = metadata_.location + "/metadata/s" + std::to_string(id) + ".avro";
    const auto bytes =
        manifest::WriteManifestList({.format_version = format_version,
                                     .snapshot_id = id,
                                     .sequence_number = format_version == 1 ? 0 : sequence},
                                    manifests_);
    EXPECT_THAT(bytes, IsOk());
    EXPECT_THAT(storage::WriteIfAbsent(*storage_, list, *bytes), IsOk());
    const int64_t time = 1'000 * (1 + sequence);
    iceberg::Snapshot snapshot;
    snapshot.snapshot_id = id;
    const auto parent = metadata_.current_snapshot();
    if (parent != nullptr) snapshot.parent_id = parent->snapshot_id;
    snapshot.summary = {{"operation", operation}};
    snapshot.sequence_number = format_version == 1 ? 0 : sequence;
    snapshot.timestamp_ms = time;
    snapshot.manifest_list = list;
    snapshot.schema_id = metadata_.current_schema_id;
    metadata_.snapshots.push_back(std::make_shared<const iceberg::Snapshot>(snapshot));
    metadata_.refs[iceberg::kMainBranch] = {.snapshot_id = id};
    metadata_.snapshot_log.push_back({time, id});
  }

  const std::shared_ptr<storage::Storage> storage_;
  iceberg::TableMetadata metadata_;
  std::vector<iceberg::ManifestFile> manifests_;
  RowSources rows_;
  int next_delete_ = 0;
};

// {"id":first,"cat":"c<id % cats>","x":<id / 2>} and so on; the doubles print alike everywhere.
inline Lines SampleRows(int64_t first, int64_t last, int64_t cats = 4) {
  Lines lines;
  for (int64_t id = first; id < last; ++id) {
    lines.push_back("{\"id\":" + std::to_string(id) + ",\"cat\":\"c" + std::to_string(id % cats) +
                    "\",\"x\":" + std::to_string(id) + ".5}");
  }
  return lines;
}

inline Lines Sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace pk::testing
