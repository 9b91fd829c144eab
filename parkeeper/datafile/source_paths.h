#pragma once

// Names of source files as people give them: paths and patterns such as 'data/*.csv'.

#include <string>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::datafile {

// What is there now and matches, folders too.
std::vector<std::string> MatchPaths(const std::string& pattern);

// The files that the patterns name, each once, sorted within each pattern: shell wildcards * ?
// [...] {a,b}, unless a file of that very name is there; kNotFound names a pattern without a match,
// or a folder.
Result<std::vector<std::string>> ExpandPaths(const std::vector<std::string>& patterns);

}  // namespace pk::datafile
