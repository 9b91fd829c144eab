#pragma once

// A commit on disk, beside the history of the writer that made it, so that whoever finds it there
// can ask what became of it.

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "parkeeper/iceberg/table_commit.h"

namespace pk::chaos {

inline std::string CommitFile(const std::string& folder, const Uuid& id) {
  return folder + "/commits/" + id.ToString() + ".json";
}

// Whole or not at all, for the writer may be killed at any time.
inline Result<> SaveCommit(const std::string& folder, const iceberg::TableCommit& commit) {
  const std::string path = CommitFile(folder, commit.id);
  std::ofstream(path + ".new") << iceberg::ToJson(commit);
  std::error_code failure;
  std::filesystem::rename(path + ".new", path, failure);
  PK_CHECK(!failure, Unavailable(path + ": " + failure.message()));
  return {};
}

inline Result<iceberg::TableCommit> LoadCommit(const std::string& folder, const Uuid& id) {
  const std::string path = CommitFile(folder, id);
  std::ifstream stream(path);
  PK_CHECK(stream.is_open(), NotFound(path));
  std::stringstream text;
  text << stream.rdbuf();
  return iceberg::ParseTableCommit(text.str()).With(path);
}

}  // namespace pk::chaos
