#pragma once

#include <memory>
#include <string>

#include "parkeeper/storage/storage.h"

namespace pk::storage {

struct LocalOptions {
  // The URI by which metadata calls the folder; empty: "file://" + its absolute path. Another one
  // makes a copied warehouse readable under the locations that its metadata hold.
  std::string root_uri;
};

// The folder `path`, made when missing. kUnavailable names the folder when it cannot be made or
// opened.
//
// A file is written under a temporary name in its own folder, fsynced, linked to its name without
// replacing anything, and the folder fsynced (every folder made on the way too): durable before
// visible.
Result<std::unique_ptr<Storage>> OpenLocal(const std::string& path, LocalOptions options = {});

}  // namespace pk::storage
