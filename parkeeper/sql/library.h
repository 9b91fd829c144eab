#pragma once

// Where DuckDB comes from: its C library, libduckdb.so, loaded when SQL is first asked for. Nothing
// else of Parkeeper needs it.

#include <string>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::sql {

struct LibraryFound {
  std::string path;
  std::string version;  // "v1.5.6"
};

// Loads the library at `path`; when that is empty the one that $PARKEEPER_DUCKDB names; when there
// is none either, the first of LibraryCandidates that is fit. It stays loaded, and a process loads
// one only: kFailedPrecondition when another is named later. kNotFound says how to get it;
// kUnsupported: too old, or not for this machine. Thread-safe.
Result<LibraryFound> FindDuckDb(const std::string& path);

// Beside the program, then where the system's loader looks ("libduckdb.so"), then what ./dev
// fetched into the cache (base/cache_folder.h). Either folder may be empty. Pure.
std::vector<std::string> LibraryCandidates(const std::string& program_folder,
                                           const std::string& cache_folder);

}  // namespace pk::sql
