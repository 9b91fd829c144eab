#pragma once

// Reads a source file and writes data files for a table. Commits nothing, needs no coordinator.

#include <cstdint>
#include <functional>
#include <string>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/input.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/table/append.h"

namespace pk::jobs {

// A source file as it is now. Another size or time, and it is another file: its rows are new.
struct SourceIdentity {
  std::string path;
  int64_t size = 0;
  int64_t modified_ns = 0;  // since 1970, by the file system's clock

  bool operator==(const SourceIdentity&) const = default;
};
// kNotFound; kInvalidArgument when it is no regular file.
Result<SourceIdentity> IdentifySource(const std::string& path);

struct Ingested {
  SourceIdentity source;
  table::AppendedFiles files;  // none: the file has no rows
};

// One thread reads. kUnavailable when the source changed while it was read. On an error nothing is
// left behind.
Result<Ingested> Ingest(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                        const std::string& path, const datafile::InputOptions& input,
                        const table::AppendOptions& options);

}  // namespace pk::jobs
