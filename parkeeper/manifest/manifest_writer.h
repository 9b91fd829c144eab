#pragma once

// Writing manifests (spec, "Manifests"): Avro, v1 or v2, in memory. A manifest of 10,000 files is a
// few MB.

#include <cstdint>
#include <memory>
#include <string>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/manifest/codec.h"

namespace pk::manifest {

struct ManifestOptions {
  int32_t format_version = 2;
  iceberg::ManifestContent content = iceberg::ManifestContent::kData;
  int64_t snapshot_id = 0;  // of the snapshot that adds this manifest
  Codec codec = Codec::kDeflate;
};

// Not thread-safe. Bounds of partition summaries are gathered as entries come.
class ManifestWriter {
 public:
  ManifestWriter(std::shared_ptr<const iceberg::Schema> schema, iceberg::PartitionSpec spec,
                 ManifestOptions options);
  ~ManifestWriter();
  ManifestWriter(ManifestWriter&&) noexcept;
  ManifestWriter& operator=(ManifestWriter&&) noexcept;

  // An added entry leaves its snapshot id and sequence numbers out, to be inherited; a data
  // sequence number of its own it may have (compaction keeps the old one). Existing and deleted
  // ones have their snapshot id and sequence numbers. kInvalidArgument names the file: partition
  // values that are not the spec's, wrong content, numbers missing or set that must not be; nothing
  // is written then. kUnsupported: a format version other than 1 and 2.
  Result<> Add(const iceberg::ManifestEntry& entry);
  // Encoded bytes so far, before compression.
  int64_t size() const;

  struct Written {
    std::string bytes;
    // All but `location` and `sequence_number`, which is -1; `min_sequence_number` is the least
    // that entries which live carry, or -1. WriteManifestList replaces -1 by the snapshot's own.
    iceberg::ManifestFile file;
  };
  Result<Written> Finish() &&;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pk::manifest
