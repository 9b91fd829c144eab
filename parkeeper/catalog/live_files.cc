#include "parkeeper/catalog/live_files_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "parkeeper/base/parallel.h"
#include "parkeeper/iceberg/tuple.h"
#include "parkeeper/manifest/partition_filter.h"

namespace pk::catalog {

using iceberg::FileRef;
using iceberg::ManifestContent;
using iceberg::ManifestFile;
using iceberg::PartitionSpec;
using manifest::PartitionFilter;

namespace {

using Kind = std::pair<int32_t, ManifestContent>;  // of manifests: their spec and content
using Partitions = std::set<std::vector<iceberg::Value>, iceberg::TupleLess>;

std::vector<size_t> ManifestsThatMayHold(const std::vector<FileRef>& files,
                                         const BranchView& branch) {
  std::map<Kind, Partitions> partitions;
  for (const FileRef& file : files) {
    partitions[{file.spec_id, ContentOf(file.content)}].insert(file.partition);
  }
  std::map<Kind, std::vector<PartitionFilter>> filters;
  for (const auto& [kind, of_kind] : partitions) {
    const PartitionSpec* spec = branch.metadata.FindSpec(kind.first);
    if (spec == nullptr) continue;
    for (const auto& values : of_kind) {
      filters[kind].push_back(PartitionFilter::OfValues(values, *spec, branch.metadata.schema()));
    }
  }
  std::vector<size_t> chosen;
  for (size_t i = 0; i < branch.manifests.size(); ++i) {
    const ManifestFile& manifest = branch.manifests[i];
    const auto of_kind = filters.find({manifest.spec_id, manifest.content});
    if (of_kind == filters.end()) continue;
    const auto may_hold = [&](const PartitionFilter& filter) {
      return filter.MightMatch(manifest);
    };
    if (std::ranges::any_of(of_kind->second, may_hold)) chosen.push_back(i);
  }
  return chosen;
}

void TakeIn(std::string location, LiveFile file, std::unordered_map<std::string, LiveFile>& files) {
  const auto [place, added] = files.try_emplace(std::move(location), file);
  if (added) return;
  LiveFile& known = place->second;
  known.manifests.push_back(file.manifests.front());
  known.sequence_number = std::max(known.sequence_number, file.sequence_number);
}

}  // namespace

ManifestContent ContentOf(iceberg::FileContent content) {
  return content == iceberg::FileContent::kData ? ManifestContent::kData
                                                : ManifestContent::kDeletes;
}

Result<> ReadManifests(
    const BranchView& branch, const std::vector<size_t>& chosen,
    const std::function<Result<>(size_t, const std::string&, const PartitionSpec&)>& read) {
  return ParallelFor(chosen.size(), branch.threads, [&](size_t i) -> Result<> {
    const ManifestFile& manifest = branch.manifests[chosen[i]];
    const PartitionSpec* spec = branch.metadata.FindSpec(manifest.spec_id);
    PK_CHECK(spec != nullptr,
             Corrupt(fmt::format("the metadata has no partition spec {}, which {} has",
                                 manifest.spec_id, manifest.location)));
    const auto bytes = PK_TRY(branch.bytes(manifest.location));
    return read(i, *bytes, *spec);
  });
}

Result<LiveFiles> FindLive(const std::vector<FileRef>& files, const BranchView& branch) {
  std::unordered_set<std::string_view> wanted[2];
  for (const FileRef& file : files) wanted[size_t(ContentOf(file.content))].insert(file.location);
  const std::vector<size_t> chosen = ManifestsThatMayHold(files, branch);
  std::vector<std::vector<std::pair<std::string, LiveFile>>> found(chosen.size());
  const auto read = [&](size_t i, const std::string& bytes, const PartitionSpec& spec) -> Result<> {
    const ManifestFile& manifest = branch.manifests[chosen[i]];
    const auto entries =
        PK_TRY(manifest::ReadColumns(bytes, manifest, spec, branch.metadata.schema(), {})
                   .With(manifest.location));
    for (size_t row = 0; row < entries.size(); ++row) {
      if (!wanted[size_t(manifest.content)].contains(entries.location[row])) continue;
      LiveFile live{.manifests = {chosen[i]},
                    .spec_id = spec.spec_id,
                    .partition = {},
                    .sequence_number = entries.sequence_number[row]};
      for (const auto& column : entries.partition) live.partition.push_back(column[row]);
      found[i].emplace_back(entries.location[row], std::move(live));
    }
    return {};
  };
  PK_TRY(ReadManifests(branch, chosen, read));
  LiveFiles live;
  for (size_t i = 0; i < chosen.size(); ++i) {
    const bool data = branch.manifests[chosen[i]].content == ManifestContent::kData;
    for (auto& [location, file] : found[i]) {
      TakeIn(std::move(location), std::move(file), data ? live.data : live.deletes);
    }
  }
  return live;
}

}  // namespace pk::catalog
