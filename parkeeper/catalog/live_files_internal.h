#pragma once

// Finding files of a branch among its manifests.

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/row_delta_internal.h"

namespace pk::catalog {

iceberg::ManifestContent ContentOf(iceberg::FileContent content);

struct LiveFile {
  std::vector<size_t> manifests;  // of the branch, that hold it: one, but for careless writers
  int32_t spec_id = 0;
  std::vector<iceberg::Value> partition;  // as the table's present schema reads it
  int64_t sequence_number = 0;            // of its rows
};

// By location.
struct LiveFiles {
  std::unordered_map<std::string, LiveFile> data, deletes;

  const std::unordered_map<std::string, LiveFile>& Of(iceberg::ManifestContent content) const {
    return content == iceberg::ManifestContent::kData ? data : deletes;
  }
  // Null: not there.
  const LiveFile* Find(const iceberg::FileRef& file) const {
    const auto& files = Of(ContentOf(file.content));
    const auto found = files.find(file.location);
    return found == files.end() ? nullptr : &found->second;
  }
};

// Those of `files` that live. Manifests whose summaries rule out the files' partitions are not
// read.
Result<LiveFiles> FindLive(const std::vector<iceberg::FileRef>& files, const BranchView& branch);

// Calls `read(i, bytes, spec)` with the place in `chosen` of each of these manifests of the branch,
// several at once.
Result<> ReadManifests(const BranchView& branch, const std::vector<size_t>& chosen,
                       const std::function<Result<>(size_t i, const std::string& bytes,
                                                    const iceberg::PartitionSpec& spec)>& read);

}  // namespace pk::catalog
