#pragma once

// What lies behind OpenLocal, so that tests can take away means that a file system or kernel may
// lack.

#include <memory>
#include <string>

#include "parkeeper/storage/folders_internal.h"
#include "parkeeper/storage/local.h"

namespace pk::storage {

struct LocalMeans {
  bool openat2 = true;        // open a path beneath a folder in one call
  bool unnamed_files = true;  // O_TMPFILE
  bool links = true;          // link(2); else renameat2 without overwrite
};

Result<std::unique_ptr<Storage>> OpenLocalWith(const std::string& path, const LocalOptions& options,
                                               LocalMeans means);

// A writer of the file `path` (relative), called `location`, below `folders`. Makes the folders.
Result<std::unique_ptr<FileWriter>> CreateLocalFile(Folders& folders, std::string_view path,
                                                    std::string location, LocalMeans means);

}  // namespace pk::storage
