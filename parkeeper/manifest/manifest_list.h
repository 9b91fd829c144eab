#pragma once

// Manifest lists: one Avro file per snapshot that names its manifests (spec, "Manifest Lists").
// Pure: bytes in, bytes out; the caller does the I/O.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/manifest/codec.h"

namespace pk::manifest {

struct ManifestListOptions {
  int32_t format_version = 2;
  int64_t snapshot_id = 0;
  std::optional<int64_t> parent_snapshot_id = std::nullopt;
  int64_t sequence_number = 0;
  Codec codec = Codec::kDeflate;
};

// The file's bytes. A sequence number of -1 in a manifest of this very snapshot (as ManifestWriter
// leaves it) becomes the snapshot's. kInvalidArgument names the manifest: -1 in one of another
// snapshot, v2 without counts, v1 with deletes. kUnsupported: a format version other than 1 and 2.
Result<std::string> WriteManifestList(const ManifestListOptions& options,
                                      const std::vector<iceberg::ManifestFile>& manifests);

// v1 and v2, by the writer's schema whatever its field order; unknown fields are skipped. A v1 list
// gives sequence numbers 0. kCorrupt names what is wrong and the byte offset; the caller adds the
// location.
Result<std::vector<iceberg::ManifestFile>> ReadManifestList(std::string_view bytes);

}  // namespace pk::manifest
