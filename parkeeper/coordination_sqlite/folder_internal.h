#pragma once

// The folder of an embedded coordinator: what lies in it, and whether it may be used at all, found
// out before anything is made.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::coordination::sqlite {

// What the kernel says about the file system of a path that exists.
struct FilesystemFacts {
  int64_t magic = 0;  // statfs f_type
  std::string type;   // as in mountinfo, for example "ext4" or "fuse.sshfs"; empty: not found
  bool read_only = false;
  uint64_t free_bytes = 0;
};
using FilesystemProbe = std::function<Result<FilesystemFacts>(const std::string& path)>;

// The machine's own answer.
Result<FilesystemFacts> ProbeFilesystem(const std::string& path);

// The file system is one that several machines share, where neither locks nor shared memory keep
// their promises.
bool IsNetworkFilesystem(const FilesystemFacts& facts);

struct FolderFiles {
  explicit FolderFiles(std::string_view folder);
  std::string folder;
  std::string database;  // the SQLite file; its log and index lie beside it
  std::string lock;      // the write lock
  std::string sessions;  // heartbeats and locks of the living
  std::string bell;      // touched after each commit
};

// Checks and makes `folder` with what is missing above it, durably. kFailedPrecondition: a network
// file system; kPermissionDenied: not writable; kInvalidArgument: not a folder.
Result<FolderFiles> PrepareFolder(const std::string& folder,
                                  const FilesystemProbe& probe = ProbeFilesystem);

// Makes the entries of a folder durable.
Result<> SyncFolder(const std::string& folder);

// kUnavailable when the file system of `path` has less than `bytes` left.
Result<> CheckFreeSpace(const std::string& path, uint64_t bytes);

}  // namespace pk::coordination::sqlite
