#pragma once

// Doctor: checks that everything a lake points to is there and is what it is said to be. Reads
// only.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/lake/lake.h"

namespace pk::lake {

struct Finding {
  std::string table;  // its name; empty: the lake
  std::string what;   // a sentence that names the node or file
  bool operator==(const Finding&) const = default;
};

struct Diagnosis {
  int64_t namespaces = 0;
  int64_t tables = 0;
  int64_t snapshots = 0;
  int64_t manifests = 0;
  int64_t data_files = 0;
  int64_t bytes = 0;         // of data files
  int64_t unreferenced = 0;  // files below tables' locations that no snapshot names: not an error
  std::vector<Finding> findings;
};

struct DoctorOptions {
  // Also open every data file and hold its row count against the manifest, and every snapshot's
  // totals and descriptions of manifests against each other.
  bool deep = false;
  std::function<void(std::string_view table)> progress;
  std::stop_token stop = {};  // ends it with kCancelled
};

// Pointers (name, head, records without a gap), metadata (parses, uuid as in the head, snapshots
// and refs), manifest lists and manifests (parse, counts as stated), data files (there, size as
// stated), of every snapshot kept. Each file is looked at once.
Result<Diagnosis> Diagnose(Lake& lake, const DoctorOptions& options = {});

}  // namespace pk::lake
