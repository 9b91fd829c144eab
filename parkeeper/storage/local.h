#pragma once

#include <memory>
#include <optional>
#include <string>

#include "parkeeper/storage/storage.h"

namespace pk::storage {

struct LocalOptions {
  // The URI by which metadata calls the folder; empty: "file://" + its absolute path, symbolic
  // links resolved, so that everybody who opens the folder calls its files the same. Another one
  // makes a copied warehouse readable under the locations that its metadata hold.
  std::string root_uri;
};

// The folder `path`, made when missing. kUnavailable names the folder when it cannot be made or
// opened; kInvalidArgument when `root_uri` is no root.
//
// A file has no name until it is complete, where the file system can do that (O_TMPFILE): a killed
// writer leaves nothing. Elsewhere it is written under a temporary name in its own folder, which
// begins with kReservedPrefix and ends with kTemporarySuffix; RemoveTemporaries() finds what a
// killed writer left. Then it is fsynced, linked to its name without replacing anything, and its
// folder fsynced: durable before visible. In the long run that is two fsyncs per file; the first
// file of a folder costs one more for each folder above it, once per Storage.
//
// Symbolic links below the root are never followed, wherever they point: kPermissionDenied. The
// root itself may be one, and file systems may be mounted below it. Folders are made as needed and
// stay when they become empty: do not remove them while a Storage is open on them.
//
// Each open file costs one descriptor, each writer two and at most 1 MiB of memory. A process that
// may meet a limit on file sizes (RLIMIT_FSIZE) must ignore SIGXFSZ to see it as kUnavailable.
Result<std::unique_ptr<Storage>> OpenLocal(const std::string& path,
                                           const LocalOptions& options = {});

// The absolute path of the folder that OpenLocal opened as `storage`, for programs that open files
// by name; nullopt for any other storage, also for one that stands before a folder.
std::optional<std::string> LocalFolder(const Storage& storage);

inline constexpr std::string_view kTemporarySuffix = ".tmp";

// Removes the temporary files below the folder `path` whose writers are no more, and returns how
// many there were. Safe at any time: a living writer holds a lock on its temporary (flock).
Result<int64_t> RemoveTemporaries(const std::string& path);

}  // namespace pk::storage
