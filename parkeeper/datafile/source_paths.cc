#include "parkeeper/datafile/source_paths.h"

#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>

#include <set>

namespace pk::datafile {

std::vector<std::string> MatchPaths(const std::string& pattern) {
  struct stat literal{};
  if (stat(pattern.c_str(), &literal) == 0) return {pattern};  // it may be called "a[1].csv"
  std::vector<std::string> paths;
  glob_t found{};
  if (glob(pattern.c_str(), GLOB_BRACE, nullptr, &found) == 0) {
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  globfree(&found);
  return paths;
}

Result<std::vector<std::string>> ExpandPaths(const std::vector<std::string>& patterns) {
  std::vector<std::string> paths;
  std::set<std::string> seen;
  for (const std::string& pattern : patterns) {
    const std::vector<std::string> matches = MatchPaths(pattern);
    PK_CHECK(!matches.empty(), NotFound(fmt::format("no file matches '{}'", pattern)));
    for (const std::string& path : matches) {
      if (seen.insert(path).second) paths.push_back(path);
    }
  }
  for (const std::string& path : paths) {
    struct stat status{};
    PK_CHECK(stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode),
             NotFound(fmt::format("'{}' is no file; name files or a pattern such as '{}/*.parquet'",
                                  path, path)));
  }
  return paths;
}

}  // namespace pk::datafile
