#include "parkeeper/lake/doctor.h"

#include <fmt/format.h>

#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "parkeeper/datafile/parquet_reader.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"

namespace pk::lake {

using catalog::LoadedTable;
using catalog::Namespace;
using catalog::TableName;
using iceberg::ManifestFile;

namespace {

constexpr int32_t kPageSize = 1'000;

// The examination of one table; findings go into `diagnosis`.
class TableExamination {
 public:
  TableExamination(Lake& lake, LoadedTable table, const DoctorOptions& options,
                   Diagnosis& diagnosis)
      : storage_(lake.storage()),
        table_(std::move(table)),
        name_(catalog::ToString(table_.name)),
        options_(options),
        diagnosis_(diagnosis) {}

  void Run() {
    referenced_.insert(table_.metadata_location);
    for (const auto& entry : table_.metadata->metadata_log) {
      // Old metadata may be expired, so it need not be there; it is not an orphan either.
      referenced_.insert(entry.metadata_file);
    }
    ListFiles();
    for (const auto& snapshot : table_.metadata->snapshots) {
      if (!options_.stop.stop_requested()) ExamineSnapshot(*snapshot);
    }
    for (const auto& [name, ref] : table_.metadata->refs) {
      if (table_.metadata->FindSnapshot(ref.snapshot_id) == nullptr) {
        Find(fmt::format("ref {} names snapshot {}, which does not exist", name, ref.snapshot_id));
      }
    }
    for (const auto& [location, size] : sizes_) {
      if (!referenced_.contains(location)) ++diagnosis_.unreferenced;
    }
  }

 private:
  void Find(std::string what) { diagnosis_.findings.push_back({name_, std::move(what)}); }

  // One listing instead of a question per file.
  void ListFiles() {
    Result<> listed =
        storage_.List(table_.metadata->location, [&](const storage::FileStatus& file) -> Result<> {
          sizes_[file.location] = file.size;
          return {};
        });
    if (!listed.ok()) Find("listing its files failed: " + listed.error().message());
  }

  // Size of a file below the table's location or elsewhere.
  Result<int64_t> SizeOf(const std::string& location) {
    const auto found = sizes_.find(location);
    if (found != sizes_.end()) return found->second;
    return PK_TRY(storage_.Stat(location)).size;
  }

  // Says what is wrong with a file's presence and size; true when nothing is.
  bool CheckSize(const std::string& location, int64_t stated, std::string_view kind) {
    const Result<int64_t> size = SizeOf(location);
    if (size.ok() && *size == stated) return true;
    if (size.ok()) {
      Find(fmt::format("{} {} has {} bytes, {} are stated", kind, location, *size, stated));
    } else if (size.error().code() == ErrorCode::kNotFound) {
      Find(fmt::format("{} {} is missing", kind, location));
    } else {
      Find(fmt::format("{} {}: {}", kind, location, size.error().message()));
    }
    return false;
  }

  void ExamineSnapshot(const iceberg::Snapshot& snapshot) {
    ++diagnosis_.snapshots;
    if (!referenced_.insert(snapshot.manifest_list).second) return;
    const Result<std::string> bytes = storage::ReadAll(storage_, snapshot.manifest_list);
    if (!bytes.ok()) {
      Find(fmt::format("manifest list of snapshot {}: {}", snapshot.snapshot_id,
                       bytes.error().message()));
      return;
    }
    const auto manifests = manifest::ReadManifestList(*bytes);
    if (!manifests.ok()) {
      Find(
          fmt::format("manifest list {}: {}", snapshot.manifest_list, manifests.error().message()));
      return;
    }
    for (const ManifestFile& manifest : *manifests) {
      if (options_.stop.stop_requested()) return;
      const auto [first, is_new] = manifests_.try_emplace(manifest.location, manifest);
      referenced_.insert(manifest.location);
      if (is_new) ExamineManifest(manifest);
      if (options_.deep && !SameManifest(first->second, manifest)) {
        Find(fmt::format("manifest {} is described otherwise in {} than in an older list",
                         manifest.location, snapshot.manifest_list));
      }
    }
    if (options_.deep) CheckTotals(snapshot, *manifests);
  }

  // What every list must say alike; counts and partition summaries came with version 2.
  static bool SameManifest(const ManifestFile& a, const ManifestFile& b) {
    const auto fixed = [](const ManifestFile& file) {
      return std::tie(file.length, file.spec_id, file.content, file.sequence_number,
                      file.added_snapshot_id);
    };
    return fixed(a) == fixed(b);
  }

  // The summary's totals, where it has them, against the counts of the list.
  void CheckTotals(const iceberg::Snapshot& snapshot, const std::vector<ManifestFile>& manifests) {
    int64_t files = 0, rows = 0;
    for (const ManifestFile& manifest : manifests) {
      if (manifest.content != iceberg::ManifestContent::kData) continue;
      if (!manifest.added_files || !manifest.existing_files || !manifest.added_rows ||
          !manifest.existing_rows) {
        return;
      }
      files += int64_t{*manifest.added_files} + *manifest.existing_files;
      rows += *manifest.added_rows + *manifest.existing_rows;
    }
    for (const auto& [total, counted] :
         {std::pair("total-data-files", files), std::pair("total-records", rows)}) {
      const auto stated = snapshot.summary.find(total);
      if (stated == snapshot.summary.end() || stated->second == std::to_string(counted)) continue;
      Find(fmt::format("snapshot {} states {} of {}, its manifests hold {}", snapshot.snapshot_id,
                       total, stated->second, counted));
    }
  }

  void ExamineManifest(const ManifestFile& manifest) {
    ++diagnosis_.manifests;
    if (!CheckSize(manifest.location, manifest.length, "manifest")) return;
    const iceberg::PartitionSpec* spec = table_.metadata->FindSpec(manifest.spec_id);
    if (spec == nullptr) {
      Find(fmt::format("manifest {} has partition spec {}, which the table does not",
                       manifest.location, manifest.spec_id));
      return;
    }
    const auto entries = [&]() -> Result<std::vector<iceberg::ManifestEntry>> {
      const std::string bytes = PK_TRY(storage::ReadAll(storage_, manifest.location));
      return manifest::ReadEntries(bytes, manifest, *spec, table_.metadata->schema());
    }();
    if (!entries.ok()) {
      Find(fmt::format("manifest {}: {}", manifest.location, entries.error().message()));
      return;
    }
    ExamineEntries(manifest, *entries);
  }

  void ExamineEntries(const ManifestFile& manifest,
                      const std::vector<iceberg::ManifestEntry>& entries) {
    int64_t added = 0, added_rows = 0;
    for (const iceberg::ManifestEntry& entry : entries) {
      if (options_.stop.stop_requested()) return;
      if (entry.status == iceberg::EntryStatus::kAdded) {
        ++added;
        added_rows += entry.file.record_count;
      }
      if (entry.status == iceberg::EntryStatus::kDeleted) continue;
      if (referenced_.insert(entry.file.location).second) ExamineDataFile(entry.file);
    }
    if (added != manifest.added_files.value_or(added) ||
        added_rows != manifest.added_rows.value_or(added_rows)) {
      Find(fmt::format("manifest {} adds {} files with {} rows, its list says otherwise",
                       manifest.location, added, added_rows));
    }
  }

  void ExamineDataFile(const iceberg::DataFile& file) {
    ++diagnosis_.data_files;
    diagnosis_.bytes += file.file_size;
    if (!CheckSize(file.location, file.file_size, "data file") || !options_.deep) return;
    const auto summary = [&]() -> Result<datafile::ParquetSummary> {
      const auto opened = PK_TRY(storage_.Open(file.location));
      return datafile::DescribeParquet(*opened);
    }();
    if (!summary.ok()) {
      Find(fmt::format("data file {}: {}", file.location, summary.error().message()));
    } else if (summary->rows != file.record_count) {
      Find(fmt::format("data file {} has {} rows, {} are stated", file.location, summary->rows,
                       file.record_count));
    }
  }

  storage::Storage& storage_;
  const LoadedTable table_;
  const std::string name_;
  const DoctorOptions& options_;
  Diagnosis& diagnosis_;
  std::unordered_map<std::string, int64_t> sizes_;
  std::unordered_map<std::string, ManifestFile> manifests_;  // as first described
  std::unordered_set<std::string> referenced_;
};

Result<> ExamineTables(Lake& lake, const Namespace& ns, const DoctorOptions& options,
                       Diagnosis& diagnosis) {
  catalog::PageRequest request{.token = "", .size = kPageSize};
  do {
    const auto page = PK_TRY(lake.catalog().ListTables(ns, request));
    for (const TableName& name : page.items) {
      const std::string text = catalog::ToString(name);
      if (options.progress) options.progress(text);
      ++diagnosis.tables;
      Result<LoadedTable> table = lake.catalog().LoadTable(name);
      if (!table.ok()) {
        diagnosis.findings.push_back({text, table.error().message()});
        continue;
      }
      for (std::string& what : PK_TRY(lake.catalog().CheckPointers(*table))) {
        diagnosis.findings.push_back({text, std::move(what)});
      }
      TableExamination(lake, *std::move(table), options, diagnosis).Run();
      PK_CHECK(!options.stop.stop_requested(), Cancelled("the check was stopped"));
    }
    request.token = page.next;
  } while (!request.token.empty());
  return {};
}

Result<> ExamineNamespace(Lake& lake, const Namespace& ns, const DoctorOptions& options,
                          Diagnosis& diagnosis) {
  if (!ns.levels.empty()) {
    ++diagnosis.namespaces;
    PK_TRY(ExamineTables(lake, ns, options, diagnosis));
  }
  catalog::PageRequest request{.token = "", .size = kPageSize};
  do {
    const auto page = PK_TRY(lake.catalog().ListNamespaces(ns, request));
    for (const Namespace& child : page.items) {
      PK_TRY(ExamineNamespace(lake, child, options, diagnosis));
    }
    request.token = page.next;
  } while (!request.token.empty());
  return {};
}

}  // namespace

Result<Diagnosis> Diagnose(Lake& lake, const DoctorOptions& options) {
  Diagnosis diagnosis;
  PK_TRY(ExamineNamespace(lake, {}, options, diagnosis));
  return diagnosis;
}

}  // namespace pk::lake
