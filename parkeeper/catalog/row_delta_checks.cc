// What a row delta rests on.

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <unordered_set>

#include "parkeeper/catalog/row_delta_checks_internal.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/iceberg/tuple.h"
#include "parkeeper/manifest/partition_filter.h"

namespace pk::catalog {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::FileRef;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::PartitionSpec;
using iceberg::RowDelta;
using iceberg::Schema;
using iceberg::TableMetadata;
using iceberg::Value;
using manifest::PartitionFilter;

namespace {

// Reserved field id of `file_path` in position delete files (spec, "Reserved Field IDs").
constexpr int32_t kFilePathId = 2147483546;

bool IsData(FileContent content) { return content == FileContent::kData; }

bool SamePartition(const std::vector<Value>& left, const std::vector<Value>& right) {
  const iceberg::TupleLess less;
  return !less(left, right) && !less(right, left);
}

bool IsUnpartitioned(const PartitionSpec& spec) {
  return std::ranges::all_of(spec.fields, [](const iceberg::PartitionField& field) {
    return field.transform.kind == iceberg::TransformKind::kVoid;
  });
}

// Whether the deletes, which are newer than the file, may be of rows in it (spec, "Scan Planning").
bool MayApply(const ManifestEntry& deletes, bool unpartitioned, std::string_view location,
              const LiveFile& file) {
  const bool by_value = deletes.file.content == FileContent::kEqualityDeletes;
  if (by_value && unpartitioned) return true;
  if (deletes.file.spec_id != file.spec_id) return false;
  if (!SamePartition(deletes.file.partition, file.partition)) return false;
  if (by_value) return true;
  if (deletes.file.referenced_data_file) return *deletes.file.referenced_data_file == location;
  const auto lower = deletes.file.lower_bounds.find(kFilePathId);
  if (lower != deletes.file.lower_bounds.end() && location < lower->second) return false;
  const auto upper = deletes.file.upper_bounds.find(kFilePathId);
  return upper == deletes.file.upper_bounds.end() || location <= upper->second;
}

// Manifests of the branch that can hold new files.
std::vector<size_t> NewManifests(const BranchView& branch, const SinceBase& since,
                                 ManifestContent content) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < branch.manifests.size(); ++i) {
    if (branch.manifests[i].content != content) continue;
    if (since.MayHoldNew(branch.manifests[i])) chosen.push_back(i);
  }
  return chosen;
}

std::unordered_map<std::string, LiveFile> DataAmong(const std::vector<FileRef>& files,
                                                    const LiveFiles& live) {
  std::unordered_map<std::string, LiveFile> data;
  for (const FileRef& file : files) {
    if (IsData(file.content)) data.emplace(file.location, *live.Find(file));
  }
  return data;
}

// A rewrite takes rows from one partition spec to another.
bool ChangesSpec(const RowDelta& delta) {
  std::optional<int32_t> spec;
  const auto differs = [&](const auto& file) {
    return IsData(file.content) && spec.value_or(file.spec_id) != file.spec_id;
  };
  for (const FileRef& file : delta.removed) {
    if (differs(file)) return true;
    if (IsData(file.content)) spec = file.spec_id;
  }
  return std::ranges::any_of(delta.added, differs);
}

// The data files whose rows the deletes, which are new, must not be of; by location.
std::unordered_map<std::string, LiveFile> CarriedFrom(const RowDelta& delta,
                                                      const LiveFiles& live) {
  // Where a rewritten delete file deletes from, others may go on deleting.
  return delta.rewrite ? DataAmong(delta.removed, live) : live.data;
}

// The places that rows are taken to, where a rewrite may change which equality deletes they meet.
std::unordered_map<std::string, LiveFile> TakenTo(const RowDelta& delta) {
  std::unordered_map<std::string, LiveFile> files;
  if (!delta.rewrite || !ChangesSpec(delta)) return files;
  for (const DataFile& file : delta.added) {
    if (!IsData(file.content)) continue;
    files[file.location] = {.manifests = {}, .spec_id = file.spec_id, .partition = file.partition};
  }
  return files;
}

Result<> CheckUnmet(const ManifestEntry& deletes, bool unpartitioned,
                    const std::unordered_map<std::string, LiveFile>& files) {
  for (const auto& [location, file] : files) {
    PK_CHECK(!MayApply(deletes, unpartitioned, location, file),
             Conflict(fmt::format("snapshot {} deleted rows meanwhile ({}) that may be in {}",
                                  *deletes.snapshot_id, deletes.file.location, location)));
  }
  return {};
}

Result<> CheckRewrite(const RowDelta& delta) {
  if (!delta.rewrite) return {};
  for (const bool data : {true, false}) {
    const auto of_kind = [&](const auto& file) { return IsData(file.content) == data; };
    PK_CHECK(
        std::ranges::none_of(delta.added, of_kind) || std::ranges::any_of(delta.removed, of_kind),
        InvalidArgument(
            fmt::format("a rewrite adds {} files but removes none", data ? "data" : "delete")));
  }
  return {};
}

}  // namespace

std::vector<FileRef> ReferencedFiles(const RowDelta& delta) {
  std::vector<FileRef> files = delta.referenced;
  for (const DataFile& added : delta.added) {
    if (!added.referenced_data_file) continue;
    files.push_back({.content = FileContent::kData,
                     .location = *added.referenced_data_file,
                     .spec_id = added.spec_id,
                     .partition = added.partition});
  }
  return files;
}

Result<> CheckRowDelta(const RowDelta& delta, const TableMetadata& metadata) {
  PK_TRY(CheckTarget(delta.branch, delta.schema_id, metadata));
  PK_CHECK(!delta.removed.empty() || !delta.added.empty(),
           InvalidArgument("a row delta without files"));
  PK_CHECK(delta.base_snapshot_id || (delta.removed.empty() && ReferencedFiles(delta).empty()),
           InvalidArgument("a row delta names files of the branch, but no snapshot that it was "
                           "made from"));
  PK_TRY(CheckRewrite(delta));
  std::unordered_set<std::string_view> removed;
  for (const FileRef& file : delta.removed) {
    PK_TRY(CheckSpec(file.spec_id, file.location, metadata));
    PK_CHECK(removed.insert(file.location).second,
             InvalidArgument(fmt::format("{} is removed twice", file.location)));
  }
  for (const FileRef& file : delta.referenced) {
    PK_TRY(CheckSpec(file.spec_id, file.location, metadata));
    PK_CHECK(IsData(file.content), InvalidArgument(fmt::format("{} is no data file, yet deletes "
                                                               "refer to it",
                                                               file.location)));
  }
  const Schema& schema = *metadata.FindSchema(delta.schema_id);
  for (const DataFile& file : delta.added) {
    PK_TRY(CheckSpec(file.spec_id, file.location, metadata));
    PK_CHECK(!removed.contains(file.location),
             InvalidArgument(fmt::format("{} is both removed and added", file.location)));
    PK_CHECK(IsData(file.content) || metadata.format_version >= 2,
             Unsupported("tables of format version 1 have no delete files"));
    for (const int32_t id : file.equality_ids) {
      PK_CHECK(IsData(file.content) || schema.FindById(id) != nullptr,
               InvalidArgument(fmt::format("{} deletes by field {}, which schema {} does not have",
                                           file.location, id, delta.schema_id)));
    }
  }
  return {};
}

bool CarriesRows(const RowDelta& delta) {
  return !delta.rewrite &&
         std::ranges::any_of(delta.added, [](const auto& file) { return IsData(file.content); });
}

Result<> CheckLive(const std::vector<FileRef>& files, const LiveFiles& live, const SinceBase& since,
                   const BranchView& branch, const std::string& branch_name) {
  for (const FileRef& file : files) {
    PK_CHECK(live.Find(file) != nullptr, Conflict(WhyGone(file, since, branch, branch_name)));
  }
  return {};
}

Result<> CheckReads(const RowDelta& delta, const SinceBase& since, const BranchView& branch) {
  if (!delta.reads || since.nothing()) return {};
  const Schema& schema = *branch.metadata.FindSchema(delta.schema_id);
  const iceberg::BoundExpression filter =
      PK_TRY(iceberg::Bind(*delta.reads, schema, false).With("reads"));
  std::vector<size_t> chosen = NewManifests(branch, since, ManifestContent::kData);
  std::erase_if(chosen, [&](size_t i) {
    const PartitionSpec* spec = branch.metadata.FindSpec(branch.manifests[i].spec_id);
    return spec != nullptr &&
           !PartitionFilter::OfRows(filter, *spec, schema).MightMatch(branch.manifests[i]);
  });
  const manifest::ReadOptions options{.metrics_of = iceberg::ReferencedFields(filter)};
  const auto read = [&](size_t i, const std::string& bytes, const PartitionSpec& spec) -> Result<> {
    const auto partitions = PartitionFilter::OfRows(filter, spec, schema);
    const ManifestFile& manifest = branch.manifests[chosen[i]];
    const auto entries = PK_TRY(
        manifest::ReadColumns(bytes, manifest, spec, schema, options).With(manifest.location));
    for (size_t row = 0; row < entries.size(); ++row) {
      if (!since.IsNew(entries.snapshot_id[row], entries.sequence_number[row])) continue;
      if (!partitions.Matches(entries, row)) continue;
      const auto statistics = [&](int32_t field_id) { return entries.Statistics(row, field_id); };
      if (!iceberg::MightMatch(filter, statistics)) continue;
      return Conflict(fmt::format("snapshot {} added {} meanwhile, which may hold rows with {}",
                                  entries.snapshot_id[row], entries.location[row],
                                  iceberg::ToString(*delta.reads)));
    }
    return {};
  };
  return ReadManifests(branch, chosen, read);
}

Result<> CheckNewDeletes(const RowDelta& delta, const LiveFiles& live, const SinceBase& since,
                         const BranchView& branch) {
  // A delete alone brings no row back, whoever deleted it first.
  if (since.nothing() || (!delta.rewrite && !CarriesRows(delta))) return {};
  const auto sources = CarriedFrom(delta, live);
  if (sources.empty()) return {};
  const auto destinations = TakenTo(delta);
  const std::vector<size_t> chosen = NewManifests(branch, since, ManifestContent::kDeletes);
  const auto read = [&](size_t i, const std::string& bytes, const PartitionSpec& spec) -> Result<> {
    const ManifestFile& manifest = branch.manifests[chosen[i]];
    const bool unpartitioned = IsUnpartitioned(spec);
    const auto entries =
        PK_TRY(manifest::ReadEntries(bytes, manifest, spec, branch.metadata.schema())
                   .With(manifest.location));
    for (const ManifestEntry& entry : entries) {
      if (entry.status == iceberg::EntryStatus::kDeleted) continue;
      if (!since.IsNew(*entry.snapshot_id, entry.sequence_number.value_or(0))) continue;
      const bool by_value = entry.file.content == FileContent::kEqualityDeletes;
      // They apply to rewritten rows as they did before, where these are in their partition still.
      if (delta.rewrite && by_value && (unpartitioned || destinations.empty())) continue;
      PK_TRY(CheckUnmet(entry, unpartitioned, sources));
      if (by_value) PK_TRY(CheckUnmet(entry, unpartitioned, destinations));
    }
    return {};
  };
  return ReadManifests(branch, chosen, read);
}

}  // namespace pk::catalog
